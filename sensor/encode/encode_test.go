package encode

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "\xff\xfe", "\"\\\n\r\t\x00\x7f", "tiếng Việt", "\xe2\x82", "\U0001f600", "\u2028"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		b := AppendText(nil, v)
		var back string
		err := json.Unmarshal(b, &back)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		if string(AppendText(nil, string(v))) != string(b) {
			t.Error("strings and bytes are written differently")
		}
		if json.Valid(v) && strings.ToValidUTF8(string(v), "") == string(v) && back != string(v) {
			t.Errorf("%q came back as %q", v, back)
		}
	})
}
