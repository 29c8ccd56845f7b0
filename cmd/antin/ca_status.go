package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/cmd/antin/app"
)

// caState is a command that changes the state of a certificate.
func (e *env) caState(use, short, done string, act func(ctx context.Context, s *app.System, serial, note string) (*ca.Certificate, error)) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: use + " SERIAL", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			serial, err := serialNumber(args[0])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				cert, err := act(ctx, s, serial, note)
				if err != nil {
					return err
				}
				return e.show(cert, "certificate %s: %s\n", cert.Serial, done)
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "note")
	return cmd
}

func (e *env) caHold() *cobra.Command {
	return e.caState("hold", "Put a certificate on hold, where its profile allows it", "on hold",
		func(ctx context.Context, s *app.System, serial, note string) (*ca.Certificate, error) {
			return s.CA.Hold(ctx, serial, note)
		})
}

func (e *env) caRelease() *cobra.Command {
	return e.caState("release", "Take a certificate off hold", "released",
		func(ctx context.Context, s *app.System, serial, note string) (*ca.Certificate, error) {
			return s.CA.Release(ctx, serial, note)
		})
}

func (e *env) caHistory() *cobra.Command {
	return &cobra.Command{
		Use: "history SERIAL", Short: "What happened to the state of a certificate", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			serial, err := serialNumber(args[0])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				changes, err := s.CA.History(ctx, serial)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(changes)
				}
				rows := [][]string{}
				for _, c := range changes {
					rows = append(rows, []string{c.At.Format(time.RFC3339), string(c.Act), string(c.Cause), c.Actor})
				}
				return table(os.Stdout, []string{"AT", "ACT", "CAUSE", "BY"}, rows)
			})
		},
	}
}

func (e *env) caCRL() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "crl [NAME]", Short: "Write a revocation list (DER), or tell how all of them stand", Args: cobra.MaximumNArgs(1),
		Long: "Write a revocation list: NAME of an authority for its complete list, NAME-pN for a partition, either with -delta.\n" +
			"Without a name: how every list stands.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				if len(args) == 0 {
					return e.listHealth(ctx, s)
				}
				list, err := s.CA.CRL(ctx, args[0])
				if err != nil {
					return err
				}
				if out == "" {
					_, err = io.Copy(os.Stdout, bytes.NewReader(list.DER))
					return err
				}
				return os.WriteFile(out, list.DER, 0o644)
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file; standard output without it")
	cmd.AddCommand(&cobra.Command{
		Use: "import NAME FILE", Short: "Take the list that an offline or outside authority signed (DER or PEM)", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			der, err := readDER(args[1])
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := s.CA.ImportCRL(ctx, args[0], der)
				if err != nil {
					return err
				}
				return e.show(map[string]any{"name": list.Name(), "number": list.Number, "next_update": list.NextUpdate}, "list %s: number %d, until %s\n",
					list.Name(), list.Number, list.NextUpdate.Format(time.RFC3339))
			})
		},
	})
	return cmd
}

func (e *env) listHealth(ctx context.Context, s *app.System) error {
	states, err := s.CA.Lists(ctx)
	if err != nil {
		return err
	}
	late := false
	rows := [][]string{}
	for _, l := range states {
		word := "in force"
		if l.Late {
			late, word = true, "LATE "+l.Error
		}
		rows = append(rows, []string{l.Name, strconv.FormatInt(l.Number, 10), strconv.Itoa(l.Entries), l.NextUpdate.Format(time.RFC3339), word})
	}
	if e.json {
		err = printJSON(states)
	} else {
		err = table(os.Stdout, []string{"LIST", "NUMBER", "ENTRIES", "UNTIL", ""}, rows)
	}
	if err == nil && late {
		return answer(exitNo)
	}
	return err
}

// readDER reads a file that is DER or one PEM block.
func readDER(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block != nil {
		return block.Bytes, nil
	}
	return b, nil
}

func (e *env) caAudit() *cobra.Command {
	return &cobra.Command{
		Use: "audit", Short: "Compare register, lists, OCSP answers and ledger, and lint again what was issued", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				report, err := s.CA.AuditNow(ctx)
				if err != nil {
					return err
				}
				if e.json {
					err = printJSON(report)
				} else {
					err = printAudit(report)
				}
				if err == nil && len(report.Findings) > 0 {
					return answer(exitNo)
				}
				return err
			})
		},
	}
}

func printAudit(r *ca.Report) error {
	fmt.Printf("%d certificates, %d OCSP answers, %d lists and %d ledger entries compared in %s: %d findings\n",
		r.Certificates, r.Answers, r.Lists, r.Entries, r.Took, len(r.Findings))
	rows := [][]string{}
	for _, f := range r.Findings {
		rows = append(rows, []string{string(f.Kind), f.Object, f.Detail})
	}
	if len(rows) == 0 {
		return nil
	}
	return table(os.Stdout, []string{"FINDING", "OF", "DETAIL"}, rows)
}

func (e *env) caRecover() *cobra.Command {
	return &cobra.Command{
		Use: "recover FILE…", Short: "Give certificates that a restored copy lacks their bytes back (DER or PEM)", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				for _, path := range args {
					der, err := readDER(path)
					if err != nil {
						return err
					}
					cert, err := s.CA.Recover(ctx, der)
					if err != nil {
						return fmt.Errorf("%s: %w", path, err)
					}
					err = e.show(cert, "certificate %s: %s\n", cert.Serial, cert.Subject)
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}
