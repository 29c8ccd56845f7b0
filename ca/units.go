package ca

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// leaseUnits keeps replicas from renewing units at the same time.
const leaseUnits = "renew-units"

// refreshUnits takes up renewed certificates of responders and of the
// time-stamping unit, and renews those that end within renewUnits.
func (s *Service) refreshUnits(ctx context.Context) {
	err := s.renewUnits(ctx)
	if err == nil {
		err = s.reloadUnits(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.deps.Logger.ErrorContext(ctx, "responder and time-stamping certificates not renewed", "error", err)
	}
}

// renewUnits makes certificates that end soon anew, in one process at a time
// and not more often than renewUnitsEvery.
func (s *Service) renewUnits(ctx context.Context) error {
	now := s.deps.Clock.Now()
	due := false
	for _, u := range s.public.unitList() {
		due = due || !now.Add(renewUnits).Before(u.cert.NotAfter)
	}
	if !due {
		return nil
	}
	mine, err := s.engine.records.lease(ctx, leaseUnits, s.owner, now, now.Add(renewUnitsEvery))
	if err != nil || !mine {
		return err
	}
	i, err := newInitialiser(ctx, s.deps)
	if err != nil {
		return err
	}
	return i.units(ctx)
}

// reloadUnits takes up units whose certificate is another one than before.
func (s *Service) reloadUnits(ctx context.Context) error {
	var serials []string
	err := s.deps.DB.NewSelect().Model((*unitRow)(nil)).Column("serial").OrderExpr("kind, name").Scan(ctx, &serials)
	if err != nil {
		return fmt.Errorf("read units: %w", err)
	}
	old := s.public.unitList()
	if slices.EqualFunc(old, serials, func(u unit, serial string) bool { return u.serial == serial }) {
		return nil
	}
	units, err := s.readUnits(ctx)
	if err != nil {
		return err
	}
	issuers, err := s.statusIssuers(units)
	if err != nil {
		return err
	}
	stamps, err := s.stampUnit(units)
	if err != nil {
		return err
	}
	err = s.public.responder.SetIssuers(issuers)
	if err != nil {
		return err
	}
	err = s.public.stamper.SetUnit(stamps)
	if err != nil {
		return err
	}
	s.public.mu.Lock()
	defer s.public.mu.Unlock()
	s.public.units = units
	return nil
}

// lease gives owner the name until the time, or says that another one has it.
func (r records) lease(ctx context.Context, name, owner string, now, until time.Time) (bool, error) {
	mine := false
	err := r.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewRaw("INSERT INTO ca_lease (name, owner, until) VALUES (?, '', 0) ON CONFLICT (name) DO NOTHING", name).Exec(ctx)
		if err != nil {
			return err
		}
		result, err := tx.NewRaw("UPDATE ca_lease SET owner = ?, until = ? WHERE name = ? AND (owner = ? OR until < ?)",
			owner, until.UnixNano(), name, owner, now.UnixNano()).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		mine = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take lease %s: %w", name, err)
	}
	return mine, nil
}
