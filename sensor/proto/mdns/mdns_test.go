package mdns

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/prototest"
)

func open(h proto.Host) proto.Parser { return New(h) }

// said is a message with the given flags and sections, in wire form.
func said(flags uint16, questions string, sections ...[]string) string {
	b := binary.BigEndian.AppendUint16([]byte{0, 0}, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(min(1, len(questions))))
	for i := range 3 {
		n := 0
		if i < len(sections) {
			n = len(sections[i])
		}
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	b = append(b, questions...)
	for _, s := range sections {
		b = append(b, strings.Join(s, "")...)
	}
	return string(b)
}

// record is a resource record of a name.
func record(name string, kind uint16, data string) string {
	b := binary.BigEndian.AppendUint16([]byte(name), kind)
	b = append(b, 0x80, 1, 0, 0, 0, 120)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return string(append(b, data...))
}

const (
	printer  = "\x07printer\x04_ipp\x04_tcp\x05local\x00"
	service  = "\x04_ipp\x04_tcp\x05local\x00"
	machine  = "\x02vm\x05local\x00"
	question = service + "\x00\x0c\x00\x01"
)

var turns = []prototest.Turn{
	{Data: said(0, question)},
	{Data: said(0x8400, "", []string{record(service, 12, printer)}, nil, []string{
		record(printer, 33, "\x00\x00\x00\x00\x02\x77"+machine), record(printer, 16, "\x04pi=1\x03a=b"),
		record(machine, 1, "\x0a\x00\x02\x07"), record(machine, 47, "\xc0\x0c\x00\x01@"), record("\x00", 41, "\x00\x04\x00\x02\xab\xcd"),
		record("\x00", 41, ""), record("\x00", 41, "\x00\x04\x00\x09\xab\xcd"),
	})},
}

func TestQuestionsAndAnswers(t *testing.T) {
	r := prototest.Talk(t, open, turns...)
	r.Want(t,
		`{"mdns":{"type":"request","id":0,"opcode":0,"rcode":0,"queries":[{"rrname":"_ipp._tcp.local","rrtype":"ptr"}]}}`,
		`{"mdns":{"type":"response","id":0,"flags":["aa"],"opcode":0,"rcode":0,"answers":[{"rrname":"_ipp._tcp.local","ptr":"printer._ipp._tcp.local"}],"additionals":[`+
			`{"rrname":"printer._ipp._tcp.local","srv":{"priority":0,"weight":0,"port":631,"name":"vm.local"}},{"rrname":"printer._ipp._tcp.local","txt":["pi=1","a=b"]},`+
			`{"rrname":"vm.local","a":"10.0.2.7"},{"rrname":"vm.local","nsec":"\\xc0\u000c\u0000\u0001@"},{"rrname":"","opt":[{"code":4,"data":"abcd"}]}]}}`,
	)
	for _, want := range []string{
		`0 mdns.queries.rrname "_ipp._tcp.local"`, `0 mdns.answers.rrname "_ipp._tcp.local"`, `0 mdns.additionals.rrname "vm.local"`,
		`0 mdns.response.rrname "printer._ipp._tcp.local"`,
	} {
		if !slices.Contains(r.Fields, want) {
			t.Errorf("rules do not see %s among %v", want, r.Fields)
		}
	}
}

func TestWhatIsMissingOfARecordIsTold(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 20) + "\x00"
	r := prototest.Talk(t, open, prototest.Turn{Data: said(0x8400, long+"\x00\x0c\x00\x01", []string{record(machine, 16, ""), record(machine, 16, "\x00")})})
	for _, want := range []string{`a","rrname_truncated":true,"rrtype":"ptr"}]`, `"answers":[{"rrname":"vm.local"},{"rrname":"vm.local","txt":[""]}]`} {
		if len(r.Records) != 1 || !strings.Contains(r.Records[0], want) {
			t.Errorf("no %s in %v", want, r.Records)
		}
	}
}

func TestNoticesWhatIsWrong(t *testing.T) {
	one := func(data string) []prototest.Turn { return []prototest.Turn{{Data: data}} }
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 20) + "\x00"
	prototest.Notices(t, open,
		prototest.Case("nothing", turns, nil),
		prototest.Case("a message cut short", one("\x00\x00\x00\x00\x00\x01"), []string{"malformed_data"}),
		prototest.Case("a reserved bit", one(said(0x0040, question)), []string{"z_flag_set"}),
		prototest.Case("an opcode that is not assigned", one(said(7<<11, question)), []string{"invalid_opcode"}),
		prototest.Case("a name too long", one(said(0, long+"\x00\x0c\x00\x01")), []string{"name_too_long"}),
		prototest.Case("a name that leads to itself", one(said(0, "\xc0\x0c\x00\x0c\x00\x01")), []string{"infinite_loop"}),
		prototest.Case("a name of too many labels", one(said(0, strings.Repeat("\x01a", 256)+"\x00\x00\x0c\x00\x01")), []string{"too_many_labels"}),
		prototest.Case("authorities cut off", one(said(0, question, nil, []string{"\x02vm"})), []string{"invalid_authorities"}),
		prototest.Case("additionals cut off", one(said(0, question, nil, nil, []string{"\x02vm"})), []string{"invalid_additionals"}),
	)
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name   string
		data   string
		client uint16
		server uint16
		yes    bool
	}{
		{"a question", turns[0].Data, Port, Port, true},
		{"an answer", turns[1].Data, Port, Port, true},
		{"a question of who has another port", turns[0].Data, 50000, Port, true},
		{"the same elsewhere", turns[0].Data, 50000, 5355, false},
		{"nothing said", said(0, ""), Port, Port, false},
		{"something else", "NOTIFY * HTTP/1.1\r\n\r\n", Port, Port, false},
	} {
		if Probe(0, []byte(c.data), proto.Hint{Ports: [2]uint16{c.client, c.server}}) != c.yes {
			t.Errorf("%s is taken wrongly", c.name)
		}
	}
}

func FuzzMDNS(f *testing.F) { prototest.Fuzz(f, open, turns...) }

// FuzzMessage reads whole messages.
func FuzzMessage(f *testing.F) {
	for _, turn := range turns {
		f.Add(turn.Data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		r := prototest.Heard(open, prototest.Turn{Data: data})
		for _, s := range r.Records {
			if !json.Valid([]byte(s)) {
				t.Fatalf("not JSON: %s", s)
			}
		}
	})
}
