package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/bench"
	"github.com/antin-gov/antin/sensor/detect"
	"github.com/antin-gov/antin/sensor/rules"
)

// benchChild is the hidden command of a measure's process.
const benchChild = "bench-measure"

// benchPackets is how many packets of each mix the whole measure takes.
const benchPackets = 1_000_000

type benchFlags struct {
	read      string
	rules     []string
	rounds    int
	packets   int
	workers   int
	behaviour bool
	whole     bool
	types     []string
	eve       string
	plots     string
	json      bool
}

func benchCommand() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench [-r FILE]",
		Short: "Measure packets per second beside a bare loop of gopacket",
		Long: "Measure how many packets a second the sensor takes, beside D: a bare loop over the same packets in memory with a reused\n" +
			"DecodingLayerParser of gopacket, in the same process and in turns. The best round counts.\n\n" +
			"With -r FILE: that file alone, all records made and thrown away (--types, --eve). Without it, or with --all: the whole\n" +
			"measure: the file repeated to a million packets (with other hosts each time, while time goes on) and three mixes that are\n" +
			"made, each without rules and without EVE, with EVE to a file, and with -S with 1,000 and all rules, on one processor and on\n" +
			"two; then the cost by rules and by flows, to a million. Each measure is a process of its own on its own processors.\n" +
			"Exit status of the whole measure: 0 every target is reached, 1 one is not.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.rounds < 1 || f.packets < 0 || f.workers < 1 || f.workers > maxWorkers {
				return errors.New("say at least one round and one worker, and packets above zero")
			}
			if f.read == "" || f.whole {
				return f.all(cmd)
			}
			return f.one(cmd)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.read, "read", "r", "", "capture file")
	fl.StringArrayVarP(&f.rules, "rules", "S", nil, "rule file or glob; repeatable")
	fl.IntVar(&f.rounds, "rounds", 3, "how often each is measured; the best counts")
	fl.IntVarP(&f.packets, "packets", "n", 0, "how many packets (default those of the file once; 1,000,000 in the whole measure)")
	fl.IntVar(&f.workers, "workers", 1, "with -r: how many share the packets, by flow, each on a processor")
	fl.BoolVar(&f.behaviour, "detect", false, "with -r: with the detectors of behaviour")
	fl.StringSliceVar(&f.types, "types", nil, "with -r: only records of these types; none for none (output.types)")
	fl.StringVar(&f.eve, "eve", "", "with -r: folder for eve.json")
	fl.BoolVar(&f.whole, "all", false, "with -r: the whole measure, the file as its first mix")
	fl.StringVar(&f.plots, "plot", "", "folder for sensor-rules.svg and sensor-flows.svg of the whole measure")
	fl.BoolVar(&f.json, "json", false, "answer as JSON")
	return cmd
}

// command is the process of a measure with the rules.
func (f *benchFlags) command() ([]string, error) {
	own, err := os.Executable()
	if err != nil {
		return nil, err
	}
	files, err := expand(f.rules)
	if err != nil {
		return nil, err
	}
	command := []string{own, benchChild}
	for _, name := range files {
		command = append(command, "--rules", name)
	}
	return command, nil
}

// one measures one file.
func (f *benchFlags) one(cmd *cobra.Command) (err error) {
	command, err := f.command()
	if err != nil {
		return could(err)
	}
	mix, err := bench.FromFile(f.read)
	if err != nil {
		return could(err)
	}
	dir, err := os.MkdirTemp("", "antin-bench-*")
	if err != nil {
		return could(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	n := f.packets
	if n == 0 {
		n = mix.Count
	}
	spec := bench.Spec{Rounds: f.rounds, Dir: f.eve, Setup: bench.Setup{Rules: bench.All, Types: f.types, Detect: f.behaviour}}
	if len(f.types) == 1 && f.types[0] == "none" {
		spec.Setup.Types = []string{}
	}
	spec.Files, err = bench.WriteFiles(mix, n, f.workers, dir)
	if err != nil {
		return could(err)
	}
	r, err := bench.Run(cmd.Context(), command, spec)
	if err != nil {
		return could(err)
	}
	if f.json {
		err = benchJSON(cmd.OutOrStdout(), r)
	} else {
		err = printBenchOne(cmd.OutOrStdout(), r, f.rounds)
	}
	if err != nil {
		return could(err)
	}
	return nil
}

// benchRules loads so many of the rules, evenly taken, into the configuration.
func benchRules(patterns []string, n int, cfg *sensor.Config) (bench.Result, error) {
	var r bench.Result
	if len(patterns) == 0 || n == 0 {
		return r, nil
	}
	start := time.Now()
	files, err := expand(patterns)
	if err != nil {
		return r, err
	}
	set, err := loadRules(files, "", (&settings{}).ruleVars())
	if err != nil {
		return r, err
	}
	set.rules = evenly(set.rules, n)
	cfg.Rules, err = set.engine()
	r.Loaded, r.Refused, r.LoadSeconds = len(set.rules), len(set.refused), time.Since(start).Seconds()
	return r, err
}

// evenly takes n of the rules from all over them.
func evenly(all []*rules.Rule, n int) []*rules.Rule {
	if n < 0 || n >= len(all) {
		return all
	}
	some := make([]*rules.Rule, 0, n)
	for i := range n {
		some = append(some, all[i*len(all)/n])
	}
	return some
}

// all is the whole measure.
func (f *benchFlags) all(cmd *cobra.Command) (err error) {
	command, err := f.command()
	if err != nil {
		return could(err)
	}
	withRules := len(f.rules) > 0
	o := bench.Options{Packets: f.packets, Rounds: f.rounds, Setups: bench.Setups(withRules), Cores: []int{1, 2}, FlowCounts: []int{1000, 10_000, 100_000, 1_000_000}, Command: command}
	if runtime.NumCPU() < 2 {
		o.Cores = []int{1}
	}
	if o.Packets == 0 {
		o.Packets = benchPackets
	}
	if withRules {
		o.RuleCounts = []int{10, 100, 1000, 5000, 10_000, 20_000, bench.All}
	}
	o.Mixes, err = bench.Made()
	if err != nil {
		return could(err)
	}
	if f.read != "" {
		mix, err := bench.FromFile(f.read)
		if err != nil {
			return could(err)
		}
		o.Mixes = append([]bench.Mix{mix}, o.Mixes...)
	}
	o.Dir, err = os.MkdirTemp("", "antin-bench-*")
	if err != nil {
		return could(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	tell, finish := benchProgress(cmd.ErrOrStderr())
	o.Progress = tell
	r, err := bench.Measure(cmd.Context(), o)
	finish()
	if err != nil {
		return could(err)
	}
	if f.plots != "" {
		err = benchPlots(f.plots, r)
		if err != nil {
			return could(err)
		}
	}
	if f.json {
		err = benchJSON(cmd.OutOrStdout(), r)
	} else {
		err = printBench(cmd.OutOrStdout(), r)
	}
	if err != nil {
		return could(err)
	}
	if !r.Hold() {
		return &exitError{exitNo, errNo}
	}
	return nil
}

// benchProgress tells what is measured now: on a terminal by a bar, elsewhere by
// a line each.
func benchProgress(w io.Writer) (tell func(what string, step, steps int), finish func()) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return func(what string, step, steps int) { fmt.Fprintf(w, "%d/%d %s\n", step, steps, what) }, func() {}
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	return func(what string, step, steps int) {
		if bar.GetMax() != steps {
			bar.ChangeMax(steps)
		}
		bar.Describe(what)
		// A terminal that went away must not end the measure.
		_ = bar.Set(step - 1)
	}, func() { _ = bar.Finish() }
}

func benchJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// benchChildCommand is the process of one measure.
func benchChildCommand() *cobra.Command {
	var patterns []string
	cmd := &cobra.Command{
		Use: benchChild, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var spec bench.Spec
			err := json.NewDecoder(io.LimitReader(cmd.InOrStdin(), maxConfig)).Decode(&spec)
			if err != nil {
				return could(fmt.Errorf("read what to measure: %w", err))
			}
			m, err := bench.Open(spec.Files)
			if err != nil {
				return could(err)
			}
			cfg := sensor.Config{Clock: clock.System{}, Checksums: sensor.ChecksumNone, Types: spec.Setup.Types, FlowLimit: spec.FlowLimit}
			if spec.Setup.Detect {
				cfg.Detectors, err = detect.New(detect.Config{Enabled: true})
				if err != nil {
					return could(err)
				}
			}
			sink := bench.ToNowhere
			if spec.Dir != "" {
				sink = bench.ToFile(spec.Dir)
			}
			r, err := benchRules(patterns, spec.Setup.Rules, &cfg)
			if err != nil {
				return could(err)
			}
			r.Figures, err = m.Run(cmd.Context(), cfg, spec.Rounds, sink)
			if err != nil {
				return could(err)
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
		},
	}
	cmd.Flags().StringArrayVar(&patterns, "rules", nil, "rule file")
	return cmd
}
