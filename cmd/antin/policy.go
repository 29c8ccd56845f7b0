package main

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/policy/engine"
)

func (e *env) policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Data sharing: decide, map, test and check the policy"}
	cmd.AddCommand(e.policyDecide(), e.policyMap(), e.policyTest(), e.policyCheck())
	return cmd
}

func (e *env) policyDecide() *cobra.Command {
	var q engine.Query
	cmd := &cobra.Command{
		Use: "decide", Short: "Decide a request for data; exit status 1 when it is refused", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if q.At.IsZero() {
					q.At = s.Clock.Now()
				}
				decision, err := s.Policy.Evaluate(ctx, q)
				if err != nil {
					return err
				}
				if e.json {
					err = printJSON(decision)
					if err != nil {
						return err
					}
				} else {
					fmt.Printf("allow: %t\n", decision.Allow)
					for _, r := range decision.Reasons {
						text := r.VI
						if language() == "en" {
							text = r.EN
						}
						fmt.Printf("  %s: %s\n", r.Code, text)
					}
				}
				if !decision.Allow {
					return answer(exitNo)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&q.Agency, "agency", "", "the agency that asks")
	cmd.Flags().StringVar(&q.Dataset, "dataset", "", "the shared database")
	cmd.Flags().StringVar(&q.Purpose, "purpose", "", "purpose")
	cmd.Flags().StringVar(&q.Operation, "operation", "query", "operation")
	cmd.Flags().StringSliceVar(&q.Fields, "field", nil, "fields; none means all that are agreed")
	return cmd
}

func (e *env) policyMap() *cobra.Command {
	return &cobra.Command{
		Use: "map", Short: "Who may have what: agencies by shared databases", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				m, err := s.Policy.Map(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(m)
				}
				rows := [][]string{}
				for _, cell := range m.Cells {
					for _, grant := range cell.Grants {
						if grant.Decision == nil || !grant.Decision.Allow {
							continue
						}
						rows = append(rows, []string{cell.Agency, cell.Dataset, grant.Agreement, grant.Purpose, grant.Operation, strconv.Itoa(len(cell.Fields))})
					}
				}
				return table(os.Stdout, []string{"AGENCY", "DATABASE", "AGREEMENT", "PURPOSE", "OPERATION", "FIELDS"}, rows)
			})
		},
	}
}

func (e *env) policyTest() *cobra.Command {
	return &cobra.Command{
		Use: "test", Short: "Run the tests of the policy bundle with coverage", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				report, err := s.Policy.Test(ctx)
				if err != nil {
					return err
				}
				return printJSON(report)
			})
		},
	}
}

func (e *env) policyCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Look for agreements and catalogue entries that do not hold together", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				findings, err := s.Policy.Check(ctx)
				if err != nil {
					return err
				}
				err = printJSON(findings)
				if err == nil && len(findings) > 0 {
					return answer(exitNo)
				}
				return err
			})
		},
	}
}
