package ioc_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/sensor/ioc"
)

var now = time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)

// build makes a table of lists, each read with its own name as source.
func build(t testing.TB, lists map[string]string) (*ioc.Table, map[string]ioc.Result) {
	t.Helper()
	b := ioc.NewBuilder()
	results := map[string]ioc.Result{}
	for name, text := range lists {
		r, err := ioc.Read(strings.NewReader(text), b, ioc.ReadOptions{Source: name, Confidence: 50, Now: now})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		results[name] = r
	}
	path := filepath.Join(t.TempDir(), "t.ioc")
	err := b.WriteFile(path, now)
	if err != nil {
		t.Fatal(err)
	}
	table, err := ioc.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return table, results
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestListsOfTheThreeFormatsAreFoundAgain(t *testing.T) {
	table, results := build(t, map[string]string{
		"stix":  read(t, "bundle.json"),
		"misp":  read(t, "event.json"),
		"csv":   "type,value,confidence,description,expires\nip,192.0.2.200,80,scanner,2027-01-01\ndomain,wide.example.com,,,\nja4,t13d1715h2_5b57614c22b0_3d5424432f57,99,tool,\nip,127.0.0.1,,,\nip,192.0.2.9,,,someday\n",
		"plain": "# list\nhxxp://dl[.]example[.]com/x\n0.0.0.0 ads.example.org\n2001:db8:5::/48\nsingle\n\ncom\n*.vn\n",
	})
	tests := []struct {
		name, value, source string
		found               bool
	}{
		{"an address of a STIX pattern", "203.0.113.66", "stix", true},
		{"an address in a network", "198.51.100.77", "stix", true},
		{"an address beside the network", "198.51.101.77", "", false},
		{"a name under a wildcard", "a.b.bad.example.net", "stix", true},
		{"a URL whose host has other case", "http://evil.EXAMPLE.com/Gate.php?id=1", "stix", true},
		{"a URL whose path has other case", "http://x.evil2.example/gate.php", "", false},
		{"a SHA-256", "AEC070645FE53EE3B3763059376134F058CC337247C978ADD178B6CCDFB0019F", "", true},
		{"an MD5 of a set", "0cc175b9c0f1b6a831c399e269772661", "stix", true},
		{"a part of a pattern that needs two things", "x.example.com", "", false},
		{"what was over when it was read", "old.example.org", "", false},
		{"an address with its port", "203.0.113.7", "misp", true},
		{"a name under a MISP domain", "www.evil.example.com", "misp", true},
		{"a name under a MISP hostname", "www.host.example.org", "", false},
		{"the address of a pair", "203.0.113.8", "misp", true},
		{"what is not meant for detection", "203.0.113.9", "", false},
		{"a JA3", "e7d705a3286e19ea42f587b344ee6865", "misp", true},
		{"a digest in an object", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "misp", true},
		{"a line of columns", "192.0.2.200", "csv", true},
		{"a JA4", "t13d1715h2_5b57614c22b0_3d5424432f57", "csv", true},
		{"a defanged URL", "http://dl.example.com/x", "plain", true},
		{"a name of a hosts file", "ads.example.org", "plain", true},
		{"an address of IPv6 in a network", "2001:db8:5:1::1", "plain", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := table.Check(tt.value, now)
			if err != nil {
				t.Fatal(err)
			}
			if (len(got) > 0) != tt.found {
				t.Fatalf("found %v", got)
			}
			if tt.found && tt.source != "" && got[0].Source != tt.source {
				t.Errorf("source %s", got[0].Source)
			}
		})
	}
	reasons := map[string][]int{"stix": {12, 16}, "misp": {10, 11, 12}, "csv": {5, 6}, "plain": {5, 7, 8}}
	for name, lines := range reasons {
		var got []int
		for _, r := range results[name].Reasons {
			got = append(got, r.Line)
			if r.Reason == "" {
				t.Errorf("%s: no reason on line %d", name, r.Line)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(lines) {
			t.Errorf("%s: refused lines %v, want %v: %v", name, got, lines, results[name].Reasons)
		}
	}
	if results["stix"].Expired != 1 {
		t.Errorf("expired %d", results["stix"].Expired)
	}
}

func TestAnIndicatorEndsWhenItsTimeIsOver(t *testing.T) {
	table, _ := build(t, map[string]string{"a": "type,value,expires\nip,192.0.2.1,2027-01-01\n", "b": "192.0.2.1\n"})
	at := netip.MustParseAddr("192.0.2.1")
	i, ok := table.Address(at, now)
	if !ok || i.Expires.IsZero() && i.Source != "b" {
		t.Fatalf("%v %v", i, ok)
	}
	i, ok = table.Address(at, now.AddDate(1, 0, 0))
	if !ok || i.Source != "b" {
		t.Errorf("the entry that does not end is not found: %v %v", i, ok)
	}
	table, _ = build(t, map[string]string{"a": "type,value,expires\nip,192.0.2.1,2027-01-01\n"})
	_, ok = table.Address(at, now.AddDate(1, 0, 0))
	if ok {
		t.Error("found after its end")
	}
}

func TestAMissDoesNotAllocate(t *testing.T) {
	table, _ := build(t, map[string]string{"stix": read(t, "bundle.json"), "misp": read(t, "event.json"), "net": "2001:db8:5::/48\n"})
	four, six := netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("2001:db8::1")
	name, uri, sum := []byte("www.Some.Where.example.co.uk"), []byte("/a/long/path?x=y"), make([]byte, 32)
	allocs := testing.AllocsPerRun(1000, func() {
		table.Address(four, now)
		table.Address(six, now)
		table.Domain(name, now)
		table.URL(name, uri, now)
		table.Key(ioc.KindSHA256, sum, now)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestADamagedTableIsNotOpened(t *testing.T) {
	b := ioc.NewBuilder()
	err := b.Add(ioc.Indicator{Kind: ioc.KindDomain, Value: "evil.example.com", Source: "s"}, false)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "t.ioc")
	err = b.WriteFile(path, now)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		broken := bytes.Clone(whole)
		broken[at] ^= 0x41
		err = os.WriteFile(path, broken, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ioc.Open(path)
		if !errors.Is(err, ioc.ErrTable) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	for n := range whole {
		err = os.WriteFile(path, whole[:n], 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ioc.Open(path)
		if !errors.Is(err, ioc.ErrTable) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

func TestANewFileIsTakenOverWhileTheOldOneIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.ioc")
	write := func(address string) {
		b := ioc.NewBuilder()
		for i := range 5000 {
			err := b.Add(ioc.Indicator{Kind: ioc.KindDomain, Value: fmt.Sprintf("n%d.example.com", i), Source: "s"}, false)
			if err != nil {
				t.Fatal(err)
			}
		}
		err := b.Add(ioc.Indicator{Kind: ioc.KindAddress, Value: address, Source: "s"}, false)
		if err == nil {
			err = b.WriteFile(path, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("192.0.2.1")
	table, err := ioc.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	live := ioc.NewLive(table)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		live.Watch(ctx, path, time.Millisecond, slog.New(slog.DiscardHandler))
	}()
	for n := 2; n < 12; n++ {
		address := netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
		write(address.String())
		for {
			_, ok := live.Table().Domain([]byte("n4999.example.com"), now)
			if !ok {
				t.Fatal("an indicator was away while the file changed")
			}
			_, ok = live.Table().Address(address, now)
			if ok {
				break
			}
			if ctx.Err() != nil {
				t.Fatal("the new file was not taken over")
			}
		}
	}
	cancel()
	<-done
}

func TestAnEndlessObjectIsRefused(t *testing.T) {
	for _, text := range []string{
		`{"type":"bundle","objects":[{"type":"indicator","name":"` + strings.Repeat("a", 3<<20) + `"}]}`,
		`{"Event":{"info":"` + strings.Repeat("a", 3<<20) + `"}}`,
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100),
		strings.Repeat("a", 3<<20),
		`{"type":"bundle","objects":[{"type":"indica`,
		`{"type":"bundle"}`, `{}`, `[]`,
	} {
		_, err := ioc.Read(strings.NewReader(text), ioc.NewBuilder(), ioc.ReadOptions{Source: "x", Now: now})
		if !errors.Is(err, ioc.ErrFormat) {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func fuzz(f *testing.F, format ioc.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		builder := ioc.NewBuilder()
		_, err := ioc.Read(bytes.NewReader(b), builder, ioc.ReadOptions{Source: "x", Format: format, Now: now})
		if err != nil || builder.Len() == 0 {
			return
		}
		table, err := builder.Memory(now)
		if err != nil {
			t.Fatal(err)
		}
		for i := range table.All() {
			if i.Kind == ioc.KindNetwork || i.Kind == ioc.KindJA3 || i.Kind == ioc.KindJA3S {
				continue
			}
			found, err := table.Check(i.Value, now)
			if err != nil || len(found) == 0 {
				t.Fatalf("%v %q is not found again: %v", i.Kind, i.Value, err)
			}
		}
	})
}

func FuzzSTIX(f *testing.F) {
	fuzz(f, ioc.FormatSTIX, read(f, "bundle.json"), `{"objects":[{"type":"indicator","pattern":"[a:b='\\'' OR (c:d IN ('x','y'))] OR ([url:value='http://a.b/'])"}]}`)
}

func FuzzMISP(f *testing.F) { fuzz(f, ioc.FormatMISP, read(f, "event.json")) }

func FuzzCSV(f *testing.F) {
	fuzz(f, ioc.FormatCSV, "type,value\nip,192.0.2.1\n", "a.example.com\n\"x\";y\n", "hxxp://a[.]b.com/c,\"d\n0.0.0.0 x.y.com", hex.EncodeToString(make([]byte, 32)))
}

// BenchmarkTable tells bytes per entry and the time of a miss, with a million
// names and a million digests.
func BenchmarkTable(b *testing.B) {
	builder := ioc.NewBuilder()
	for i := range 1_000_000 {
		err := errors.Join(
			builder.Add(ioc.Indicator{Kind: ioc.KindDomain, Value: fmt.Sprintf("host-%d.bad-%d.example.com", i, i%5000), Source: "s"}, false),
			builder.Add(ioc.Indicator{Kind: ioc.KindSHA256, Value: fmt.Sprintf("%064x", i), Source: "s"}, false))
		if err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(b.TempDir(), "t.ioc")
	start := time.Now()
	err := builder.WriteFile(path, now)
	if err != nil {
		b.Fatal(err)
	}
	written := time.Since(start)
	start = time.Now()
	table, err := ioc.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	opened := time.Since(start)
	name := []byte("www.some-where.example.gov.vn")
	b.ReportAllocs()
	for b.Loop() {
		name[0]++
		table.Domain(name, now)
	}
	b.ReportMetric(float64(table.Bytes())/float64(table.Len()), "B/entry")
	b.ReportMetric(written.Seconds(), "write-s")
	b.ReportMetric(opened.Seconds(), "open-s")
}
