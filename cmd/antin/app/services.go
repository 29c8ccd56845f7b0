package app

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/hsm/custody"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/config"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/workdays"
	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/office"
	"github.com/antin-gov/antin/signer/tsp"
)

// coordinator is the agency that coordinates data sharing in the province.
const coordinator = "skhcn"

// LocalSubject is whoever has access to the data folder itself.
func LocalSubject() auth.Subject {
	return auth.Subject{AccountID: "local:" + strconv.Itoa(os.Getuid()), Roles: []string{auth.RoleAdmin}}
}

func (s *System) openServices(ctx context.Context) error {
	err := s.openPolicy()
	if err != nil {
		return err
	}
	s.Accounts, err = auth.OpenAccounts(s.DB, s.Clock, s.Dir)
	if err != nil {
		return err
	}
	err = s.openWorkdays()
	if err != nil {
		return err
	}
	deps, err := s.caDeps()
	if err != nil {
		return err
	}
	s.CA, err = ca.New(ctx, deps)
	if err != nil {
		return err
	}
	err = s.openReorg()
	if err != nil {
		return err
	}
	err = s.openEnrolment()
	if err != nil {
		return err
	}
	err = s.openPKI()
	if err != nil {
		return err
	}
	err = s.openSigner()
	if err != nil {
		return err
	}
	s.Office, err = office.New(office.Deps{
		DB: s.DB, Signer: s.Signer, Keys: signingKeys{register: s.Register, client: s.Keys}, Directory: s.Directory, Ledger: s.Ledger, Clock: s.Clock, Calendar: s.Workdays,
		Authorizer: s.Policy, Dir: s.Path(dirOffice), MaxSize: s.Config.Signer.MaxUpload, Logger: s.Logger,
	})
	if err != nil {
		return err
	}
	err = s.openReports()
	if err != nil {
		return err
	}
	err = s.openDevices()
	if err != nil {
		return err
	}
	s.Custody, err = custody.New(custody.Deps{Tokens: s.Keys, Ledger: s.Ledger, Authorizer: s.Policy, Logger: s.Logger})
	if err != nil {
		return err
	}
	err = s.openIncidents(ctx)
	if err != nil {
		return err
	}
	return s.openDrills()
}

// Tokens keeps the credentials by which programs act as accounts.
func (s *System) Tokens() *auth.Tokens {
	return &auth.Tokens{DB: s.DB, Accounts: s.Accounts, Ledger: s.Ledger, Clock: s.Clock, Authorizer: s.Policy}
}

func (s *System) openWorkdays() error {
	path := s.Config.Workdays.File
	if path != "" && !filepath.IsAbs(path) {
		path = s.Path(path)
	}
	var err error
	s.Workdays, err = workdays.Load(path)
	return err
}

func (s *System) openPolicy() error {
	s.Directory = directory.New(s.DB)
	var err error
	s.Policy, err = policy.New(policy.Deps{DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Logger: s.Logger, Coordinator: coordinator})
	return err
}

func (s *System) caDeps() (ca.Deps, error) {
	profiles, err := profile.Load(s.Path(profile.OwnFile))
	if err != nil {
		return ca.Deps{}, err
	}
	status, err := s.statusConfig()
	if err != nil {
		return ca.Deps{}, err
	}
	terms := s.Config.Registration
	return ca.Deps{
		Workdays: s.Workdays, Terms: ra.Terms{Issue: int(terms.IssueDays), Recover: int(terms.RecoverDays), Revoke: int(terms.RevokeDays)},
		DB: s.DB, Keys: authorityKeys{Client: s.Keys, backup: s.Config.HSM.BackupKeys}, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Authorizer: s.Policy, Logger: s.Logger,
		Profiles: profiles, History: s.Ledger, HTTP: func() *http.Client { return s.http },
		Config: ca.Config{BaseURL: s.Config.PKI.URL, Root: ca.RootPlace(s.Config.CA.Root), RootGeneration: s.Config.CA.RootGeneration,
			CRLValidity: s.Config.Status.CRLValidity, OCSPValidity: s.Config.Status.OCSPValidity, OCSPMaxAge: s.Config.Status.OCSPMaxAge, StatusConfig: status},
	}, nil
}

// Limits of our own requests to the public endpoints.
const (
	pkiDialTimeout    = 5 * time.Second
	pkiRequestTimeout = 30 * time.Second
)

// openPKI makes the client by which the signer reaches OCSP, CRL, AIA and TSA:
// by HTTP, as any verifier would. When nobody serves the address of the
// certificates, the same handler serves it inside this process.
func (s *System) openPKI() error {
	u, err := url.Parse(s.Config.PKI.URL)
	if err != nil {
		return err
	}
	named := u.Host
	if u.Port() == "" {
		named = net.JoinHostPort(u.Hostname(), "80")
	}
	reached := s.Config.PKI.Listen
	conn, err := net.DialTimeout("tcp", reached, probeTime)
	if err == nil {
		_ = conn.Close()
	} else {
		reached, err = s.servePKI()
		if err != nil {
			return err
		}
	}
	dialer := &net.Dialer{Timeout: pkiDialTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == named {
				addr = reached
			}
			return dialer.DialContext(ctx, network, addr)
		},
		MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: pkiRequestTimeout,
	}
	s.http = &http.Client{Transport: transport, Timeout: pkiRequestTimeout}
	s.onClose(func() error { transport.CloseIdleConnections(); return nil })
	return s.openTSA()
}

func (s *System) servePKI() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serve certificate status in this process: %w", err)
	}
	server := &http.Server{Handler: s.CA.Handler(), ReadHeaderTimeout: pkiDialTimeout, ReadTimeout: pkiRequestTimeout}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	s.onClose(func() error {
		err := server.Close()
		served := <-done
		if errors.Is(served, http.ErrServerClosed) {
			served = nil
		}
		return errors.Join(err, served)
	})
	return listener.Addr().String(), nil
}

// Anchors are the trust anchors and issuing certificates of the own authority.
func (s *System) Anchors(context.Context) (*trust.Store, error) {
	own, err := trust.NewStore(s.CA.Anchors(), s.CA.Issuers())
	if err != nil || s.outside == nil {
		return own, err
	}
	return own.With(s.outside.Anchors(), s.outside.Intermediates(), trust.PurposeTimestamp)
}

// openOutside reads the roots of outside time-stamping authorities, so that a
// folder with something wrong in it is known at the start.
func (s *System) openOutside() error {
	dir := s.Config.Signer.TSARoots
	if dir == "" {
		return nil
	}
	var err error
	s.outside, err = trust.LoadDir(dir)
	if err != nil {
		return fmt.Errorf("signer.tsa_roots: %w", err)
	}
	return nil
}

// TrustCache is the folder in which revocation data is kept for judging without
// the network.
func (s *System) TrustCache() string { return s.Path(dirTrustCache) }

// Collector fetches revocation data.
func (s *System) Collector() *trust.Collector {
	return &trust.Collector{HTTP: s.http, Clock: s.Clock, Recent: &s.recent}
}

// openTSA lists the time-stamping authorities that are asked.
func (s *System) openTSA() error {
	addresses := s.Config.Signer.TSA
	if len(addresses) == 0 {
		addresses = []string{config.OwnTSA}
	}
	var list []*tsp.Client
	for _, address := range addresses {
		if address == config.OwnTSA {
			address = s.Config.PKI.URL + "/tsa"
		}
		list = append(list, &tsp.Client{URL: address, HTTP: s.http})
	}
	err := s.openOutside()
	if err != nil {
		return err
	}
	s.stamps, err = tsp.NewServers(s.Clock, s.Logger, list...)
	return err
}

// Timestamp asks the time-stamping authorities for a token over a digest.
func (s *System) Timestamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	return s.stamps.Timestamp(ctx, h, digest)
}

func (s *System) openSigner() error {
	reader, err := commandOr(s.reader, ReaderCommand)
	if err != nil {
		return err
	}
	s.Signer, err = signer.New(signer.Deps{
		DB: s.DB, Keys: signingKeys{register: s.Register, client: s.Keys}, Ledger: s.Ledger, Clock: s.Clock, Authorizer: s.Policy,
		Anchors: s.Anchors, Collector: s.Collector(), Timestamp: s.Timestamp,
		Documents: s.Path(dirDocuments), SecondOpinionMax: s.Config.Signer.SecondOpinionMax, SecondReader: reader, MaxUpload: s.Config.Signer.MaxUpload, Logger: s.Logger,
	})
	return err
}
