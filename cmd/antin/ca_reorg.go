package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/reorg"
	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) caReorg() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reorg", Short: "Merge, split, rename, move and dissolve agencies with all that hangs on them",
		Long: "Re-organisation of agencies. The order is a YAML file; nothing is done before another person\n" +
			"approved the plan:\n" +
			"  antin ca reorg template > order.yaml\n" +
			"  antin ca reorg plan order.yaml                    (dry run: changes nothing)\n" +
			"  antin ca reorg submit --as minh.pq order.yaml\n" +
			"  antin ca reorg approve --as thu.vt ID\n" +
			"  antin ca reorg run --as thu.vt ID\n" +
			"  antin ca reorg undo-list ID",
	}
	cmd.AddCommand(
		reorgTemplate(),
		e.reorgPlan(),
		e.reorgSubmit(),
		e.reorgDecision("approve", "Approve the plan that another person submitted", (*reorg.Service).Approve),
		e.reorgDecision("reject", "Refuse it; --note says why", (*reorg.Service).Reject),
		e.reorgRun(),
		e.reorgList(),
		e.reorgShow(),
		e.reorgUndo(),
	)
	return cmd
}

func reorgTemplate() *cobra.Command {
	return &cobra.Command{
		Use: "template", Short: "Print an order to be edited", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(os.Stdout, reorg.Template)
			return err
		},
	}
}

// readOrder reads an order; wrong content is wrong use.
func readOrder(path string) (*reorg.Order, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o, err := reorg.ReadOrder(f)
	if errors.Is(err, reorg.ErrOrder) {
		return nil, fmt.Errorf("%w: %s: %w", errUse, path, err)
	}
	return o, err
}

func (e *env) reorgPlan() *cobra.Command {
	return &cobra.Command{
		Use: "plan ORDER.yaml", Short: "Say what the order would do, item by item, and do nothing", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := readOrder(args[0])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				plan, err := s.Reorg.Plan(ctx, o)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(plan)
				}
				rows := [][]string{}
				for i, a := range plan.Actions {
					rows = append(rows, actionRow(i+1, a, ""))
				}
				err = table(os.Stdout, actionHeads(), rows)
				if err == nil {
					fmt.Printf("%d items, nothing was done; plan %s\n", len(plan.Actions), plan.Digest[:16])
				}
				return err
			})
		},
	}
}

func actionHeads() []string {
	return []string{"#", "ACT", "OBJECT", "FROM", "TO", "CAUSE", "HOLDER", "STATE"}
}

func actionRow(n int, a reorg.Action, state string) []string {
	cause := string(a.Cause)
	if a.Note != "" {
		cause = strings.TrimSpace(cause + " (" + a.Note + ")")
	}
	holder := a.Holder
	if a.Agency != nil {
		holder = a.Agency.Name
	}
	return []string{fmt.Sprint(n), string(a.Kind), a.Object, a.From, a.To, cause, holder, state}
}

func (e *env) reorgSubmit() *cobra.Command {
	return &cobra.Command{
		Use: "submit ORDER.yaml", Short: "Plan the order and ask for another person's approval", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := readOrder(args[0])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				job, err := s.Reorg.Submit(ctx, o)
				if err != nil {
					return err
				}
				return e.showJob(job)
			})
		},
	}
}

func (e *env) showJob(j *reorg.Job) error {
	return e.show(j, "re-organisation %s: %s, in force from %s, plan %s\n", j.ID, j.State, j.Effective.Format(time.RFC3339), j.Digest[:16])
}

func (e *env) reorgDecision(use, short string, act func(s *reorg.Service, ctx context.Context, id, note string) (*reorg.Job, error)) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: use + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				job, err := act(s.Reorg, ctx, args[0], note)
				if err != nil {
					return err
				}
				return e.showJob(job)
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "note")
	return cmd
}

func (e *env) reorgRun() *cobra.Command {
	return &cobra.Command{
		Use: "run ID", Short: "Carry an approved re-organisation out, or go on with one that stopped", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				bar := progress(-1, args[0])
				job, err := s.Reorg.Run(ctx, args[0], func(done, total int, item reorg.Item) {
					bar.ChangeMax(total)
					_ = bar.Set(done) // only what is seen
					if item.State == reorg.ItemFailed {
						fmt.Fprintf(os.Stderr, "item %d, %s %s: %s\n", item.N, item.Kind, item.Object, item.Problem)
					}
				})
				_ = bar.Finish()
				if errors.Is(err, reorg.ErrIncomplete) {
					fmt.Fprintf(os.Stderr, "antin: %v; run it again when the cause is gone\n", err)
					return answer(exitNo)
				}
				if err != nil {
					return err
				}
				return e.showJob(job)
			})
		},
	}
}

func (e *env) reorgList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List re-organisations", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				jobs, err := s.Reorg.List(ctx)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(jobs)
				}
				rows := [][]string{}
				for _, j := range jobs {
					rows = append(rows, []string{j.ID, string(j.State), j.Effective.Format(time.DateOnly), j.CreatedBy, j.DecidedBy, j.Title})
				}
				return table(os.Stdout, []string{"ID", "STATE", "IN FORCE", "BY", "DECIDED BY", "TITLE"}, rows)
			})
		},
	}
}

func (e *env) reorgShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a re-organisation with its items", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				job, items, err := s.Reorg.Get(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(struct {
						*reorg.Job
						Items []reorg.Item `json:"items"`
					}{job, items})
				}
				err = e.showJob(job)
				rows := [][]string{}
				for _, item := range items {
					state := string(item.State)
					if item.Result != "" {
						state += " " + item.Result
					}
					rows = append(rows, actionRow(item.N, item.Action, strings.TrimSpace(state+" "+item.Problem)))
				}
				return errors.Join(err, table(os.Stdout, actionHeads(), rows))
			})
		},
	}
}

func (e *env) reorgUndo() *cobra.Command {
	return &cobra.Command{
		Use: "undo-list ID", Short: "Say for each item done what takes it back, the last first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := s.Reorg.UndoList(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, u := range list {
					final := ""
					if u.Final {
						final = "final"
					}
					rows = append(rows, []string{fmt.Sprint(u.N), string(u.Do), u.Object, u.From, u.To, final, strings.TrimSpace(u.Holder + " " + u.Was)})
				}
				return table(os.Stdout, []string{"#", "TO UNDO", "OBJECT", "FROM", "BACK TO", "", "WHAT"}, rows)
			})
		},
	}
}
