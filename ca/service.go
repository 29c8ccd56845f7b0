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
	hierarchy   *hierarchy
	authorities map[string]*authority // hierarchy.byName
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
	s := &Service{deps: deps, cfg: deps.Config, engine: e, signing: newSigningService(e), profiles: profiles}
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
	h, err := loadHierarchy(ctx, s.engine.records, s.deps.Keys, s.deps.Clock.Now())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	err = h.complete()
	if err != nil {
		return err
	}
	for _, a := range h.byName {
		if a.kind != kindIssuer || !a.signs() {
			continue
		}
		err = a.embed(s.signing, s.engine.records)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	s.hierarchy, s.authorities = h, h.byName
	return nil
}

func (s *Service) checkProfiles() error {
	for _, p := range s.profiles.All() {
		switch p.Issuer {
		case profile.IssuerEach, profile.IssuerRoot, profile.IssuerSelf:
			continue
		}
		if s.hierarchy.active(p.Issuer) == nil {
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
		if !a.signs() {
			continue
		}
		lists = append(lists, crl.Issuer{Name: a.name, Certificate: a.cert, Signer: a.signer})
	}
	var err error
	s.crls, err = crl.New(crl.Config{Issuers: lists, Store: status, Clock: s.deps.Clock, Logger: s.deps.Logger, Validity: s.cfg.CRLValidity})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	stamps := s.hierarchy.active(TSAName)
	var issuers []ocsp.Issuer
	var responderKey crypto.Signer
	var stamping *unit
	for i, u := range s.units {
		switch u.kind {
		case kindOCSP:
			a := s.authorities[u.name]
			if a == nil || !a.signs() {
				continue // an authority that has ended
			}
			issuers = append(issuers, ocsp.Issuer{Name: u.name, Certificate: a.cert, Responder: u.cert})
			responderKey = u.signer
		case kindTSA:
			if u.name == unitName(stamps) {
				stamping = &s.units[i]
			}
		}
	}
	if len(issuers) != len(lists) || stamping == nil {
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
	stamper, err := tsa.New(tsa.Config{Chain: []*x509.Certificate{stamping.cert, stamps.cert}, Signer: stamping.signer,
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
		for name, a := range s.authorities {
			if !a.signs() {
				continue
			}
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
