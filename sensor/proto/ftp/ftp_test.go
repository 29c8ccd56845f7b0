package ftp

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{
	{Dir: 1, Data: "220-hello\r\n220 ready\r\n"}, {Dir: 0, Data: "USER u\r\n"}, {Dir: 1, Data: "331 password\r\n"},
	{Dir: 0, Data: "PASV\r\n"}, {Dir: 1, Data: "227 Entering Passive Mode (192,0,2,1,4,1).\r\n"},
	{Dir: 0, Data: "RETR a.bin\r\n"}, {Dir: 1, Data: "150 sending\r\n226 done\r\n"}, {Dir: 0, Data: "EPRT |1|192.0.2.9|5000|\r\nSTOR b\r\n"},
}

func TestCommandsTheirRepliesAndDataConnections(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t, `{"ftp":{"command_truncated":false,"completion_code":["220"],"reply":["hello","ready"],"reply_received":"yes","reply_truncated":false}}`, `"command":"USER","command_data":"u","command_truncated":false,"completion_code":["331"],"reply":["password"]`,
		`"dynamic_port":1025,"mode":"passive"`, `"completion_code":["150","226"],"reply":["sending","done"],"reply_received":"yes"`,
		`"reply_received":"no","reply_truncated":false,"dynamic_port":5000,"mode":"active"`, `"command":"STOR"`)
	if len(r.Expected) != 2 || !r.Expected[0].Server || string(r.Expected[0].Name) != "a.bin" || r.Expected[1].Port != 5000 || r.Expected[1].Command != "STOR" {
		t.Errorf("expected %+v", r.Expected)
	}
}

func TestAReplyWithoutCodeHasNone(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 1, Data: "220 ready\r\n"}, prototest.Turn{Data: "NOOP\r\n"}, prototest.Turn{Dir: 1, Data: "hello there\r\n"})
	r.Want(t, `"completion_code":["220"]`, `{"ftp":{"command":"NOOP","command_truncated":false,"reply":["hello there"],"reply_received":"yes","reply_truncated":false}}`)
}

func TestADataConnectionIsAFile(t *testing.T) {
	data := func(h proto.Host) proto.Parser {
		return NewData(h, &proto.Expectation{Name: []byte("a.bin"), Command: "RETR"})
	}
	r := prototest.Talk(t, data, prototest.Turn{Dir: 1, Data: "content"})
	r.Want(t, `{"ftp_data":{"filename":"a.bin","command":"RETR"}}`)
	if len(r.Files) != 1 || r.Files[0] != "1 a.bin 7 CLOSED" {
		t.Errorf("files %q", r.Files)
	}
}

func FuzzFTP(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestPasswordsThatAreJudgedAreLogIns(t *testing.T) {
	say := func(reply string) []prototest.Turn {
		return []prototest.Turn{{Dir: 1, Data: "220 hi\r\n"}, {Dir: 0, Data: "USER a\r\n"}, {Dir: 1, Data: "331 \r\n"}, {Dir: 0, Data: "PASS b\r\n"}, {Dir: 1, Data: reply}}
	}
	prototest.Talk(t, open, say("230 in\r\n")...).WantLogIns(t, " accepted")
	prototest.Talk(t, open, say("530 no\r\n")...).WantLogIns(t, " refused")
	prototest.Talk(t, open, say("421 later\r\n")...).WantLogIns(t)
}
