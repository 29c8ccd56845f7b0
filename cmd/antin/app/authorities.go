package app

import (
	"context"
	"errors"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/auth"
)

// OpenAuthorities opens of a data folder what the work on authorities needs:
// also of one whose authorities wait for their certificates, and of the machine
// of a root. The system's other services are not there.
func OpenAuthorities(ctx context.Context, o Options) (*System, *ca.Authorities, error) {
	s, err := openBare(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	authorities, err := s.openAuthorities(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, authorities, nil
}

func (s *System) openAuthorities(ctx context.Context) (*ca.Authorities, error) {
	err := s.openLedger(ctx)
	if err != nil {
		return nil, err
	}
	err = s.openPolicy()
	if err != nil {
		return nil, err
	}
	s.Accounts, err = auth.OpenAccounts(s.DB, s.Clock, s.Dir)
	if err != nil {
		return nil, err
	}
	deps, err := s.caDeps()
	if err != nil {
		return nil, err
	}
	return ca.OpenAuthorities(ctx, deps)
}
