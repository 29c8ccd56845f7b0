package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/plot"
	"github.com/antin-gov/antin/signer/bench"
	"github.com/antin-gov/antin/signer/pades"
)

const (
	kilobyte = int64(1000)
	megabyte = 1000 * kilobyte
	gigabyte = 1000 * megabyte
)

// signBench is what `antin bench sign` measured.
type signBench struct {
	Rates  []bench.SignRate `json:"rates"`
	Peer   []bench.Beside   `json:"peer"`
	Memory []bench.Memory   `json:"memory"`
}

func (e *env) benchSign() *cobra.Command {
	var o bench.Options
	var large int64
	cmd := &cobra.Command{
		Use: "sign", Short: "Documents a second against the token's own rate and against pdfsign; memory for large files", Args: cobra.NoArgs,
		Long: "Make a demonstration system with a software token in a temporary folder and measure in one run and in turns: the token's bare\n" +
			"loop of C_Sign, the key alone behind the key worker, and PDF signatures with it: B-B on 1 MB, B-LT on 100 kB with our own\n" +
			"time-stamps (recorded and in the ledger) and revocation answers; with token and signing on all processors, and with the token\n" +
			"on a processor of its own, as a hardware token has it. Then digitorus/pdfsign with the same key on the same files, and the\n" +
			"memory of both on 100 MB, and of ours on 1 GB, each in a process of its own. The engine is measured; records, ledger and second\n" +
			"reader of `antin sign` are not in it. BOUND is what the digest of the document leaves of the token's rate.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.benchOn(cmd.Context(), o, func(ctx context.Context, s bench.System) error {
				var r signBench
				for _, one := range []struct {
					level pades.Level
					size  int64
				}{{pades.LevelB, megabyte}, {pades.LevelLT, 100 * kilobyte}} {
					rates, err := s.Sign(ctx, o, one.level, one.size)
					if err != nil {
						return err
					}
					r.Rates = append(r.Rates, rates...)
				}
				for _, size := range []int64{100 * kilobyte, 10 * megabyte} {
					b, err := s.BesidePeer(ctx, o, o.Keys[0], size)
					if err != nil {
						return err
					}
					r.Peer = append(r.Peer, b)
				}
				for _, m := range []struct {
					who  string
					size int64
				}{{bench.Ours, 100 * megabyte}, {bench.Peer, 100 * megabyte}, {bench.Ours, large}, {bench.Verify, large}} {
					memory, err := s.MemoryOf(ctx, m.who, m.size)
					if err != nil {
						return err
					}
					r.Memory = append(r.Memory, memory)
				}
				return e.showSignBench(r)
			})
		},
	}
	benchFlags(cmd, &o)
	cmd.Flags().Int64Var(&large, "large", gigabyte, "size in bytes of the largest file")
	return cmd
}

func benchFlags(cmd *cobra.Command, o *bench.Options) {
	cmd.Flags().StringSliceVar(&o.Keys, "key", []string{"demo-official", "demo-official-rsa"}, "keys of the demonstration")
	cmd.Flags().IntVar(&o.Callers, "workers", 8, "callers at the same time")
	cmd.Flags().IntVar(&o.Rounds, "rounds", 5, "rounds of each")
	cmd.Flags().DurationVar(&o.Time, "time", time.Second, "length of a round")
}

// benchOn makes a system with a token of its own for the measures, in a folder
// that is removed in the end.
func (e *env) benchOn(ctx context.Context, o bench.Options, f func(ctx context.Context, s bench.System) error) (err error) {
	if len(o.Keys) == 0 || o.Callers < 1 || o.Rounds < 1 || o.Time <= 0 {
		return fmt.Errorf("%w: a key and numbers above zero are needed", errUse)
	}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "antin-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := app.OpenThrowaway(ctx, app.Options{Dir: filepath.Join(dir, "data"), Logger: e.logger()}, func(string) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(ctx, bench.System{
		Rates: s.CompareRates, Signer: s.Keys.Signer, Spent: s.SignaturesMade, Timestamp: s.Timestamp, Collect: s.Collector().Collect, Anchors: s.Anchors,
		Chain: func(ctx context.Context, label string) ([]*x509.Certificate, error) {
			entry, err := s.Register.Get(ctx, label)
			if err != nil {
				return nil, err
			}
			return entry.Certificates()
		},
		Dir: dir, Child: []string{own, measureCommandName},
	})
}

const measureCommandName = "bench-measure"

// measureCommand is the process whose memory is measured.
func measureCommand() *cobra.Command {
	return &cobra.Command{
		Use: measureCommandName, Hidden: true, Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error { return bench.Measure(cmd.Context(), args, os.Stdout) },
	}
}

func (e *env) showSignBench(r signBench) error {
	if e.json {
		return printJSON(r)
	}
	rows := [][]string{}
	for _, s := range r.Rates {
		processors := "shared"
		if s.Apart {
			processors = "apart"
		}
		rows = append(rows, []string{s.Algorithm, s.Level, bytesText(s.Document), processors, perSecond(s.Bare), perSecond(s.Worker), perSecond(s.Documents), fmt.Sprintf("%.2f", s.Spent),
			fmt.Sprintf("%.2f", s.OfToken), fmt.Sprintf("%.2f", s.OfWorker), fmt.Sprintf("%.2f", s.OfCPU), perSecond(s.Digests), fmt.Sprintf("%.2f", s.Bound)})
	}
	err := table(os.Stdout, []string{"ALGORITHM", "LEVEL", "FILE", "PROCESSORS", "TOKEN", "WORKER", "DOCUMENTS", "SIGNATURES EACH", "OF TOKEN", "OF WORKER", "OF CPU", "DIGESTS", "BOUND"}, rows)
	if err != nil {
		return err
	}
	rows = nil
	for _, b := range r.Peer {
		rows = append(rows, []string{bytesText(b.Document), fmt.Sprintf("%.2f ms", b.Ours*1000), fmt.Sprintf("%.2f ms", b.Peer*1000), fmt.Sprintf("%.1f", b.Faster)})
	}
	fmt.Println()
	err = table(os.Stdout, []string{"FILE", "ANTIN", "PDFSIGN", "TIMES FASTER"}, rows)
	if err != nil {
		return err
	}
	rows = nil
	for _, m := range r.Memory {
		rows = append(rows, []string{m.Who, bytesText(m.Document), bytesText(m.Idle), bytesText(m.Peak), bytesText(m.Above()), fmt.Sprintf("%.2f s", m.Seconds)})
	}
	fmt.Println()
	return table(os.Stdout, []string{"PROCESS", "FILE", "IDLE", "PEAK", "ABOVE IDLE", "TIME"}, rows)
}

func perSecond(v float64) string { return fmt.Sprintf("%.0f/s", v) }

func bytesText(n int64) string {
	switch {
	case n >= gigabyte:
		return fmt.Sprintf("%.2f GB", float64(n)/float64(gigabyte))
	case n >= megabyte:
		return fmt.Sprintf("%.1f MB", float64(n)/float64(megabyte))
	}
	return fmt.Sprintf("%.0f kB", float64(n)/float64(kilobyte))
}

// verifyBench is what `antin bench verify` measured.
type verifyBench struct {
	Many      bench.Verified `json:"many"`
	Growth    []bench.Point  `json:"growth"`
	Revisions []bench.Point  `json:"revisions"`
}

func (e *env) benchVerify() *cobra.Command {
	var o bench.Options
	var plots, level string
	var signatures int
	cmd := &cobra.Command{
		Use: "verify", Short: "Time to verify a document of many signatures; growth with size and revisions", Args: cobra.NoArgs,
		Long: "Sign a document of 5 MB many times with the keys in turn (at B-LT, in a system made for it), then verify it from its\n" +
			"own evidence with the analysis of what each revision changed; and measure how signing and verifying grow with a file's\n" +
			"size and with the number of revisions. --plot writes both curves as SVG.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if signatures < 1 {
				return fmt.Errorf("%w: --signatures must be positive", errUse)
			}
			return e.benchOn(cmd.Context(), o, func(ctx context.Context, s bench.System) error {
				counts := []int{1, 2, 5, 10, 20}
				bar := progress(int64(signatures+38), "signing")
				r, err := measureVerify(ctx, s, o, pades.Level(level), signatures, counts, bar)
				_ = bar.Finish()
				if err != nil {
					return err
				}
				if plots != "" {
					err = writePlots(plots, r)
					if err != nil {
						return err
					}
				}
				err = e.showVerifyBench(r)
				if err == nil && r.Many.Passed < r.Many.Signatures {
					return answer(exitNo)
				}
				return err
			})
		},
	}
	benchFlags(cmd, &o)
	cmd.Flags().StringVar(&plots, "plot", "", "folder for growth-size.svg and growth-revisions.svg")
	cmd.Flags().StringVar(&level, "level", "B-LT", "level of the signatures")
	cmd.Flags().IntVar(&signatures, "signatures", 50, "signatures in the document")
	return cmd
}

func measureVerify(ctx context.Context, s bench.System, o bench.Options, level pades.Level, signatures int, counts []int, bar *progressbar.ProgressBar) (verifyBench, error) {
	step := func() { _ = bar.Add(1) }
	var r verifyBench
	var err error
	r.Many, err = s.Verify(ctx, o, level, 5*megabyte, signatures, step)
	if err != nil {
		return r, err
	}
	r.Revisions, err = s.Revisions(ctx, o, level, 100*kilobyte, counts, step)
	if err != nil {
		return r, err
	}
	r.Growth, err = s.Growth(ctx, o, []int64{100 * kilobyte, megabyte, 10 * megabyte, 100 * megabyte, gigabyte})
	return r, err
}

func writePlots(dir string, r verifyBench) error {
	err := os.MkdirAll(dir, 0o755)
	if err != nil {
		return err
	}
	var sign, verify, revisions plot.Curve
	sign.Name, verify.Name, revisions.Name = "sign, B-B", "verify", "verify, B-LT"
	for _, p := range r.Growth {
		size := float64(p.Document) / float64(megabyte)
		sign.X, sign.Y = append(sign.X, size), append(sign.Y, p.Sign)
		verify.X, verify.Y = append(verify.X, size), append(verify.Y, p.Verify)
	}
	for _, p := range r.Revisions {
		revisions.X, revisions.Y = append(revisions.X, float64(p.Signatures)), append(revisions.Y, p.Verify)
	}
	err = plotFile(filepath.Join(dir, "growth-size.svg"), "Time for one document by its size", "MB", "seconds", sign, verify)
	if err != nil {
		return err
	}
	return plotFile(filepath.Join(dir, "growth-revisions.svg"), "Time to verify by number of signatures", "signatures", "seconds", revisions)
}

func plotFile(path, title, x, y string, curves ...plot.Curve) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = plot.Write(f, title, x, y, curves)
	closed := f.Close()
	if err != nil {
		return err
	}
	return closed
}

func (e *env) showVerifyBench(r verifyBench) error {
	if e.json {
		return printJSON(r)
	}
	fmt.Printf("%d signatures in %s (%d revisions): verified in %.2f s (%.2f s of processor time), %d TOTAL-PASSED\n\n", r.Many.Signatures, bytesText(r.Many.Document), r.Many.Revisions, r.Many.Seconds, r.Many.CPU, r.Many.Passed)
	rows := [][]string{}
	for _, p := range r.Growth {
		rows = append(rows, []string{bytesText(p.Document), fmt.Sprintf("%.2f ms", p.Sign*1000), fmt.Sprintf("%.2f ms", p.Verify*1000)})
	}
	err := table(os.Stdout, []string{"FILE", "SIGN", "VERIFY"}, rows)
	if err != nil {
		return err
	}
	rows = nil
	for _, p := range r.Revisions {
		rows = append(rows, []string{fmt.Sprint(p.Signatures), bytesText(p.Document), fmt.Sprintf("%.2f ms", p.Verify*1000)})
	}
	fmt.Println()
	return table(os.Stdout, []string{"SIGNATURES", "FILE", "VERIFY"}, rows)
}
