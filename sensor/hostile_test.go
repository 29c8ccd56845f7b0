package sensor

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	t            *testing.T
	lines, wrong atomic.Uint64
}

func (s *jsonOnly) Write(_ string, line []byte) error {
	s.lines.Add(1)
	if !json.Valid(line) && s.wrong.Add(1) <= 5 {
		s.t.Errorf("not JSON: %q", line)
	}
	return nil
}
func (s *jsonOnly) Close(context.Context) error { return nil }
func (s *jsonOnly) Stats() output.Stats         { return output.Stats{Accepted: s.lines.Load()} }

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
	var copies, highest atomic.Uint64
	names := make(chan string)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			w := newWorker(e, "")
			w.dec.SetChecksums(false)
			for name := range names {
				harm(t, w, name, seed, times, step, &copies)
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				for at := highest.Load(); m.HeapAlloc > at && !highest.CompareAndSwap(at, m.HeapAlloc); at = highest.Load() {
				}
			}
			if w.sinkErr() != nil {
				t.Error(w.sinkErr())
			}
			e.collect(w)
		})
	}
	for i, name := range captures {
		if i%every == 0 {
			names <- name
		}
		if i%50 == 49 {
			t.Logf("%d of %d captures, %d copies", i+1, len(captures), copies.Load())
		}
	}
	close(names)
	wait.Wait()
	c := e.Counters()
	if c.Received != c.Processed+c.Dropped+c.Invalid {
		t.Errorf("received %d, processed %d, dropped %d, invalid %d", c.Received, c.Processed, c.Dropped, c.Invalid)
	}
	if c.ParserPanics != 0 || highest.Load() > hostileHeap {
		t.Errorf("%d panics, %d MB at most", c.ParserPanics, highest.Load()>>20)
	}
	t.Logf("%d damaged captures, %d packets, %d records, heap at most %d MB", copies.Load(), c.Received, sink.lines.Load(), highest.Load()>>20)
}

// harm shows a capture to the worker, damaged at random so many times and cut at
// every so many lengths.
func harm(t *testing.T, w *worker, name string, seed uint64, times, step int, copies *atomic.Uint64) {
	all := frames(t, name)
	if len(all) == 0 {
		return
	}
	digest := fnv.New64a()
	digest.Write([]byte(name))
	r := rand.New(rand.NewPCG(seed, digest.Sum64()))
	run := func(part []capture.Frame) {
		copies.Add(1)
		before := w.packets.panics
		for i := range part {
			w.frame(&part[i])
		}
		w.finish(flow.ReasonShutdown)
		if w.packets.panics != before {
			t.Errorf("%s: a parser panicked", name)
		}
	}
	longest := 0
	for _, f := range all[:min(len(all), hostileWindow)] {
		longest = max(longest, len(f.Data))
	}
	for range times {
		run(flipped(r, all))
	}
	for n := 0; n <= longest; n += step {
		run(cut(all, n))
	}
}
