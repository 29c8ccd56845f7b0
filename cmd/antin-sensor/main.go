// Command antin-sensor watches network traffic, live or from capture files,
// and records what it sees as EVE JSON.
//
// Exit status: 0 done, 1 the answer is no, 2 wrong use, 3 could not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitDone  = 0
	exitNo    = 1
	exitUse   = 2
	exitCould = 3
)

// exitError carries the exit status of a failure.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func could(err error) error { return &exitError{exitCould, err} }

// errNo is a "no" that has already been printed.
var errNo = errors.New("no")

func main() {
	giveRoom()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the whole program but for the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "antin-sensor",
		Short:         "Network sensor: packets to EVE JSON records",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(runCommand(), rulesCommand(), benchCommand(), iocCommand(), verifyCommand(), compareCommand(), configCommand(), versionCommand())
	root.AddCommand(benchChildCommand(), statsCommand(), topCommand(), reloadCommand(), rotateCommand(), recordCommand(), profileCommand())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		fmt.Fprintf(stderr, "antin-sensor: %v\nTry 'antin-sensor --help'.\n", err)
		return exitUse
	}
	if !errors.Is(err, errNo) {
		fmt.Fprintf(stderr, "antin-sensor: %v\n", err)
	}
	return exit.status
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, revision := "devel", ""
			info, ok := debug.ReadBuildInfo()
			if ok {
				if info.Main.Version != "" {
					version = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value
					}
				}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "antin-sensor %s%s\n", version, revision)
			return err
		},
	}
}
