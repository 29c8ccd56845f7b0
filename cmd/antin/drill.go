package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/incident/drill"
)

func (e *env) drillCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "drill", Short: "Drills: plan, approve, run, pause, resume, stop, score, report",
		Long: "Drills run on the same pipeline as real traffic; every row carries the exercise id. A second person approves.\n" +
			"The schedule of a running drill is kept by the server (antin up).",
	}
	for use, act := range map[string]struct {
		short string
		do    func(*drill.Service, context.Context, string) (*drill.Drill, error)
	}{
		"approve": {"Approve a drill that another person planned", (*drill.Service).Approve},
		"run":     {"Start an approved drill", (*drill.Service).Start},
		"pause":   {"Stop the exercise clock", (*drill.Service).Pause},
		"resume":  {"Let the exercise clock go on", (*drill.Service).Resume},
		"stop":    {"End a drill before its time", (*drill.Service).Stop},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: use + " DRILL", Short: act.short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
					d, err := act.do(s.Drills, ctx, args[0])
					if err != nil {
						return err
					}
					return e.show(d, "drill %s: %s\n", d.ID, d.State)
				})
			},
		})
	}
	cmd.AddCommand(e.drillPlan(), e.drillList(), e.drillShow(), e.drillScore(), e.drillReport())
	return cmd
}

func (e *env) drillPlan() *cobra.Command {
	return &cobra.Command{
		Use: "plan SCENARIO", Short: "Plan a drill of a scenario: a file, or the name of one in the library", Args: cobra.ExactArgs(1),
		Example: "  antin drill plan ransomware-commune --as son.bh",
		RunE: func(cmd *cobra.Command, args []string) error {
			scenario, err := drill.LibraryFile(args[0])
			if err != nil {
				scenario, err = os.ReadFile(args[0])
			}
			if err != nil {
				return fmt.Errorf("%w: %s is neither a scenario of the library nor a file", errUse, args[0])
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				d, err := s.Drills.Plan(ctx, scenario)
				if err != nil {
					return err
				}
				return e.show(d, "drill %s: %s, %s\n", d.ID, d.State, d.Title)
			})
		},
	}
}

func (e *env) drillList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List drills", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				drills, err := s.Drills.List(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(drills)
				}
				rows := [][]string{}
				for _, d := range drills {
					rows = append(rows, []string{d.ID, d.State, d.PlannedBy, d.ApprovedBy, d.Title})
				}
				return table(os.Stdout, []string{"DRILL", "STATE", "PLANNED BY", "APPROVED BY", "TITLE"}, rows)
			})
		},
	}
}

func (e *env) drillShow() *cobra.Command {
	return &cobra.Command{
		Use: "show DRILL", Short: "Show the board of a drill", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				board, err := s.Drills.Get(ctx, args[0])
				if err != nil {
					return err
				}
				return printJSON(board)
			})
		},
	}
}

func (e *env) drillScore() *cobra.Command {
	return &cobra.Command{
		Use: "score DRILL", Short: "Score a drill from the records of its cases", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				measures, err := s.Drills.Score(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(measures)
				}
				rows := [][]string{}
				for _, m := range measures {
					taken := "–"
					if m.ToAt != nil {
						taken = m.Taken().String()
					}
					rows = append(rows, []string{m.InjectID, m.Name, taken, m.Limit().String(), fmt.Sprintf("%d/%d", m.Points, m.Max)})
				}
				return table(os.Stdout, []string{"INJECT", "MEASURE", "TAKEN", "LIMIT", "POINTS"}, rows)
			})
		},
	}
}

func (e *env) drillReport() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "report DRILL -o FILE.pdf", Short: "Write the drill's report as a signed PDF", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: --out is needed", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				report, err := s.Drills.Report(ctx, args[0])
				if err != nil {
					return err
				}
				err = os.WriteFile(out, report.PDF, 0o644)
				if err != nil {
					return err
				}
				return e.show(report, "report %d of %s: %s\n", report.Seq, args[0], out)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file")
	return cmd
}
