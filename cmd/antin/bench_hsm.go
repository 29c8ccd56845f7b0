package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm"
)

func (e *env) benchHSM() *cobra.Command {
	var n, workers, rounds int
	var key string
	var algorithms []string
	var each time.Duration
	cmd := &cobra.Command{
		Use: "hsm", Short: "Compare the rate through the key worker with the token's own, or load one key", Args: cobra.NoArgs,
		Long: "Without --key: for each algorithm the token's own rate (C_Sign in a bare loop, in a process of its own over the same\n" +
			"module, one session for each caller) and the rate through the key worker, in turns, with a throw-away key of the first token.\n" +
			"With --key: -n signatures with that key, each verified; the longest time without one is told.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if key != "" {
					return e.loadKey(ctx, s, key, n, workers)
				}
				var all []hsm.Rates
				for _, algorithm := range algorithms {
					r, err := s.CompareRates(ctx, hsm.RateOptions{Algorithm: algorithm, Callers: workers, Rounds: rounds, Time: each})
					if err != nil {
						return fmt.Errorf("%s: %w", algorithm, err)
					}
					all = append(all, r)
				}
				return e.showRates(all)
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "label of a key to load instead")
	cmd.Flags().IntVarP(&n, "number", "n", 1000, "signatures with --key")
	cmd.Flags().IntVar(&workers, "workers", 8, "callers at the same time")
	cmd.Flags().StringSliceVar(&algorithms, "algorithm", []string{"EC-P256", "RSA-2048", "RSA-3072"}, "algorithms to compare")
	cmd.Flags().IntVar(&rounds, "rounds", 5, "rounds of either")
	cmd.Flags().DurationVar(&each, "time", time.Second, "length of a round")
	return cmd
}

// loadKey signs with one key; the answer is no when a signature is wrong or
// lost.
func (e *env) loadKey(ctx context.Context, s *app.System, key string, n, workers int) error {
	result, err := benchKeys(ctx, s, key, n, workers)
	if err != nil {
		return err
	}
	err = e.show(result, "%d signatures in %.1f s (%.0f/s): %d wrong, %d lost, longest gap %s\n",
		result.Signed, result.Seconds, result.PerSecond, result.Wrong, result.Lost, result.LongestGap)
	if err == nil && result.Wrong+result.Lost > 0 {
		return answer(exitNo)
	}
	return err
}

// showRates prints the comparison; the answer is no when a signature is wrong
// or lost.
func (e *env) showRates(all []hsm.Rates) error {
	var bad int64
	rows := [][]string{}
	for _, r := range all {
		bad += r.Wrong + r.Lost
		rows = append(rows, []string{r.Algorithm, fmt.Sprint(r.Callers), fmt.Sprintf("%.0f/s", r.Bare), fmt.Sprintf("%.0f/s", r.Worker), fmt.Sprintf("%.2f", r.Ratio),
			fmt.Sprintf("%.0f µs", r.BareCPU), fmt.Sprintf("%.0f µs", r.WorkerCPU), fmt.Sprint(r.Signed), fmt.Sprint(r.Wrong), fmt.Sprint(r.Lost)})
	}
	var err error
	if e.json {
		err = printJSON(all)
	} else {
		err = table(os.Stdout, []string{"ALGORITHM", "CALLERS", "TOKEN", "WORKER", "RATIO", "TOKEN CPU", "WORKER CPU", "SIGNED", "WRONG", "LOST"}, rows)
	}
	if err == nil && bad > 0 {
		return answer(exitNo)
	}
	return err
}
