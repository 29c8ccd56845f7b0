package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/antin-gov/antin/internal/atomicfile"
)

// The rule for links: the 95th percentile of samples of 5 minutes over 7 days
// is at most 90 % of the capacity.
const (
	sampleTime  = 5 * time.Minute
	linkSamples = 7 * 24 * 12
	linkLimit   = 0.9
	percentile  = 0.95
)

// link is a line with the samples of the last week: the busier direction as a
// share of the capacity.
type link struct {
	Link
	Samples []float64
	Sample  time.Time
	bytes   [2]uint64
}

// load counts what a link carries, out and in.
func (e *Engine) load(f *Flow) {
	for _, l := range e.links {
		if l.Interface != f.Interface {
			continue
		}
		sample := f.Last.Truncate(sampleTime)
		if l.Sample.IsZero() {
			l.Sample = sample
		}
		if sample.After(l.Sample) {
			e.sample(l, f)
			// Time without a sensor is no time without traffic.
			l.Sample, l.bytes = sample, [2]uint64{}
		}
		out, in := f.Delta[0], f.Delta[1]
		if !e.home.has(f.Client.Addr()) {
			out, in = in, out
		}
		l.bytes[0] += out
		l.bytes[1] += in
	}
}

func (e *Engine) sample(l *link, f *Flow) {
	share := float64(max(l.bytes[0], l.bytes[1])) * 8 / sampleTime.Seconds() / (l.Mbps * 1e6)
	if len(l.Samples) >= linkSamples {
		l.Samples = slices.Delete(l.Samples, 0, len(l.Samples)-linkSamples+1)
	}
	l.Samples = append(l.Samples, share)
	if len(l.Samples) < e.cfg.LinkSamples {
		return
	}
	sorted := slices.Sorted(slices.Values(l.Samples))
	p := sorted[min(int(percentile*float64(len(sorted))), len(sorted)-1)]
	if p <= linkLimit {
		return
	}
	found := f.finding(linkLoad())
	found.FlowID = 0
	found.Vi = fmt.Sprintf("Đường truyền %s: phân vị 95 là %.0f %% dung lượng, giới hạn 90 %%", l.Name, 100*p)
	found.En = fmt.Sprintf("Link %s: the 95th percentile is %.0f %% of its capacity, the limit is 90 %%", l.Name, 100*p)
	found.Fields = []Field{
		{"link", l.Name}, {"mbps", l.Mbps}, {"percentile_95", p}, {"samples", len(l.Samples)}, {"threshold", linkLimit},
		{"window", time.Duration(len(l.Samples)) * sampleTime},
	}
	e.tell(l.Name, 24*time.Hour, found)
}

// learnt is what outlives a run.
type learnt struct {
	Started  time.Time            `json:"started"`
	Known    []uint64             `json:"known"`
	Agencies map[string]*spread   `json:"agencies"`
	Links    map[string][]float64 `json:"links"`
}

// maxState bounds the file of what was learnt.
const maxState = 64 << 20

func (e *Engine) restore() error {
	if e.cfg.State == "" {
		return nil
	}
	info, err := os.Stat(e.cfg.State)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what was learnt: %w", err)
	}
	if info.Size() > maxState {
		return fmt.Errorf("%w: %s is longer than %d bytes", ErrConfig, e.cfg.State, maxState)
	}
	text, err := os.ReadFile(e.cfg.State)
	if err != nil {
		return fmt.Errorf("read what was learnt: %w", err)
	}
	var s learnt
	err = json.Unmarshal(text, &s)
	if err != nil {
		return fmt.Errorf("read what was learnt from %s (take the file away to learn anew): %w", e.cfg.State, err)
	}
	e.seen.started = s.Started
	for _, k := range s.Known[:min(len(s.Known), e.seen.limit)] {
		e.seen.known[k] = true
	}
	for name, v := range s.Agencies {
		if v != nil {
			e.volume.agencies[name] = v
		}
	}
	for _, l := range e.links {
		l.Samples = s.Links[l.Name]
	}
	return nil
}

// Save writes what was learnt, in place of what stood there.
func (e *Engine) Save() error {
	if e.cfg.State == "" {
		return nil
	}
	e.mu.Lock()
	s := learnt{Started: e.seen.started, Agencies: e.volume.agencies, Links: map[string][]float64{}}
	for k := range e.seen.known {
		s.Known = append(s.Known, k)
	}
	for _, l := range e.links {
		s.Links[l.Name] = l.Samples
	}
	slices.Sort(s.Known)
	text, err := json.Marshal(&s)
	e.mu.Unlock()
	if err != nil {
		return fmt.Errorf("keep what was learnt: %w", err)
	}
	err = atomicfile.WriteBytes(e.cfg.State, 0o600, text)
	if err != nil {
		return fmt.Errorf("keep what was learnt: %w", err)
	}
	return nil
}
