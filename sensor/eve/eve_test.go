package eve

import (
	"encoding/base64"
	"encoding/json"
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
	"github.com/antin-gov/antin/sensor/rules"
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
	keep("stats", w.Stats(&Header{Time: when, Type: "stats"}, 5, []Counter{{"a.x", 1}, {"a.y.u", 2}, {"a.y.v", 3}, {"a.z.v", 4}, {"b.z", 5}, {"c", 6}}, []Counter{{"a.x", 7}}))
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

func TestAHiddenNameStandsBesideTLS(t *testing.T) {
	const ech = 0xfe0d
	w := NewWriter(Identity{})
	for want, kinds := range map[string][]uint16{`},"antin":{"hidden_name":"ech"}`: {0, ech}, `}}`: {0}} {
		line := w.TLS(header("tls"), &tls.Conn{Client: &tls.ClientHello{SNI: []byte("a.vn"), Extensions: kinds}})
		if !strings.Contains(string(line), want) || strings.Contains(string(line), "antin") != (len(kinds) > 1) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}

func TestStatsStandInEachOtherByName(t *testing.T) {
	w := NewWriter(Identity{})
	line := w.Stats(&Header{Time: time.Unix(0, 0), Type: "stats"}, 5,
		[]Counter{{"a.x", 1}, {"a.y.u", 2}, {"a.y.v", 3}, {"a.z.v", 4}, {"b.z", 5}, {"c", 6}}, []Counter{{"a.y.u", 7}})
	want := `"stats":{"uptime":5,"a":{"x":1,"y":{"u":2,"v":3},"z":{"v":4}},"b":{"z":5},"c":6},"antin":{"a":{"y":{"u":7}}}`
	if !strings.Contains(string(line), want) {
		t.Errorf("%s", line)
	}
	line = w.Stats(&Header{Time: time.Unix(0, 0), Type: "stats"}, 0, nil, nil)
	if !strings.Contains(string(line), `"stats":{"uptime":0}`) || strings.Contains(string(line), "antin") {
		t.Errorf("without figures: %s", line)
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

func TestARecordTellsTheVariablesOfItsFlow(t *testing.T) {
	w := NewWriter(Identity{})
	for _, c := range []struct {
		name              string
		bits              []string
		ints              []rules.Counter
		metadata, traffic string
	}{
		{name: "none", metadata: "null", traffic: "null"},
		{
			name: "bits and a counter", bits: []string{"ET.\"x", "traffic/id/curl", "b", "traffic/label/cli"}, ints: []rules.Counter{{Name: "n\"", Value: 1<<32 - 1}},
			metadata: `{"flowbits":["ET.\"x","b"],"flowints":{"n\"":4294967295}}`, traffic: `{"id":["curl"],"label":["cli"]}`,
		},
		{name: "labels alone", bits: []string{"traffic/label/cli"}, metadata: "null", traffic: `{"label":["cli"]}`},
		{name: "a counter alone", ints: []rules.Counter{{Name: "n"}}, metadata: `{"flowints":{"n":0}}`, traffic: "null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := header("flow")
			h.Flowbits, h.Flowints = c.bits, c.ints
			e := parse(t, w.Flow(h, sampleFlow(), 0, false))
			for name, want := range map[string]string{"metadata": c.metadata, "traffic": c.traffic} {
				if got := text(t, e.Fields[name]); got != want {
					t.Errorf("%s is %s", name, got)
				}
			}
		})
	}
}

func TestAStatusThatIsNoNumberIsToldAsItWasSent(t *testing.T) {
	w := NewWriter(Identity{})
	for _, c := range []struct{ name, code, status, text string }{
		{"a number", "404", "404", "null"},
		{"none", "2XX", "null", `"2XX"`},
		{"nothing", "", "null", "null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx := &http1.Tx{StatusCode: []byte(c.code), Response: http1.Message{Seen: true}}
			if c.code == "404" {
				tx.Status = 404
			}
			h := parse(t, w.HTTP(header("http"), tx)).Fields["http"].(map[string]any)
			if text(t, h["status"]) != c.status || text(t, h["status_string"]) != c.text {
				t.Errorf("%v", h)
			}
		})
	}
}

// text is the field as JSON, null when there is none.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAnAlertTellsWhoAttacksWhom(t *testing.T) {
	w := NewWriter(Identity{})
	const source, destination = `{"ip":"fe80:0000:0000:0000:0000:0000:0000:0001","port":1000}`, `{"ip":"192.0.2.1","port":443}`
	for _, c := range []struct {
		name           string
		aim            Aim
		proto          uint8
		source, target string
	}{
		{"a rule without target", AimUnknown, decode.ProtoTCP, "null", "null"},
		{"one that aims at the source", AimSource, decode.ProtoTCP, destination, source},
		{"one that aims at the destination", AimDestination, decode.ProtoTCP, source, destination},
		{"one on ICMP", AimSource, decode.ProtoICMP, `{"ip":"192.0.2.1"}`, `{"ip":"fe80:0000:0000:0000:0000:0000:0000:0001"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := header("alert")
			h.Proto = c.proto
			a := parse(t, w.Alert(h, &Alert{SID: 1, Aim: c.aim})).Fields["alert"].(map[string]any)
			if text(t, a["source"]) != c.source || text(t, a["target"]) != c.target {
				t.Errorf("source %v, target %v", a["source"], a["target"])
			}
		})
	}
	a := parse(t, w.Alert(&Header{Time: when, Type: "alert"}, &Alert{SID: 1, Aim: AimSource})).Fields["alert"].(map[string]any)
	if a["source"] != nil || a["target"] != nil {
		t.Errorf("without addresses: %v", a)
	}
}

func TestATunnelTellsThePacketThatCarried(t *testing.T) {
	a := &Alert{SID: 1, Tunnel: decode.Tunnel{
		Src: netip.MustParseAddrPort("192.0.2.1:0"), Dst: netip.MustParseAddrPort("192.0.2.2:0"), Proto: 47, Depth: 1,
	}}
	h := header("alert")
	h.PacketSource = "gre tunnel"
	got := text(t, parse(t, NewWriter(Identity{}).Alert(h, a)).Fields["tunnel"])
	const want = `{"depth":1,"dest_ip":"192.0.2.2","dest_port":0,"pcap_cnt":7,"pkt_src":"wire/pcap","proto":"GRE","src_ip":"192.0.2.1","src_port":0}`
	if got != want {
		t.Errorf("got %s", got)
	}
}
