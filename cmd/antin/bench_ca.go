package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) benchCA() *cobra.Command {
	o := ca.BenchOptions{Each: 2 * time.Second}
	cmd := &cobra.Command{
		Use: "ca", Short: "Issue many certificates: durable ones a second against the disk and the token", Args: cobra.NoArgs,
		Long: "Measure in one run how often the disk of the data folder makes a page durable, how often the token signs with the\n" +
			"issuer's key, and how many certificates a second are issued: linted, recorded in database and ledger before and\n" +
			"after the signature, and durable. The certificates are real ones, for machines named bench-…; they stay in the\n" +
			"register and the ledger, so run this on a system that may have them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Certificates < 1 || o.Callers < 1 || o.Signers < 1 {
				return fmt.Errorf("%w: numbers must be positive", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				bar := progress(int64(o.Certificates), "issuing")
				o.Dir, o.Progress = s.Dir, func() { _ = bar.Add(1) }
				r, err := s.CA.Bench(ctx, o)
				_ = bar.Finish()
				if err != nil {
					return err
				}
				err = e.showCABench(r)
				if err == nil && r.Failed > 0 {
					return answer(exitNo)
				}
				return err
			})
		},
	}
	cmd.Flags().IntVarP(&o.Certificates, "number", "n", 5000, "certificates")
	cmd.Flags().IntVar(&o.Callers, "workers", 256, "issues at the same time")
	cmd.Flags().IntVar(&o.Signers, "signers", 8, "callers of the token when its rate is measured")
	return cmd
}

func (e *env) showCABench(r *ca.BenchResult) error {
	if e.json {
		return printJSON(r)
	}
	fmt.Printf("disk    %8.0f fsync/s\ntoken   %8.0f signatures/s\nissued  %8.0f certificates/s (%d in %.1f s, %d failed; median %s, slowest %s)\n",
		r.FsyncRate, r.SignRate, r.IssueRate, r.Issued, r.Seconds, r.Failed, r.Median.Round(time.Millisecond), r.Slowest.Round(time.Millisecond))
	fmt.Printf("ratios  %8.2f of the disk, %.2f of the token\n", r.OfFsync, r.OfSign)
	for _, s := range r.Steps {
		fmt.Printf("  %-18s %10s\n", s.Name, s.Mean.Round(10*time.Microsecond))
	}
	if r.FirstError != "" {
		fmt.Println("first failure:", r.FirstError)
	}
	return nil
}
