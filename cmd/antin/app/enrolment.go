package app

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"

	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/est"
	"github.com/antin-gov/antin/internal/seal"
)

// fileEnrolment holds the key that seals the secrets of credentials; replicas
// over one database share it.
const fileEnrolment = "enrolment-secrets.key"

// openEnrolment opens the desk of credentials by which machines enrol.
func (s *System) openEnrolment() error {
	var err error
	s.sealed, err = seal.Open(s.Path(fileEnrolment))
	if err != nil {
		return err
	}
	var names []string
	for _, p := range s.CA.MachineProfiles() {
		names = append(names, p.Name)
	}
	s.Enrolment, err = enrol.New(enrol.Config{DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Authorizer: s.Policy,
		Seal: s.sealed, Profiles: names})
	return err
}

// ACMEURL is the address by which clients reach the ACME server.
func (s *System) ACMEURL() string {
	if s.Config.ACME.URL != "" {
		return s.Config.ACME.URL
	}
	return origin(s.Config.Console.Host, s.Config.Console.Listen)
}

// ESTURL is the address by which clients reach the EST server.
func (s *System) ESTURL() string { return origin(s.Config.Console.Host, s.Config.EST.Listen) }

func origin(host, listen string) string {
	_, port, err := net.SplitHostPort(listen)
	if err != nil || port == "443" {
		return "https://" + host
	}
	return "https://" + net.JoinHostPort(host, port)
}

// startACME starts the upkeep of the ACME server and gives its handler, which
// the console's listener serves.
func (s *server) startACME(ctx context.Context) (http.Handler, error) {
	networks, err := s.Config.ACME.Prefixes()
	if err != nil {
		return nil, err
	}
	if s.demo {
		networks = append(networks, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	handler, err := acme.New(acme.Config{
		DB: s.DB, Authority: s.CA, Desk: s.Enrolment, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Seal: s.sealed, BaseURL: s.ACMEURL(),
		Validation: acme.Validation{Networks: networks, Resolver: s.Config.ACME.Resolver, HTTPPort: int(s.Config.ACME.HTTPPort),
			TLSPort: int(s.Config.ACME.TLSPort), SkipChallenges: s.Config.ACME.SkipChallenges},
		Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	s.run(ctx, "acme", handler.Run)
	return handler.Handler(), nil
}

// startEST serves EST on a listener of its own: it asks for client
// certificates, which browsers at the console are not to be bothered with.
func (s *server) startEST(ctx context.Context) error {
	handler, err := est.New(est.Config{DB: s.DB, Authority: s.CA, Desk: s.Enrolment, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Logger: s.Logger})
	if err != nil {
		return err
	}
	pair, err := s.machine(ctx, "est", s.Config.EST.Listen)
	if err != nil {
		return err
	}
	clients, err := s.machines()
	if err != nil {
		return err
	}
	s.addr.EST, err = s.serve(ctx, "est", s.Config.EST.Listen, handler.Handler(), clients.Server(&tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven,
	}), pkiReadTimeout)
	return err
}
