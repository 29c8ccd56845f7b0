package sensor_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/antin-gov/antin/sensor"
)

// figure looks a figure up by its dotted name.
func figure(m map[string]any, name string) any {
	for part := range strings.SplitSeq(name, ".") {
		next, ok := m[part].(map[string]any)
		if !ok {
			return m[part]
		}
		m = next
	}
	return m
}

func TestFiguresAreCountedUnderTheNamesOfSuricata(t *testing.T) {
	w := newWire(t)
	for i := range 3 {
		w.udp("10.0.0.1:1000", "10.0.0.2:53", dnsQuery(uint16(i), "a.vn"))
	}
	w.udp("10.0.0.1:1001", "10.0.0.2:53", dnsQuery(7, "b.vn"))
	w.out[len(w.out)-1] ^= 2
	sink, _, _ := runFiles(t, sensor.Config{Checksums: sensor.ChecksumAll}, w.file())
	all := of(sink.events(t), "stats")
	if len(all) != 1 {
		t.Fatalf("%d stats records", len(all))
	}
	for name, want := range map[string]int{
		"decoder.pkts": 4, "decoder.invalid": 1, "decoder.ipv4": 4, "decoder.ipv6": 0, "decoder.udp": 4, "decoder.tcp": 0,
		"flow.total": 1, "flow.udp": 1, "flow.tcp": 0, "flow.active": 0, "flow.mgr.flows_timeout": 0,
		"app_layer.flow.dns_udp": 1, "app_layer.tx.dns_udp": 3, "app_layer.error.dns_udp.parser": 0, "tcp.invalid_checksum": 0, "detect.alert": 0,
	} {
		if got := figure(part(all[0], "stats"), name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	for name, want := range map[string]int{"event.dns": 3, "decoder.processed": 3, "decoder.bad_checksum": 1, "decoder.reason.invalid_checksum": 1} {
		if got := figure(part(all[0], "antin"), name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("antin: %s is %v, not %v", name, got, want)
		}
	}
}

func TestEachFigureIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(text), "## stats\n")
	doc, _, _ = strings.Cut(doc, "\n## ")
	sink, _, _ := runFiles(t, sensor.Config{}, newWire(t).file())
	var walk func(path string, m map[string]any)
	walk = func(path string, m map[string]any) {
		for name, v := range m {
			inner, ok := v.(map[string]any)
			switch {
			case ok && (name == "event" || name == "reason"):
			case ok:
				walk(path+name+".", inner)
			case !strings.Contains(doc, name):
				t.Errorf("docs/events.md has no %s%s", path, name)
			}
		}
	}
	e := of(sink.events(t), "stats")[0]
	walk("stats.", part(e, "stats"))
	walk("antin.", part(e, "antin"))
}
