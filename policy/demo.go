package policy

import (
	"context"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/catalogue"
)

// demoActor stands in the ledger for the entries of the demonstration.
const demoActor = "system:demo"

// LoadDemo loads the catalogue and the agreements of the reference province
// that do not stand yet. The directory must be loaded before.
func (s *Service) LoadDemo(ctx context.Context) error {
	file, err := catalogue.Demo()
	if err != nil {
		return err
	}
	err = s.LoadCatalogue(ctx, file)
	if err != nil {
		return err
	}
	agreements, err := agreement.Demo()
	if err != nil {
		return err
	}
	s.change.Lock()
	defer s.change.Unlock()
	for i := range agreements {
		a := &agreements[i]
		standing, err := s.DB.NewSelect().Model((*agreement.Agreement)(nil)).Where("id = ?", a.ID).Exists(ctx)
		if err != nil {
			return err
		}
		if standing {
			continue
		}
		err = s.keepBy(ctx, a, "load", "", demoActor, a.ProviderID, agreement.Insert)
		if err != nil {
			return err
		}
	}
	return nil
}

// LoadCatalogue adds the databases of the file that do not stand yet.
func (s *Service) LoadCatalogue(ctx context.Context, file *catalogue.File) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		added, err := catalogue.Load(ctx, tx, file)
		if err != nil || added == 0 {
			return err
		}
		return bump(ctx, tx)
	})
}
