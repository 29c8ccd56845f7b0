package policy

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/catalogue"
	"github.com/antin-gov/antin/policy/engine"
)

// refresh brings the engine to the state of the tables. It asks the database
// for one number at every question, so that an agreement suspended by another
// process (the command line beside the server) stops giving data at once.
func (s *Service) refresh(ctx context.Context) error {
	number, err := revisionNumber(ctx, s.DB)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Clock.Now()
	age := now.Sub(s.loadedAt)
	if s.loaded && number <= s.number && age >= 0 && age < maxRegistryAge {
		return nil
	}
	var registry engine.Registry
	err = s.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		number, err = revisionNumber(ctx, tx)
		if err != nil {
			return err
		}
		registry, err = readRegistry(ctx, tx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the sharing registry: %w", err)
	}
	err = s.engine.Load(ctx, registry)
	if err != nil {
		return err
	}
	s.number, s.loadedAt, s.loaded = number, now, true
	return nil
}

func revisionNumber(ctx context.Context, db bun.IDB) (int64, error) {
	var number int64
	err := db.NewSelect().TableExpr("sharing_revision").Column("number").Where("id = 1").Scan(ctx, &number)
	if err != nil {
		return 0, fmt.Errorf("read the sharing revision: %w", err)
	}
	return number, nil
}

// bump marks a change of catalogue or agreements within its transaction.
func bump(ctx context.Context, tx bun.IDB) error {
	_, err := tx.NewUpdate().TableExpr("sharing_revision").Set("number = number + 1").Where("id = 1").Exec(ctx)
	if err != nil {
		return fmt.Errorf("mark a new sharing revision: %w", err)
	}
	return nil
}

func readRegistry(ctx context.Context, db bun.IDB) (engine.Registry, error) {
	r := engine.Registry{
		Agencies:   map[string]engine.Agency{},
		Datasets:   map[string]engine.Dataset{},
		Agreements: map[string]map[string]map[string]engine.Agreement{},
	}
	var agencies []directory.Agency
	err := db.NewSelect().Model(&agencies).Scan(ctx)
	if err != nil {
		return r, fmt.Errorf("list agencies: %w", err)
	}
	for _, a := range agencies {
		one := engine.Agency{From: engine.At(a.ValidFrom)}
		if a.ValidTo != nil {
			to := engine.At(*a.ValidTo)
			one.To = &to
		}
		r.Agencies[a.ID] = one
	}
	datasets, err := catalogue.List(ctx, db)
	if err != nil {
		return r, err
	}
	for _, d := range datasets {
		one := engine.Dataset{Owner: d.OwnerID, Parameters: append([]string{}, d.Parameters...), Fields: map[string]engine.Field{}}
		for _, f := range d.Fields {
			one.Fields[f.Name] = engine.Field{Sharing: f.Sharing, Importance: f.Importance, Personal: f.Personal}
		}
		r.Datasets[d.ID] = one
	}
	agreements, err := agreement.List(ctx, db)
	if err != nil {
		return r, err
	}
	for i := range agreements {
		put(r.Agreements, &agreements[i])
	}
	return r, nil
}

func put(all map[string]map[string]map[string]engine.Agreement, a *agreement.Agreement) {
	one := engine.Agreement{
		State: a.State, ValidFrom: engine.At(a.ValidFrom), ValidTo: engine.At(a.ValidTo),
		Purposes: a.Purposes, Operations: a.Operations, Fields: map[string]engine.Treatment{},
	}
	if a.SuspendedFrom != nil {
		from := engine.At(*a.SuspendedFrom)
		one.SuspendedFrom = &from
	}
	for name, treatment := range a.Fields {
		one.Fields[name] = engine.Treatment(treatment)
	}
	if all[a.DatasetID] == nil {
		all[a.DatasetID] = map[string]map[string]engine.Agreement{}
	}
	if all[a.DatasetID][a.ConsumerID] == nil {
		all[a.DatasetID][a.ConsumerID] = map[string]engine.Agreement{}
	}
	all[a.DatasetID][a.ConsumerID][a.Key()] = one
}
