package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/output"
)

// Figures are what a measure found. Rates are packets a second, the best of the
// rounds; by processor time they count what all threads used, not what other
// programs made them wait.
type Figures struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
	// Bare is the bare loop's rate, Rate the sensor's, OfBare their ratio.
	Bare   float64 `json:"bare_per_second"`
	Rate   float64 `json:"per_second"`
	OfBare float64 `json:"of_bare"`
	// The same by processor time.
	BareCPU   float64 `json:"bare_per_cpu_second"`
	RateCPU   float64 `json:"per_cpu_second"`
	OfBareCPU float64 `json:"of_bare_cpu"`
	// Allocations and AllocatedBytes are for each packet, the least of the rounds.
	Allocations    float64 `json:"allocations_per_packet"`
	AllocatedBytes float64 `json:"allocated_bytes_per_packet"`
	// Records and Alerts are those of a round, Written the bytes of their file.
	Records uint64 `json:"records"`
	Alerts  uint64 `json:"alerts"`
	Written int64  `json:"written_bytes"`
	Flows   uint64 `json:"flows"`
	// Forced are flows that were ended because the table was full, Panics
	// contained panics of parsers.
	Forced uint64 `json:"flows_forced"`
	Panics uint64 `json:"parser_panics"`
	// Resident is the most memory that was resident while packets ran, Loading
	// before that, while rules were read; without the mapped packets.
	Resident int64 `json:"resident_bytes"`
	Loading  int64 `json:"loading_bytes"`
}

// Measured is a capture in memory that is ready to be measured over.
type Measured struct {
	files  []*mapped
	span   time.Duration
	mapped int64
}

// ErrUnequal means that the sensor did not see what the bare loop saw.
var ErrUnequal = errors.New("the sensor counted other packets than were given")

// Open maps files of WriteFiles and reads them through once.
func Open(files []string) (*Measured, error) {
	m := &Measured{}
	var first, last time.Time
	for _, name := range files {
		f, err := open(name)
		if err != nil {
			return nil, err
		}
		m.files, m.mapped = append(m.files, f), m.mapped+int64(len(f.b))
		head, frame, next := f.at(fileHead)
		for ; frame != nil; head, frame, next = f.at(next) {
			at := timeOf(head)
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
	}
	m.span = last.Sub(first) + time.Second
	return m, nil
}

// Run measures so many rounds: first the bare loop, then the sensor with the
// configuration; each of its workers has one file. sink opens where records go to
// in a round, and says how many bytes were written when it is closed. The rounds
// follow one another in the packets' time.
func (m *Measured) Run(ctx context.Context, cfg sensor.Config, rounds int, sink func() (output.Sink, func() int64, error)) (Figures, error) {
	var f Figures
	var err error
	f.Loading, err = m.resident(true)
	if err != nil {
		return f, err
	}
	for round := range rounds {
		m.bare(&f)
		err = m.sensor(ctx, cfg, time.Duration(round)*m.span, sink, &f)
		if err != nil {
			return f, err
		}
	}
	f.Resident, err = m.resident(false)
	if f.Bare > 0 && f.BareCPU > 0 {
		f.OfBare, f.OfBareCPU = f.Rate/f.Bare, f.RateCPU/f.BareCPU
	}
	return f, err
}

// leastBare is how long the bare loop runs at least: of few packets again and
// again.
const leastBare = 200 * time.Millisecond

// bare runs the bare loop over each file, all at the same time.
func (m *Measured) bare(f *Figures) {
	runtime.GC()
	cpu, start := cpuTime(), time.Now()
	passes := uint64(0)
	for passes == 0 || time.Since(start) < leastBare {
		f.Packets = m.pass()
		passes++
	}
	n := float64(f.Packets * passes)
	f.Bare, f.BareCPU = max(f.Bare, n/time.Since(start).Seconds()), max(f.BareCPU, n/(cpuTime()-cpu).Seconds())
}

// pass is one pass of the bare loop; it returns the number of packets.
func (m *Measured) pass() uint64 {
	counts := make([]uint64, len(m.files))
	var wg sync.WaitGroup
	for i, file := range m.files {
		wg.Go(func() {
			b := decode.NewBare()
			_, frame, next := file.at(fileHead)
			n := uint64(0)
			for ; frame != nil; _, frame, next = file.at(next) {
				b.Decode(frame)
				n++
			}
			counts[i] = n
		})
	}
	wg.Wait()
	all := uint64(0)
	for _, n := range counts {
		all += n
	}
	return all
}

func (m *Measured) sensor(ctx context.Context, cfg sensor.Config, shift time.Duration, sink func() (output.Sink, func() int64, error), f *Figures) error {
	out, written, err := sink()
	if err != nil {
		return err
	}
	cfg.Sinks = []output.Sink{out}
	var sources []capture.Source
	for _, file := range m.files {
		sources = append(sources, file.reader(shift))
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	e, err := sensor.New(cfg)
	if err == nil {
		err = e.RunSources(ctx, sources)
	}
	// The context may have ended; what is held is written all the same.
	err = errors.Join(err, out.Close(context.WithoutCancel(ctx)))
	took, used := time.Since(start).Seconds(), (cpuTime() - cpu).Seconds()
	runtime.ReadMemStats(&after)
	f.Written = written()
	if err != nil {
		return err
	}
	c := e.Counters()
	if c.Received != f.Packets {
		return fmt.Errorf("%w: %d of %d", ErrUnequal, c.Received, f.Packets)
	}
	n := float64(c.Received)
	f.Bytes, f.Alerts, f.Flows, f.Forced, f.Panics = c.Bytes, c.Alerts, c.Flow.Created, c.Flow.Forced, c.ParserPanics
	f.Records = out.Stats().Accepted
	f.Rate, f.RateCPU = max(f.Rate, n/took), max(f.RateCPU, n/used)
	allocations, bytes := float64(after.Mallocs-before.Mallocs)/n, float64(after.TotalAlloc-before.TotalAlloc)/n
	if f.AllocatedBytes == 0 || bytes < f.AllocatedBytes {
		f.Allocations, f.AllocatedBytes = allocations, bytes
	}
	return nil
}

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	if err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is the most memory that this process had so far without the mapped
// packets (proc_pid_status(5)); forget begins anew from what it has now
// (proc_pid_clear_refs(5)).
func (m *Measured) resident(forget bool) (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read the memory in use: %w", err)
	}
	most := int64(0)
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, "VmHWM:")
		if !ok {
			continue
		}
		most, err = strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the memory in use: %w", err)
		}
	}
	if forget {
		// Where it is not allowed, the peak of loading stays in.
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	}
	return max(0, most<<10-m.mapped), nil
}

// discard is a sink that only counts: what is measured is the sensor, not the
// disk.
type discard struct{ accepted atomic.Uint64 }

func (d *discard) Write(string, []byte) error {
	d.accepted.Add(1)
	return nil
}
func (d *discard) Close(context.Context) error { return nil }
func (d *discard) Stats() output.Stats {
	n := d.accepted.Load()
	return output.Stats{Accepted: n, Delivered: n}
}

// ToNowhere is a sink for Measured.Run that throws records away.
func ToNowhere() (output.Sink, func() int64, error) {
	return &discard{}, func() int64 { return 0 }, nil
}

// ToFile is a sink for Measured.Run: records go to eve.json in the folder, as
// those of the sensor do, a new file in each round.
func ToFile(dir string) func() (output.Sink, func() int64, error) {
	return func() (output.Sink, func() int64, error) {
		path := filepath.Join(dir, "eve.json")
		err := os.Remove(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, nil, err
		}
		f, err := output.OpenFile(path)
		if err != nil {
			return nil, nil, err
		}
		return f, func() int64 {
			info, err := os.Stat(path)
			if err != nil {
				return 0
			}
			return info.Size()
		}, nil
	}
}
