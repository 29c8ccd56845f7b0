package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

const (
	// lease is how long a claimed inject may take before another process takes
	// it over: far above the seconds that a capture needs.
	lease = 5 * time.Minute
	// maxSleep bounds the wait for the next due row, so that what another
	// process (the command line) changed is seen.
	maxSleep = time.Second
	// dueLimit bounds one look; the rest follows at once.
	dueLimit = 100
)

// Run fires what is due until the context ends, and waits for what it started.
func (s *Service) Run(ctx context.Context) error {
	defer s.workers.Wait()
	defer s.stop.Do(func() { close(s.over) })
	for {
		next, err := s.Tick(ctx)
		if err != nil && ctx.Err() == nil {
			s.d.Logger.ErrorContext(ctx, "drill schedule failed", "error", err)
		}
		wait := maxSleep
		if !next.IsZero() {
			wait = min(maxSleep, max(0, next.Sub(s.now())))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-s.kicked:
			timer.Stop()
		}
	}
}

// Tick fires what is due now and returns when the next row is due, zero when
// none is. Packets are played beside it; Wait waits for them.
func (s *Service) Tick(ctx context.Context) (time.Time, error) {
	now := s.now()
	var faults []error
	var due []Happening
	err := s.d.DB.NewSelect().Model(&due).
		Join("JOIN drill AS d ON d.id = happening.drill_id").Where("d.state = ?", StateRunning).
		Where("happening.done_at IS NULL AND happening.due_at <= ?", now).
		Where("happening.claimed_at IS NULL OR happening.claimed_at < ?", now.Add(-lease)).
		OrderExpr("happening.due_at, happening.seq").Limit(dueLimit).Scan(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("find due injects: %w", err)
	}
	for i := range due {
		err = s.fire(ctx, &due[i], now)
		if err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, s.finish(ctx, now), s.cutEnded(ctx), s.sendMail(ctx, now))
	next, err := s.nextDue(ctx)
	return next, errors.Join(append(faults, err)...)
}

// Wait waits for the packets that are being played.
func (s *Service) Wait() { s.workers.Wait() }

func (s *Service) nextDue(ctx context.Context) (time.Time, error) {
	var first time.Time
	for _, q := range []*bun.SelectQuery{
		s.d.DB.NewSelect().Model((*Happening)(nil)).Column("due_at").
			Join("JOIN drill AS d ON d.id = happening.drill_id").Where("d.state = ?", StateRunning).
			Where("claimed_at IS NULL AND done_at IS NULL AND due_at IS NOT NULL").OrderExpr("due_at"),
		s.d.DB.NewSelect().Model((*Drill)(nil)).Column("due_end").Where("state = ? AND due_end IS NOT NULL", StateRunning).OrderExpr("due_end"),
	} {
		var found []time.Time
		err := q.Limit(1).Scan(ctx, &found)
		if err != nil {
			return time.Time{}, fmt.Errorf("find the next due row: %w", err)
		}
		if len(found) > 0 && (first.IsZero() || found[0].Before(first)) {
			first = found[0]
		}
	}
	return first, nil
}

// fire claims the inject and lets it happen. Mail and question are done in the
// claiming transaction; packets follow outside it, and are played again when
// the process dies over them: their events then count twice in the same alerts,
// and still make one case.
func (s *Service) fire(ctx context.Context, h *Happening, now time.Time) error {
	var d *Drill
	var in *Inject
	claimed := false
	err := s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var err error
		d, err = s.lock(ctx, tx, h.DrillID)
		if err != nil || d.State != StateRunning {
			return err
		}
		sc, err := ParseScenario([]byte(d.Scenario))
		if err != nil {
			return err
		}
		in = sc.inject(h.InjectID)
		if in == nil {
			return fmt.Errorf("%w: inject %q is not in its scenario", ErrNotFound, h.InjectID)
		}
		q := tx.NewUpdate().Model((*Happening)(nil)).Set("claimed_at = ?", now).Set("attempts = attempts + 1").
			Set("fired_at = coalesce(fired_at, ?)", now).
			Where("drill_id = ? AND inject_id = ? AND done_at IS NULL", h.DrillID, h.InjectID).
			Where("claimed_at IS NULL OR claimed_at < ?", now.Add(-lease))
		if in.Kind != KindPackets {
			q = q.Set("done_at = ?", now)
		}
		res, err := q.Exec(ctx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		claimed = true
		if in.Kind == KindMail {
			err = s.post(ctx, tx, d, sc, in, now)
			if err != nil {
				return err
			}
		}
		return note(ctx, tx, d.ID, actorSystem, "inject", in.ID, now, nil)
	})
	if err != nil {
		return fmt.Errorf("fire inject %s of drill %s: %w", h.InjectID, h.DrillID, err)
	}
	if claimed && in.Kind == KindPackets {
		s.play(ctx, d, in)
	}
	return nil
}

// finish ends drills whose time is up.
func (s *Service) finish(ctx context.Context, now time.Time) error {
	var ids []string
	err := s.d.DB.NewSelect().Model((*Drill)(nil)).Column("id").Where("state = ? AND due_end <= ?", StateRunning, now).Scan(ctx, &ids)
	if err != nil {
		return fmt.Errorf("find drills whose time is up: %w", err)
	}
	for _, id := range ids {
		d, err := s.read(ctx, s.d.DB, id)
		if err != nil {
			return err
		}
		receipt, err := s.d.Ledger.Append(ctx, d.entry(actorSystem, "finish", now))
		if err != nil {
			return fmt.Errorf("finish drill %s: record in the ledger: %w", id, err)
		}
		err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
			d, err := s.lock(ctx, tx, id)
			if err != nil || d.State != StateRunning {
				return err
			}
			err = end(ctx, tx, d, StateFinished, now)
			if err != nil {
				return err
			}
			_, err = tx.NewUpdate().Model(d).WherePK().Exec(ctx)
			if err != nil {
				return err
			}
			return note(ctx, tx, id, actorSystem, "finish", "", now, &receipt)
		})
		if err != nil {
			return fmt.Errorf("finish drill %s: %w", id, err)
		}
	}
	return nil
}
