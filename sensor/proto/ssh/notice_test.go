package ssh

import (
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []prototest.Turn
		want  []string
	}{
		{"an ordinary connection", turns, nil},
		{"a banner without software", []prototest.Turn{{Dir: 0, Data: "SSH-2.0\r\n"}}, []string{"invalid_banner"}},
		{"another protocol in the other direction", []prototest.Turn{{Dir: 0, Data: "SSH-2.0-a\r\n"}, {Dir: 1, Data: "HTTP/1.1 200\r\n"}}, []string{"invalid_banner"}},
		{"a banner over 256 bytes", []prototest.Turn{{Dir: 0, Data: "SSH-2.0-" + strings.Repeat("a", 300) + "\r\n"}}, []string{"long_banner"}},
		{"packets of version 1", []prototest.Turn{{Dir: 1, Data: "SSH-1.99-a\r\n"}, {Dir: 0, Data: "SSH-1.5-a\r\n\xff\xff\xff\xff\x00\x00"}}, nil},
		{"a packet that is too long", []prototest.Turn{{Dir: 0, Data: "SSH-2.0-a\r\n\xff\xff\xff\xff\x00\x00"}}, []string{"invalid_record"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prototest.Heard(open, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}
