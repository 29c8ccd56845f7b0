package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/ca/pkihttp"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/tsa"
)

// refreshEvery is how often Run looks whether a list must be made anew.
const refreshEvery = 30 * time.Second

// Service is the running authority. It is safe for concurrent use, and several
// processes may run one over the same database and token.
type Service struct {
	deps        Deps
	cfg         Config
	engine      *engine
	signing     *signingService
	profiles    *profile.Set
	root        *authority
	authorities map[string]*authority
	units       []unit
	desk        *ra.Desk
	crls        *crl.Publisher
	handler     *pkihttp.Handler
}

// unit is a responder or time-stamping unit.
type unit struct {
	kind, name string
	cert       *x509.Certificate
	signer     crypto.Signer
}

// New loads what Init made and refuses to start on any doubt: a key that does
// not fit its certificate, a chain that does not hold, a profile without its
// issuer, a unit's certificate that is not fit for its work.
func New(ctx context.Context, deps Deps) (*Service, error) {
	deps.Config = deps.Config.withDefaults()
	err := deps.check()
	if err != nil {
		return nil, err
	}
	e, profiles, err := newEngine(deps)
	if err != nil {
		return nil, err
	}
	s := &Service{deps: deps, cfg: deps.Config, engine: e, signing: newSigningService(e), profiles: profiles,
		authorities: make(map[string]*authority)}
	err = s.loadAuthorities(ctx)
	if err != nil {
		return nil, err
	}
	err = s.checkProfiles()
	if err != nil {
		return nil, err
	}
	err = s.loadUnits(ctx)
	if err != nil {
		return nil, err
	}
	s.desk, err = ra.New(ra.Config{DB: deps.DB, Keys: deps.Keys, Ledger: deps.Ledger, Clock: deps.Clock,
		Directory: deps.Directory, Authorizer: deps.Authorizer, Profiles: profiles, Try: s.try})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return s, s.startPublic()
}

func (s *Service) loadAuthorities(ctx context.Context) error {
	var rows []authorityRow
	err := s.deps.DB.NewSelect().Model(&rows).OrderExpr("kind DESC, name").Scan(ctx) // the root first
	if err != nil {
		return fmt.Errorf("read authorities: %w", err)
	}
	for _, row := range rows {
		a, err := s.loadAuthority(ctx, row)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
		s.authorities[row.Name] = a
		if row.Kind == kindRoot {
			s.root = a
		}
	}
	for _, name := range []string{RootName, OfficialName, ServiceName, TSAName} {
		if s.authorities[name] == nil {
			return fmt.Errorf("%w: %s is missing", ErrNotInitialised, name)
		}
	}
	for _, a := range s.authorities {
		err = a.check(s.root, s.deps.Clock.Now())
		if err != nil {
			return fmt.Errorf("%w: authority %s: %w", ErrConfig, a.name, err)
		}
		if a.kind != kindIssuer {
			continue
		}
		err = a.embed(s.root.cert, s.signing, s.engine.records)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return nil
}

func (s *Service) loadAuthority(ctx context.Context, row authorityRow) (*authority, error) {
	stored, err := s.engine.records.get(ctx, row.Serial)
	if err != nil {
		return nil, err
	}
	if stored.State != StateIssued {
		return nil, fmt.Errorf("%w: certificate of authority %s is %s", ErrState, row.Name, stored.State)
	}
	cert, err := stored.X509()
	if err != nil {
		return nil, err
	}
	signer, err := s.deps.Keys.Signer(ctx, row.KeyLabel)
	if err != nil {
		return nil, fmt.Errorf("key of authority %s: %w", row.Name, err)
	}
	a, err := newAuthority(row.Name, row.Kind, cert, signer)
	if err != nil {
		return nil, err
	}
	a.serial = row.Serial
	return a, nil
}

// check says whether the authority may sign now.
func (a *authority) check(root *authority, now time.Time) error {
	if !a.cert.IsCA || a.cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		return fmt.Errorf("its certificate is not one of an authority")
	}
	err := a.cert.CheckSignatureFrom(root.cert)
	if err != nil {
		return fmt.Errorf("chain: %w", err)
	}
	if now.Before(a.cert.NotBefore) || now.After(a.cert.NotAfter) {
		return fmt.Errorf("its certificate is not valid at %s", now.Format(time.RFC3339))
	}
	return nil
}

func (s *Service) checkProfiles() error {
	for _, p := range s.profiles.All() {
		switch p.Issuer {
		case profile.IssuerEach, profile.IssuerRoot, profile.IssuerSelf:
			continue
		}
		if s.authorities[p.Issuer] == nil {
			return fmt.Errorf("%w: profile %s names issuer %q", ErrConfig, p.Name, p.Issuer)
		}
	}
	return nil
}

func (s *Service) loadUnits(ctx context.Context) error {
	var rows []unitRow
	err := s.deps.DB.NewSelect().Model(&rows).OrderExpr("kind, name").Scan(ctx)
	if err != nil {
		return fmt.Errorf("read units: %w", err)
	}
	for _, row := range rows {
		stored, err := s.engine.records.get(ctx, row.Serial)
		if err != nil {
			return err
		}
		cert, err := stored.X509()
		if err != nil {
			return err
		}
		signer, err := s.deps.Keys.Signer(ctx, row.KeyLabel)
		if err != nil {
			return fmt.Errorf("key of %s %s: %w", row.Kind, row.Name, err)
		}
		if !samePublicKey(signer.Public(), cert.PublicKey) {
			return fmt.Errorf("%w: %s %s", ErrKey, row.Kind, row.Name)
		}
		s.units = append(s.units, unit{kind: row.Kind, name: row.Name, cert: cert, signer: signer})
	}
	return nil
}

// startPublic builds the responder, the lists, the time-stamping authority and
// the handler over them; each checks its own certificates.
func (s *Service) startPublic() error {
	status := statusStore{s.engine.records}
	var lists []crl.Issuer
	for _, a := range s.authorities {
		lists = append(lists, crl.Issuer{Name: a.name, Certificate: a.cert, Signer: a.signer})
	}
	var err error
	s.crls, err = crl.New(crl.Config{Issuers: lists, Store: status, Clock: s.deps.Clock, Logger: s.deps.Logger, Validity: s.cfg.CRLValidity})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	var issuers []ocsp.Issuer
	var responderKey crypto.Signer
	var stamping *unit
	for i, u := range s.units {
		switch u.kind {
		case kindOCSP:
			issuers = append(issuers, ocsp.Issuer{Name: u.name, Certificate: s.authorities[u.name].cert, Responder: u.cert})
			responderKey = u.signer
		case kindTSA:
			stamping = &s.units[i]
		}
	}
	if len(issuers) != len(s.authorities) || stamping == nil {
		return fmt.Errorf("%w: a responder or the time-stamping unit is missing", ErrNotInitialised)
	}
	responder, err := ocsp.New(ocsp.Config{Issuers: issuers, Signer: responderKey, Source: status, Clock: s.deps.Clock,
		Logger: s.deps.Logger, Validity: s.cfg.OCSPValidity, MaxAge: s.cfg.OCSPMaxAge})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	policy, err := s.cfg.tsaPolicy()
	if err != nil {
		return err
	}
	stamper, err := tsa.New(tsa.Config{Chain: []*x509.Certificate{stamping.cert, s.authorities[TSAName].cert}, Signer: stamping.signer,
		Policy: policy, Journal: &journal{records: s.engine.records, ledger: s.deps.Ledger, clock: s.deps.Clock},
		Clock: s.deps.Clock, Logger: s.deps.Logger})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s.handler, err = pkihttp.New(pkihttp.Config{Certificate: s.aia, CRL: s.list, OCSP: responder, TSA: stamper, Logger: s.deps.Logger})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// Run keeps the lists fresh until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		for name := range s.authorities {
			_, err := s.crls.Current(ctx, name)
			if err != nil && ctx.Err() == nil {
				s.deps.Logger.ErrorContext(ctx, "CRL refresh failed", "issuer", name, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
