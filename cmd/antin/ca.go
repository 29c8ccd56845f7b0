package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) caCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ca",
		Short: "Certification: request, approve, issue, revoke, export",
		Long: "Certification. A request is confirmed by the managing agency, which a request of its own registrar is\n" +
			"already, and approved by another person than those two:\n" +
			"  antin ca request --as minh.pq --profile official --person p-binh --key demo-official\n" +
			"  antin ca approve --as thu.vt REQUEST\n" +
			"  antin ca issue --as thu.vt REQUEST",
	}
	cmd.AddCommand(
		e.caRequest(),
		e.caApprove(),
		e.caReject(),
		e.caIssue(),
		e.caRevoke(),
		e.caHold(),
		e.caRelease(),
		e.caHistory(),
		e.caList(),
		e.caRequests(),
		e.caCRL(),
		e.caExport(),
		e.caAudit(),
		e.caRecover(),
		e.caReorg(),
		e.caProfile(),
		e.caProof(),
		e.caRoot(),
		e.caIssuer(),
		e.caACME(),
		e.caEST(),
	)
	cmd.AddCommand(e.registrationCommands()...)
	return cmd
}

func (e *env) caRequest() *cobra.Command {
	var f formFlags
	cmd := &cobra.Command{
		Use: "request", Short: "Ask for a certificate, or for a change of one", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := f.read()
			if err != nil {
				return err
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				request, err := s.CA.Request(ctx, form)
				if err != nil {
					return err
				}
				return e.show(request, "request %s: %s, %s, by %s%s\n", request.ID, request.Profile, request.State, request.CreatedBy, dueText(request))
			})
		},
	}
	f.allFlags(cmd)
	return cmd
}

// decision is a command on one request.
func (e *env) decision(use, short string, act func(ctx context.Context, s *app.System, id, note string) (*ra.Request, error)) *cobra.Command {
	var note string
	cmd := &cobra.Command{
		Use: use + " REQUEST", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				request, err := act(ctx, s, args[0], note)
				if err != nil {
					return err
				}
				return e.show(request, "request %s: %s\n", request.ID, request.State)
			})
		},
	}
	cmd.Flags().StringVar(&note, "note", "", "note")
	return cmd
}

func (e *env) caApprove() *cobra.Command {
	return e.decision("approve", "Approve a request that another person made", func(ctx context.Context, s *app.System, id, note string) (*ra.Request, error) {
		return s.CA.Approve(ctx, id, note)
	})
}

func (e *env) caReject() *cobra.Command {
	return e.decision("reject", "Reject a request", func(ctx context.Context, s *app.System, id, note string) (*ra.Request, error) {
		return s.CA.Reject(ctx, id, note)
	})
}

func (e *env) caIssue() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "issue REQUEST", Short: "Issue the certificate of an approved request", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				cert, err := s.IssueRequest(ctx, args[0])
				if err != nil {
					return err
				}
				if out != "" {
					err = os.WriteFile(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.DER}), 0o644)
					if err != nil {
						return err
					}
				}
				return e.show(cert, "certificate %s: %s, until %s\n", cert.Serial, cert.Subject, cert.NotAfter.Format("2006-01-02"))
			})
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the certificate as PEM to this file")
	return cmd
}

func (e *env) caRevoke() *cobra.Command {
	var cause, note string
	var causes []string
	for _, c := range ca.Causes() {
		causes = append(causes, string(c))
	}
	cmd := &cobra.Command{
		Use: "revoke SERIAL", Short: "Revoke a certificate", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := ca.ParseCause(cause)
			if err != nil {
				return fmt.Errorf("%w: --cause is one of %s", errUse, strings.Join(causes, ", "))
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				serial, err := serialNumber(args[0])
				if err != nil {
					return err
				}
				cert, err := s.CA.Revoke(ctx, serial, parsed, note)
				if err != nil {
					return err
				}
				return e.show(cert, "certificate %s: revoked at %s, %s\n", cert.Serial, cert.RevokedAt.Format("2006-01-02T15:04:05Z07:00"), cert.RevocationCause)
			})
		},
	}
	cmd.Flags().StringVar(&cause, "cause", "", "cause (NĐ 68/2024 art. 17): "+strings.Join(causes, ", "))
	cmd.Flags().StringVar(&note, "note", "", "note")
	return cmd
}

// serialNumber reads a serial number in hex, with or without colons.
func serialNumber(text string) (string, error) {
	serial, ok := new(big.Int).SetString(strings.ReplaceAll(text, ":", ""), 16)
	if !ok {
		return "", fmt.Errorf("%w: %q is not a serial number in hex", errUse, text)
	}
	return profile.FormatSerial(serial), nil
}

func (e *env) caList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List certificates", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				certs, err := s.CA.List(ctx, ca.Filter{})
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(certs)
				}
				rows := [][]string{}
				for _, c := range certs {
					until := ""
					if c.NotAfter != nil {
						until = c.NotAfter.Format("2006-01-02")
					}
					state := string(c.State)
					if c.RevokedAt != nil {
						state = "revoked"
					}
					rows = append(rows, []string{c.Serial, c.Profile, state, until, c.Subject})
				}
				return table(os.Stdout, []string{"SERIAL", "PROFILE", "STATE", "UNTIL", "SUBJECT"}, rows)
			})
		},
	}
}

func (e *env) caExport() *cobra.Command {
	var all bool
	var out string
	cmd := &cobra.Command{
		Use: "export --all --out DIR", Short: "Write every CA certificate as PEM: root-…, issuer-…, tsa-…, ocsp-…", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !all || out == "" {
				return fmt.Errorf("%w: antin ca export --all --out DIR", errUse)
			}
			return e.with(cmd.Context(), func(_ context.Context, s *app.System) error {
				err := os.MkdirAll(out, 0o755)
				if err != nil {
					return err
				}
				files := s.CA.Export()
				names := make([]string, 0, len(files))
				for name := range files {
					names = append(names, name)
				}
				sort.Strings(names)
				for _, name := range names {
					err = os.WriteFile(filepath.Join(out, name), files[name], 0o644)
					if err != nil {
						return err
					}
				}
				return e.show(names, "%d certificates in %s\n", len(names), out)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every certificate of the authority")
	cmd.Flags().StringVar(&out, "out", "", "folder")
	return cmd
}

// show answers with v as JSON when asked, or else in words.
func (e *env) show(v any, format string, args ...any) error {
	if e.json {
		return printJSON(v)
	}
	fmt.Printf(format, args...)
	return nil
}
