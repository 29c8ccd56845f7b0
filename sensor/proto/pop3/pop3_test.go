package pop3

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{
	{Dir: 1, Data: "+OK ready\r\n"}, {Dir: 0, Data: "PASS x\r\n"}, {Dir: 1, Data: "-ERR the password incorrect\r\n"},
	{Dir: 0, Data: "LIST\r\nretr 1\r\n"}, {Dir: 1, Data: "+OK 2 20\r\n1 10\r\n2 10\r\n.\r\n+OK\r\n+OK is no status here\r\n.\r\n"},
	{Dir: 0, Data: "STLS\r\n"}, {Dir: 1, Data: "+OK begin\r\n"},
}

func TestCommandsAndTheirAnswers(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t,
		`{"pop3":{"request":{"command":"PASS","args":["x"]},"response":{"success":false,"status":"ERR","header":"the password incorrect","data":[]}}}`,
		`"response":{"success":true,"status":"OK","header":"2 20","data":["1 10","2 10"]}`,
		`{"command":"RETR","args":["1"]},"response":{"success":true,"status":"OK","header":"","data":[]}`,
		`{"command":"STLS","args":[]}`)
	if r.Upgrades != 1 {
		t.Errorf("%d upgrades", r.Upgrades)
	}
}

func FuzzPOP3(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestAnswersToLogInsAreTold(t *testing.T) {
	say := func(reply string) []prototest.Turn {
		return []prototest.Turn{{Dir: 1, Data: "+OK pop\r\n"}, {Dir: 0, Data: "USER a\r\nPASS b\r\n"}, {Dir: 1, Data: "+OK\r\n"}, {Dir: 1, Data: reply}}
	}
	prototest.Talk(t, open, say("+OK in\r\n")...).WantLogIns(t, " accepted")
	prototest.Talk(t, open, say("-ERR no\r\n")...).WantLogIns(t, " refused")
}
