package snmp

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{{Dir: 0, Data: "\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"}}

func TestAQuestion(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t, `{"snmp":{"version":2,"community":"public","pdu_type":"get_request","vars":["1.3.6.1.2.1.1.1.0"]}}`)
}

func FuzzSNMP(f *testing.F) { prototest.Fuzz(f, open, turns...) }
