package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"
)

// Options say what is measured.
type Options struct {
	// Mixes are the kinds of traffic, Packets how many of each.
	Mixes   []Mix
	Packets int
	Rounds  int
	// Setups are measured over each mix, Cores with how many processors.
	Setups []Setup
	Cores  []int
	// RuleCounts and FlowCounts are the points of the two curves; nil measures
	// none.
	RuleCounts, FlowCounts []int
	// Dir is a folder for the packets and records.
	Dir string
	// Command is the process of a measure: it reads a Spec and writes a Result.
	Command []string
	// Progress, when set, is told what is measured now, the how manieth step of
	// how many that is.
	Progress func(what string, step, steps int)

	step int
}

// Targets of a sensor on one processor, as a share of the bare loop's rate, and
// with all rules of Emerging Threats Open.
const (
	TargetNothing  = 0.25
	TargetRecords  = 0.08
	TargetRules    = 0.05
	TargetLoad     = 3.0
	TargetResident = 250_000_000
)

// Names of the setups.
const (
	Nothing   = "no rules, no EVE"
	Records   = "no rules, EVE"
	SomeRules = "1,000 rules, alerts"
	AllRules  = "all rules, alerts"
	Whole     = "all rules, EVE"
)

// Setups are what is measured over each mix; without rules two of them.
func Setups(rules bool) []Setup {
	all := []Setup{{Name: Nothing, Types: []string{}}, {Name: Records}}
	if rules {
		all = append(all, Setup{Name: SomeRules, Rules: 1000, Types: []string{"alert"}},
			Setup{Name: AllRules, Rules: All, Types: []string{"alert"}}, Setup{Name: Whole, Rules: All})
	}
	return all
}

// target is the share of the bare loop's rate that a setup must reach, zero when
// none is set.
func target(setup string) float64 {
	switch setup {
	case Nothing:
		return TargetNothing
	case Records:
		return TargetRecords
	case AllRules:
		return TargetRules
	}
	return 0
}

// Row is a measure of a setup over a mix.
type Row struct {
	Mix    string  `json:"mix"`
	Setup  string  `json:"setup"`
	Cores  int     `json:"cores"`
	Target float64 `json:"target,omitempty"`
	Holds  bool    `json:"holds"`
	Result
}

// Point is a measure of a curve.
type Point struct {
	Count int `json:"count"`
	// Nanoseconds is the time for a packet on one processor, CPUNanoseconds the
	// processor time, Bare that of the bare loop.
	Nanoseconds    float64 `json:"ns_per_packet"`
	CPUNanoseconds float64 `json:"cpu_ns_per_packet"`
	Bare           float64 `json:"bare_ns_per_packet"`
	Resident       int64   `json:"resident_bytes"`
	LoadSeconds    float64 `json:"rules_load_seconds,omitempty"`
}

// Check is a target that is no rate.
type Check struct {
	What   string  `json:"what"`
	Target float64 `json:"target"`
	Value  float64 `json:"value"`
	Holds  bool    `json:"holds"`
}

// Report is all that was measured.
type Report struct {
	Go         string  `json:"go"`
	Processors int     `json:"processors"`
	Packets    int     `json:"packets"`
	Rounds     int     `json:"rounds"`
	Mixes      []Mix   `json:"mixes"`
	Rows       []Row   `json:"rows"`
	Checks     []Check `json:"checks"`
	ByRules    []Point `json:"by_rules,omitempty"`
	ByFlows    []Point `json:"by_flows,omitempty"`
	// FlowBytes is what a flow takes at the last point of ByFlows.
	FlowBytes float64 `json:"bytes_per_flow,omitempty"`
}

// Hold reports whether every target is reached.
func (r *Report) Hold() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.Holds }) && !slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.Holds })
}

// Measure measures all of it.
func Measure(ctx context.Context, o Options) (*Report, error) {
	if o.Packets < 1 || o.Rounds < 1 || len(o.Mixes) == 0 {
		return nil, fmt.Errorf("%w: packets, rounds and a mix are needed", ErrChild)
	}
	r := &Report{Go: runtime.Version(), Processors: runtime.NumCPU(), Packets: o.Packets, Rounds: o.Rounds, Mixes: o.Mixes}
	for i, m := range o.Mixes {
		for _, cores := range o.Cores {
			err := o.withFiles(m, o.Packets, cores, func(files []string) error {
				for _, s := range o.Setups {
					o.next("%s, %s, %d processors", m.Name, s.Name, cores)
					result, err := Run(ctx, o.Command, Spec{Setup: s, Files: files, Rounds: o.Rounds, Dir: o.Dir})
					if err != nil {
						return fmt.Errorf("%s, %s: %w", m.Name, s.Name, err)
					}
					row := Row{Mix: m.Name, Setup: s.Name, Cores: cores, Result: result, Target: target(s.Name)}
					row.Holds = result.Figures.OfBare >= row.Target
					r.Rows = append(r.Rows, row)
				}
				if i > 0 || cores > 1 {
					return nil
				}
				return o.byRules(ctx, files, r)
			})
			if err != nil {
				return nil, err
			}
		}
	}
	r.check()
	return r, o.byFlows(ctx, r)
}

// next tells of the next step.
func (o *Options) next(format string, args ...any) {
	o.step++
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...), o.step, len(o.Mixes)*len(o.Cores)*len(o.Setups)+len(o.RuleCounts)+len(o.FlowCounts))
	}
}

// withFiles has the packets of a mix written while f runs.
func (o *Options) withFiles(m Mix, packets, cores int, f func(files []string) error) (err error) {
	dir, err := os.MkdirTemp(o.Dir, "mix-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	files, err := WriteFiles(m, packets, cores, dir)
	if err != nil {
		return fmt.Errorf("make %s: %w", m.Name, err)
	}
	return f(files)
}

// check adds the targets of the first mix with all rules that are no rates.
func (r *Report) check() {
	load, resident := 0.0, int64(0)
	for _, row := range r.Rows {
		if row.Setup != AllRules || row.Cores != 1 {
			continue
		}
		if load == 0 || row.LoadSeconds < load {
			load = row.LoadSeconds
		}
		resident = max(resident, row.Figures.Resident, row.Figures.Loading)
	}
	if resident == 0 {
		return
	}
	r.Checks = append(r.Checks,
		Check{What: "seconds to load all rules, the best", Target: TargetLoad, Value: load, Holds: load <= TargetLoad},
		Check{What: "bytes resident with all rules, the most of all mixes", Target: TargetResident, Value: float64(resident), Holds: resident <= TargetResident})
}

func (o *Options) byRules(ctx context.Context, files []string, r *Report) error {
	for _, n := range o.RuleCounts {
		o.next("%s with %d rules (-1: all)", o.Mixes[0].Name, n)
		p, err := o.point(ctx, Spec{Setup: Setup{Rules: n, Types: []string{"alert"}}, Files: files, Rounds: o.Rounds, Dir: o.Dir})
		if err != nil {
			return fmt.Errorf("cost of %d rules: %w", n, err)
		}
		r.ByRules = append(r.ByRules, p)
	}
	return nil
}

func (o *Options) byFlows(ctx context.Context, r *Report) error {
	for _, n := range o.FlowCounts {
		err := o.withFiles(flowMix(n), max(o.Packets, leastPerFlow*n), 1, func(files []string) error {
			o.next("%d flows at a time", n)
			p, err := o.point(ctx, Spec{Setup: Setup{Types: []string{}}, Files: files, Rounds: o.Rounds, FlowLimit: n + 1, Dir: o.Dir})
			if err != nil {
				return err
			}
			p.Count = n
			r.ByFlows = append(r.ByFlows, p)
			return nil
		})
		if err != nil {
			return fmt.Errorf("cost of %d flows: %w", n, err)
		}
	}
	if k := len(r.ByFlows); k > 1 {
		first, last := r.ByFlows[0], r.ByFlows[k-1]
		r.FlowBytes = float64(last.Resident-first.Resident) / float64(last.Count-first.Count)
	}
	return nil
}

func (o *Options) point(ctx context.Context, spec Spec) (Point, error) {
	result, err := Run(ctx, o.Command, spec)
	f := result.Figures
	return Point{
		Count: result.Loaded, Nanoseconds: 1e9 / f.Rate, CPUNanoseconds: 1e9 / f.RateCPU, Bare: 1e9 / f.BareCPU,
		Resident: max(f.Resident, f.Loading), LoadSeconds: result.LoadSeconds,
	}, err
}

// leastPerFlow are the packets that open a flow and say something.
const leastPerFlow = 4

// flowMix has so many flows open at a time: seven of ten TCP connections, of
// which the handshake and one small packet were seen, the others datagrams with an
// answer; then their packets come in turns.
func flowMix(flows int) Mix {
	return Mix{Frames: func(n int) iter.Seq2[time.Time, []byte] {
		return func(yield func(time.Time, []byte) bool) {
			r := rand.New(rand.NewPCG(5, 6))
			for i := range n {
				flow, step := i%flows, i/flows
				c, s := ends(flow, 40000)
				if flow%10 >= 7 {
					from, to := c, s
					if step%2 == 1 {
						from, to = s, c
					}
					if !yield(began.Add(time.Duration(i)*time.Microsecond), datagram(from, to, fill(r, 18))) {
						return
					}
					continue
				}
				seq := uint32(flow) * 65536
				var frame []byte
				switch step {
				case 0:
					frame = segment(c, s, seq, 0, flagSYN, nil)
				case 1:
					frame = segment(s, c, seq, seq+1, flagSYN|flagACK, nil)
				case 2:
					frame = segment(c, s, seq+1, seq+1, flagACK, nil)
				default:
					frame = segment(c, s, seq+1+6*uint32(step-3), seq+1, flagACK|flagPSH, fill(r, 6))
				}
				if !yield(began.Add(time.Duration(i)*time.Microsecond), frame) {
					return
				}
			}
		}
	}}
}
