package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/ledger"
)

func (e *env) ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "The ledger: verify it, show a record and its proof"}
	var vkey string
	verify := &cobra.Command{
		Use:   "verify [DIR]",
		Short: "Verify the whole log off-line: checkpoint, every tile, every entry",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := filepath.Join(e.data, app.LedgerDir)
			if len(args) == 1 {
				dir = args[0]
			}
			return e.verifyLedger(cmd.Context(), dir, vkey)
		},
	}
	verify.Flags().StringVar(&vkey, "vkey", "", "the verifier key you were given; without it the key in the folder is used, which proves only that the log is whole")
	show := &cobra.Command{
		Use:   "show INDEX",
		Short: "Show a record with its inclusion proof",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("%w: %q is not the number of a record", errUse, args[0])
			}
			reader, err := ledger.OpenReader(filepath.Join(e.data, app.LedgerDir), vkey)
			if err != nil {
				return err
			}
			proof, err := reader.Proof(cmd.Context(), index)
			if err != nil {
				return err
			}
			return printJSON(proof)
		},
	}
	cmd.AddCommand(verify, show, e.ledgerVerifyProof())
	return cmd
}

func (e *env) verifyLedger(ctx context.Context, dir, vkey string) error {
	bar := progress(-1, "verifying")
	report, err := ledger.Verify(ctx, dir, ledger.VerifyOptions{VKey: vkey, Progress: func(done, total uint64) {
		bar.ChangeMax64(int64(total))
		_ = bar.Set64(int64(done))
	}})
	_ = bar.Finish()
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("no ledger in %s: %w", dir, err)
		}
		return err
	}
	if e.json {
		err = printJSON(report)
		if err != nil {
			return err
		}
	} else {
		for _, p := range report.Problems {
			where := p.File
			if p.Entry != nil {
				where = fmt.Sprintf("%s, entry %d", p.File, *p.Entry)
			}
			fmt.Printf("PROBLEM %s: %s\n", where, p.What)
		}
		word := "verified"
		if !report.OK() {
			word = "NOT VERIFIED"
		}
		fmt.Printf("ledger %s: %d entries in %d bundles and %d tiles, root %s\n", word, report.Entries, report.Bundles, report.Tiles, report.Root)
	}
	if !report.OK() {
		return answer(exitNo)
	}
	return nil
}

// parseTime reads a time of the command line.
func parseTime(text string) (time.Time, error) {
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %q is not a time like 2026-11-22T08:00:00+07:00", errUse, text)
	}
	return moment, nil
}

// doctorCommand looks at each part and says what is wrong and what to do.
func (e *env) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look at every part and say what is wrong", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := e.open(cmd.Context())
			if err != nil {
				fmt.Fprintln(os.Stderr, "system: FAILED:", err)
				return answer(exitNo)
			}
			defer func() { _ = s.Close() }()
			checks := s.Doctor(cmd.Context())
			if e.json {
				err = printJSON(checks)
				if err != nil {
					return err
				}
			}
			bad := 0
			for _, c := range checks {
				if c.Problem != "" {
					bad++
				}
				if !e.json {
					fmt.Printf("%-10s %s\n", c.Part, c.Text())
				}
			}
			if bad > 0 {
				return answer(exitNo)
			}
			return nil
		},
	}
}
