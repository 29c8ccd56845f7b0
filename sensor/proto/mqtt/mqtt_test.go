package mqtt

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{
	{Dir: 0, Data: "\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x14\x00\x00"}, {Dir: 1, Data: "\x20\x03\x00\x00\x00"},
	{Dir: 0, Data: "\x32\x09\x00\x01t\x00\x07\x00abc"}, {Dir: 1, Data: "\x40\x02\x00\x07"},
	{Dir: 0, Data: "\x82\x07\x00\x08\x00\x00\x01t\x01"}, {Dir: 1, Data: "\x90\x04\x00\x08\x00\x01"}, {Dir: 0, Data: "\xe0\x00"},
}

func TestPacketsAndTheirAnswersAreOneRecord(t *testing.T) {
	prototest.Talk(t, open, turns...).Want(t,
		`"properties":{"receive_maximum":20}},"connack":{"qos":0,"retain":false,"dup":false,"session_present":false,"return_code":0}`,
		`"message_id":7,"topic":"t","message":"abc"},"puback":{"qos":0,"retain":false,"dup":false,"message_id":7}`,
		`"topics":[{"topic":"t","qos":1}]},"suback":{"qos":0,"retain":false,"dup":false,"message_id":8,"qos_granted":[1]}`,
		`"disconnect":{"qos":0,"retain":false,"dup":false,"reason_code":0}`)
}

func FuzzMQTT(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestConnectionsWithANameAreLogIns(t *testing.T) {
	connect := func(flags, rest string) prototest.Turn {
		body := "\x00\x04MQTT\x04" + flags + "\x00\x3c\x00\x00" + rest
		return prototest.Turn{Dir: 0, Data: "\x10" + string(rune(len(body))) + body}
	}
	named := connect("\xc2", "\x00\x02la\x00\x01p")
	answer := func(code string) prototest.Turn { return prototest.Turn{Dir: 1, Data: "\x20\x02\x00" + code} }
	prototest.Talk(t, open, named, answer("\x00")).WantLogIns(t, "la accepted")
	prototest.Talk(t, open, named, answer("\x05")).WantLogIns(t, "la refused")
	prototest.Talk(t, open, named, answer("\x03")).WantLogIns(t)
	prototest.Talk(t, open, connect("\x02", ""), answer("\x05")).WantLogIns(t)
}

func TestAPropertyThatIsSaidAgainIsToldOnce(t *testing.T) {
	prototest.Talk(t, open,
		prototest.Turn{Dir: 0, Data: "\x10\x21\x00\x04MQTT\x05\x02\x00\x3c\x14\x21\x00\x14\x21\x00\x15\x26\x00\x01a\x00\x011\x26\x00\x01a\x00\x012\x00\x00"},
		prototest.Turn{Dir: 1, Data: "\x20\x03\x00\x00\x00"},
	).Want(t, `"properties":{"receive_maximum":20,"a":"1"}}`)
}
