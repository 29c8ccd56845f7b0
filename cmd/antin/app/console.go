package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/api"
	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger/ledgerpages"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/web"

	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/csc"
	"github.com/antin-gov/antin/signer/office"
)

// startConsole puts the rooms' pages into one shell and serves them over TLS.
func (s *server) startConsole(ctx context.Context) error {
	passkeys, err := auth.NewPasskeys(s.DB, s.Accounts, s.Config.Console.Host, s.origins())
	if err != nil {
		return err
	}
	remote, err := s.remoteSigning(passkeys)
	if err != nil {
		return err
	}
	handler, err := s.console(ctx, passkeys, remote)
	if err != nil {
		return err
	}
	pair, err := s.machine(ctx, "console", s.Config.Console.Listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /readyz", s.health)
	mux.Handle("/", handler)
	machines, err := s.startACME(ctx)
	if err != nil {
		return err
	}
	mux.Handle("/acme/", machines)
	programs, err := s.programs(ctx)
	if err != nil {
		return err
	}
	mux.Handle(api.Path+"/", programs)
	mountRemoteSigning(mux, remote)
	clients, err := s.machines()
	if err != nil {
		return err
	}
	s.addr.Console, err = s.serve(ctx, "console", s.Config.Console.Listen, mux, clients.Server(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}, NextProtos: []string{"h2", "http/1.1"},
		// Programs may bring a certificate of a machine. Browsers have none of that
		// authority, so nobody is asked for one.
		ClientAuth: tls.VerifyClientCertIfGiven,
	}), 0)
	return err
}

// programs is the REST interface.
func (s *server) programs(ctx context.Context) (http.Handler, error) {
	clients, err := s.machines()
	if err != nil {
		return nil, err
	}
	handler, err := api.New(ctx, api.Deps{CA: s.CA, Tokens: s.Tokens(), Logger: s.Logger, Clock: s.Clock, Issue: s.IssueRequest, RunBulk: s.RunBulk,
		Client: func(ctx context.Context, chain []*x509.Certificate) error {
			_, err := clients.Verify(ctx, chain, trust.PurposeClient, "")
			if err != nil {
				return err
			}
			return s.checkMachine(ctx, chain[0])
		}})
	if err != nil {
		return nil, err
	}
	s.onClose(handler.Close)
	return handler, nil
}

func (s *server) console(ctx context.Context, passkeys *auth.Passkeys, remote *csc.Server) (http.Handler, error) {
	site, err := web.New(web.Deps{
		Accounts: s.Accounts, Sessions: auth.NewSessions(s.DB, s.Clock), Passkeys: passkeys, Directory: s.Directory, Clock: s.Clock, Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	for _, register := range []func() error{
		func() error { return signer.RegisterPages(site, s.Signer) },
		func() error { return office.RegisterPages(site, s.Office) },
		func() error { return csc.RegisterPages(site, remote) },
		func() error {
			return incident.RegisterPages(site, s.Incidents, incident.PageDeps{Directory: s.Directory, Accounts: s.Accounts})
		},

		func() error { return drill.RegisterPages(site, s.Drills, drill.PageDeps{Directory: s.Directory}) },
		func() error { return ca.RegisterPages(site, s.CA, ca.PageDeps{Issue: s.IssueRequest}) },
		func() error { return s.reorgPages(ctx, site) },
		func() error { return s.keyPages(site) },
		func() error { return policy.RegisterPages(site, s.Policy) },
		func() error { return ledgerpages.Register(site, s.Ledger, s.Path(LedgerDir)) },
	} {
		err = register()
		if err != nil {
			return nil, err
		}
	}
	return site.Handler()
}
