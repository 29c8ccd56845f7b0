package sensor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

// EnvHostile is how often each capture is damaged at random; with it all
// captures are taken, cut at every length, and judged by the whole rule set.
const EnvHostile = "ANTIN_HOSTILE"

const (
	// hostileWindow is how many frames around the damage are read of a long
	// capture.
	hostileWindow = 400
	// hostileHeap bounds what is in use after a capture, rules included.
	hostileHeap = 512 << 20
	// flips is how many bits at most are turned in one copy.
	flips = 24
)

// jsonOnly is a sink that takes nothing but JSON objects.
type jsonOnly struct {
	t     *testing.T
	lines uint64
	wrong int
}

func (s *jsonOnly) Write(_ string, line []byte) error {
	s.lines++
	if !json.Valid(line) && s.wrong < 5 {
		s.wrong++
		s.t.Errorf("not JSON: %q", line)
	}
	return nil
}
func (s *jsonOnly) Close(context.Context) error { return nil }
func (s *jsonOnly) Stats() output.Stats         { return output.Stats{Accepted: s.lines} }

// frames reads a capture whole.
func frames(t *testing.T, path string) []capture.Frame {
	t.Helper()
	src, err := capture.OpenFile(path)
	if err != nil {
		return nil // no capture, or one that is damaged as it is
	}
	defer src.Close()
	var all []capture.Frame
	for {
		var f capture.Frame
		err = src.Next(&f)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("%s: %v", path, err)
			}
			return all
		}
		f.Data = append([]byte(nil), f.Data...)
		all = append(all, f)
	}
}

// flipped is a copy of a part of the frames with bits turned in some of them.
func flipped(r *rand.Rand, all []capture.Frame) []capture.Frame {
	from := max(0, r.IntN(len(all))-hostileWindow/2)
	part := append([]capture.Frame(nil), all[from:min(len(all), from+hostileWindow)]...)
	owned := make([]bool, len(part))
	for range 1 + r.IntN(flips) {
		i := r.IntN(len(part))
		if len(part[i].Data) == 0 {
			continue
		}
		if !owned[i] {
			owned[i], part[i].Data = true, append([]byte(nil), part[i].Data...)
		}
		part[i].Data[r.IntN(len(part[i].Data))] ^= 1 << r.IntN(8)
	}
	return part
}

// cut is the frames with no more than n bytes each.
func cut(all []capture.Frame, n int) []capture.Frame {
	part := append([]capture.Frame(nil), all[:min(len(all), hostileWindow)]...)
	for i := range part {
		part[i].Data = part[i].Data[:min(n, len(part[i].Data))]
	}
	return part
}

// hostileRules are all rules of the public sets that load.
func hostileRules(t *testing.T, patterns ...string) *rules.Engine {
	t.Helper()
	var all []*rules.Rule
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(testkit.Data(t, "rules"), pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no rules %s: %v", pattern, err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			rs, _ := rules.Parse(strings.NewReader(string(text)), name, rules.DefaultVars("[10.0.0.0/8,192.168.0.0/16,172.16.0.0/12]"))
			all = append(all, rs...)
		}
	}
	e, err := rules.NewEngine(all, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestDamagedAndCutCapturesHarmNothing(t *testing.T) {
	// Without it, a sample that is quick under the race detector.
	times, sets, every, step := 1, []string{"suricata-events/*.rules"}, 32, 128
	if n := os.Getenv(EnvHostile); n != "" {
		var err error
		times, err = strconv.Atoi(n)
		if err != nil {
			t.Fatalf("%s: %v", EnvHostile, err)
		}
		sets, every, step = append(sets, "etopen/*.rules"), 1, 1
	}
	captures, err := FindCaptures([]string{testkit.Data(t, "pcap")})
	if err != nil {
		t.Fatal(err)
	}
	sink := &jsonOnly{t: t}
	e, err := New(Config{Clock: clock.System{}, Sinks: []output.Sink{sink}, Rules: hostileRules(t, sets...), Checksums: ChecksumNone, NoEvidence: true})
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(clock.System{}.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var copies, highest uint64
	run := func(name string, w *worker, part []capture.Frame) {
		copies++
		before := w.packets.panics
		for i := range part {
			w.frame(&part[i])
		}
		w.finish(flow.ReasonShutdown)
		if w.packets.panics != before {
			t.Errorf("%s: a parser panicked", name)
		}
	}
	w := newWorker(e, "")
	w.dec.SetChecksums(false)
	for i, name := range captures {
		if i%every != 0 {
			continue
		}
		all := frames(t, name)
		if len(all) == 0 {
			continue
		}
		longest := 0
		for _, f := range all[:min(len(all), hostileWindow)] {
			longest = max(longest, len(f.Data))
		}
		for range times {
			run(name, w, flipped(r, all))
		}
		for n := 0; n <= longest; n += step {
			run(name, w, cut(all, n))
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		highest = max(highest, m.HeapAlloc)
	}
	c := w.counters()
	if c.Received != c.Processed+c.Dropped+c.Invalid {
		t.Errorf("received %d, processed %d, dropped %d, invalid %d", c.Received, c.Processed, c.Dropped, c.Invalid)
	}
	if c.ParserPanics != 0 || w.sinkErr() != nil || highest > hostileHeap {
		t.Errorf("%d panics, %v, %d MB at most", c.ParserPanics, w.sinkErr(), highest>>20)
	}
	t.Logf("%d damaged captures, %d packets, %d records, heap at most %d MB", copies, c.Received, sink.lines, highest>>20)
}
