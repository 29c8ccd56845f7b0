package sip

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{{Dir: 0, Data: "OPTIONS sip:a@x.vn SIP/2.0\r\nVia: x\r\n\r\n"}, {Dir: 1, Data: "SIP/2.0 200 All right\r\nl: 2\r\n\r\nab"}}

func TestRequestAndAnswer(t *testing.T) {
	for _, how := range []func(proto.Host) proto.Parser{open, func(h proto.Host) proto.Parser { return NewStream(h) }} {
		prototest.Talk(t, how, turns...).Want(t,
			`{"sip":{"method":"OPTIONS","uri":"sip:a@x.vn","version":"SIP/2.0","request_line":"OPTIONS sip:a@x.vn SIP/2.0"}}`,
			`{"sip":{"version":"SIP/2.0","code":"200","reason":"All right","response_line":"SIP/2.0 200 All right"}}`)
	}
}

func FuzzStream(f *testing.F) {
	prototest.Fuzz(f, func(h proto.Host) proto.Parser { return NewStream(h) }, turns...)
}

func FuzzSIP(f *testing.F) { prototest.Fuzz(f, open, turns...) }
