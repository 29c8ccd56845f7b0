package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/api"
	"github.com/antin-gov/antin/cmd/antin/app"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer/csc"
)

// accountToken are the credentials of programs.
func (e *env) accountToken() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Credentials by which programs act as an account over the REST interface"}
	cmd.AddCommand(e.tokenCreate(), e.tokenList(), e.tokenRevoke())
	return cmd
}

func (e *env) tokenCreate() *cobra.Command {
	n := auth.NewToken{}
	var days int
	var certificate, out string
	cmd := &cobra.Command{
		Use: "create ACCOUNT --name NAME --scope SCOPE", Short: "Make a credential; a token is shown this once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.AccountID, n.Life = args[0], time.Duration(days)*24*time.Hour
			if certificate != "" {
				b, err := readLimited(certificate, maxRequestFile)
				if err != nil {
					return err
				}
				block, _ := pem.Decode(b)
				if block == nil {
					return fmt.Errorf("%w: %s is no PEM", errUse, certificate)
				}
				n.Certificate, err = x509.ParseCertificate(block.Bytes)
				if err != nil {
					return fmt.Errorf("%w: %s: %w", errUse, certificate, err)
				}
			}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				t, secret, err := s.Tokens().Create(ctx, n)
				if err != nil {
					return err
				}
				return e.showToken(t, secret, out)
			})
		},
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "what it is for")
	cmd.Flags().StringSliceVar(&n.Scopes, "scope", nil, "scopes: "+strings.Join(append(api.Scopes(), csc.Scope), ", "))
	cmd.Flags().IntVar(&days, "days", 90, "days until it expires, at most 366")
	cmd.Flags().StringVar(&certificate, "certificate", "", "PEM file of a client certificate that is the credential, instead of a token")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the token to this new file, mode 0600, instead of standard output")
	return cmd
}

func (e *env) showToken(t *auth.Token, secret, out string) error {
	if secret != "" && out != "" {
		f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(f, secret)
		closed := f.Close()
		if err != nil {
			return err
		}
		if closed != nil {
			return closed
		}
		secret = ""
	}
	if e.json {
		return printJSON(map[string]any{"credential": t, "token": secret})
	}
	fmt.Fprintf(os.Stderr, "credential %s of %s, %s, until %s\n", t.ID, t.AccountID, t.ScopeList, t.ExpiresAt.Format(time.DateOnly))
	if secret != "" {
		fmt.Println(secret)
	}
	return nil
}

func (e *env) tokenList() *cobra.Command {
	return &cobra.Command{
		Use: "list ACCOUNT", Short: "List the credentials of an account", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := s.Tokens().List(ctx, args[0])
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, t := range list {
					state := "until " + t.ExpiresAt.Format(time.DateOnly)
					if t.RevokedAt != nil {
						state = "revoked"
					}
					rows = append(rows, []string{t.ID, t.Name, t.Kind, t.ScopeList, state})
				}
				return table(os.Stdout, []string{"CREDENTIAL", "NAME", "KIND", "SCOPES", "STATE"}, rows)
			})
		},
	}
}

func (e *env) tokenRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke CREDENTIAL", Short: "End a credential", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				err := s.Tokens().Revoke(ctx, args[0])
				if err != nil {
					return err
				}
				return e.show(map[string]string{"revoked": args[0]}, "credential %s: revoked\n", args[0])
			})
		},
	}
}
