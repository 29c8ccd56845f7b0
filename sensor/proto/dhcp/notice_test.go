package dhcp

import (
	"encoding/binary"
	"testing"

	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, open,
		prototest.Case("an ordinary request", []prototest.Turn{{Dir: 0, Data: discover("\x35\x01\x01\xff")}}, nil),
		prototest.Case("options without end", []prototest.Turn{{Dir: 0, Data: discover("\x35\x01\x01")}}, []string{"truncated_options"}),
		prototest.Case("an option beyond the message", []prototest.Turn{{Dir: 0, Data: discover("\x35\x09\x01")}}, []string{"malformed_options"}),
		prototest.Case("a type without value", []prototest.Turn{{Dir: 0, Data: discover("\x35\x00\xff")}}, []string{"malformed_options"}),
	)
}

// discover is a message with these options.
func discover(options string) string {
	b := make([]byte, headLength+4)
	b[0], b[1], b[2] = opRequest, 1, 6
	binary.BigEndian.PutUint32(b[headLength:], cookie)
	return string(b) + options
}
