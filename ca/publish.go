package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/ca/pkihttp"
	"github.com/antin-gov/antin/ca/tsa"
)

// public is the side of the authority that everybody asks: lists, status
// answers and time-stamps, with the units that sign them.
type public struct {
	crls      *crl.Publisher
	responder *ocsp.Responder
	stamper   *tsa.Authority
	handler   *pkihttp.Handler

	mu    sync.Mutex
	units []unit       // guarded by mu
	lists []crl.Health // guarded by mu; as Run found them last
}

// unit is a responder or time-stamping unit.
type unit struct {
	kind, name string
	serial     string
	cert       *x509.Certificate
	signer     crypto.Signer
}

func (p *public) unitList() []unit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.units
}

// readUnits reads the units with their keys.
func (s *Service) readUnits(ctx context.Context) ([]unit, error) {
	var rows []unitRow
	err := s.deps.DB.NewSelect().Model(&rows).OrderExpr("kind, name").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read units: %w", err)
	}
	var units []unit
	for _, row := range rows {
		stored, err := s.engine.records.get(ctx, row.Serial)
		if err != nil {
			return nil, err
		}
		cert, err := stored.X509()
		if err != nil {
			return nil, err
		}
		signer, err := s.deps.Keys.Signer(ctx, row.KeyLabel)
		if err != nil {
			return nil, fmt.Errorf("key of %s %s: %w", row.Kind, row.Name, err)
		}
		if !samePublicKey(signer.Public(), cert.PublicKey) {
			return nil, fmt.Errorf("%w: %s %s", ErrKey, row.Kind, row.Name)
		}
		units = append(units, unit{kind: row.Kind, name: row.Name, serial: row.Serial, cert: cert, signer: signer})
	}
	return units, nil
}

// startPublic builds the lists, the responder, the time-stamping authority and
// the handler over them; each checks its own certificates.
func (s *Service) startPublic(ctx context.Context) error {
	units, err := s.readUnits(ctx)
	if err != nil {
		return err
	}
	p := &public{units: units}
	s.public = p
	p.crls, err = crl.New(crl.Config{Issuers: s.listIssuers(), Store: listStore{s.engine.records}, Clock: s.deps.Clock, Logger: s.deps.Logger,
		Address: s.cfg.listAddress, Owner: s.owner, Validity: s.cfg.CRLValidity, DeltaValidity: s.cfg.DeltaValidity})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	issuers, err := s.statusIssuers(units)
	if err != nil {
		return err
	}
	p.responder, err = ocsp.New(ocsp.Config{Issuers: issuers, Source: statusStore{s.engine.records}, Clock: s.deps.Clock, Logger: s.deps.Logger,
		Validity: s.cfg.OCSPValidity, MaxAge: s.cfg.OCSPMaxAge, MaxStale: s.cfg.OCSPMaxStale, File: s.cfg.OCSPFile})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	p.stamper, err = s.newStamper(units)
	if err != nil {
		return err
	}
	p.handler, err = pkihttp.New(pkihttp.Config{Certificate: s.aia, CRL: s.list, Proof: s.proofFile, OCSP: p.responder, TSA: p.stamper, Logger: s.deps.Logger})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return nil
}

// listIssuers are the authorities that have lists: also those whose lists are
// signed elsewhere and brought here.
func (s *Service) listIssuers() []crl.Issuer {
	var list []crl.Issuer
	for _, name := range s.hierarchy.names() {
		a := s.hierarchy.byName[name]
		if !a.signs() && a.custody == CustodyToken {
			continue // it has ended
		}
		list = append(list, crl.Issuer{Name: a.name, Certificate: a.cert, Signer: a.signer, Partitions: s.cfg.CRLPartitions[a.line]})
	}
	return list
}

// statusIssuers pairs the authorities with their responders.
func (s *Service) statusIssuers(units []unit) ([]ocsp.Issuer, error) {
	var list []ocsp.Issuer
	for _, name := range s.hierarchy.names() {
		a := s.hierarchy.byName[name]
		if !a.signs() {
			continue
		}
		i := ocsp.Issuer{Name: a.name, Certificate: a.cert}
		for _, u := range units {
			switch {
			case u.name != a.name:
			case u.kind == kindOCSP:
				i.Ahead = ocsp.Key{Certificate: u.cert, Signer: u.signer}
			case u.kind == kindLive:
				i.Live = ocsp.Key{Certificate: u.cert, Signer: u.signer}
			}
		}
		if i.Ahead.Certificate == nil {
			return nil, fmt.Errorf("%w: the responder of %s is missing", ErrNotInitialised, a.name)
		}
		list = append(list, i)
	}
	return list, nil
}

// stampUnit finds the unit that stamps: that of the generation that issues.
func (s *Service) stampUnit(units []unit) (tsa.Unit, error) {
	issuer := s.hierarchy.active(TSAName)
	for _, u := range units {
		if issuer != nil && u.kind == kindTSA && u.name == unitName(issuer) {
			return tsa.Unit{Chain: []*x509.Certificate{u.cert, issuer.cert}, Signer: u.signer}, nil
		}
	}
	return tsa.Unit{}, fmt.Errorf("%w: the time-stamping unit is missing", ErrNotInitialised)
}

// refreshEvery is how often Run looks whether a list must be made anew: often
// enough that a change by a process which could not make the list shows soon.
const refreshEvery = 5 * time.Second

// unitsEvery is how often Run looks for renewed units, renewUnitsEvery how
// often it renews them.
const (
	unitsEvery      = time.Minute
	renewUnitsEvery = time.Hour
)

// Run keeps lists and status answers fresh, renews the units and takes up what
// was renewed, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.public.responder.Run(ctx)
		if err != nil {
			s.deps.Logger.ErrorContext(ctx, "OCSP answers in advance ended", "error", err)
		}
	})
	wg.Go(func() { s.every(ctx, refreshEvery, s.refreshLists) })
	if s.watch != nil {
		wg.Go(func() { s.watch.Run(ctx) })
	}
	wg.Go(func() { s.every(ctx, unitsEvery, s.refreshUnits) })
	wg.Go(func() { s.every(ctx, auditTick, s.auditWhenDue) })
	wg.Wait()
	return nil
}

// every calls f at once and then at each pause, until ctx ends.
func (s *Service) every(ctx context.Context, pause time.Duration, f func(context.Context)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		f(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refreshLists makes the lists that are due and notes how all of them stand.
func (s *Service) refreshLists(ctx context.Context) {
	states, err := s.public.crls.Refresh(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.deps.Logger.ErrorContext(ctx, "CRL refresh failed", "error", err)
		}
		return
	}
	for _, h := range states {
		if h.Late && ctx.Err() == nil {
			s.deps.Logger.ErrorContext(ctx, "a list in force ends soon and was not made anew", "list", h.Name, "next_update", h.NextUpdate, "error", h.Error)
		}
	}
	s.public.mu.Lock()
	defer s.public.mu.Unlock()
	s.public.lists = states
}
