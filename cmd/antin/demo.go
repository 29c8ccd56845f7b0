package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/cmd/antin/tour"
)

func (e *env) demoCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Drive the whole way against a running system and close with a table of evidence",
		Long: "Enrol an official and an agency; make, sign, seal and verify a directive; play an attack through the sensor and find its case;\n" +
			"run a drill; ask the gateway as a permitted and as a refused agency; verify the ledger. Needs `antin up --demo` running on the data folder.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.demo(cmd.Context(), out) },
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "folder for the documents of the run (default: demo-TIME in the data folder)")
	return cmd
}

func (e *env) demo(ctx context.Context, out string) error {
	began := time.Now()
	return e.with(ctx, func(ctx context.Context, s *app.System) error {
		conn, err := net.DialTimeout("tcp", s.Config.Console.Listen, time.Second)
		if err != nil {
			return errors.New("nothing serves this data folder: start `antin up --demo --data " + e.data + "` first")
		}
		_ = conn.Close()
		if out == "" {
			out = filepath.Join(e.data, "demo-"+began.Format("20060102-150405"))
		}
		err = os.MkdirAll(out, 0o700)
		if err != nil {
			return err
		}
		lines, err := tour.Run(ctx, s, out, func(step string) {
			fmt.Fprintf(os.Stderr, "[%5.1fs] %s\n", time.Since(began).Seconds(), step)
		})
		if e.json {
			err = errors.Join(printJSON(lines), err)
		} else {
			rows := make([][]string, 0, len(lines))
			for i, l := range lines {
				rows = append(rows, []string{strconv.Itoa(i + 1), l.Step, l.Result, l.Took.Round(time.Millisecond).String(), l.Evidence})
			}
			fmt.Println()
			err = errors.Join(table(os.Stdout, []string{"#", "STEP", "RESULT", "TOOK", "EVIDENCE"}, rows), err)
			fmt.Printf("\nDocuments of this run: %s\n", out)
		}
		return err
	})
}
