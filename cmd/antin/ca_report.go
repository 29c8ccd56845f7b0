package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/report"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/atomicfile"
	"github.com/antin-gov/antin/internal/workdays"
)

// caReport are the reports of certification.
func (e *env) caReport() *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "Reports: coverage of the agencies, what expires, a year or half-year, the list of acts",
		Long: "Reports. With --pdf FILE a report is written as a document that the platform signs; antin verify reads it."}
	cmd.AddCommand(e.reportCoverage(), e.reportExpiry(), e.reportYearly(), e.reportHalf(), e.reportActs())
	return cmd
}

// writePDF writes a signed report, when a file is named.
func writePDF(path string, pdf func() ([]byte, error)) error {
	if path == "" {
		return nil
	}
	content, err := pdf()
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, 0o644, content)
}

func (e *env) reportCoverage() *cobra.Command {
	var pdf, at string
	cmd := &cobra.Command{
		Use: "coverage", Short: "Which agencies have a valid agency certificate and at least one personal one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			when := time.Now()
			if at != "" {
				day, err := time.ParseInLocation(time.DateOnly, at, workdays.Zone())
				if err != nil {
					return fmt.Errorf("%w: --at %q is not YYYY-MM-DD", errUse, at)
				}
				when = day
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				c, err := s.Reports.Coverage(ctx, when)
				if err != nil {
					return err
				}
				err = writePDF(pdf, func() ([]byte, error) { return s.Reports.Paper(ctx, "coverage", c) })
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(c)
				}
				rows := [][]string{}
				for _, a := range c.List {
					rows = append(rows, []string{a.Code, a.ID, fmt.Sprint(a.Seals), fmt.Sprintf("%d of %d", a.Certified, a.People), fmt.Sprint(a.Covered)})
				}
				err = table(os.Stdout, []string{"CODE", "AGENCY", "SEALS", "PEOPLE CERTIFIED", "COVERED"}, rows)
				if err == nil {
					fmt.Printf("%d of %d agencies are covered: %.1f%%\n", c.Covered, c.Agencies, c.Percent)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&pdf, "pdf", "", "write the report as a signed document")
	cmd.Flags().StringVar(&at, "at", "", "at the beginning of this day, YYYY-MM-DD; now when left out")
	return cmd
}

func (e *env) reportExpiry() *cobra.Command {
	var pdf string
	cmd := &cobra.Command{
		Use: "expiry", Short: "What expires within 30, 60 and 90 days and has not been followed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				x, err := s.Reports.Expiry(ctx)
				if err != nil {
					return err
				}
				err = writePDF(pdf, func() ([]byte, error) { return s.Reports.Paper(ctx, "expiry", x) })
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(x)
				}
				for _, w := range x.Windows {
					fmt.Printf("within %d days: %d\n", w.Days, w.Total)
				}
				rows := [][]string{}
				for _, c := range x.List {
					rows = append(rows, []string{c.NotAfter.In(workdays.Zone()).Format(time.DateOnly), c.Profile, c.AgencyID, c.PersonID + c.Machine, c.Serial})
				}
				return table(os.Stdout, []string{"EXPIRES", "PROFILE", "AGENCY", "HOLDER", "SERIAL"}, rows)
			})
		},
	}
	cmd.Flags().StringVar(&pdf, "pdf", "", "write the report as a signed document")
	return cmd
}

func (e *env) reportYearly() *cobra.Command {
	var pdf string
	year := time.Now().In(workdays.Zone()).Year()
	cmd := &cobra.Command{
		Use: "yearly", Short: "What was issued, revoked and asked for in a year, and whether in time", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := report.Year(year)
			if err != nil {
				return fmt.Errorf("%w: %w", errUse, err)
			}
			return e.activity(cmd.Context(), p, "", "yearly", pdf)
		},
	}
	cmd.Flags().StringVar(&pdf, "pdf", "", "write the report as a signed document")
	cmd.Flags().IntVar(&year, "year", year, "year")
	return cmd
}

func (e *env) reportHalf() *cobra.Command {
	var pdf, agency string
	now := time.Now().In(workdays.Zone())
	year, half := now.Year(), 1+int(now.Month()-1)/6
	cmd := &cobra.Command{
		Use: "half-year --agency AGENCY", Short: "The same of one agency in half a year", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := report.Half(year, half)
			if err != nil {
				return fmt.Errorf("%w: %w", errUse, err)
			}
			if agency == "" {
				return fmt.Errorf("%w: --agency names the agency", errUse)
			}
			return e.activity(cmd.Context(), p, agency, "half-year", pdf)
		},
	}
	cmd.Flags().StringVar(&pdf, "pdf", "", "write the report as a signed document")
	cmd.Flags().StringVar(&agency, "agency", "", "agency")
	cmd.Flags().IntVar(&year, "year", year, "year")
	cmd.Flags().IntVar(&half, "half", half, "1 or 2")
	return cmd
}

func (e *env) activity(ctx context.Context, p report.Period, agency, name, pdf string) error {
	return e.with(ctx, func(ctx context.Context, s *app.System) error {
		a, err := s.Reports.Activity(ctx, p, agency)
		if err != nil {
			return err
		}
		err = writePDF(pdf, func() ([]byte, error) { return s.Reports.Paper(ctx, name, a) })
		if err != nil {
			return err
		}
		if e.json {
			return printJSON(a)
		}
		for _, part := range []struct {
			what string
			rows map[string]int
		}{{"issued", a.Issued}, {"revoked", a.Revoked}, {"requests", a.Requests}, {"states", a.States}, {"valid at the end", a.Valid}, {"acts", a.Acts}} {
			for _, key := range slices.Sorted(maps.Keys(part.rows)) {
				fmt.Printf("%-18s %-28s %d\n", part.what, key, part.rows[key])
			}
		}
		fmt.Printf("in time %d, late %d; ledger %d to %d\n", a.InTime, a.Late, a.FirstIndex, a.LastIndex)
		return nil
	})
}

func (e *env) reportActs() *cobra.Command {
	year := time.Now().In(workdays.Zone()).Year()
	var after int64
	cmd := &cobra.Command{
		Use: "acts", Short: "The list of acts of a year, each with its place in the ledger", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := report.Year(year)
			if err != nil {
				return fmt.Errorf("%w: %w", errUse, err)
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				acts, err := s.Reports.Acts(ctx, p, after, 0)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(acts)
				}
				rows := [][]string{}
				for _, a := range acts {
					rows = append(rows, []string{fmt.Sprint(a.Index), a.At.In(workdays.Zone()).Format(time.RFC3339), a.Act, a.Object, a.Account})
				}
				return table(os.Stdout, []string{"LEDGER", "AT", "ACT", "OBJECT", "ACCOUNT"}, rows)
			})
		},
	}
	cmd.Flags().IntVar(&year, "year", year, "year")
	cmd.Flags().Int64Var(&after, "after", 0, "only acts after this place in the ledger: the last of the page before")
	return cmd
}
