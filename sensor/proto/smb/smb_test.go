package smb

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

// frame is a session message.
func frame(b string) string {
	return string([]byte{0, byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))}) + b
}

// two is a message of SMB 2 in tree 5; a response when the status is 0 or more.
func two(command int, message uint64, status int64, body string) string {
	b := make([]byte, head2)
	copy(b, "\xfeSMB\x40\x00")
	binary.LittleEndian.PutUint16(b[12:], uint16(command))
	if status >= 0 {
		binary.LittleEndian.PutUint32(b[8:], uint32(status))
		b[16] = 1
	}
	binary.LittleEndian.PutUint64(b[24:], message)
	binary.LittleEndian.PutUint32(b[36:], 5)
	binary.LittleEndian.PutUint64(b[40:], 9)
	return string(b) + body
}

func wide(s string) string { return strings.Join(strings.Split(s, ""), "\x00") + "\x00" }

func le16(n int) string { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }

func le32(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func zeros(n int) string { return strings.Repeat("\x00", n) }

const file = "0123456789abcdef"

func connectAsk(name string) string {
	return "\x09\x00\x00\x00" + le16(head2+8) + le16(2*len(name)) + wide(name)
}

func createAsk(name string) string {
	return "\x39\x00" + zeros(34) + le32(5) + le32(0) + le16(head2+56) + le16(2*len(name)) + zeros(8) + wide(name)
}

func createAnswer() string { return "\x59\x00" + zeros(6) + zeros(48) + zeros(8) + file + zeros(8) }

func writeAsk(offset int, data string) string {
	return "\x31\x00" + le16(head2+48) + le32(len(data)) + le32(offset) + zeros(4) + file + zeros(16) + data
}

func readAsk(n int) string { return "\x31\x00\x00\x00" + le32(n) + zeros(8) + file + zeros(16) }

func readAnswer(data string) string {
	return "\x11\x00" + string([]byte{head2 + 16, 0}) + le32(len(data)) + zeros(8) + data
}

func closeAsk() string { return "\x18\x00" + zeros(6) + file }

var negotiated = []prototest.Turn{
	{Dir: 0, Data: frame(two(negotiate2, 0, -1, "\x24\x00\x02\x00"+zeros(8)+"clientclientcli!"+zeros(8)+"\x02\x02\x11\x03"))},
	{Dir: 1, Data: frame(two(negotiate2, 0, 0, "\x41\x00\x00\x00\x11\x03\x00\x00"+"serverserverser!"+zeros(4)+le32(8<<20)+le32(8<<20)+le32(8<<20)))},
}

var turns = append(slices.Clone(negotiated),
	prototest.Turn{Dir: 0, Data: frame(two(connect2, 1, -1, connectAsk(`\\s\data`)))},
	prototest.Turn{Dir: 1, Data: frame(two(connect2, 1, 0, "\x10\x00\x01\x00"+zeros(12)))},
	prototest.Turn{Dir: 0, Data: frame(two(create2, 2, -1, createAsk(`a\b.txt`)))},
	prototest.Turn{Dir: 1, Data: frame(two(create2, 2, 0, createAnswer()))},
	prototest.Turn{Dir: 0, Data: frame(two(write2, 3, -1, writeAsk(0, "hello ")))},
	prototest.Turn{Dir: 0, Data: frame(two(write2, 4, -1, writeAsk(6, "world")))},
	prototest.Turn{Dir: 0, Data: frame(two(read2, 5, -1, readAsk(5)))},
	prototest.Turn{Dir: 1, Data: frame(two(read2, 5, 0, readAnswer("hello")))},
	prototest.Turn{Dir: 0, Data: frame(two(close2, 6, -1, closeAsk()))},
	prototest.Turn{Dir: 1, Data: frame(two(close2, 6, 0xc0000022, zeros(60)))},
)

func TestAFileIsWrittenAndRead(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t,
		`{"smb":{"id":1,"dialect":"3.11","command":"SMB2_COMMAND_NEGOTIATE_PROTOCOL","status":"STATUS_SUCCESS","status_code":"0x0","session_id":9,"tree_id":5,`+
			`"client_dialects":["2.02","3.11"],"client_guid":"65696c63-746e-6c63-6569-746e21696c63","server_guid":`,
		`"command":"SMB2_COMMAND_TREE_CONNECT","status":"STATUS_SUCCESS","status_code":"0x0","session_id":9,"tree_id":5,"share":"\\\\s\\data","share_type":"FILE"`,
		`"filename":"a\\b.txt","disposition":"FILE_OVERWRITE_IF","access":"normal","created":0,"accessed":0,"modified":0,"changed":0,"size":0,"fuid":"33323130-3534-3736-3938-626166656463"`,
		`"id":4,"dialect":"3.11","command":"SMB2_COMMAND_WRITE","status":"STATUS_SUCCESS","status_code":"0x0","session_id":9,"tree_id":5,"filename":"a\\b.txt","share":"\\\\s\\data"`,
		`"id":5,"dialect":"3.11","command":"SMB2_COMMAND_READ"`,
		`"command":"SMB2_COMMAND_CLOSE","status":"STATUS_ACCESS_DENIED","status_code":"0xc0000022"`,
	)
	if !slices.Equal(r.Files, []string{`0 a\b.txt 11 CLOSED`, `1 a\b.txt 5 CLOSED`}) {
		t.Error(r.Files)
	}
	if !slices.Contains(r.Fields, `0 smb.share "\\\\s\\data"`) {
		t.Errorf("%q", r.Fields)
	}
}

func TestPartsOutOfOrderAreOneFile(t *testing.T) {
	r := prototest.Talk(t, open,
		prototest.Turn{Dir: 0, Data: frame(two(connect2, 1, -1, connectAsk(`\\s\d`)))},
		prototest.Turn{Dir: 1, Data: frame(two(connect2, 1, 0, "\x10\x00\x01\x00"+zeros(12)))},
		prototest.Turn{Dir: 0, Data: frame(two(write2, 3, -1, writeAsk(6, "world")))},
		prototest.Turn{Dir: 0, Data: frame(two(write2, 4, -1, writeAsk(0, "hello ")))},
		prototest.Turn{Dir: 0, Data: frame(two(write2, 5, -1, writeAsk(3, "lo")))},
		prototest.Turn{Dir: 0, Data: frame(two(close2, 6, -1, closeAsk()))},
	)
	if !slices.Equal(r.Files, []string{`0  11 CLOSED`}) || !slices.Equal(r.Notices, []string{"file_overlap"}) {
		t.Error(r.Files, r.Notices)
	}
}

func TestALongWriteIsReadAsItComesAndSurvivesAGap(t *testing.T) {
	var r prototest.Recorder
	c := New(&r)
	long := frame(two(write2, 3, -1, writeAsk(0, strings.Repeat("x", 3*maxHeld))))
	feed := func(s string) {
		err := c.Feed(0, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
	}
	feed(long[:maxHeld+500])
	c.Gap(0, 1000)
	feed(long[maxHeld+1500:])
	feed(frame(two(close2, 4, -1, closeAsk())))
	c.Close()
	if !slices.Equal(r.Files, []string{"0  393216 TRUNCATED"}) {
		t.Error(r.Files)
	}
}

func TestACallInANamedPipe(t *testing.T) {
	const call = "\x05\x00\x00\x03\x10\x00\x00\x00\x1c\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0f\x00abcd"
	const answer = "\x05\x00\x02\x03\x10\x00\x00\x00\x1a\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00ok"
	r := prototest.Talk(t, open,
		prototest.Turn{Dir: 0, Data: frame(two(connect2, 1, -1, connectAsk(`\\s\IPC$`)))},
		prototest.Turn{Dir: 1, Data: frame(two(connect2, 1, 0, "\x10\x00\x02\x00"+zeros(12)))},
		prototest.Turn{Dir: 0, Data: frame(two(write2, 3, -1, writeAsk(0, call)))},
		prototest.Turn{Dir: 0, Data: frame(two(read2, 5, -1, readAsk(5)))},
		prototest.Turn{Dir: 1, Data: frame(two(read2, 5, 0, readAnswer(answer)))},
	)
	r.Want(t, `"named_pipe":"\\\\s\\IPC$","share_type":"PIPE"`,
		`"command":"SMB2_COMMAND_WRITE","status":"STATUS_SUCCESS","status_code":"0x0","session_id":9,"tree_id":5,"dcerpc":{"request":"REQUEST",`+
			`"opnum":15,"req":{"frag_cnt":1,"stub_data_size":4},"response":"RESPONSE","res":{"frag_cnt":1,"stub_data_size":2},"call_id":7}`)
}

// one is a message of SMB 1.
func one(command byte, message int, reply bool, words, data string) string {
	b := make([]byte, head1)
	copy(b, "\xffSMB")
	b[4] = command
	if reply {
		b[9] = 0x80
	}
	b[11] = 0xc0
	b[24], b[28] = 3, 7
	binary.LittleEndian.PutUint16(b[30:], uint16(message))
	return frame(string(b) + string([]byte{byte(len(words) / 2)}) + words + le16(len(data)) + data)
}

var turns1 = []prototest.Turn{
	{Dir: 0, Data: one(negotiate1, 1, false, "", "\x02PC NETWORK PROGRAM 1.0\x00\x02NT LM 0.12\x00")},
	{Dir: 1, Data: one(negotiate1, 1, true, "\x01\x00"+zeros(32), "")},
	{Dir: 0, Data: one(setup1, 2, false, "\xff"+zeros(13)+le16(4)+zeros(8), "blob"+"\x00"+wide("Unix")+"\x00\x00"+wide("Samba")+"\x00\x00")},
	{Dir: 1, Data: one(setup1, 2, true, "\xff"+zeros(5)+le16(0), "\x00"+wide("Windows")+"\x00\x00"+wide("LM")+"\x00\x00")},
	{Dir: 0, Data: one(writeAndX1, 3, false, "\xff"+zeros(3)+le16(0x4001)+zeros(12)+zeros(2)+le16(5)+le16(head1+31)+zeros(4), "hello")},
	{Dir: 0, Data: one(close1, 4, false, le16(0x4001)+zeros(4), "")},
}

func TestTheOlderVersion(t *testing.T) {
	r := prototest.Talk(t, open, turns1...)
	r.Want(t,
		`"dialect":"NT LM 0.12","command":"SMB1_COMMAND_NEGOTIATE_PROTOCOL","status":"STATUS_SUCCESS","status_code":"0x0","session_id":7,"tree_id":3,"client_dialects":["PC NETWORK PROGRAM 1.0","NT LM 0.12"]`,
		`"command":"SMB1_COMMAND_SESSION_SETUP_ANDX","status":"STATUS_SUCCESS","status_code":"0x0","session_id":7,"tree_id":3,`+
			`"request":{"native_os":"Unix","native_lm":"Samba"},"response":{"native_os":"Windows","native_lm":"LM"}`,
		`"command":"SMB1_COMMAND_WRITE_ANDX","status":"STATUS_SUCCESS","status_code":"0x0","session_id":7,"tree_id":3,"filename":"","share":"","fuid":"4001"`,
		`"command":"SMB1_COMMAND_CLOSE"`,
	)
	if !slices.Equal(r.Files, []string{"0  5 CLOSED"}) {
		t.Error(r.Files)
	}
}

func TestWhoLogsInWithNTLM(t *testing.T) {
	token := "NTLMSSP\x00" + le32(3) + zeros(16) + le16(4) + le16(4) + le32(72) + le16(6) + le16(6) + le32(76) +
		le16(2) + le16(2) + le32(82) + zeros(8) + le32(1<<25|1) + "\x0a\x00\x5a\x29\x00\x00\x00\x0f" + wide("AD") + wide("lan") + wide("w")
	blob := "\x60\x10" + token
	r := prototest.Talk(t, open,
		prototest.Turn{Dir: 0, Data: frame(two(setup2, 1, -1, "\x19\x00"+zeros(10)+le16(head2+24)+le16(len(blob))+zeros(8)+blob))},
		prototest.Turn{Dir: 1, Data: frame(two(setup2, 1, 0xc000006d, "\x09\x00"+zeros(6)))},
	)
	r.WantLogIns(t, "lan refused")
	r.Want(t, `"status":"STATUS_LOGON_FAILURE","status_code":"0xc000006d","session_id":9,"tree_id":5,`+
		`"ntlmssp":{"domain":"AD","user":"lan","host":"w","version":"10.0 build 10586 rev 15"}`)
	if !slices.Contains(r.Fields, `0 smb.ntlmssp_user "lan"`) {
		t.Errorf("%q", r.Fields)
	}
}

func TestTheServiceOfAKerberosTicket(t *testing.T) {
	ticket := "\x61\x2e\x30\x2c\xa0\x03\x02\x01\x05\xa1\x07\x1b\x05GOV.V\xa2\x1c\x30\x1a\xa0\x03\x02\x01\x02\xa1\x13\x30\x11\x1b\x04cifs\x1b\x09fs.gov.vn"
	s := readSetup([]byte("\x60\x61\x02" + ticket))
	if string(s.realm) != "GOV.V" || !slices.Equal(s.services, []string{"cifs", "fs.gov.vn"}) {
		t.Errorf("%q %q", s.realm, s.services)
	}
}

func TestTheDirectionIsFoundByTheMark(t *testing.T) {
	ask, answer := two(read2, 1, -1, readAsk(1)), two(read2, 1, 0, readAnswer("x"))
	for _, c := range []struct {
		dir  int
		data string
		want bool
	}{{0, ask, true}, {1, ask, false}, {0, answer, false}, {1, answer, true}} {
		yes, _ := Probe(c.dir, []byte(frame(c.data)), proto.Hint{})
		if yes != c.want {
			t.Errorf("direction %d: %v", c.dir, yes)
		}
	}
}

func FuzzSMB2(f *testing.F) { prototest.Fuzz(f, open, turns...) }

func FuzzSMB1(f *testing.F) { prototest.Fuzz(f, open, turns1...) }
