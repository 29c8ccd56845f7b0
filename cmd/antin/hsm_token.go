package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/hsm"
)

func (e *env) hsmToken() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "State of the tokens and their key worker", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				health, err := s.Keys.Health(ctx)
				if err != nil {
					return err
				}
				return e.show(health, "token %s (%s): %d keys, %d signatures, worker %d since %s\n", health.Token, health.Serial, health.Keys, health.Signatures, health.PID, health.StartedAt.Format("2006-01-02 15:04:05"))
			})
		},
	}
	cmd.AddCommand(e.hsmTokenInit(), e.hsmTokenList(), e.hsmTokenProbe(),
		e.hsmTokenState("drain", "Take a token out of service; what is under way is finished", hsm.StateDrained),
		e.hsmTokenState("activate", "Bring a token back into service, after it has signed once as before", hsm.StateActive),
		e.hsmTokenState("quarantine", "Take a token out until it has proved itself", hsm.StateQuarantined))
	return cmd
}

func (e *env) hsmTokenInit() *cobra.Command {
	return &cobra.Command{
		Use: "init LABEL", Short: "Make one more software token beside that of the data folder", Args: cobra.ExactArgs(1),
		Long: "Makes a token of SoftHSM in the data folder, with PINs of its own in files of mode 0600, and prints its URI.\n" +
			"Name it in hsm.tokens of the configuration, after the URI of the first token (antin hsm token list), and start the system again.\n" +
			"Tokens of other makers are initialised with their maker's tools; they need the URI in the configuration only.",
		RunE: func(cmd *cobra.Command, args []string) error {
			uri, err := app.InitToken(cmd.Context(), app.Options{Dir: e.data, Logger: e.logger(), Environ: os.Environ()}, args[0])
			if err != nil {
				return err
			}
			return e.show(map[string]string{"token": args[0], "uri": uri}, "%s\n", uri)
		},
	}
}

func (e *env) hsmTokenList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tokens with their state", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				tokens, err := s.Custody.List(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(tokens)
				}
				rows := [][]string{}
				for _, t := range tokens {
					rows = append(rows, []string{t.Name, string(t.State), strconv.Itoa(t.Keys), strconv.FormatUint(t.Signatures, 10),
						strconv.FormatUint(t.Losses, 10), strconv.Itoa(t.Lanes), t.URI})
				}
				err = table(os.Stdout, []string{"TOKEN", "STATE", "KEYS", "SIGNATURES", "LOSSES", "AT ONCE", "URI"}, rows)
				for _, t := range tokens {
					if t.Cause != "" {
						fmt.Printf("%s is %s since %s: %s\n", t.Name, t.State, t.Since.Local().Format("2006-01-02 15:04:05"), t.Cause)
					}
				}
				return err
			})
		},
	}
}

func (e *env) hsmTokenProbe() *cobra.Command {
	return &cobra.Command{
		Use: "probe [TOKEN]", Short: "Find out by trying what a token does", Args: cobra.MaximumNArgs(1),
		Long: "Makes a throw-away key of each algorithm, signs in each way, verifies outside the token and destroys the key;\n" +
			"then measures the rate by number of sessions. The least number with 95 % of the best rate is kept and used from\n" +
			"the next start of the key worker, unless the configuration names one (hsm.sessions, or sessions= in the URI).",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				bar := progress(-1, "probing")
				p, err := s.ProbeToken(ctx, strings.Join(args, ""))
				_ = bar.Finish()
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(p)
				}
				return printProbe(p)
			})
		},
	}
}

// printProbe prints a probe as a table.
func printProbe(p hsm.Probe) error {
	fmt.Printf("token %s: %s %s, firmware %s, serial %s; tried with %s\n", p.Token, p.Manufacturer, p.Model, p.Firmware, p.Serial, p.Means)
	rows := [][]string{}
	for _, a := range p.Algorithms {
		var good, bad []string
		for _, s := range a.Signatures {
			name := strings.Trim(s.Scheme+" "+s.Hash, " ")
			if s.Works {
				good = append(good, name)
			} else {
				bad = append(bad, name)
			}
		}
		made := "no: " + a.Error
		if len(a.Signatures) > 0 {
			made = strconv.FormatInt(a.Milliseconds, 10) + " ms"
		}
		rows = append(rows, []string{a.Algorithm, made, strings.Join(good, ", "), strings.Join(bad, ", ")})
	}
	err := table(os.Stdout, []string{"ALGORITHM", "KEY MADE", "SIGNS", "DOES NOT"}, rows)
	fmt.Printf("wraps keys (RFC 5649): %v\n", p.Wrap)
	for _, r := range p.Rates {
		fmt.Printf("%s with %d sessions: %.0f signatures/s\n", r.Algorithm, r.Sessions, r.PerSecond)
	}
	if p.Knee > 0 {
		fmt.Printf("sessions from the next start: %d\n", p.Knee)
	}
	return err
}

func (e *env) hsmTokenState(verb, short string, state hsm.TokenState) *cobra.Command {
	return &cobra.Command{
		Use: verb + " TOKEN", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				err := s.Custody.SetState(ctx, args[0], state)
				if err != nil {
					return err
				}
				tokens, err := s.Custody.List(ctx)
				if err != nil {
					return err
				}
				for _, t := range tokens {
					if t.Name == args[0] {
						return e.show(t, "token %s: %s\n", t.Name, t.State)
					}
				}
				return nil
			})
		},
	}
}
