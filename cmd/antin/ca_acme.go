package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) caACME() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acme",
		Short: "Certificates for machines by ACME: keys of external accounts, accounts",
		Long: "Certificates for machines by ACME (RFC 8555). An officer makes a key for an agency's names, another approves it:\n" +
			"  antin ca acme eab create --as minh.pq --agency thue --profile service --domain '*.thue.example'\n" +
			"  antin ca acme eab approve --as thu.vt KEY-ID\n" +
			"  certbot register --server https://HOST:8443/acme/directory --eab-kid KEY-ID --eab-hmac-key KEY",
	}
	keys := &cobra.Command{Use: "eab", Short: "Keys that bind ACME accounts to an agency: create, approve, list, revoke"}
	keys.AddCommand(e.eabCreate(), e.credentialAct(enrol.KindACME, "approve", "Approve a key that another officer made"),
		e.credentialAct(enrol.KindACME, "revoke", "Revoke a key; its accounts place no more orders"), e.credentialList(enrol.KindACME, "List keys"))
	cmd.AddCommand(keys, e.acmeAccounts())
	return cmd
}

// madeCredential is a new credential with its secret, for the one time that it
// is shown.
type madeCredential struct {
	*enrol.Credential
	Key string `json:"key"`
	URL string `json:"url"`
}

func (e *env) eabCreate() *cobra.Command {
	f := enrol.Form{Kind: enrol.KindACME}
	cmd := &cobra.Command{
		Use: "create --agency ID --profile NAME --domain NAME", Short: "Make a key; it is shown once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				c, key, err := s.Enrolment.Create(ctx, f)
				if err != nil {
					return err
				}
				url := s.ACMEURL() + "/acme/directory"
				return e.show(madeCredential{c, key, url}, "key id   %s\nkey      %s\n%suntil    %s (for new accounts)\ncertbot  server = %s\n",
					c.ID, key, nextStep(c, "eab"), c.ExpiresAt.Format("2006-01-02"), url)
			})
		},
	}
	credentialFlags(cmd, &f)
	cmd.Flags().StringSliceVar(&f.Profiles, "profile", nil, "profiles; the first is the default of orders without one")
	cmd.Flags().Int64Var(&f.Uses, "accounts", 1, "how many accounts may be bound")
	cmd.Flags().BoolVar(&f.Preauthorised, "preauthorised", false, "the names need no challenge, where acme.skip_challenges is true")
	return cmd
}

// credentialFlags are the flags of both kinds of credential.
func credentialFlags(cmd *cobra.Command, f *enrol.Form) {
	cmd.Flags().StringVar(&f.AgencyID, "agency", "", "the agency whose machine it is")
	cmd.Flags().StringSliceVar(&f.Domains, "domain", nil, "names that certificates may carry; *.NAME for all below NAME")
	cmd.Flags().StringSliceVar(&f.Networks, "network", nil, "addresses that certificates may carry: one, or a range as CIDR")
	cmd.Flags().DurationVar(&f.Valid, "valid", 0, "how long it may be used; default 720h for a key, 168h for a one-time secret")
	cmd.Flags().StringVar(&f.Note, "note", "", "note")
}

// nextStep tells what a waiting credential waits for.
func nextStep(c *enrol.Credential, noun string) string {
	if c.State != enrol.StateWaiting {
		return ""
	}
	return fmt.Sprintf("waiting  another officer approves it: antin ca %s %s approve %s\n", c.Kind, noun, c.ID)
}

// credentialAct is a command on one credential.
func (e *env) credentialAct(kind enrol.Kind, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				act := s.Enrolment.Approve
				if verb == "revoke" {
					act = s.Enrolment.Revoke
				}
				c, err := act(ctx, kind, args[0])
				if err != nil {
					return err
				}
				return e.show(c, "%s: %s\n", c.ID, c.State)
			})
		},
	}
}

func (e *env) credentialList(kind enrol.Kind, short string) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := s.Enrolment.List(ctx, kind)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, c := range list {
					names := strings.TrimSpace(c.Machine + " " + strings.Join(c.Domains, " ") + " " + strings.Join(c.Networks, " "))
					rows = append(rows, []string{c.ID, string(c.State), c.AgencyID, strings.Join(c.Profiles, " "), names,
						strconv.FormatInt(c.Uses, 10) + "/" + strconv.FormatInt(c.MaxUses, 10), c.ExpiresAt.Format("2006-01-02"), c.CreatedBy, c.ApprovedBy})
				}
				return table(os.Stdout, []string{"ID", "STATE", "AGENCY", "PROFILE", "NAMES", "USED", "UNTIL", "BY", "APPROVED BY"}, rows)
			})
		},
	}
}

func (e *env) acmeAccounts() *cobra.Command {
	return &cobra.Command{
		Use: "accounts", Short: "List ACME accounts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				list, err := acme.Accounts(ctx, s.DB, s.Policy)
				if err != nil {
					return err
				}
				if e.json {
					return printJSON(list)
				}
				rows := [][]string{}
				for _, a := range list {
					rows = append(rows, []string{a.ID, a.Status, a.AgencyID, a.CredentialID, strconv.FormatInt(a.Certificates, 10), a.CreatedAt.Format("2006-01-02 15:04")})
				}
				return table(os.Stdout, []string{"ACCOUNT", "STATUS", "AGENCY", "KEY", "CERTIFICATES", "SINCE"}, rows)
			})
		},
	}
}
