package cos_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/antin-gov/antin/signer/cos"
)

func operators(t *testing.T, text string) string {
	t.Helper()
	var out []string
	for c := cos.NewContent([]byte(text)); ; {
		op, operands, err := c.Next()
		if err == io.EOF {
			return strings.Join(out, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s/%d", op, len(operands)))
	}
}

func TestContentIsReadOperatorByOperator(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"painting", "q 1 0 0 RG\n1 0 R 10 20 30 40 re f Q", "q/0 RG/3 R/2 re/4 f/0 Q/0"},
		{"text", "BT /F1 12 Tf (a\\)b) Tj [(x) -20 <41>] TJ T* ET", "BT/0 Tf/2 Tj/1 TJ/1 T*/0 ET/0"},
		{"marked content", "/Span <</Lang (vi)>> BDC EMC", "BDC/2 EMC/0"},
		{"an inline image", "BI /W 1 /H 1 ID \x00EI\xff EI Q", "BI/1 Q/0"},
		{"rubbish is passed over", "} > ) 1 w", "w/1"},
		{"an open string ends it", "q (abc", "q/0 abc/0"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := operators(t, c.text)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
