package imap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

const message = "From: a@x.gov.vn\r\nTo: b@x.gov.vn\r\nSubject: plan\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\na1 OK see http://x.gov.vn/\r\n" +
	"--b\r\nContent-Type: application/octet-stream; name=plan.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n"

func literal(s string) string { return fmt.Sprintf("{%d}\r\n%s", len(s), s) }

var turns = []prototest.Turn{
	{Dir: 1, Data: "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n"},
	{Dir: 0, Data: "a1 LOGIN {4}\r\n"}, {Dir: 1, Data: "+ go on\r\n"}, {Dir: 0, Data: "anna {6}\r\n"}, {Dir: 1, Data: "+ go on\r\n"}, {Dir: 0, Data: "s3cr3t\r\n"},
	{Dir: 1, Data: "a1 OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n"},
	{Dir: 0, Data: "a2 SELECT \"In \\\"Box\\\"\"\r\n"}, {Dir: 1, Data: "* 13 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\na2 OK [READ-WRITE] done\r\n"},
	{Dir: 0, Data: "a3 UID FETCH 7 (FLAGS BODY.PEEK[])\r\n"},
	{Dir: 1, Data: "* 3 FETCH (UID 7 BODY[] " + literal(message) + " FLAGS (\\Seen))\r\n* 4 FETCH (BODY[TEXT] {3}\r\nabc)\r\na3 OK done\r\n"},
	{Dir: 0, Data: "a4 APPEND Sent (\\Seen) "}, {Dir: 0, Data: fmt.Sprintf("{%d+}\r\n%s\r\n", len(message), message)}, {Dir: 1, Data: "a4 OK [APPENDUID 1 2] stored\r\n"},
	{Dir: 0, Data: "a5 IDLE\r\n"}, {Dir: 1, Data: "+ idling\r\n* 14 EXISTS\r\n"}, {Dir: 0, Data: "DONE\r\n"}, {Dir: 1, Data: "a5 OK idle over\r\n"},
	{Dir: 0, Data: "a6 STARTTLS\r\n"}, {Dir: 1, Data: "a6 OK begin\r\n"}, {Dir: 0, Data: "\x16\x03\x01"},
}

func TestCommandsMessagesAndTheirAnswers(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t,
		`{"imap":{"response":{"status":"OK","text":"ready","capabilities":["IMAP4rev1","STARTTLS","AUTH=PLAIN"]}}}`,
		`{"imap":{"user":"anna","request":{"tag":"a1","command":"LOGIN"},"response":{"status":"OK"`,
		`{"imap":{"user":"anna","request":{"tag":"a2","command":"SELECT","args":["In \"Box\""],"mailbox":"In \"Box\""},"response":{"status":"OK","code":"READ-WRITE","text":"done","exists":13}}}`,
		`"message":{"sequence":3,"mailbox":"In \"Box\""}},"email":{"status":"PARSE_DONE","from":"a@x.gov.vn","to":["b@x.gov.vn"],"subject":"plan","attachment":["plan.bin"],"url":["http://x.gov.vn/"]`,
		`"request":{"tag":"a3","command":"UID FETCH","args":["7","(FLAGS BODY.PEEK[])"]},"response":{"status":"OK","text":"done","messages":1}}}`,
		`"request":{"tag":"a4","command":"APPEND","args":["Sent","(\\Seen)"],"mailbox":"Sent"},"message":{"mailbox":"Sent"}},"email":{"status":"PARSE_DONE","from":"a@x.gov.vn"`,
		`"response":{"status":"OK","code":"APPENDUID 1 2","text":"stored","messages":1}`,
		`"command":"IDLE"},"response":{"status":"OK","text":"idle over","exists":14}`,
		`"command":"STARTTLS"},"response":{"status":"OK","text":"begin"}`)
	if want := []string{"1 plan.bin 3 CLOSED", "0 plan.bin 3 CLOSED"}; !slices.Equal(r.Files, want) {
		t.Errorf("files %q, want %q", r.Files, want)
	}
	if r.Upgrades != 1 {
		t.Errorf("%d upgrades", r.Upgrades)
	}
	if all := strings.Join(r.Records, ""); strings.Contains(all, "s3cr3t") {
		t.Errorf("the password is in the records: %s", all)
	}
}

func TestSecretsAreNotKept(t *testing.T) {
	const greeting, secret = "* PREAUTH hi\r\n", "mật khẩu"
	for _, c := range []struct {
		name, user string
		turns      []prototest.Turn
	}{
		{"PLAIN at once", "anna", []prototest.Turn{{Dir: 0, Data: "a AUTHENTICATE PLAIN AGFubmEAbeG6rXQga2jhuql1\r\n"}, {Dir: 1, Data: "a OK\r\n"}}},
		{"PLAIN when asked", "anna", []prototest.Turn{{Dir: 0, Data: "a authenticate plain\r\n"}, {Dir: 1, Data: "+ \r\n"}, {Dir: 0, Data: "AGFubmEAbeG6rXQga2jhuql1\r\n"}, {Dir: 1, Data: "a OK\r\n"}}},
		{"LOGIN", "anna", []prototest.Turn{{Dir: 0, Data: "a AUTHENTICATE LOGIN\r\n"}, {Dir: 1, Data: "+ VXNlcm5hbWU6\r\n"}, {Dir: 0, Data: "YW5uYQ==\r\n"}, {Dir: 1, Data: "+ UGFzc3dvcmQ6\r\n"}, {Dir: 0, Data: "beG6rXQga2jhuql1\r\n"}, {Dir: 1, Data: "a OK\r\n"}}},
		{"a bearer token", "anna@x.vn", []prototest.Turn{{Dir: 0, Data: "a AUTHENTICATE OAUTHBEARER bixhPWFubmFAeC52biwBYXV0aD1CZWFyZXIgbeG6rXQga2jhuql1AQE=\r\n"}, {Dir: 1, Data: "a OK\r\n"}}},
		{"a quoted password", "anna", []prototest.Turn{{Dir: 0, Data: "a LOGIN \"anna\" \"" + secret + "\"\r\n"}, {Dir: 1, Data: "a OK\r\n"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := prototest.Talk(t, open, append([]prototest.Turn{{Dir: 1, Data: greeting}}, c.turns...)...)
			r.Want(t, `"status":"PREAUTH"`, `{"imap":{"user":"`+c.user+`"`)
			for _, word := range []string{secret, "khẩu", "beG6r", "bixh", "AGFu"} {
				if strings.Contains(r.Records[1], word) {
					t.Errorf("%q is in the record: %s", word, r.Records[1])
				}
			}
		})
	}
}

func TestWhatIsLeftOfALostSecretIsNoCommand(t *testing.T) {
	r := &prototest.Recorder{}
	c := New(r)
	for _, step := range []func() error{
		func() error { return c.Feed(1, []byte("* OK hi\r\n")) },
		func() error { return c.Feed(0, []byte("a LOGIN {4}\r\nan")) },
		func() error { c.Gap(0, 10); return nil },
		func() error { return c.Feed(0, []byte("my secret words\r\nb NOOP\r\n")) },
	} {
		err := step()
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	r.Want(t, `"status":"OK"`, `"command":"NOOP"`)
}

func TestAMessageInPiecesIsOne(t *testing.T) {
	half := len(message) / 2
	ask := fmt.Sprintf("(BODY.PEEK[]<%%d.%d>)", half+1)
	r := prototest.Talk(t, open,
		prototest.Turn{Dir: 1, Data: "* OK hi\r\n"},
		prototest.Turn{Dir: 0, Data: "a FETCH 1 " + fmt.Sprintf(ask, 0) + "\r\n"},
		prototest.Turn{Dir: 1, Data: "* 1 FETCH (BODY[]<0> " + literal(message[:half+1]) + ")\r\na OK\r\n"},
		prototest.Turn{Dir: 0, Data: "b FETCH 1 " + fmt.Sprintf(ask, half+1) + "\r\n"},
		prototest.Turn{Dir: 1, Data: fmt.Sprintf("* 1 FETCH (BODY[]<%d> ", half+1) + literal(message[half+1:]) + ")\r\nb OK\r\n"})
	r.Want(t, `"status":"OK"`, `"tag":"a"`, `"email":{"status":"PARSE_DONE","from":"a@x.gov.vn"`, `"tag":"b"`)
	if want := []string{"1 plan.bin 3 CLOSED"}; !slices.Equal(r.Files, want) {
		t.Errorf("files %q, want %q", r.Files, want)
	}
}

func TestLiteralsThatAreRefusedOrFollowALongLine(t *testing.T) {
	r := prototest.Talk(t, open,
		prototest.Turn{Dir: 1, Data: "* OK hi\r\n"},
		prototest.Turn{Dir: 0, Data: "a APPEND Big {999999}\r\n"}, prototest.Turn{Dir: 1, Data: "a NO [TOOBIG] no\r\n"},
		prototest.Turn{Dir: 0, Data: "b FETCH 1 BODY[]\r\n"},
		prototest.Turn{Dir: 1, Data: "* 1 FETCH (ENVELOPE (" + strings.Repeat("x ", maxLine) + ") BODY[] " + literal(message) + ")\r\nb OK\r\n"},
		prototest.Turn{Dir: 0, Data: "c COMPRESS DEFLATE\r\n"}, prototest.Turn{Dir: 1, Data: "c OK now\r\n\x01\x02\n"}, prototest.Turn{Dir: 0, Data: "d NOOP\r\n"})
	r.Want(t, `"text":"hi"`, `"status":"NO","code":"TOOBIG"`, `"subject":"plan"`, `"tag":"b"`, `"command":"COMPRESS"`)
}

func TestNoticesWhatIsWrong(t *testing.T) {
	const hello = "* OK hi\r\n"
	prototest.Notices(t, open,
		prototest.Case("an ordinary log-in", turns, nil),
		prototest.Case("an unknown command", []prototest.Turn{{Dir: 1, Data: hello}, {Dir: 0, Data: "a HELO b\r\n"}}, []string{"unknown_command"}),
		prototest.Case("a long command", []prototest.Turn{{Dir: 1, Data: hello}, {Dir: 0, Data: "a SELECT " + strings.Repeat("b", 9000) + "\r\n"}}, []string{"request_too_long"}),
		prototest.Case("more commands than are kept", []prototest.Turn{{Dir: 1, Data: hello}, {Dir: 0, Data: strings.Repeat("a NOOP\r\n", maxOpen+1)}}, []string{"too_many_transactions"}),
	)
}

func TestTheGreetingTellsTheProtocol(t *testing.T) {
	for _, c := range []struct {
		name      string
		dir       int
		said      string
		yes, more bool
	}{
		{"a greeting", 1, "* OK IMAP4rev1 ready\r\n", true, false},
		{"the beginning of one", 1, "* PRE", false, true},
		{"a client's words", 0, "* OK IMAP4rev1 ready\r\n", false, false},
		{"another protocol", 1, "220 ready\r\n", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			yes, more := Probe(c.dir, []byte(c.said), proto.Hint{})
			if yes != c.yes || more != c.more {
				t.Errorf("%v %v, want %v %v", yes, more, c.yes, c.more)
			}
		})
	}
}

func TestLinesThatAreNotIMAPEndTheReading(t *testing.T) {
	c := New(&prototest.Recorder{})
	err := c.Feed(1, []byte("* OK hi\r\n"+strings.Repeat("x\r\n", maxOddLines+1)))
	if err == nil {
		t.Error("not refused")
	}
}

func FuzzIMAP(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func TestAnswersToLogInsAreTold(t *testing.T) {
	say := func(reply string) []prototest.Turn {
		return []prototest.Turn{{Dir: 1, Data: "* OK imap\r\n"}, {Dir: 0, Data: "a1 LOGIN lan not-kept\r\n"}, {Dir: 1, Data: reply}}
	}
	prototest.Talk(t, open, say("a1 OK in\r\n")...).WantLogIns(t, "lan accepted")
	prototest.Talk(t, open, say("a1 NO [AUTHENTICATIONFAILED] no\r\n")...).WantLogIns(t, "lan refused")
	prototest.Talk(t, open, say("a1 BAD what\r\n")...).WantLogIns(t)
}
