package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/sensor/control"
	"github.com/antin-gov/antin/sensor/rules"
)

// costFlags say what of the cost of rules is shown.
type costFlags struct {
	rows  int
	order string
}

func (s *costFlags) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.IntVarP(&s.rows, "rows", "n", 20, "how many rules and groups are shown; 0 shows all")
	fl.StringVar(&s.order, "sort", string(rules.ByTime), "by what the rules are sorted: time, avg, max, checks, matches")
}

// check refuses what cannot be shown, as wrong use.
func (s *costFlags) check() error {
	if s.rows < 0 {
		return fmt.Errorf("--rows: %d is less than nothing", s.rows)
	}
	err := rules.CostOrder(s.order).Valid()
	if err != nil {
		return fmt.Errorf("--sort: %w", err)
	}
	return nil
}

func profileCommand() *cobra.Command {
	a, s, length := &asked{}, &costFlags{}, 30*time.Second
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Measure what each rule of a running sensor costs, for some time",
		Long: "Measure for some time how often each rule of a running sensor is judged, how often it holds, and how long that takes. While it is measured the sensor is slower; before and after nothing is.\n" +
			"Exit status: 0 done, 1 the sensor does not measure (it says why), 3 no sensor answers.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := s.check()
			if err != nil {
				return err
			}
			if length <= 0 || length > control.MaxProfile {
				return fmt.Errorf("--for: more than nothing and at most %s", control.MaxProfile)
			}
			c, err := a.client()
			if err != nil {
				return could(err)
			}
			p, err := c.Profile(cmd.Context(), control.ProfileAsk{Seconds: length.Seconds(), Rows: s.rows, Order: rules.CostOrder(s.order)})
			if err != nil {
				return answered(err)
			}
			return a.print(cmd.OutOrStdout(), p, func(b *bytes.Buffer) {
				fmt.Fprintf(b, "%d packets in %.1f s%s\n", p.Packets, p.Seconds, words(p.Ended, "; ended by a reload of the rules", ""))
				printCost(b, &p.CostReport)
			})
		},
	}
	a.flags(cmd)
	s.flags(cmd)
	cmd.Flags().DurationVar(&length, "for", length, "how long")
	return cmd
}

// profile measures the rules in force.
func (v *server) profile(ctx context.Context, ask control.ProfileAsk) (control.Profile, error) {
	err := ask.Order.Valid()
	if err != nil {
		return control.Profile{}, err
	}
	if !(ask.Seconds > 0 && ask.Seconds <= control.MaxProfile.Seconds()) || ask.Rows < 0 {
		return control.Profile{}, fmt.Errorf("rules are measured for at most %s", control.MaxProfile)
	}
	before := v.engine.Counters().Processed
	p, err := v.engine.Profile()
	if err != nil {
		return control.Profile{}, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(ask.Seconds * float64(time.Second))):
	}
	ended := !v.engine.EndProfile(p)
	report, err := p.Report(ask.Order, ask.Rows)
	return control.Profile{CostReport: report, Ended: ended, Packets: v.engine.Counters().Processed - before}, err
}

// printCost writes the tables of a report.
func printCost(b *bytes.Buffer, r *rules.CostReport) {
	fmt.Fprintf(b, "%d rules in force, %d of them judged %d times: %d held, %d alerted\n", r.Loaded, r.Checked, r.Checks, r.Matches, r.Alerts)
	fmt.Fprintf(b, "candidates found in %s, judged in %s; each look at the clock takes %d ns, which is in all times\n", spent(r.Found), spent(r.Judged), r.Clock)
	costTable(b, "TIME\t%\tCHECKS\tMATCHES\tALERTS\tAVG\tMAX\tAVG MATCH\tAVG NO MATCH\tGID:SID", "RULE", len(r.Rules), func(w io.Writer, i int) string {
		c := &r.Rules[i]
		fmt.Fprintf(w, "%s\t%.2f\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%d:%d", spent(c.Time), c.Share, c.Checks, c.Matches, c.Alerts,
			spent(c.Average), spent(c.Most), spent(c.AvgMatch), spent(c.AvgFailed), c.GID, c.SID)
		return printable(c.Msg)
	})
	costTable(b, "TIME\t%\tCHECKS\tMATCHES\tAVG", "BUFFER", len(r.Buffers), func(w io.Writer, i int) string {
		c := &r.Buffers[i]
		fmt.Fprintf(w, "%s\t%.2f\t%d\t%d\t%s", spent(c.Time), c.Share, c.Checks, c.Matches, spent(c.Average))
		return c.Buffer
	})
	costTable(b, "TIME\t%\tSCANS\tBYTES\tCANDIDATES", "GROUP SEARCHED", len(r.Groups), func(w io.Writer, i int) string {
		c := &r.Groups[i]
		fmt.Fprintf(w, "%s\t%.2f\t%d\t%d\t%d", spent(c.Time), c.Share, c.Scans, c.Bytes, c.Candidates)
		return c.Group
	})
	costTable(b, "SEARCHED\tJUDGED\tUNITS\tCANDIDATES\tMATCHES", "VIEW", len(r.Views), func(w io.Writer, i int) string {
		c := &r.Views[i]
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d", spent(c.Found), spent(c.Judged), c.Units, c.Candidates, c.Matches)
		return c.View
	})
}

// costTable writes rows of numbers, each with its name behind them.
func costTable(b *bytes.Buffer, numbers, name string, rows int, row func(w io.Writer, i int) string) {
	if rows == 0 {
		return
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%s\t  %s\n", numbers, name)
	for i := range rows {
		name := row(w, i)
		fmt.Fprintf(w, "\t  %s\n", name)
	}
	// The buffer takes all.
	_ = w.Flush()
}

// spent writes a time with three digits.
func spent(ns int64) string {
	f := float64(ns)
	switch {
	case ns < 1_000:
		return fmt.Sprintf("%d ns", ns)
	case ns < 1_000_000:
		return fmt.Sprintf("%.3g µs", f/1e3)
	case ns < 1_000_000_000:
		return fmt.Sprintf("%.3g ms", f/1e6)
	}
	return fmt.Sprintf("%.2f s", f/1e9)
}
