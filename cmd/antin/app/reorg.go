package app

import (
	"context"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/reorg"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/web"
)

// openReorg wires re-organisations to the authority, the directory, the
// accounts and the register of keys.
func (s *System) openReorg() (err error) {
	s.Reorg, err = reorg.New(reorg.Deps{DB: s.DB, Ledger: s.Ledger, Clock: s.Clock, Directory: s.Directory, Authorizer: s.Policy,
		CA: s.CA, Accounts: s.Accounts, Bind: s.bindChanged, Logger: s.Logger})
	return err
}

// bindChanged binds a certificate with changed information to its key in the
// register, when the key is in the token.
func (s *System) bindChanged(ctx context.Context, c *ca.Certificate) error {
	if c.KeyLabel == "" {
		return nil
	}
	leaf, err := c.X509()
	if err != nil {
		return err
	}
	chain, err := s.chainPEM(leaf)
	if err != nil {
		return err
	}
	return s.Register.Bind(ctx, hsm.Entry{Name: c.KeyLabel, Label: c.KeyLabel, Chain: string(chain), PersonID: c.PersonID, AgencyID: c.AgencyID})
}

// reorgPages adds the pages; what they execute ends before the system does.
func (s *server) reorgPages(ctx context.Context, site *web.Site) error {
	pages, err := reorg.RegisterPages(ctx, site, s.Reorg)
	if err != nil {
		return err
	}
	s.run(ctx, "re-organisations", func(ctx context.Context) error {
		<-ctx.Done()
		pages.Wait()
		return nil
	})
	return nil
}
