package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/capture/pcapfilter"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/hostos"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/rules"
)

// profileFlags are those of "rules profile".
type profileFlags struct {
	costFlags
	asJSON, quiet     bool
	config, checksums string
	rules             []string
}

// profiled is the answer of "rules profile --json".
type profiled struct {
	rules.CostReport
	Captures int    `json:"captures"`
	Packets  uint64 `json:"packets"`
	// Broken are captures that could not be read to their end.
	Broken []string `json:"broken,omitempty"`
}

func rulesProfileCommand() *cobra.Command {
	f := &profileFlags{}
	cmd := &cobra.Command{
		Use:   "profile -S RULES CAPTURE|DIR...",
		Short: "Measure what each rule costs on captures",
		Long: "Run rules over captures and tell of each how often it was judged, how often it held, and how long that took; also by buffer and by group of rules. No records are written.\n" +
			"Exit status: 0 done, 3 a file cannot be read.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := f.check()
			if err != nil {
				return err
			}
			return f.run(cmd, args)
		},
	}
	fl := cmd.Flags()
	f.flags(cmd)
	fl.StringArrayVarP(&f.rules, "rules", "S", nil, "rule file or glob; repeatable (default: those of the configuration)")
	fl.StringVarP(&f.config, "config", "c", "", "configuration file (YAML)")
	fl.StringVarP(&f.checksums, "checksums", "k", "", "wrong checksums: all (refuse), none (use), auto (default)")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "no progress")
	fl.BoolVar(&f.asJSON, "json", false, "answer as JSON")
	return cmd
}

var errNoRulesGiven = errors.New("say which rules: -S FILE, or a configuration that names them")

func (f *profileFlags) run(cmd *cobra.Command, args []string) error {
	captures, err := sensor.FindCaptures(args)
	if err != nil {
		return could(err)
	}
	cfg, err := f.sensor(cmd)
	if errors.Is(err, errNoRulesGiven) {
		return err
	}
	if err != nil {
		return could(err)
	}
	finish := (&runFlags{quiet: f.quiet || f.asJSON, read: captures}).progress(cfg)
	engine, err := sensor.New(*cfg)
	if err != nil {
		return could(err)
	}
	profile, err := engine.Profile()
	if err != nil {
		return could(err)
	}
	broken, err := engine.RunFiles(cmd.Context(), captures)
	finish()
	if err != nil {
		return could(err)
	}
	p := profiled{Captures: len(captures), Packets: engine.Counters().Received}
	if len(broken) > 0 && p.Packets == 0 {
		return could(fmt.Errorf("%w: %w", sensor.ErrInput, broken[0]))
	}
	for _, e := range broken {
		p.Broken = append(p.Broken, e.Error())
	}
	p.CostReport, err = profile.Report(rules.CostOrder(f.order), f.rows)
	if err != nil {
		return could(err)
	}
	a := asked{json: f.asJSON}
	return a.print(cmd.OutOrStdout(), p, func(b *bytes.Buffer) {
		fmt.Fprintf(b, "%d captures, %d packets in %s\n", p.Captures, p.Packets, time.Duration(p.Seconds*float64(time.Second)).Round(time.Millisecond))
		printCost(b, &p.CostReport)
	})
}

// sensor is a configuration with the rules, of which nothing is written.
func (f *profileFlags) sensor(cmd *cobra.Command) (*sensor.Config, error) {
	s, err := readSettings(f.config)
	if err != nil {
		return nil, err
	}
	s.Rules = append(s.Rules, f.rules...)
	if len(s.Rules) == 0 {
		return nil, errNoRulesGiven
	}
	if f.checksums != "" {
		s.Checksums = f.checksums
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	cfg := &sensor.Config{
		Identity: eve.Identity{Host: s.Name}, Sinks: []output.Sink{nowhere{}}, Clock: clock.System{}, Logger: log,
		Checksums: sensor.ChecksumPolicy(s.Checksums), FlowLimit: s.FlowLimit, StreamDepth: s.StreamDepth,
		NoEvidence: true, Types: []string{"alert"}, Stdin: cmd.InOrStdin(),
	}
	cfg.Filter, err = pcapfilter.New(s.Capture.Filter, false)
	if err != nil {
		return nil, fmt.Errorf("packet filter: %w", err)
	}
	cfg.Hosts, err = hostos.New(s.HostOS)
	if err != nil {
		return nil, err
	}
	return cfg, (&runFlags{}).addRules(s, cfg, log)
}

// nowhere is a sink for records that nobody wants.
type nowhere struct{}

func (nowhere) Write(string, []byte) error  { return nil }
func (nowhere) Close(context.Context) error { return nil }
func (nowhere) Stats() output.Stats         { return output.Stats{} }
