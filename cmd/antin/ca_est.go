package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/cmd/antin/app"
)

func (e *env) caEST() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "est",
		Short: "Certificates for machines by EST: one-time secrets",
		Long: "Certificates for machines by EST (RFC 7030). An officer makes a one-time secret for a machine, another approves it:\n" +
			"  antin ca est secret create --as minh.pq --agency thue --profile device --machine may-in-7\n" +
			"  antin ca est secret approve --as thu.vt ID\n" +
			"  curl --cacert root.pem -u ID -H 'Content-Type: application/pkcs10' --data @request.b64 https://HOST:8445/.well-known/est/simpleenroll",
	}
	secrets := &cobra.Command{Use: "secret", Short: "One-time secrets of a first enrolment: create, approve, list, revoke"}
	secrets.AddCommand(e.estCreate(), e.credentialAct(enrol.KindEST, "approve", "Approve a secret that another officer made"),
		e.credentialAct(enrol.KindEST, "revoke", "Revoke a secret"), e.credentialList(enrol.KindEST, "List secrets"))
	cmd.AddCommand(secrets)
	return cmd
}

func (e *env) estCreate() *cobra.Command {
	f := enrol.Form{Kind: enrol.KindEST}
	var profile string
	cmd := &cobra.Command{
		Use: "create --agency ID --profile NAME --machine NAME", Short: "Make a one-time secret; it is shown once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Profiles = []string{profile}
			return e.with(cmd.Context(), func(ctx context.Context, s *app.System) error {
				c, secret, err := s.Enrolment.Create(ctx, f)
				if err != nil {
					return err
				}
				url := s.ESTURL() + "/.well-known/est/simpleenroll"
				return e.show(madeCredential{c, secret, url}, "id       %s\nsecret   %s\n%suntil    %s\nurl      %s\n",
					c.ID, secret, nextStep(c, "secret"), c.ExpiresAt.Format("2006-01-02"), url)
			})
		},
	}
	credentialFlags(cmd, &f)
	cmd.Flags().StringVar(&profile, "profile", "", "service, client, device or sensor")
	cmd.Flags().StringVar(&f.Machine, "machine", "", "common name of the certificate")
	cmd.Flags().BoolVar(&f.ByOfficer, "by-officer", false, "each request waits for an officer, like one on paper")
	return cmd
}
