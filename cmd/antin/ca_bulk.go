package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/ra/sheet"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/internal/workdays"
)

func (e *env) caBulk() *cobra.Command {
	cmd := &cobra.Command{
		Use: "bulk", Short: "Many requests from one file: XLSX, CSV, or a zip folder of one with PKCS#10 files",
		Long: "Many requests from one file. Three persons take part: who submits, who confirms for the managing agencies, who approves:\n" +
			"  antin ca bulk template -o REQUESTS.xlsx\n" +
			"  antin ca bulk check --as minh.pq REQUESTS.xlsx\n" +
			"  antin ca bulk submit --as minh.pq REQUESTS.xlsx\n" +
			"  antin ca bulk confirm --as lan.tt JOB\n" +
			"  antin ca bulk approve --as thu.vt JOB\n" +
			"  antin ca bulk run --as thu.vt JOB\n" +
			"  antin ca bulk result JOB -o RESULT.xlsx\n" +
			"A run that was broken off, by whatever, is gone on with by the next one.",
	}
	cmd.AddCommand(e.bulkTemplate(), e.bulkCheck(), e.bulkSubmit(), e.bulkStatus(), e.bulkRun(), e.bulkResult(),
		e.bulkAct("confirm", "Confirm a file of requests for the managing agencies", (*ra.Desk).ConfirmJob),
		e.bulkAct("approve", "Approve a file of requests", (*ra.Desk).ApproveJob),
		e.bulkAct("reject", "Reject a file of requests; --note says why", (*ra.Desk).RejectJob),
		e.bulkAct("withdraw", "Take a file of requests back", (*ra.Desk).WithdrawJob),
	)
	return cmd
}

// writeSheets writes sheets in the form that the file's name asks for.
func writeSheets(path string, sheets ...sheet.Sheet) error {
	var b bytes.Buffer
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".xlsx":
		err = sheet.WriteXLSX(&b, sheets...)
	case ".csv":
		err = sheet.WriteCSV(&b, sheets[0])
	default:
		return fmt.Errorf("%w: %s: want a name that ends with .xlsx or .csv", errUse, path)
	}
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o644, b.Bytes())
}

func (e *env) bulkTemplate() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "template -o FILE.xlsx|FILE.csv", Short: "Write the empty file of requests, with its columns explained", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return fmt.Errorf("%w: -o names the file", errUse)
			}
			err := writeSheets(out, ra.Template()...)
			if err != nil {
				return err
			}
			return e.show(map[string]string{"file": out}, "%s\n", out)
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file")
	return cmd
}

func (e *env) bulkCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Judge every row of a file and write nothing; exit status 1 when one is bad", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := readLimited(args[0], sheet.MaxFile)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				checked, err := s.CA.Desk().CheckFile(ctx, content)
				if err != nil {
					return err
				}
				if e.json {
					err = printJSON(checked)
				} else {
					err = showChecked(os.Stdout, checked)
				}
				if err == nil && len(checked.Problems) > 0 {
					return answer(exitNo)
				}
				return err
			})
		},
	}
}

func showChecked(w io.Writer, c *ra.Checked) error {
	for _, p := range c.Problems {
		fmt.Fprintf(w, "row %d: %s\n", p.Row, p.Reason)
	}
	_, err := fmt.Fprintf(w, "%d rows: %d hold, %d do not\n", c.Total, c.Good, len(c.Problems))
	return err
}

func (e *env) bulkSubmit() *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: "submit FILE", Short: "File the requests of a file; rows that do not hold are kept with the reason", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := readLimited(args[0], sheet.MaxFile)
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				job, err := s.CA.Desk().SubmitFile(ctx, filepath.Base(args[0]), content, note)
				if err != nil {
					return err
				}
				return e.showBulk(job)
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "note")
	return cmd
}

func (e *env) showBulk(job *ra.Job) error {
	var counts []string
	for _, state := range []ra.ItemState{ra.ItemWaiting, ra.ItemDone, ra.ItemFailed, ra.ItemRefused, ra.ItemRejected, ra.ItemWithdrawn} {
		if job.Counts[state] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", job.Counts[state], state))
		}
	}
	return e.show(job, "job %s: %s, %d rows: %s\n", job.ID, job.State, job.Total, strings.Join(counts, ", "))
}

func (e *env) bulkAct(use, short string, act func(*ra.Desk, context.Context, string, string) (*ra.Job, error)) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: use + " JOB", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				job, err := act(s.CA.Desk(), ctx, args[0], note)
				if err != nil {
					return err
				}
				return e.showBulk(job)
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "note")
	return cmd
}

func (e *env) bulkStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status [JOB]", Short: "Show a file of requests with the rows that came to nothing, or list the newest files", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if len(args) == 0 {
					return e.listJobs(ctx, s)
				}
				job, err := s.CA.Desk().Job(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(job)
				}
				err = e.showBulk(job)
				if err != nil {
					return err
				}
				for _, state := range []ra.ItemState{ra.ItemRefused, ra.ItemFailed} {
					items, err := s.CA.Desk().Items(ctx, job.ID, state, 0, 0)
					if err != nil {
						return err
					}
					for _, item := range items {
						fmt.Printf("  row %d: %s: %s\n", item.Row, item.State, item.Reason)
					}
				}
				return nil
			})
		},
	}
}

func (e *env) listJobs(ctx context.Context, s *app.System) error {
	jobs, err := s.CA.Desk().Jobs(ctx, 0)
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(jobs)
	}
	rows := [][]string{}
	for _, job := range jobs {
		due := ""
		if job.DueAt != nil {
			due = job.DueAt.In(workdays.Zone()).Format(time.DateOnly)
		}
		rows = append(rows, []string{job.ID, job.Name, string(job.State), fmt.Sprint(job.Total), fmt.Sprint(job.Counts[ra.ItemDone]),
			fmt.Sprint(job.Counts[ra.ItemRefused] + job.Counts[ra.ItemFailed]), job.CreatedBy, due})
	}
	return table(os.Stdout, []string{"JOB", "FILE", "STATE", "ROWS", "DONE", "BAD", "BY", "DUE"}, rows)
}

func (e *env) bulkRun() *cobra.Command {
	return &cobra.Command{
		Use: "run JOB", Short: "Carry out an approved file of requests, or go on with one that was broken off", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				bar := progress(1, "rows")
				var said sync.Once
				job, err := s.RunBulk(ctx, args[0], ra.Run{
					Progress: func(done, total int) {
						bar.ChangeMax(total)
						_ = bar.Set(done) // a bar that cannot be drawn does not matter
					},
					Waiting: func(until time.Time) {
						said.Do(func() {
							fmt.Fprintf(os.Stderr, "antin: another run holds the job until %s at the latest, if it has ended; waiting\n", until.In(workdays.Zone()).Format(time.TimeOnly))
						})
					},
				})
				if err != nil {
					return err
				}
				_ = bar.Finish()
				return e.showBulk(job)
			})
		},
	}
}

func (e *env) bulkResult() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "result JOB -o FILE.xlsx|FILE.csv", Short: "Write the file again with what became of each row", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return fmt.Errorf("%w: -o names the file", errUse)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				result, err := s.CA.Desk().Result(ctx, args[0])
				if err != nil {
					return err
				}
				err = writeSheets(out, *result)
				if err != nil {
					return err
				}
				return e.show(map[string]any{"file": out, "rows": len(result.Rows)}, "%s: %d rows\n", out, len(result.Rows))
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file")
	return cmd
}
