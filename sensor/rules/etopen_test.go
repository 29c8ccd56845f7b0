package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/testkit"
)

// loadET parses all files of Emerging Threats Open.
func loadET(tb testing.TB) (rs []*Rule, refused []Refusal) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(testkit.Data(tb, "rules/etopen"), "*.rules"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no rule files: %v", err)
	}
	vars := DefaultVars("[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]")
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		got, bad := Parse(f, filepath.Base(name), vars)
		_ = f.Close() // read-only
		rs, refused = append(rs, got...), append(refused, bad...)
	}
	return rs, refused
}

// seedET adds a few hundred real rules of all kinds to a fuzz target.
func seedET(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(testkit.Data(f, "rules/etopen"), "emerging-*.rules"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "alert") && n < 8 {
				f.Add(line)
				n++
			}
		}
	}
}

// payloads cuts the largest capture into packet-sized pieces of real bytes.
func payloads(tb testing.TB) [][]byte {
	tb.Helper()
	data, err := os.ReadFile(testkit.Data(tb, "pcap/load-mix.pcap"))
	if err != nil {
		tb.Fatal(err)
	}
	const most = 8 << 20
	data = data[:min(len(data), most)]
	var out [][]byte
	for len(data) > 0 {
		n := min(len(data), 400)
		out = append(out, data[:n])
		data = data[n:]
	}
	return out
}

func etEngine(tb testing.TB) *Engine {
	tb.Helper()
	rs, _ := loadET(tb)
	e, err := NewEngine(rs, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func BenchmarkNewEngineET(b *testing.B) {
	rs, _ := loadET(b)
	for b.Loop() {
		_, err := NewEngine(rs, Options{})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInspectET(b *testing.B) {
	e := etEngine(b)
	b.Logf("%+v", e.Stats())
	pieces := payloads(b)
	dns, uri := []byte("www.example.gov.vn"), []byte("/index.php?option=com_content&view=article&id=12")
	agent := []byte("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36")
	for _, c := range []struct {
		name string
		make func(i int) *Input
	}{
		{"packet", func(i int) *Input { in := toServer(""); in.Payload = pieces[i%len(pieces)]; return in }},
		{"stream", func(i int) *Input {
			in := toServer("")
			in.View, in.Payload, in.Unit = ViewStream, pieces[i%len(pieces)], uint64(i)
			return in
		}},
		{"dns", func(int) *Input {
			in := transaction(true, func(x *Buffers) { x.Add(BufferDNSQuery, dns) })
			in.AppProto = "dns"
			return in
		}},
		{"http", func(int) *Input {
			return transaction(true, func(x *Buffers) {
				x.Add(BufferHTTPURI, uri)
				x.Add(BufferHTTPHost, dns)
				x.Add(BufferHTTPMethod, []byte("GET"))
				x.Add(BufferHTTPUserAgent, agent)
			})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			ctx := e.NewContext()
			inputs := make([]*Input, 4096)
			for i := range inputs {
				inputs[i] = c.make(i)
			}
			alerts, candidates, bytes, n := 0, 0, 0, 0
			b.ReportAllocs()
			for b.Loop() {
				in := inputs[n%len(inputs)]
				alerts += len(e.Inspect(ctx, in))
				candidates += len(ctx.candidates)
				bytes += len(in.Payload)
				n++
			}
			b.ReportMetric(float64(candidates)/float64(n), "candidates/op")
			b.ReportMetric(float64(alerts)/float64(n), "alerts/op")
			b.SetBytes(int64(bytes / n))
		})
	}
}

func TestEmergingThreatsOpenLoads(t *testing.T) {
	rs, refused := loadET(t)
	histogram := map[string]int{}
	for _, r := range refused {
		histogram[r.Reason]++
	}
	var lines []string
	for reason, n := range histogram {
		lines = append(lines, fmt.Sprintf("%5d %s", n, reason))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	total := len(rs) + len(refused)
	t.Logf("loaded %d of %d (%.2f %%), refused %d", len(rs), total, 100*float64(len(rs))/float64(total), len(refused))
	for _, l := range lines {
		t.Log(l)
	}
	if total < 20000 || float64(len(rs)) < 0.95*float64(total) {
		t.Fatalf("loaded %d of %d rules, want 95 %% of more than 20000", len(rs), total)
	}
	for _, r := range refused {
		if r.SID == 0 || r.Line == 0 || r.File == "" || r.Reason == "" {
			t.Fatalf("refusal without place or reason: %+v", r)
		}
	}
}
