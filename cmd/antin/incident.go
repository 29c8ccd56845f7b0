package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill/traffic"
	"github.com/antin-gov/antin/incident/sigma"
)

func (e *env) incidentCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "incident", Short: "Incidents: list, show, acknowledge, assign, close; Sigma rules"}
	cmd.AddCommand(e.incidentList(), e.incidentShow(),
		e.caseAct("ack CASE", "Acknowledge a case", 1, func(ctx context.Context, s *app.System, args []string) (*incident.Case, error) {
			return s.Incidents.Acknowledge(ctx, args[0])
		}),
		e.caseAct("assign CASE ACCOUNT", "Give a case to somebody", 2, func(ctx context.Context, s *app.System, args []string) (*incident.Case, error) {
			return s.Incidents.Assign(ctx, args[0], args[1])
		}),
		e.caseAct("close CASE REASON NOTE", "Close a case: resolved, false-positive, duplicate or exercise-ended", 3, func(ctx context.Context, s *app.System, args []string) (*incident.Case, error) {
			return s.Incidents.Close(ctx, args[0], args[1], args[2])
		}),
		e.incidentAttack(), e.sigmaCommand())
	return cmd
}

func (e *env) incidentList() *cobra.Command {
	var f incident.Filter
	cmd := &cobra.Command{
		Use: "list", Short: "List cases: real ones, unless --exercise is given", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				page, err := s.Incidents.List(ctx, f)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(page)
				}
				rows := [][]string{}
				for _, c := range page.Cases {
					next := ""
					for _, clock := range page.Clocks[c.ID] {
						if clock.Running() {
							next = clock.ID + " " + time.Until(clock.DueAt).Round(time.Minute).String()
							break
						}
					}
					rows = append(rows, []string{c.Number, c.Severity.String(), c.State, c.AgencyID, c.T0.Local().Format("2006-01-02 15:04"), next, c.Assignee, c.ExerciseID, c.Title})
				}
				return table(os.Stdout, []string{"CASE", "SEVERITY", "STATE", "AGENCY", "T0", "NEXT DUTY IN", "ASSIGNEE", "EXERCISE", "TITLE"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&f.State, "state", "", "a state, or open for all that are not closed")
	cmd.Flags().StringVar(&f.AgencyID, "agency", "", "agency")
	cmd.Flags().StringVar(&f.Exercise, "exercise", incident.ExerciseNone, "an exercise id, any, or both")
	return cmd
}

func (e *env) incidentShow() *cobra.Command {
	return &cobra.Command{
		Use: "show CASE", Short: "Show a case with alerts, evidence and history", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				detail, err := s.Incidents.Get(ctx, args[0])
				if err != nil {
					return err
				}
				return printJSON(detail)
			})
		},
	}
}

func (e *env) caseAct(use, short string, n int, act func(ctx context.Context, s *app.System, args []string) (*incident.Case, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(n),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				c, err := act(ctx, s, args)
				if err != nil {
					return err
				}
				return e.show(c, "case %s: %s, %s\n", c.Number, c.State, c.Title)
			})
		},
	}
}

// incidentAttack writes the capture of a composed attack and its rules, to be
// played through a sensor.
func (e *env) incidentAttack() *cobra.Command {
	var rules string
	cmd := &cobra.Command{
		Use: "attack FILE.pcap", Short: "Write a capture of a composed ransomware attack, to test the way from packet to case", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Create(args[0])
			if err != nil {
				return err
			}
			err = traffic.Attack(f, traffic.Options{Start: time.Now().Add(-traffic.Length), Seed: uint64(time.Now().UnixNano())})
			err = errors.Join(err, f.Close())
			if err == nil && rules != "" {
				err = os.WriteFile(rules, traffic.Rules, 0o644)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&rules, "rules", "", "also write the rules that find it")
	return cmd
}

func (e *env) sigmaCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Sigma rules"}
	check := &cobra.Command{
		Use: "check DIR", Short: "Parse every rule of a folder and say which are not fed", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := sigma.CheckDir(args[0])
			if err != nil {
				return err
			}
			if e.json {
				err = printJSON(report)
			} else {
				fmt.Printf("%d parsed, %d failed, %d not fed by this system\n", report.Parsed, report.Failed, len(report.Unfed))
			}
			if err == nil && report.Failed > 0 {
				return answer(exitNo)
			}
			return err
		},
	}
	eval := &cobra.Command{
		Use: "eval RULE.yml EVENT.json", Short: "Evaluate a rule over an event: 0 it matches, 1 it does not, 3 it cannot be evaluated", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			rules, err := sigma.Parse(text)
			if err != nil {
				return err
			}
			raw, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			var fields map[string]any
			err = json.Unmarshal(raw, &fields)
			if err != nil {
				return fmt.Errorf("read %s: %w", args[1], err)
			}
			for _, rule := range rules {
				hit, err := sigma.EvalRule(rule, fields)
				if err != nil {
					return err
				}
				if hit {
					return e.show(map[string]any{"match": true, "rule": rule.ID}, "matches: %s\n", rule.Title)
				}
			}
			err = e.show(map[string]any{"match": false}, "does not match\n")
			if err != nil {
				return err
			}
			return answer(exitNo)
		},
	}
	cmd.AddCommand(check, eval)
	return cmd
}
