package acme

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// sweepEvery is how often the leavings of other replicas and of crashes are
	// looked for.
	sweepEvery = 15 * time.Second
	// cleanEvery is how often what has expired is removed.
	cleanEvery = 10 * time.Minute
	// keepOrder is how long an order that came to nothing is kept after its end,
	// and one that was finalised after the end of its certificate.
	keepOrder = 7 * 24 * time.Hour
	// cleanPage bounds one removal, so that it holds no long lock.
	cleanPage = 1000
)

// Run proves names, takes up what was interrupted and removes what has expired,
// until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { s.workOff(ctx) })
	}
	sweep, clean := time.NewTicker(sweepEvery), time.NewTicker(cleanEvery)
	defer sweep.Stop()
	defer clean.Stop()
	s.log(ctx, "sweep", s.sweep)
	s.log(ctx, "clean", s.clean)
	for {
		select {
		case <-ctx.Done():
			wg.Wait()
			return nil
		case <-sweep.C:
			s.log(ctx, "sweep", s.sweep)
		case <-clean.C:
			s.log(ctx, "clean", s.clean)
		}
	}
}

func (s *Server) log(ctx context.Context, what string, act func(context.Context) error) {
	err := act(ctx)
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.ErrorContext(ctx, "ACME upkeep failed", slog.String("part", what), slog.Any("error", err))
	}
}

func (s *Server) workOff(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-s.work:
			s.log(ctx, "validate", func(ctx context.Context) error { return s.validate(ctx, id) })
		}
	}
}

// sweep finds challenges and orders that nobody works at.
func (s *Server) sweep(ctx context.Context) error {
	var ids []string
	err := s.cfg.DB.NewSelect().Model((*challengeRow)(nil)).Column("id").Where("state = ?", statusProcessing).
		Where("(claimed_at IS NULL OR claimed_at < ?)", s.cfg.Clock.Now().UTC().Add(-workLease)).Limit(workQueue).Scan(ctx, &ids)
	if err != nil {
		return fmt.Errorf("look for challenges: %w", err)
	}
	for _, id := range ids {
		select {
		case s.work <- id:
		case <-ctx.Done():
			return nil
		}
	}
	return s.resume(ctx)
}

// clean removes spent nonces that have expired, and old orders with their
// authorizations and challenges.
func (s *Server) clean(ctx context.Context) error {
	now := s.cfg.Clock.Now().UTC()
	_, err := s.cfg.DB.NewDelete().Model((*nonceRow)(nil)).Where("expires_at < ?", now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("remove nonces: %w", err)
	}
	old := now.Add(-keepOrder)
	for {
		ids := s.cfg.DB.NewSelect().Model((*orderRow)(nil)).Column("id").
			Where("(state IN (?, ?) AND expires_at < ? OR state = ? AND not_after < ?)", statusPending, statusInvalid, old, statusValid, old).Limit(cleanPage)
		result, err := s.cfg.DB.NewDelete().Model((*orderRow)(nil)).Where("id IN (?)", ids).Exec(ctx)
		if err != nil {
			return fmt.Errorf("remove orders: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil || n < cleanPage {
			return err
		}
	}
}
