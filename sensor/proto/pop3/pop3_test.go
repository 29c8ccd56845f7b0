package pop3

import (
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

const message = "From: a@x.gov.vn\r\nTo: b@x.gov.vn\r\nSubject: plan\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\n..\r\n+OK see http://x.gov.vn/\r\n" +
	"--b\r\nContent-Type: application/octet-stream; name=plan.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"

var turns = []prototest.Turn{
	{Dir: 1, Data: "+OK ready\r\n"}, {Dir: 0, Data: "PASS x\r\n"}, {Dir: 1, Data: "-ERR the password incorrect\r\n"},
	{Dir: 0, Data: "LIST\r\nretr 1\r\n"}, {Dir: 1, Data: "+OK 2 20\r\n1 10\r\n2 10\r\n.\r\n+OK\r\n+OK is no status here\r\n.\r\n"},
	{Dir: 0, Data: "RETR 2\r\nTOP 2 9\r\n"}, {Dir: 1, Data: "+OK 300 octets\r\n" + message + ".\r\n+OK\r\n" + message}, {Dir: 1, Data: "."}, {Dir: 1, Data: "\r\n"},
	{Dir: 0, Data: "AUTH LOGIN\r\n"}, {Dir: 1, Data: "+ VXNlcm5hbWU6\r\n"}, {Dir: 0, Data: "YW5uYQ==\r\n"}, {Dir: 1, Data: "+OK Welcome.\r\n"},
	{Dir: 0, Data: "STLS\r\n"}, {Dir: 1, Data: "+OK begin\r\n"},
}

func TestCommandsMessagesAndTheirAnswers(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t,
		`{"pop3":{"request":{"command":"PASS","args":["x"]},"response":{"success":false,"status":"ERR","header":"the password incorrect","data":[]}}}`,
		`"response":{"success":true,"status":"OK","header":"2 20","data":["1 10","2 10"]}`,
		`{"command":"RETR","args":["1"]},"response":{"success":true,"status":"OK","header":"","data":[]}},"email":{"status":"PARSE_DONE",`,
		`{"command":"RETR","args":["2"]},"response":{"success":true,"status":"OK","header":"300 octets","data":[]}},"email":{"status":"PARSE_DONE","from":"a@x.gov.vn","to":["b@x.gov.vn"],"subject":"plan","attachment":["plan.bin"],"url":["http://x.gov.vn/"],"body_md5":"`,
		`{"command":"TOP","args":["2","9"]},"response":{"success":true,"status":"OK","header":"","data":[]}},"email":{"status":"BODY_STARTED","from":"a@x.gov.vn"`,
		`{"command":"AUTH","args":["LOGIN"]},"response":{"success":true,"status":"OK","header":"VXNlcm5hbWU6","data":[]}`,
		`{"command":"<SASL DATA>","args":[]},"response":{"success":true,"status":"OK","header":"Welcome.","data":[]}`,
		`{"command":"STLS","args":[]}`)
	if want := []string{"1 plan.bin 3 CLOSED", "1 plan.bin 3 TRUNCATED"}; !slices.Equal(r.Files, want) {
		t.Errorf("files %q, want %q", r.Files, want)
	}
	if r.Upgrades != 1 {
		t.Errorf("%d upgrades", r.Upgrades)
	}
	r.WantLogIns(t, " refused", " accepted")
	if want := `1 email.subject "plan"`; !slices.Contains(r.Fields, want) {
		t.Errorf("rules see %q, without %s", r.Fields, want)
	}
}

func TestAMessageEndsWhereItsLastLineDoesHoweverItIsCut(t *testing.T) {
	answer := "+OK\r\n" + message + ".\r\n+OK 1\r\n"
	for size := 1; size < len(answer); size += 7 {
		talk := []prototest.Turn{{Dir: 1, Data: "+OK\r\n"}, {Dir: 0, Data: "RETR 1\r\nSTAT\r\n"}}
		for part := range slices.Chunk([]byte(answer), size) {
			talk = append(talk, prototest.Turn{Dir: 1, Data: string(part)})
		}
		r := prototest.Talk(t, open, talk...)
		r.Want(t, `"subject":"plan"`, `"header":"1"`)
		if want := []string{"1 plan.bin 3 CLOSED"}; !slices.Equal(r.Files, want) {
			t.Fatalf("in pieces of %d: files %q, want %q", size, r.Files, want)
		}
	}
}

func TestAGapInAMessageIsToldAndItsEndIsFound(t *testing.T) {
	r := &prototest.Recorder{}
	c := New(r)
	head, tail, _ := strings.Cut(message, "AAEC")
	for _, step := range []func() error{
		func() error { return c.Feed(1, []byte("+OK\r\n")) },
		func() error { return c.Feed(0, []byte("RETR 1\r\nSTAT\r\n")) },
		func() error { return c.Feed(1, []byte("+OK\r\n"+head+"AA")) },
		func() error { c.Gap(1, 2); return nil },
		func() error { return c.Feed(1, []byte(tail+".\r\n+OK 1\r\n")) },
	} {
		err := step()
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Want(t, `"attachment":["plan.bin"],"url":["http://x.gov.vn/"],"subject_md5"`, `"header":"1"`)
	if want := []string{"1 plan.bin 1 TRUNCATED"}; !slices.Equal(r.Files, want) {
		t.Errorf("files %q, want %q", r.Files, want)
	}
}

func TestAnAnswerOnItsWayOutlivesManyCommands(t *testing.T) {
	r := prototest.Talk(t, open,
		prototest.Turn{Dir: 0, Data: "RETR 1\r\n"}, prototest.Turn{Dir: 1, Data: "+OK\r\nSubject: plan\r\n"},
		prototest.Turn{Dir: 0, Data: strings.Repeat("NOOP\r\n", maxOpen)}, prototest.Turn{Dir: 1, Data: "\r\n.\r\n"})
	if n := strings.Count(strings.Join(r.Records, ""), `"RETR"`); n != 1 {
		t.Errorf("%d records of the message", n)
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
