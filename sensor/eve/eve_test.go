package eve

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
)

var when = time.Date(2026, 11, 22, 8, 30, 0, 123456789, time.FixedZone("", 7*3600))

func header(kind string) *Header {
	return &Header{
		Time: when, FlowID: 42, PcapCount: 7, Type: kind, VLANs: []uint16{9, 7}, Proto: decode.ProtoTCP,
		Src: netip.MustParseAddrPort("[fe80::1%eth0]:1000"), Dst: netip.MustParseAddrPort("192.0.2.1:443"),
		CommunityID: "1:abc=", PacketSource: SourceWire, TxID: 3, HasTx: true, AppProto: "tls",
	}
}

func sampleFlow() *flow.Flow {
	return &flow.Flow{
		ID: 42, Client: netip.MustParseAddrPort("10.0.0.1:1"), Server: netip.MustParseAddrPort("10.0.0.2:2"),
		Proto: decode.ProtoTCP, Start: when, Last: when.Add(90 * time.Second), TCPFlags: [2]uint8{0x1b, 0x12},
	}
}

// parse checks the line as the hub will: it must be one EVE record.
func parse(t *testing.T, line []byte) *event.Event {
	t.Helper()
	if strings.Count(string(line), "\n") != 1 || line[len(line)-1] != '\n' {
		t.Fatalf("not one line: %q", line)
	}
	e, err := event.Parse(line)
	if err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	return e
}

func TestEveryRecordIsEVE(t *testing.T) {
	w := NewWriter(Identity{Host: "sensor-1", ExerciseID: "drill-1"})
	m := &dns.Message{ID: 1, Flags: 0x8180, Queries: []dns.Question{{Name: []byte("a.vn"), Type: 1}}, Answers: []dns.Record{
		{Name: []byte("a.vn"), Type: 1, Data: []byte("192.0.2.1")}, {Type: 6, SOA: &dns.SOA{}}, {Type: 33, SRV: &dns.SRV{}}, {Type: 999},
	}}
	tx := &http1.Tx{Method: []byte("GET"), URI: []byte("/\xff\"\\\x00"), Status: 302}
	tx.Request.Headers = []http1.Header{{Name: []byte("Host"), Value: []byte("h:8080")}, {Name: []byte("X-Forwarded-For"), Value: []byte("1.2.3.4")}}
	tx.Response = http1.Message{Seen: true, Length: 5, Headers: []http1.Header{{Name: []byte("Location"), Value: []byte("/b")}, {Name: []byte("Content-Type"), Value: []byte("text/html; charset=x")}}}
	hello := &tls.Conn{
		Client: &tls.ClientHello{SNI: []byte("a.vn"), ALPN: [][]byte{{0xff}}}, Server: &tls.ServerHello{Version: 0x303},
		Certificates: []*tls.Certificate{{Subject: "CN=\x80", Serial: []byte{1, 0xab}, Names: []string{"a"}}},
	}
	alert := &Alert{
		GID: 1, SID: 2000001, Rev: 3, Signature: "x \"y\"", Category: "c", Severity: 1, Flow: sampleFlow(), DNS: m, HTTP: tx, TLS: hello,
		Metadata: []Metadata{{Key: "k\"", Values: []string{"a", "b"}}}, Payload: []byte{0, 1, 2}, Packet: []byte{3}, Link: 1, Stream: true,
	}
	lines := map[string][]byte{}
	keep := func(kind string, line []byte) { lines[kind] = append([]byte(nil), line...) }
	keep("dns", w.DNS(header("dns"), m))
	keep("http", w.HTTP(header("http"), tx))
	keep("tls", w.TLS(header("tls"), hello))
	keep("flow", w.Flow(header("flow"), sampleFlow(), 3, true))
	keep("alert", w.Alert(header("alert"), alert))
	keep("anomaly", w.Anomaly(header("anomaly"), "decode", "x", "proto_parser"))
	keep("stats", w.Stats(&Header{Time: when, Type: "stats"}, 5, []Counter{{"a.x", 1}, {"a.y", 2}, {"b.z", 3}, {"c", 4}}))
	for kind, line := range lines {
		t.Run(kind, func(t *testing.T) {
			e := parse(t, line)
			if e.Type != kind || e.ExerciseID != "drill-1" || e.Fields["host"] != "sensor-1" {
				t.Errorf("type %q, exercise %q, host %v", e.Type, e.ExerciseID, e.Fields["host"])
			}
			if got := e.Fields["timestamp"]; got != "2026-11-22T01:30:00.123456+0000" {
				t.Errorf("timestamp %v", got)
			}
			if kind == "stats" {
				return
			}
			if e.FlowID != 42 || e.Src.String() != "[fe80::1]:1000" || e.Dst.String() != "192.0.2.1:443" || e.CommunityID != "1:abc=" {
				t.Errorf("addressing %s", line)
			}
		})
	}
	a := parse(t, lines["alert"])
	if a.Alert == nil || a.Alert.SID != 2000001 || a.Alert.Rev != 3 || a.Alert.Severity != 1 || len(a.Alert.Metadata[`k"`]) != 2 {
		t.Errorf("alert %+v", a.Alert)
	}
	if a.Fields["payload"] != base64.StdEncoding.EncodeToString([]byte{0, 1, 2}) || a.Fields["packet"] != "Aw==" {
		t.Errorf("evidence %v %v", a.Fields["payload"], a.Fields["packet"])
	}
	h := parse(t, lines["http"]).Fields["http"].(map[string]any)
	if h["url"] != "/\\xff\"\\\x00" || h["xff"] != "1.2.3.4" || h["redirect"] != "/b" || h["http_content_type"] != "text/html" {
		t.Errorf("http %v", h)
	}
	s := parse(t, lines["tls"]).Fields["tls"].(map[string]any)
	if s["serial"] != "01:AB" || s["version"] != "TLS 1.2" || s["sni"] != "a.vn" {
		t.Errorf("tls %v", s)
	}
}

func TestEncoderDoesNotAllocate(t *testing.T) {
	w := NewWriter(Identity{Host: "sensor-1"})
	f, h := sampleFlow(), header("flow")
	w.Flow(h, f, 3, false)
	if n := testing.AllocsPerRun(100, func() { w.Flow(h, f, 3, false) }); n > 0 {
		t.Errorf("%v allocations for a record", n)
	}
}

func BenchmarkFlow(b *testing.B) {
	w := NewWriter(Identity{Host: "sensor-1"})
	f, h := sampleFlow(), header("flow")
	b.ReportAllocs()
	for b.Loop() {
		w.Flow(h, f, 3, false)
	}
}
