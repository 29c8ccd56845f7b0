package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/detect"
	"github.com/antin-gov/antin/sensor/output"
)

// discard is a sink that only counts: what is measured is the sensor, not the
// disk.
type discard struct{ stats output.Stats }

func (d *discard) Write(string, []byte) error {
	d.stats.Accepted++
	d.stats.Delivered++
	return nil
}
func (d *discard) Close(context.Context) error { return nil }
func (d *discard) Stats() output.Stats         { return d.stats }

func benchCommand() *cobra.Command {
	var read string
	var ruleFiles []string
	var rounds int
	var behaviour bool
	cmd := &cobra.Command{
		Use:   "bench -r FILE",
		Short: "Measure packets per second over a capture file",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if read == "" || rounds < 1 {
				return errors.New("say -r FILE, and at least one round")
			}
			s := &settings{Rules: ruleFiles}
			s.Detect.Enabled = behaviour
			return bench(cmd.Context(), cmd.OutOrStdout(), read, s, rounds)
		},
	}
	cmd.Flags().StringVarP(&read, "read", "r", "", "capture file")
	cmd.Flags().StringArrayVarP(&ruleFiles, "rules", "S", nil, "rule file or glob; repeatable")
	cmd.Flags().BoolVar(&behaviour, "detect", false, "with the detectors of behaviour")
	cmd.Flags().IntVar(&rounds, "rounds", 3, "how often the file is read; the best counts")
	return cmd
}

func bench(ctx context.Context, w io.Writer, file string, s *settings, rounds int) error {
	sink := &discard{}
	cfg := sensor.Config{Clock: clock.System{}, Sinks: []output.Sink{sink}, Checksums: sensor.ChecksumNone}
	if len(s.Rules) > 0 {
		files, err := expand(s.Rules)
		if err != nil {
			return could(err)
		}
		set, err := loadRules(files, "", s.ruleVars())
		if err != nil {
			return could(err)
		}
		start := time.Now()
		cfg.Rules, err = set.engine()
		if err != nil {
			return could(err)
		}
		fmt.Fprintf(w, "rules: %d compiled in %.2f s\n", len(set.rules), time.Since(start).Seconds())
	}
	if s.Detect.Enabled {
		var err error
		cfg.Detectors, err = detect.New(s.Detect)
		if err != nil {
			return could(err)
		}
	}
	best := 0.0
	var bits, packets float64
	for range rounds {
		e, err := sensor.New(cfg)
		if err != nil {
			return could(err)
		}
		start := time.Now()
		broken, err := e.RunFiles(ctx, []string{file})
		if err != nil {
			return could(err)
		}
		if len(broken) > 0 {
			return could(broken[0])
		}
		took := time.Since(start).Seconds()
		c := e.Counters()
		if rate := float64(c.Received) / took; rate > best {
			best, packets, bits = rate, float64(c.Received), float64(c.Bytes)*8/took
		}
	}
	_, err := fmt.Fprintf(w, "%.0f packets, %d records a round, best of %d: %.0f packets/s, %.2f Gbit/s\n",
		packets, sink.stats.Accepted/uint64(rounds), rounds, best, bits/1e9)
	return err
}
