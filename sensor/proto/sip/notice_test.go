package sip

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func TestNoticesWhatIsWrong(t *testing.T) {
	prototest.Notices(t, openSIP,
		prototest.Case("a message that is none", []prototest.Turn{{Dir: 0, Data: "OPTIONS sip:a SIP/2.0\r\n\r\n"}, {Dir: 0, Data: "nothing\r\n\r\n"}}, []string{"invalid_data"}),
		prototest.Case("an ordinary message", []prototest.Turn{{Dir: 0, Data: "OPTIONS sip:a SIP/2.0\r\n\r\n"}}, nil),
	)
}

func openSIP(h proto.Host) proto.Parser { return New(h) }
