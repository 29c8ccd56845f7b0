package smtp

import (
	"testing"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

var turns = []prototest.Turn{
	{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "EHLO c\r\n"}, {Dir: 1, Data: "250-mx\r\n250 PIPELINING\r\n"},
	{Dir: 0, Data: "MAIL FROM:<a@x.vn> SIZE=1\r\nRCPT TO:<b@x.vn>\r\nDATA\r\n"}, {Dir: 1, Data: "250 ok\r\n250 ok\r\n354 go\r\n"},
	{Dir: 0, Data: "From: a@x.vn\r\nTo: \"b, c\" <b@x.vn>, d@x.vn\r\nContent-Type: multipart/mixed; boundary=\"q\"\r\n\r\n" +
		"--q\r\n\r\nsee http://x.vn/a\r\n--q\r\nContent-Disposition: attachment; filename=\"f.txt\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n--q--\r\n.\r\n"},
	{Dir: 1, Data: "250 queued\r\n"}, {Dir: 0, Data: "MAIL FROM:<n@x.vn>\r\n"}, {Dir: 1, Data: "250 ok\r\n"}, {Dir: 0, Data: "RSET\r\n"}, {Dir: 1, Data: "250 ok\r\n"},
}

func TestEnvelopesAndMessages(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t, `{"smtp":{"helo":"c","mail_from":"<a@x.vn>","rcpt_to":["<b@x.vn>"]},"email":{"status":"PARSE_DONE","from":"a@x.vn","to":["\"b, c\" <b@x.vn>","d@x.vn"],"attachment":["f.txt"],"url":["http://x.vn/a"]`,
		`{"smtp":{"helo":"c","mail_from":"<n@x.vn>"}}`)
	if len(r.Files) != 1 || r.Files[0] != "0 f.txt 5 CLOSED" {
		t.Errorf("files %q", r.Files)
	}
}

func TestARefusedMessageIsNotReadAsOne(t *testing.T) {
	prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: "HELO c\r\nDATA\r\nRSET\r\n"}, prototest.Turn{Dir: 1, Data: "250 ok\r\n503 no\r\n250 ok\r\n"}).
		Want(t, `{"smtp":{"helo":"c"}}`)
}

func TestSTARTTLSHandsOver(t *testing.T) {
	r := prototest.Talk(t, open, prototest.Turn{Dir: 0, Data: "EHLO c\r\nSTARTTLS\r\n"}, prototest.Turn{Dir: 1, Data: "250 ok\r\n220 go\r\n"})
	if r.Upgrades != 1 {
		t.Errorf("%d upgrades", r.Upgrades)
	}
}

func FuzzSMTP(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestAnswersToLogInsAreTold(t *testing.T) {
	say := func(reply string) []prototest.Turn {
		return []prototest.Turn{
			{Dir: 1, Data: "220 mx\r\n"}, {Dir: 0, Data: "EHLO a\r\n"}, {Dir: 1, Data: "250 mx\r\n"}, {Dir: 0, Data: "AUTH LOGIN\r\n"},
			{Dir: 1, Data: "334 VXNlcm5hbWU6\r\n"}, {Dir: 0, Data: "bGFu\r\n"}, {Dir: 1, Data: "334 UGFzc3dvcmQ6\r\n"}, {Dir: 0, Data: "bm8=\r\n"}, {Dir: 1, Data: reply},
		}
	}
	prototest.Talk(t, open, say("235 in\r\n")...).WantLogIns(t, " accepted")
	prototest.Talk(t, open, say("535 no\r\n")...).WantLogIns(t, " refused")
	prototest.Talk(t, open, say("454 later\r\n")...).WantLogIns(t)
}

func TestAnEnvelopeOnWhichNothingStandsHasNoObject(t *testing.T) {
	var w encode.Encoder
	(&envelope{}).Encode(&w)
	if len(w.B) != 0 {
		t.Errorf("%s", w.B)
	}
	(&envelope{hasFrom: true}).Encode(&w)
	if string(w.B) != `"smtp":{"mail_from":""}` {
		t.Errorf("%s", w.B)
	}
}
