// Command antin is the server of Ấn Tín and its command line: signing and
// verifying, certification, the incident pipeline, drills, data sharing and
// the ledger. Flags and wiring only; see docs/ for what each part does.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/config"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/signer"
)

// Exit statuses of the command line.
const (
	exitDone          = 0
	exitNo            = 1 // the answer is no
	exitUse           = 2 // wrong use
	exitCould         = 3 // could not
	exitIndeterminate = 4 // antin verify: not enough grounds
)

// answer is an error that is an answer: its status leaves, its text has been
// printed.
type answer int

func (a answer) Error() string { return fmt.Sprintf("exit status %d", int(a)) }

// errUse marks wrong use of a command.
var errUse = errors.New("wrong use")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx)
	stop()
	os.Exit(status)
}

func run(ctx context.Context) int {
	e := &env{}
	err := e.root().ExecuteContext(ctx)
	var a answer
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &a):
		return int(a)
	case errors.Is(err, errUse):
		fmt.Fprintln(os.Stderr, "antin:", err)
		return exitUse
	default:
		fmt.Fprintln(os.Stderr, "antin:", err)
		return exitCould
	}
}

// env is what all commands share.
type env struct {
	data    string
	verbose bool
	as      string
	json    bool
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "antin",
		Short: "Ấn Tín: digital signatures and security operations of a province",
		Long: "Ấn Tín: chữ ký số và giám sát an ninh mạng của tỉnh.\n" +
			"Digital signatures and security operations of a province.\n\n" +
			"Every command works on the system in a data folder, running or not.",
		SilenceUsage: true, SilenceErrors: true,
		// The ledger's library has one log for the whole process.
		PersistentPreRun: func(*cobra.Command, []string) { ledger.LibraryLog(e.logger()) },
	}
	root.PersistentFlags().StringVar(&e.data, "data", config.DefaultDataDir(), "data folder (environment "+config.EnvDataDir+")")
	root.PersistentFlags().BoolVarP(&e.verbose, "verbose", "v", false, "write what happens to standard error")
	root.PersistentFlags().StringVar(&e.as, "as", "", "account that acts; its password is read from the terminal or from the file named by ANTIN_PASSWORD_FILE")
	root.PersistentFlags().BoolVar(&e.json, "json", false, "answer as JSON")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUse, err) })
	root.AddCommand(
		e.upCommand(), e.initCommand(), e.demoCommand(), e.versionCommand(), e.configCommand(), e.accountCommand(), e.directoryCommand(),
		e.signCommand(), e.officeCommand(), e.extendCommand(), e.verifyCommand(), e.trustCommand(), e.edxmlCommand(), e.nd30Command(), e.ledgerCommand(), e.backupCommand(), e.restoreCommand(), e.hsmCommand(), e.caCommand(),
		e.policyCommand(), e.incidentCommand(), e.drillCommand(), e.benchCommand(), e.doctorCommand(),
		workerCommand(), readerCommand(), ocspServer(), measureCommand(),
	)
	strict(root)
	return root
}

// strict makes wrong arguments and unknown commands wrong use, at every depth:
// cobra itself answers an unknown command below the root with help and success.
func strict(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("%w: unknown command %q for %q; see %s --help", errUse, args[0], cmd.CommandPath(), cmd.CommandPath())
			}
			return cmd.Help()
		}
	}
	check := cmd.Args
	if check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err != nil && !errors.Is(err, errUse) {
				return fmt.Errorf("%w: %s %w", errUse, cmd.CommandPath(), err)
			}
			return err
		}
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// workerCommand is the key worker: this program started again by itself, with
// its settings on standard input.
func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use: app.WorkerCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(os.Stderr, nil))
			return hsm.WorkerMain(cmd.Context(), os.Stdin, os.Stdout, log)
		},
	}
}

// readerCommand is the independent reader of signed documents: a file on
// standard input, its answer on standard output.
func readerCommand() *cobra.Command {
	return &cobra.Command{
		Use: app.ReaderCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return signer.ReaderMain(os.Stdin, os.Stdout, maxRead) },
	}
}

// maxRead is the most that the independent reader takes into memory, whatever
// the configuration says.
const maxRead = 256 << 20

func (e *env) logger() *slog.Logger {
	level := slog.LevelWarn
	if e.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// open opens the system of the data folder for one command.
func (e *env) open(ctx context.Context) (*app.System, error) {
	return app.Open(ctx, app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()})
}

// with opens the system, lets f act on it as the account of --as, and closes
// it.
func (e *env) with(ctx context.Context, f func(ctx context.Context, s *app.System) error) error {
	s, err := e.open(ctx)
	if err != nil {
		return err
	}
	ctx, err = e.actor(ctx, s)
	if err == nil {
		err = f(ctx, s)
	}
	closed := s.Close()
	if closed != nil && e.verbose {
		fmt.Fprintln(os.Stderr, "antin: close:", closed)
	}
	return err
}
