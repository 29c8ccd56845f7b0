package ntp

import (
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("a packet cut short", []prototest.Turn{{Dir: 0, Data: "\x23" + strings.Repeat("\x00", 47)}, {Dir: 1, Data: "\x24\x01"}}, []string{"malformed_data"}),
		prototest.Case("an ordinary packet", []prototest.Turn{{Dir: 0, Data: "\x23" + strings.Repeat("\x00", 47)}}, nil),
	)
}
