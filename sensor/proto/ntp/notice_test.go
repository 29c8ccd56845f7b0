package ntp

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
		{"a packet cut short", []prototest.Turn{{Dir: 0, Data: "\x23" + strings.Repeat("\x00", 47)}, {Dir: 1, Data: "\x24\x01"}}, []string{"malformed_data"}},
		{"an ordinary packet", []prototest.Turn{{Dir: 0, Data: "\x23" + strings.Repeat("\x00", 47)}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prototest.Heard(open, c.turns...).Notices
			if !slices.Equal(got, c.want) {
				t.Errorf("noticed %v, want %v", got, c.want)
			}
		})
	}
}
