package incident

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/ledger"
)

// startClocks starts those clocks of the profile that apply to the case and do
// not run yet: a case that turns serious later owes its first notice from T0
// all the same.
func (s *Service) startClocks(ctx context.Context, tx bun.Tx, k *Case) error {
	for i := range s.profile.Clocks {
		c := &s.profile.Clocks[i]
		if c.MinSeverity != "" {
			least, err := ParseSeverity(c.MinSeverity)
			if err != nil {
				return err
			}
			if k.Severity < least {
				continue
			}
		}
		row := &Clock{CaseID: k.ID, ID: c.ID, DueAt: c.Due(k.T0), WarnAt: c.WarnAt(k.T0)}
		_, err := tx.NewInsert().Model(row).On("CONFLICT DO NOTHING").Exec(ctx)
		if err != nil {
			return fmt.Errorf("start clock %s of case %s: %w", c.ID, k.Number, err)
		}
	}
	return nil
}

func (c *correlator) startClocks(ctx context.Context, k *Case) error {
	return c.Service.startClocks(ctx, c.tx, k)
}

// sweepLimit bounds one round of the sweeper; the rest follows in the next.
const sweepLimit = 500

// Sweep fires what is due: warnings and deadlines of clocks, and ledger entries
// of openings that are not recorded yet. It returns how many clocks fired. All
// state is in rows, so a restart misses nothing.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	now := s.now()
	fired, err := s.sweepClocks(ctx, now)
	if err != nil {
		return fired, err
	}
	return fired, s.recordOpenings(ctx)
}

func (s *Service) sweepClocks(ctx context.Context, now time.Time) (int, error) {
	fired := 0
	for _, step := range []struct{ due, done, action string }{
		{"warn_at", "warned_at", ActionWarn},
		{"due_at", "fired_at", ActionOverdue},
	} {
		var due []Clock
		err := s.db.NewSelect().Model(&due).
			Where("? <= ?", bun.Ident(step.due), now).Where("? IS NULL", bun.Ident(step.done)).
			Where("met_at IS NULL AND stopped_at IS NULL").OrderExpr("due_at").Limit(sweepLimit).Scan(ctx)
		if err != nil {
			return fired, fmt.Errorf("find due clocks: %w", err)
		}
		for i := range due {
			done, err := s.fire(ctx, &due[i], step.done, step.action, now)
			if err != nil {
				return fired, err
			}
			if done {
				fired++
			}
		}
	}
	if fired > 0 {
		s.hub.kick()
	}
	return fired, nil
}

// fire marks one clock and says so in the case's history; false when another
// process was first.
func (s *Service) fire(ctx context.Context, c *Clock, column, action string, now time.Time) (bool, error) {
	done := false
	err := s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err := s.lockCase(ctx, tx, c.CaseID)
		if err != nil {
			return err
		}
		res, err := tx.NewUpdate().Model((*Clock)(nil)).Set("? = ?", bun.Ident(column), now).
			Where("case_id = ? AND clock = ?", c.CaseID, c.ID).Where("? IS NULL", bun.Ident(column)).
			Where("met_at IS NULL AND stopped_at IS NULL").Exec(ctx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		done = true
		_, err = tx.NewUpdate().Model(k).Set("updated_at = ?", now).WherePK().Exec(ctx)
		if err != nil {
			return err
		}
		return s.note(ctx, tx, k.ID, now, action, map[string]string{
			"clock": c.ID, "due": c.DueAt.UTC().Format(time.RFC3339),
		})
	})
	if err != nil {
		return false, fmt.Errorf("fire clock %s of case %s: %w", c.ID, c.CaseID, err)
	}
	return done, nil
}

// recordOpenings writes into the ledger the cases that the platform opened:
// T0 is what the legal clocks count from, so it must be provable. It comes
// after the commit, because a slow or failing ledger must not lose evidence at
// the door; the mark in the row makes it happen in the end.
func (s *Service) recordOpenings(ctx context.Context) error {
	var open []Case
	err := s.db.NewSelect().Model(&open).Where("opened_ledger IS NULL").OrderExpr("t0, id").Limit(sweepLimit).Scan(ctx)
	if err != nil {
		return fmt.Errorf("find unrecorded openings: %w", err)
	}
	var faults []error
	for i := range open {
		err = s.recordOpening(ctx, &open[i])
		if err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (s *Service) recordOpening(ctx context.Context, k *Case) error {
	var first History
	err := s.db.NewSelect().Model(&first).Where("case_id = ? AND seq = 1", k.ID).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read the opening of case %s: %w", k.Number, err)
	}
	receipt, err := s.ledger.Append(ctx, ledger.Entry{
		Time: k.T0, Kind: "incident." + ActionOpen, Actor: ActorSystem, Agency: k.AgencyID, Object: k.ID,
		Digest: first.Hash, ExerciseID: k.ExerciseID,
		Detail: map[string]string{"number": k.Number, "severity": first.Value("severity"), "class": first.Value("class")},
	})
	if err != nil {
		return fmt.Errorf("record the opening of case %s: %w", k.Number, err)
	}
	_, err = s.db.NewUpdate().Model(k).Set("opened_ledger = ?", int64(receipt.Index)).
		Where("id = ? AND opened_ledger IS NULL", k.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("mark the opening of case %s: %w", k.Number, err)
	}
	return nil
}

// sweepEvery is how often deadlines are looked at. They are hours away; a
// second keeps "overdue" on the page true to the second.
const sweepEvery = time.Second

// Run sweeps and feeds the live pages until the context ends.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	defer s.hub.end()
	for {
		_, err := s.Sweep(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "sweep of incident clocks failed", "error", err)
		}
		err = s.publishChanges(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "reading changed cases failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.hub.kicked:
		}
	}
}
