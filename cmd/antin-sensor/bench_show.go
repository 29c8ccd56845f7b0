package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/antin-gov/antin/internal/plot"
	"github.com/antin-gov/antin/sensor/bench"
)

func printBenchOne(w io.Writer, r bench.Result, rounds int) error {
	f := r.Figures
	if r.Loaded > 0 {
		_, err := fmt.Fprintf(w, "rules: %d loaded, %d refused in %.2f s\n", r.Loaded, r.Refused, r.LoadSeconds)
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d packets, %d records (%d alerts) a round, best of %d: %.0f packets/s, %.2f Gbit/s\nbare loop D: %.0f packets/s; the sensor: %.3f D, %.3f D by processor time (%.0f packets/s); "+
		"%.2f allocations, %.0f bytes a packet; %d MB resident (%d MB while loading)\n",
		f.Packets, f.Records, f.Alerts, rounds, f.Rate, f.Rate*float64(f.Bytes)*8/float64(f.Packets)/1e9, f.Bare, f.OfBare, f.OfBareCPU, f.RateCPU, f.Allocations, f.AllocatedBytes, f.Resident/1e6, f.Loading/1e6)
	return err
}

func printBench(w io.Writer, r *bench.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "MIX\tSETUP\tCORES\tD\tPACKETS/S\tOF D\tTARGET\t\tOF D, CPU\tALLOC\tBYTES\tRECORDS\tALERTS\tMB\tLOAD\t\n")
	for _, row := range r.Rows {
		f := row.Figures
		goal, holds := "", ""
		if row.Target > 0 {
			goal, holds = fmt.Sprintf("%.2f", row.Target), yesNo(row.Holds)
		}
		load := ""
		if row.Loaded > 0 {
			load = fmt.Sprintf("%.1f s", row.LoadSeconds)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%.0f\t%.0f\t%.3f\t%s\t%s\t%.3f\t%.2f\t%.0f\t%d\t%d\t%d\t%s\t\n", row.Mix, row.Setup, row.Cores, f.Bare, f.Rate, f.OfBare, goal, holds, f.OfBareCPU,
			f.Allocations, f.AllocatedBytes, f.Records, f.Alerts, max(f.Resident, f.Loading)/1e6, load)
	}
	err := t.Flush()
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintln(&b)
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%s: %.4g, target %.4g: %s\n", c.What, c.Value, c.Target, yesNo(c.Holds))
	}
	for _, p := range r.ByRules {
		fmt.Fprintf(&b, "%6d rules: %5.0f ns a packet (%.0f of processor time, bare %.0f), %d MB, loaded in %.2f s\n", p.Count, p.Nanoseconds, p.CPUNanoseconds, p.Bare, p.Resident/1e6, p.LoadSeconds)
	}
	for _, p := range r.ByFlows {
		fmt.Fprintf(&b, "%7d flows: %5.0f ns a packet (%.0f of processor time, bare %.0f), %d MB\n", p.Count, p.Nanoseconds, p.CPUNanoseconds, p.Bare, p.Resident/1e6)
	}
	if r.FlowBytes > 0 {
		fmt.Fprintf(&b, "a flow takes %.0f bytes\n", r.FlowBytes)
	}
	for _, m := range r.Mixes {
		fmt.Fprintf(&b, "%s: %s\n", m.Name, m.What)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

// benchPlots writes both curves as SVG.
func benchPlots(dir string, r *bench.Report) error {
	err := os.MkdirAll(dir, 0o755)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		file, title, x string
		points         []bench.Point
	}{{"sensor-rules.svg", "Processor time for a packet by rules", "rules", r.ByRules}, {"sensor-flows.svg", "Processor time for a packet by flows open at a time", "flows", r.ByFlows}} {
		if len(one.points) == 0 {
			continue
		}
		cost, bare := plot.Curve{Name: "sensor"}, plot.Curve{Name: "bare loop, D"}
		for _, p := range one.points {
			cost.X, cost.Y = append(cost.X, float64(p.Count)), append(cost.Y, p.CPUNanoseconds)
			bare.X, bare.Y = append(bare.X, float64(p.Count)), append(bare.Y, p.Bare)
		}
		err = benchPlot(filepath.Join(dir, one.file), one.title, one.x, cost, bare)
		if err != nil {
			return err
		}
	}
	return nil
}

func benchPlot(path, title, x string, curves ...plot.Curve) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = plot.Write(f, title, x, "nanoseconds a packet", curves)
	closed := f.Close()
	if err != nil {
		return err
	}
	return closed
}
