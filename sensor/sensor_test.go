package sensor_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/proto/prototest"
	"github.com/antin-gov/antin/sensor/rules"
)

// envWhole makes the test over real captures take all of them.
const envWhole = "ANTIN_WHOLE"

// memory is a sink that keeps its lines.
type memory struct {
	mu    sync.Mutex
	lines bytes.Buffer
	n     uint64
}

func (m *memory) Write(_ string, line []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	_, err := m.lines.Write(line)
	return err
}
func (m *memory) Close(context.Context) error { return nil }
func (m *memory) Stats() output.Stats         { return output.Stats{Accepted: m.n, Delivered: m.n} }

// events parses what was recorded, as the hub will. All of it must be well formed.
func (m *memory) events(t testing.TB) []*event.Event {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*event.Event
	sc := bufio.NewScanner(bytes.NewReader(m.lines.Bytes()))
	sc.Buffer(nil, event.MaxRawBytes)
	for sc.Scan() {
		e, err := event.Parse(bytes.Clone(sc.Bytes()))
		if err != nil {
			t.Fatalf("%v: %.300s", err, sc.Bytes())
		}
		err = prototest.Form(sc.Bytes())
		if err != nil {
			t.Errorf("%v: %.300s", err, sc.Bytes())
		}
		out = append(out, e)
	}
	err := sc.Err()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// of filters by type.
func of(events []*event.Event, kind string) []*event.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e *event.Event) bool { return e.Type != kind })
}

func part(e *event.Event, name string) map[string]any {
	m, _ := e.Fields[name].(map[string]any)
	return m
}

func ruleEngine(t testing.TB, text string) *rules.Engine {
	t.Helper()
	rs, refused := rules.Parse(strings.NewReader(text), "test.rules", rules.DefaultVars("[10.0.0.0/8]"))
	if len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
	e, err := rules.NewEngine(rs, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func runFiles(t testing.TB, cfg sensor.Config, files ...string) (*memory, sensor.Counters, []*sensor.FileError) {
	t.Helper()
	sink := &memory{}
	cfg.Sinks = []output.Sink{sink}
	cfg.Clock = clock.System{}
	cfg.Identity = eve.Identity{Host: "test-sensor"}
	e, err := sensor.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := e.RunFiles(context.Background(), files)
	if err != nil {
		t.Fatal(err)
	}
	return sink, e.Counters(), broken
}

func TestRealCapturesAreRecorded(t *testing.T) {
	root := testkit.Data(t, "pcap/other")
	if os.Getenv(envWhole) != "" {
		root = testkit.Data(t, "pcap")
	}
	files, err := sensor.FindCaptures([]string{root})
	if err != nil {
		t.Fatal(err)
	}
	sink, c, broken := runFiles(t, sensor.Config{}, files...)
	events := sink.events(t)
	counts := map[string]uint64{}
	for _, e := range events {
		counts[e.Type]++
	}
	t.Logf("%d captures, %d broken, %d packets, events %v", len(files), len(broken), c.Received, counts)
	if !maps.Equal(counts, c.Events) {
		t.Errorf("counted %v, recorded %v", c.Events, counts)
	}
	if c.Received != c.Processed+c.Dropped+c.Invalid || c.Received < 10000 {
		t.Errorf("received %d, processed %d, dropped %d, invalid %d", c.Received, c.Processed, c.Dropped, c.Invalid)
	}
	if c.ParserPanics != 0 {
		t.Errorf("%d panics", c.ParserPanics)
	}
	if c.Flow.Active != 0 || c.Stream.Waiting != 0 {
		t.Errorf("%d flows and %d bytes left over", c.Flow.Active, c.Stream.Waiting)
	}
	for _, kind := range []string{"flow", "dns", "tls", "http", "anomaly"} {
		if counts[kind] < 50 {
			t.Errorf("only %d %s records", counts[kind], kind)
		}
	}
}

// The values are those that the authors of JA4 publish for their captures
// (github.com/FoxIO-LLC/ja4, python/test/testdata).
func TestJA4OfRealCaptures(t *testing.T) {
	cases := map[string]map[string]int{
		"ja4__pcap__tls3.pcapng":          {"t13d1516h2_8daaf6152771_e5627efa2ab1": 4, "t13d1516h2_8daaf6152771_9b887d9acb53": 3},
		"ja4__pcap__browsers-x509.pcapng": {"t13d1516h2_8daaf6152771_e5627efa2ab1": 3},
		"ja4__pcap__https3-301-get.pcap":  {"t10d230100_6a57a6f57151_000000000000": 1},
		"ja4__pcap__ipv6.pcapng":          {"t12d4605h2_85626a9a5f7f_aaf95bb78ec9": 1},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			sink, _, _ := runFiles(t, sensor.Config{}, testkit.Data(t, "pcap/other/"+name))
			got := map[string]int{}
			for _, e := range of(sink.events(t), "tls") {
				got[fmt.Sprint(part(e, "tls")["ja4"])]++
			}
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

const attack = "GET /cgi-bin/run?cmd=evil-command HTTP/1.1\r\nHost: portal.example.vn\r\nUser-Agent: bad-agent\r\n\r\n"

// attackFile is one HTTP attack and its answer, in segments of that size.
func attackFile(t testing.TB, size int) string {
	w := newWire(t)
	c := w.dial("203.0.113.9:40000", "10.1.2.3:8081")
	c.say(0, attack, size)
	c.say(1, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nsecret-data", size)
	c.close()
	return w.file()
}

func TestAnAlertCarriesItsEvidenceOnce(t *testing.T) {
	cases := []struct {
		name, rule string
		size       int
		want       int
	}{
		{"content on the stream", `alert tcp any any -> $HOME_NET any (msg:"a"; flow:established,to_server; content:"evil-command"; sid:1; rev:2; metadata:k v, k w;)`, 1400, 1},
		{"content across segments", `alert tcp any any -> $HOME_NET any (msg:"a"; content:"evil-command"; sid:1;)`, 5, 1},
		{"content in a field", `alert http any any -> $HOME_NET any (msg:"a"; http.uri; content:"evil-command"; http.user_agent; content:"bad-agent"; sid:1;)`, 7, 1},
		{"content with depth, on packet and stream", `alert tcp any any -> $HOME_NET any (msg:"a"; content:"GET "; depth:4; sid:1;)`, 1400, 1},
		{"content of the answer's body", `alert http any any -> any any (msg:"a"; flow:to_client; file_data; content:"secret-data"; sid:1;)`, 11, 1},
		{"wrong direction", `alert tcp any any -> $HOME_NET any (msg:"a"; flow:to_client; content:"evil-command"; sid:1;)`, 1400, 0},
		{"other address", `alert tcp any any -> 192.168.0.0/16 any (msg:"a"; content:"evil-command"; sid:1;)`, 1400, 0},
		{"a field that is not there", `alert http any any -> any any (msg:"a"; http.cookie; content:"evil-command"; sid:1;)`, 1400, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sink, _, _ := runFiles(t, sensor.Config{Rules: ruleEngine(t, c.rule)}, attackFile(t, c.size))
			events := sink.events(t)
			alerts := of(events, "alert")
			if len(alerts) != c.want {
				t.Fatalf("%d alerts, want %d", len(alerts), c.want)
			}
			flows := of(events, "flow")
			if len(flows) != 1 || part(flows[0], "flow")["alerted"] != (c.want > 0) {
				t.Errorf("flow records %v", flows)
			}
			for _, a := range alerts {
				if a.Alert.SID != 1 || a.FlowID != flows[0].FlowID || a.CommunityID != flows[0].CommunityID {
					t.Errorf("alert %+v", a)
				}
				payload, err := base64.StdEncoding.DecodeString(fmt.Sprint(a.Fields["payload"]))
				if err != nil || len(payload) == 0 {
					t.Errorf("payload %q, %v", payload, err)
				}
				packet, err := base64.StdEncoding.DecodeString(fmt.Sprint(a.Fields["packet"]))
				if err != nil || len(packet) < 54 || packet[12] != 8 {
					t.Errorf("packet of %d bytes, %v", len(packet), err)
				}
			}
		})
	}
}

func TestAProtocolIsFoundByContentOnAnyPort(t *testing.T) {
	w := newWire(t)
	c := w.dial("10.0.0.1:40000", "10.0.0.2:2222")
	c.say(0, attack, 3)
	c.close()
	w.udp("10.0.0.1:1234", "10.0.0.2:9999", dnsQuery(7, "tên.example.vn"))
	w.udp("10.0.0.1:1234", "10.0.0.2:9999", dnsQuery(8, "www.example.vn"))
	w.udp("10.0.0.1:1235", "10.0.0.2:9998", dnsQuery(9, "www.example.vn"))
	q := dnsQuery(10, "tcp.example.vn")
	d := w.dial("10.0.0.1:40001", "10.0.0.2:2223")
	d.say(0, string([]byte{0, byte(len(q))})+q, 4)
	d.close()
	sink, _, _ := runFiles(t, sensor.Config{}, w.file())
	events := sink.events(t)
	if http := of(events, "http"); len(http) != 1 || part(http[0], "http")["hostname"] != "portal.example.vn" {
		t.Errorf("http %v", http)
	}
	var names []string
	for _, e := range of(events, "dns") {
		names = append(names, dnsLine(e))
	}
	// The first name has bytes beyond ASCII: away from port 53 that is not
	// taken for DNS, and with it the rest of its flow.
	if want := []string{"0x0009\twww.example.vn", "0x000a\ttcp.example.vn"}; !slices.Equal(names, want) {
		t.Errorf("dns %q", names)
	}
}

func TestProtocolsWithoutParserAreNamed(t *testing.T) {
	w := newWire(t)
	say := func(port int, turns ...string) {
		c := w.dial(fmt.Sprintf("10.0.0.1:%d", port), "10.0.0.2:7000")
		for _, text := range turns {
			c.say(int(text[0]-'0'), text[1:], 2)
		}
		c.close()
	}
	say(1, "1SSH-2.0-x\r\n", "0SSH-2.0-y\r\n")
	say(2, "1220 mail.example.vn\r\n", "0EHLO me\r\n")
	say(3, "1220 files\r\n", "0USER me\r\n")
	say(4, "0\x00\x00\x00\x44\xfeSMB@\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	say(5, "1+OK mail\r\n", "0USER me\r\n")
	say(6, "1hello mail\r\n", "0USER me\r\n")
	sink, _, _ := runFiles(t, sensor.Config{}, w.file())
	var got []string
	for _, f := range of(sink.events(t), "flow") {
		got = append(got, fmt.Sprintf("%d %v", f.Src.Port(), f.Fields["app_proto"]))
	}
	slices.Sort(got)
	if want := []string{"1 ssh", "2 smtp", "3 ftp", "4 smb", "5 pop3", "6 <nil>"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATunnelThroughAProxyIsLookedInto(t *testing.T) {
	sink, _, _ := runFiles(t, sensor.Config{}, testkit.Data(t, "pcap/other/ja4__pcap__https-connect.pcap"))
	events := sink.events(t)
	if len(of(events, "http")) != 1 || len(of(events, "tls")) != 1 {
		t.Errorf("%d http and %d tls records", len(of(events, "http")), len(of(events, "tls")))
	}
}

func TestPacketsWithWrongChecksumsAreRefusedUnlessMostHaveThem(t *testing.T) {
	spoil := func(frames int) string {
		w := newWire(t)
		for i := range 40 {
			w.udp("10.0.0.1:1000", "10.0.0.2:53", dnsQuery(uint16(i), "a.vn"))
			if i < frames {
				w.out[len(w.out)-1] ^= 2
			}
		}
		return w.file()
	}
	cases := []struct {
		name    string
		policy  sensor.ChecksumPolicy
		spoiled int
		invalid uint64
	}{
		{"two of forty", sensor.ChecksumAuto, 2, 2},
		{"half of forty", sensor.ChecksumAuto, 20, 0},
		{"half of forty, refusing all", sensor.ChecksumAll, 20, 20},
		{"two of forty, using all", sensor.ChecksumNone, 2, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, counters, _ := runFiles(t, sensor.Config{Checksums: c.policy}, spoil(c.spoiled))
			if counters.BadChecksum != c.invalid || counters.Invalid != c.invalid || counters.Received != 40 {
				t.Errorf("counters %+v", counters)
			}
		})
	}
}

func TestBrokenFilesAreToldAndTheRestIsRead(t *testing.T) {
	good := attackFile(t, 100)
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.pcap")
	err = os.WriteFile(cut, whole[:len(whole)-10], 0o600)
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text.pcap")
	err = os.WriteFile(text, []byte("this is no capture at all, just text"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	sink, c, broken := runFiles(t, sensor.Config{}, cut, text, good)
	if len(broken) != 2 || broken[0].File != cut || broken[1].File != text {
		t.Fatalf("broken %v", broken)
	}
	if http := of(sink.events(t), "http"); len(http) != 2 {
		t.Errorf("%d http records from %d packets", len(http), c.Received)
	}
}

func TestTheSameCaptureGivesTheSameRecords(t *testing.T) {
	file := attackFile(t, 100)
	strip := func() []string {
		sink, _, _ := runFiles(t, sensor.Config{}, file)
		var out []string
		for _, e := range sink.events(t) {
			if e.Type != "stats" {
				out = append(out, string(e.Raw))
			}
		}
		return out
	}
	if a, b := strip(), strip(); !slices.Equal(a, b) {
		t.Errorf("first\n%s\nsecond\n%s", a, b)
	}
}

func TestOnlyTheTypesAskedForAreWritten(t *testing.T) {
	name := attackFile(t, 1400)
	all, _, _ := runFiles(t, sensor.Config{}, name)
	for _, types := range [][]string{{}, {"http"}, {"http", "alert"}, {"fileinfo", "flow"}} {
		var want []byte
		for line := range bytes.Lines(all.lines.Bytes()) {
			if slices.ContainsFunc(types, func(kind string) bool { return bytes.Contains(line, []byte(`"event_type":"`+kind+`"`)) }) {
				want = append(want, line...)
			}
		}
		got, counters, _ := runFiles(t, sensor.Config{Types: types}, name)
		if !bytes.Equal(got.lines.Bytes(), want) || counters.Processed == 0 {
			t.Errorf("%v: got\n%s\nwant what is of these types among all:\n%s", types, got.lines.Bytes(), want)
		}
	}
}

func TestAFlowIsNamedByItsProtocolThoughNobodyReadsIt(t *testing.T) {
	got, _, _ := runFiles(t, sensor.Config{Types: []string{"flow"}}, attackFile(t, 5))
	if n := bytes.Count(got.lines.Bytes(), []byte(`"app_proto":"http"`)); n != 1 {
		t.Errorf("%d flows of http, want 1: %s", n, got.lines.Bytes())
	}
}

func TestAFailingSinkEndsTheRun(t *testing.T) {
	e, err := sensor.New(sensor.Config{Clock: clock.System{}, Sinks: []output.Sink{failing{}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.RunFiles(context.Background(), []string{attackFile(t, 100)})
	if !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
}

var errDisk = errors.New("disk full")

type failing struct{}

func (failing) Write(string, []byte) error  { return errDisk }
func (failing) Close(context.Context) error { return nil }
func (failing) Stats() output.Stats         { return output.Stats{} }

func TestNewRefusesAnIncompleteConfiguration(t *testing.T) {
	for name, cfg := range map[string]sensor.Config{
		"no sink":             {Clock: clock.System{}},
		"no clock":            {Sinks: []output.Sink{&memory{}}},
		"an unknown checksum": {Sinks: []output.Sink{&memory{}}, Clock: clock.System{}, Checksums: "some"},
	} {
		_, err := sensor.New(cfg)
		if !errors.Is(err, sensor.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARunStopsWhenItIsTold(t *testing.T) {
	e, err := sensor.New(sensor.Config{Clock: clock.System{}, Sinks: []output.Sink{&memory{}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	_, err = e.RunFiles(ctx, []string{testkit.Data(t, "pcap/load-mix.pcap")})
	if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
}

func BenchmarkLoadMix(b *testing.B) {
	file := testkit.Data(b, "pcap/load-mix.pcap")
	var packets, bytes uint64
	for b.Loop() {
		e, err := sensor.New(sensor.Config{Clock: clock.System{}, Sinks: []output.Sink{&memory{}}, Checksums: sensor.ChecksumNone})
		if err != nil {
			b.Fatal(err)
		}
		_, err = e.RunFiles(context.Background(), []string{file})
		if err != nil {
			b.Fatal(err)
		}
		c := e.Counters()
		packets, bytes = packets+c.Received, bytes+c.Bytes
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(bytes)*8/1e9/b.Elapsed().Seconds(), "Gbit/s")
}
