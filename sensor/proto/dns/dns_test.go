package dns_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/dns"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// query asks for www.example.com A; answer has a CNAME and an address, with
// compressed names.
const (
	query  = "1a2b01000001000000000000" + "03777777076578616d706c6503636f6d0000010001"
	answer = "1a2b81800001000200000000" + "03777777076578616d706c6503636f6d0000010001" +
		"c00c000500010000003c00060361707" + "0c010" +
		"c02d000100010000003c0004c0000201"
)

func TestParseReadsAnAnswer(t *testing.T) {
	m, err := dns.Parse(unhex(t, answer))
	if err != nil {
		t.Fatal(err)
	}
	if !m.Response() || !m.RecursionAvailable() || m.ID != 0x1a2b || m.Rcode() != 0 {
		t.Errorf("header %x", m.Flags)
	}
	if len(m.Queries) != 1 || string(m.Queries[0].Name) != "www.example.com" {
		t.Fatalf("queries %v", m.Queries)
	}
	if len(m.Answers) != 2 || string(m.Answers[0].Data) != "app.example.com" || string(m.Answers[1].Data) != "192.0.2.1" {
		t.Fatalf("answers %v", m.Answers)
	}
	if string(m.Answers[1].Name) != "app.example.com" || m.Answers[1].TTL != 60 {
		t.Errorf("second answer %v", m.Answers[1])
	}
}

func TestParseRefusesOrCuts(t *testing.T) {
	whole := unhex(t, answer)
	loop := unhex(t, "1a2b01000001000000000000"+"c00c00010001")
	long := append(unhex(t, "1a2b01000001000000000000"), bytes.Repeat(append([]byte{63}, make([]byte, 63)...), 5)...)
	cases := []struct {
		name string
		in   []byte
		ok   bool
		cut  bool
	}{
		{"a message cut in its header", whole[:11], false, false},
		{"a message cut in its question", whole[:20], false, false},
		{"a message cut in an answer is kept as far as it goes", whole[:len(whole)-2], true, true},
		{"a name that points at itself is cut", loop, true, false},
		{"a name over 255 octets that does not end", long, false, false},
		{"counts that the message does not hold", append([]byte{0, 1, 0x81, 0x80, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, 0), true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := dns.Parse(c.in)
			if (err == nil) != c.ok {
				t.Fatalf("error %v", err)
			}
			if err == nil && m.Cut != c.cut {
				t.Errorf("cut %v", m.Cut)
			}
		})
	}
}

func TestOddMessagesSayWhatIsWrong(t *testing.T) {
	head := func(counts string) string { return "1a2b0100" + counts }
	label := "3f" + strings.Repeat("61", 63)
	for _, c := range []struct {
		name, in string
		want     dns.Oddity
	}{
		{"an ordinary answer", answer, 0},
		{"a name that points at itself", head("0001000000000000") + "c00c" + "00010001", dns.OddLoop},
		{"a name over the limit", head("0001000000000000") + strings.Repeat(label, 20) + "00" + "00010001", dns.OddName},
		{"a name of too many labels", head("0001000000000000") + strings.Repeat("0161", 300) + "00" + "00010001", dns.OddLabels},
		{"an authority section that cannot be read", head("0000000000010000") + "00", dns.OddAuthorities},
		{"an additional section that cannot be read", head("0000000000000001") + "00", dns.OddAdditionals},
		{"a loop in the data of a record", head("0000000100000000") + "00" + "00050001" + "00000000" + "0002" + "c017", dns.OddLoop},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := dns.Parse(unhex(t, c.in))
			if err != nil {
				t.Fatal(err)
			}
			if m.Odd != c.want {
				t.Errorf("oddities %b, want %b", m.Odd, c.want)
			}
		})
	}
}

func TestProbeTellsDNSByContent(t *testing.T) {
	q := unhex(t, query)
	quic := append([]byte{0xc3, 0, 0, 0, 1, 8}, make([]byte, 100)...)
	cases := []struct {
		name           string
		in             []byte
		client, server uint16
		want           bool
	}{
		{"a query to port 53", q, 40000, 53, true},
		{"a query to another port", q, 40000, 12345, true},
		{"an answer from another port", unhex(t, answer), 40000, 12345, true},
		{"multicast DNS", q, 5353, 5353, false},
		{"NetBIOS names", q, 137, 137, false},
		{"QUIC", quic, 40000, 443, false},
		{"zeros", make([]byte, 64), 40000, 9999, false},
		{"text", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 40000, 53, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := dns.Probe(c.in, c.client, c.server); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestStreamCutsMessagesHoweverTheyArrive(t *testing.T) {
	q := unhex(t, query)
	wire := append([]byte{0, byte(len(q))}, q...)
	wire = append(wire, wire...)
	for size := 1; size <= len(wire); size++ {
		var s dns.Stream
		n := 0
		for at := 0; at < len(wire); at += size {
			s.Feed(wire[at:min(at+size, len(wire))], func(msg []byte) {
				if bytes.Equal(msg, q) {
					n++
				}
			})
		}
		if n != 2 {
			t.Fatalf("in pieces of %d: %d messages", size, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, query))
	f.Add(unhex(f, answer))
	f.Add(unhex(f, "000081800000000100000000"+"00002100010000000000090001000200350161"+"00"))
	f.Add(unhex(f, "000081800000000100000000"+"0000060001000000000018016100016200"+"0000000100000002000000030000000400000005"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dns.Parse(b)
		if err != nil {
			return
		}
		for _, list := range [][]dns.Record{m.Answers, m.Authorities, m.Additionals} {
			for _, r := range list {
				if len(r.Name) > 1025 {
					t.Error("name over its limit")
				}
			}
		}
		dns.Probe(b, 1, 2)
		var s dns.Stream
		s.Feed(b, func(msg []byte) {
			if len(msg) > dns.MaxMessage {
				t.Error("message over its limit")
			}
		})
	})
}

func BenchmarkParse(b *testing.B) {
	msg := unhex(b, answer)
	b.ReportAllocs()
	for b.Loop() {
		_, err := dns.Parse(msg)
		if err != nil {
			b.Fatal(err)
		}
	}
}

// object is the dns object that a message, in hexadecimal, is recorded as.
func object(t *testing.T, message string) map[string]any {
	t.Helper()
	m, err := dns.Parse(unhex(t, message))
	if err != nil {
		t.Fatal(err)
	}
	e := &encode.Encoder{B: []byte{'{'}}
	m.Encode(e, 0)
	var got struct{ DNS map[string]any }
	err = json.Unmarshal(append(e.B, '}'), &got)
	if err != nil {
		t.Fatalf("%v: %s", err, e.B)
	}
	return got.DNS
}

func TestSectionsAreRecordedInTheFormOfEach(t *testing.T) {
	soa := "00" + "00060001" + "00000e10" + "001a" + "016100" + "016200" + "0000000100000002000000030000000400000005"
	srv := "00" + "00210001" + "0000003c" + "0009" + "000100020035" + "016100"
	sshfp := "00" + "002c0001" + "0000003c" + "0004" + "0101" + "abcd"
	glue := "016e00" + "00010001" + "0000003c" + "0004" + "c0000201"
	opt := "00" + "00291000" + "00000000" + "0006" + "000a0002" + "beef"
	bare := "00" + "00291000" + "00000000" + "0000"
	got := object(t, "0001"+"8180"+"0000"+"0003"+"0002"+"0004"+soa+srv+sshfp+soa+srv+glue+opt+bare+srv)
	start := map[string]any{
		"mname": "a", "rname": "b", "serial": 1.0, "refresh": 2.0, "retry": 3.0, "expire": 4.0, "minimum": 5.0,
	}
	service := map[string]any{"priority": 1.0, "weight": 2.0, "port": 53.0, "name": "a"}
	key := map[string]any{"fingerprint": "ab:cd", "algo": 1.0, "type": 1.0}
	want := map[string]any{
		"answers": []any{
			map[string]any{"rrname": "", "rrtype": "SOA", "ttl": 3600.0, "soa": start},
			map[string]any{"rrname": "", "rrtype": "SRV", "ttl": 60.0, "srv": service},
			map[string]any{"rrname": "", "rrtype": "SSHFP", "ttl": 60.0, "sshfp": key},
		},
		"authorities": []any{
			map[string]any{"rrname": "", "rrtype": "SOA", "ttl": 3600.0, "soa": start},
			map[string]any{"rrname": "", "rrtype": "SRV", "ttl": 60.0},
		},
		"additionals": []any{
			map[string]any{"rrname": "n", "rrtype": "A", "ttl": 60.0, "rdata": "192.0.2.1"},
			map[string]any{"rrname": "", "rrtype": "OPT", "ttl": 0.0, "opt": []any{map[string]any{"code": 10.0, "data": "beef"}}},
			map[string]any{"rrname": "", "rrtype": "SRV", "ttl": 60.0},
		},
		"grouped": map[string]any{"SOA": []any{start}, "SRV": []any{service}, "SSHFP": []any{key}},
	}
	for name, section := range want {
		if !reflect.DeepEqual(got[name], section) {
			t.Errorf("%s: got %v\nwant %v", name, got[name], section)
		}
	}
}

func TestANameThatIsCutSaysSo(t *testing.T) {
	long := strings.Repeat("3f"+strings.Repeat("61", 63), 17) + "00"
	got := object(t, "0001"+"8180"+"0001"+"0000"+"0002"+"0000"+
		long+"00010001"+
		"c00c"+"00060001"+"00000e10"+"0019"+"c00c"+"016200"+"0000000100000002000000030000000400000005"+
		"00"+"00020001"+"0000003c"+"0002"+"c00c")
	q := got["queries"].([]any)[0].(map[string]any)
	if q["rrname_truncated"] != true || len(q["rrname"].(string)) != 1025 {
		t.Errorf("question %v", q)
	}
	authorities := got["authorities"].([]any)
	zone, server := authorities[0].(map[string]any), authorities[1].(map[string]any)
	if zone["rrname_truncated"] != true || zone["soa"].(map[string]any)["mname_truncated"] != true {
		t.Errorf("start of authority %v", zone)
	}
	if server["rdata_truncated"] != true || server["rrname_truncated"] != nil {
		t.Errorf("server %v", server)
	}
}
