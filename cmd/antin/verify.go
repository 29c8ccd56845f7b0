package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

func (e *env) verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE…",
		Short: "Verify the signatures of PDFs and other signed files",
		Long: "Verify every signature: coverage, integrity, path and revocation at the best signature time, changes after signing (EN 319 102-1).\n" +
			"A detached signature (.p7s) is verified over the file that --content names, or the one beside it without .p7s.\n" +
			"Exit status 0: all TOTAL-PASSED; 1: any TOTAL-FAILED; 4: any INDETERMINATE; 3: not readable.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("%w: name at least one file", errUse)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.verify(cmd.Context(), args, f)
		},
	}
	cmd.Flags().StringVar(&f.trust, "trust", "", "folder with CA certificates (root-*.pem are anchors) instead of the system's own")
	cmd.Flags().StringVar(&f.tsaRoots, "tsa-roots", "", "folder with certificates of outside time-stamping authorities: its root-*.pem are anchors for time-stamps alone")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "touch no network: judge by the document and by the cache of revocation data (`antin trust fetch` fills it)")
	cmd.Flags().StringVar(&f.cache, "cache", "", "folder of the cache of revocation data (default: trust-cache in the data folder; with --trust or a policy's lists in the user's cache folder)")
	cmd.Flags().StringVar(&f.at, "at", "", "judge as of this time (RFC 3339)")
	cmd.Flags().StringVar(&f.password, "password-file", "", "file with the password that opens encrypted documents")
	cmd.Flags().StringVar(&f.policy, "policy", "", "YAML file with the validation policy, instead of the built-in one (`antin verify policy` prints it)")
	cmd.Flags().StringVar(&f.algorithms, "algorithms", "", "YAML file that tells until when algorithms are accepted, instead of the policy's")
	cmd.Flags().StringVar(&f.content, "content", "", "the file that a detached signature is over")
	cmd.Flags().StringVar(&f.report.format, "report", "", "write a report: etsi (TS 119 102-2, XML), html, pdf; detailed (each building block of EN 319 102-1), detailed-json, detailed-html")
	cmd.Flags().StringVarP(&f.report.out, "out", "o", "", "file of the report, or folder for those on several files (detailed reports: standard output when absent)")
	cmd.AddCommand(verifyPolicyCommand())
	return cmd
}

type verifyFlags struct {
	offline                                                    bool
	cache                                                      string
	trust, tsaRoots, at, password, content, algorithms, policy string
	report                                                     reportWish
}

func (e *env) verify(ctx context.Context, files []string, f verifyFlags) error {
	err := f.report.check(files)
	if err != nil {
		return err
	}
	if f.content != "" && len(files) != 1 {
		return fmt.Errorf("%w: --content goes with one signature", errUse)
	}
	options, err := e.verifyOptions(ctx, f)
	if err != nil {
		return err
	}
	defer options.close()
	judged := options.At
	if judged.IsZero() {
		judged = options.Clock.Now()
	}
	answers := verifyAnswers{env: e, wish: f.report, at: judged}
	status := exitDone
	for _, name := range files {
		judgement, err := verifyFile(ctx, name, f.content, options.Options)
		if errors.Is(err, validate.ErrUnreadable) || errors.Is(err, os.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "antin: %s: %v\n", name, err)
			status = worse(status, exitCould)
			continue
		}
		if err != nil {
			return err
		}
		status = worse(status, judgement.ExitCode())
		err = answers.add(judgement)
		if err != nil {
			return err
		}
	}
	err = answers.end()
	if err != nil {
		return err
	}
	err = options.Collector.CacheErr()
	if err != nil {
		fmt.Fprintf(os.Stderr, "antin: the verdict stands, but what was fetched is not kept: %v\n", err)
	}
	if status != exitDone {
		return answer(status)
	}
	return nil
}

// verifyAnswers are what is printed and written of the files judged.
type verifyAnswers struct {
	env      *env
	wish     reportWish
	at       time.Time
	reports  []*validate.Report
	detailed []report.DetailedReport
}

// add writes the report of one file, and prints what is said about it.
func (a *verifyAnswers) add(r *validate.Report) error {
	a.reports = append(a.reports, r)
	if a.wish.printed() {
		f, err := a.wish.file(r, a.at)
		if err != nil {
			return err
		}
		if a.env.json {
			a.detailed = append(a.detailed, report.Detailed(f))
			return nil
		}
		return report.Write(os.Stdout, f, a.wish.formatOf())
	}
	if a.wish.format != "" {
		err := a.wish.write(r, a.at)
		if err != nil {
			return err
		}
	}
	if a.env.json {
		return nil
	}
	return validate.WriteText(os.Stdout, r, validate.Lang(language()))
}

// end prints the answers for programs.
func (a *verifyAnswers) end() error {
	switch {
	case !a.env.json:
		return nil
	case a.wish.printed():
		return printJSON(append([]report.DetailedReport{}, a.detailed...))
	}
	return printJSON(append([]*validate.Report{}, a.reports...))
}

func verifyFile(ctx context.Context, name, content string, o validate.Options) (*validate.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if content == "" {
		content = contentBeside(name)
	}
	if content != "" {
		signed, err := os.Open(content)
		if err != nil {
			return nil, err
		}
		defer func() { _ = signed.Close() }()
		o.Content = signed
	}
	report, err := validate.File(ctx, f, info.Size(), o)
	if err != nil {
		return nil, err
	}
	report.File = name
	return report, nil
}

// contentBeside is the file that a detached signature stands beside: its name
// without the last extension. Empty when there is none.
func contentBeside(name string) string {
	content := strings.TrimSuffix(name, filepath.Ext(name))
	info, err := os.Stat(content)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return content
}

// worse is the status that matters more: a failed signature before a file that
// could not be read, that before one with not enough grounds.
func worse(a, b int) int {
	for _, status := range []int{exitNo, exitCould, exitIndeterminate} {
		if a == status || b == status {
			return status
		}
	}
	return exitDone
}
