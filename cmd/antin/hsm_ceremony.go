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
	"golang.org/x/term"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/cmd/antin/room"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/internal/auth"
)

// ceremonyFlags are the flags of `antin hsm ceremony`.
type ceremonyFlags struct {
	rehearse, resume, yes    bool
	folder, keys, standalone string
	present                  []string
}

func (e *env) hsmCeremony() *cobra.Command {
	var f ceremonyFlags
	cmd := &cobra.Command{
		Use: "ceremony FILE.yaml", Short: "Hold a key ceremony, or rehearse it", Args: cobra.ExactArgs(1),
		Long: "Holds the key ceremony of a file: M of N custodians authenticate, each step is announced, confirmed and recorded, and the\n" +
			"transcript is signed by the new key and the custodians. Exit status 1: refused, nothing was made or overwritten.",
		Example: "  antin hsm ceremony template root > root.yaml\n" +
			"  antin hsm ceremony root.yaml --rehearse --keys custodians\n" +
			"  antin hsm ceremony root.yaml --keys custodians",
		RunE: func(cmd *cobra.Command, args []string) error {
			script, err := readScript(args[0])
			if err != nil {
				return err
			}
			result, err := e.ceremony(cmd.Context(), script, f)
			for _, refusal := range []error{ceremony.ErrQuorum, ceremony.ErrOverwrite, ceremony.ErrUnfinished, ceremony.ErrDone, ceremony.ErrChanged} {
				if errors.Is(err, refusal) {
					fmt.Fprintln(os.Stderr, "antin:", err)
					return answer(exitNo)
				}
			}
			if err != nil {
				return err
			}
			return e.show(result, "ceremony %s held: %d files and the transcript %s with %d signatures in %s\n", result.ID, len(result.Outputs)-1, result.Transcript, result.Signatures, result.Folder)
		},
	}
	cmd.Flags().BoolVar(&f.rehearse, "rehearse", false, "the very same file on a throw-away token with a throw-away ledger")
	cmd.Flags().BoolVar(&f.resume, "resume", false, "go on with a ceremony that was interrupted")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "confirm each step without asking")
	cmd.Flags().StringVar(&f.keys, "keys", ".", "folder with the custodians' key files NAME.key")
	cmd.Flags().StringSliceVar(&f.present, "present", nil, "names of the custodians present; asked without it")
	cmd.Flags().StringVar(&f.folder, "folder", "", "where the results of a rehearsal go (default: the file's folder with -rehearsal-TIME)")
	cmd.Flags().StringVar(&f.standalone, "standalone", "", "hold it on a machine without the system: token and ledger of their own in this folder")
	cmd.AddCommand(e.ceremonyTemplate(), e.ceremonyCheck(), e.ceremonyList())
	return cmd
}

// readScript reads the file of a ceremony.
func readScript(path string) (*ceremony.Script, error) {
	text, err := readBounded(path, 1<<20)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	return ceremony.Parse(text, dir)
}

// ceremony holds or rehearses the ceremony.
func (e *env) ceremony(ctx context.Context, script *ceremony.Script, f ceremonyFlags) (*ceremony.Result, error) {
	present := &custodians{dir: f.keys, present: f.present}
	parts := room.Parts{Presence: present, Console: &terminal{yes: f.yes, quiet: e.json}}
	o := ceremony.Options{Resume: f.resume}
	switch {
	case f.rehearse && (f.resume || f.standalone != ""):
		return nil, fmt.Errorf("%w: a rehearsal is neither resumed nor held elsewhere", errUse)
	case f.folder != "" && !f.rehearse:
		return nil, fmt.Errorf("%w: --folder is for rehearsals; the folder of a ceremony stands in its file", errUse)
	case f.rehearse:
		o.Folder = f.folder
		if o.Folder == "" {
			o.Folder = script.Folder + "-rehearsal-" + time.Now().Format("20060102-150405")
		}
		return e.atWorkplace(ctx, o, func(ro room.Options) (*room.Workplace, error) { return room.Rehearsal(ctx, ro, script, parts) })
	case f.standalone != "":
		return e.atWorkplace(ctx, o, func(ro room.Options) (*room.Workplace, error) {
			return room.Standalone(ctx, ro, script, f.standalone, parts)
		})
	}
	var result *ceremony.Result
	err := e.with(ctx, func(ctx context.Context, s *app.System) error {
		present.accounts = s.Accounts
		place, err := s.CeremonyRoom(ctx, script, parts)
		if err != nil {
			return err
		}
		result, err = ceremony.Run(ctx, place, script, o)
		return err
	})
	return result, err
}

// atWorkplace holds a ceremony outside the system.
func (e *env) atWorkplace(ctx context.Context, o ceremony.Options, open func(room.Options) (*room.Workplace, error)) (*ceremony.Result, error) {
	ctx = auth.WithSubject(ctx, app.LocalSubject())
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	w, err := open(room.Options{Worker: []string{self, app.WorkerCommand}, Logger: e.logger()})
	if err != nil {
		return nil, err
	}
	result, err := ceremony.Run(ctx, w.Room, w.Script, o)
	return result, errors.Join(err, w.Close())
}

// terminal tells and asks on the terminal.
type terminal struct {
	yes bool
	// quiet leaves standard output to the answer as JSON.
	quiet bool
}

var _ ceremony.Console = (*terminal)(nil)

// Say prints a line.
func (t *terminal) Say(text string) {
	if t.quiet {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	fmt.Println(text)
}

// Confirm asks to go on.
func (t *terminal) Confirm(ctx context.Context, what string) error {
	err := ctx.Err()
	if err != nil || t.yes {
		return err
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return fmt.Errorf("%w: no terminal to confirm %q; --yes confirms each step", errUse, what)
	}
	yes, err := ask("Go on? [y/N] ")
	if err == nil && !yes {
		return ceremony.ErrStopped
	}
	return err
}

func (e *env) ceremonyTemplate() *cobra.Command {
	var kinds []string
	for _, k := range ceremony.Kinds() {
		kinds = append(kinds, string(k))
	}
	return &cobra.Command{
		Use: "template KIND", Short: "Print a file to fill in: " + strings.Join(kinds, ", "), Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := ceremony.Template(ceremony.Kind(args[0]))
			if err != nil {
				return fmt.Errorf("%w: %w", errUse, err)
			}
			fmt.Print(text)
			return nil
		},
	}
}

func (e *env) ceremonyCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE.yaml", Short: "Check the file of a ceremony without doing anything", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := readScript(args[0])
			if errors.Is(err, ceremony.ErrScript) {
				fmt.Fprintln(os.Stderr, "antin:", err)
				return answer(exitNo)
			}
			if err != nil {
				return err
			}
			return e.show(map[string]any{"id": s.ID, "kind": s.Kind, "sha256": s.SHA256(), "quorum": s.Custodians.Quorum, "custodians": len(s.Custodians.Members), "folder": s.Folder},
				"ceremony %s (%s) is good: %d of %d custodians, results in %s, SHA-256 %s\n", s.ID, s.Kind, s.Custodians.Quorum, len(s.Custodians.Members), s.Folder, s.SHA256())
		},
	}
}

func (e *env) ceremonyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the ceremonies that were held on this system", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				held, err := s.ListCeremonies(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(held)
				}
				rows := [][]string{}
				for _, c := range held {
					rows = append(rows, []string{c.ID, c.Kind, c.State, c.BegunAt.Format("2006-01-02 15:04"), c.Custodians, c.Title})
				}
				return table(os.Stdout, []string{"CEREMONY", "KIND", "STATE", "BEGUN", "PRESENT", "TITLE"}, rows)
			})
		},
	}
}
