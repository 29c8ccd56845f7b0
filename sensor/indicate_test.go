package sensor_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/ioc"
)

// indicators makes a table of one list.
func indicators(t testing.TB, list string) *ioc.Live {
	t.Helper()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	b := ioc.NewBuilder()
	r, err := ioc.Read(strings.NewReader(list), b, ioc.ReadOptions{Source: "thử nghiệm", Confidence: 80, Now: now, Private: true})
	if err != nil || r.Refused > 0 {
		t.Fatalf("%v %v", err, r.Reasons)
	}
	path := filepath.Join(t.TempDir(), "t.ioc")
	err = b.WriteFile(path, now)
	if err != nil {
		t.Fatal(err)
	}
	table, err := ioc.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return ioc.NewLive(table)
}

func TestIndicatorsAreFoundWithTheirSourceOnceEach(t *testing.T) {
	list := "type,value,description\nip,203.0.113.9,máy quét\nhostname,portal.example.vn,\n" +
		"url,http://portal.example.vn/cgi-bin/run?cmd=evil-command,\n" +
		"sha256,ae28f2efe10abefe3d45cffa6d94ded5ac8d4ce3fdb2f4cbb8b1c3ee7ca8e7f9,\n"
	w := newWire(t)
	w.udp("10.1.2.3:40001", "10.1.0.53:53", dnsQuestion)
	for range 3 {
		c := w.dial("203.0.113.9:40000", "10.1.2.3:8081")
		c.say(0, attack, 500)
		c.say(1, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nsecret-data", 500)
		c.close()
	}
	file := w.file()
	_, before, _ := runFiles(t, sensor.Config{}, file)
	out, after, _ := runFiles(t, sensor.Config{Indicators: indicators(t, list)}, file)
	if before.Received != after.Received {
		t.Errorf("packets %d and %d", before.Received, after.Received)
	}
	var seen []string
	for _, e := range of(out.events(t), "alert") {
		hit := part(e, "ioc")
		if e.Alert.GID != 9001 || hit["source"] != "thử nghiệm" || hit["indicator"] == "" {
			t.Errorf("%+v: %v", e.Alert, hit)
		}
		seen = append(seen, hit["seen_in"].(string))
	}
	slices.Sort(seen)
	want := []string{"dns.query", "flow.src_ip", "http.host", "http.url"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen in %v, want %v", seen, want)
	}
}

// dnsQuestion asks for portal.example.vn, type A.
const dnsQuestion = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06portal\x07example\x02vn\x00\x00\x01\x00\x01"
