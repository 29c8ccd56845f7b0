package ca

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/ledger"
)

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
	desk        *ra.Desk
	public      *public
	watch       *tsa.ClockWatch // nil when the clock is not the machine's
	owner       string          // this process in leases
	began       time.Time
	// settled is a head of the ledger that waits to be taken as agreed with the
	// register; Run alone uses it.
	settled struct {
		head ledger.Head
		at   time.Time
	}
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
	if deps.Config.Root == RootOnly {
		return nil, fmt.Errorf("%w: this machine is a root's (ca.root: only) and serves nothing", ErrConfig)
	}
	e, profiles, err := newEngine(deps)
	if err != nil {
		return nil, err
	}
	s := &Service{deps: deps, cfg: deps.Config, engine: e, signing: newSigningService(e), profiles: profiles, owner: "process-" + rand.Text(), began: deps.Clock.Now()}
	err = s.loadAuthorities(ctx)
	if err != nil {
		return nil, err
	}
	err = s.checkProfiles()
	if err != nil {
		return nil, err
	}
	err = s.openDesk()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return s, s.startPublic(ctx)
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
