package sip

import (
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		turns []prototest.Turn
		want  []string
	}{
		{"a message that is none", []prototest.Turn{{Dir: 0, Data: "OPTIONS sip:a SIP/2.0\r\n\r\n"}, {Dir: 0, Data: "nothing\r\n\r\n"}}, []string{"invalid_data"}},
		{"an ordinary message", []prototest.Turn{{Dir: 0, Data: "OPTIONS sip:a SIP/2.0\r\n\r\n"}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prototest.Heard(openSIP, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}

func openSIP(h proto.Host) proto.Parser { return New(h) }
