package dhcp

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []prototest.Turn
		want  []string
	}{
		{"an ordinary request", []prototest.Turn{{Dir: 0, Data: discover("\x35\x01\x01\xff")}}, nil},
		{"options without end", []prototest.Turn{{Dir: 0, Data: discover("\x35\x01\x01")}}, []string{"truncated_options"}},
		{"an option beyond the message", []prototest.Turn{{Dir: 0, Data: discover("\x35\x09\x01")}}, []string{"malformed_options"}},
		{"a type without value", []prototest.Turn{{Dir: 0, Data: discover("\x35\x00\xff")}}, []string{"malformed_options"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prototest.Heard(open, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}

// discover is a message with these options.
func discover(options string) string {
	b := make([]byte, headLength+4)
	b[0], b[1], b[2] = opRequest, 1, 6
	binary.BigEndian.PutUint32(b[headLength:], cookie)
	return string(b) + options
}
