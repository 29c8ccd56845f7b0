package ca

import (
	"context"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

// Warm has the lists made and the status answers loaded.
func (s *Service) Warm(ctx context.Context) error {
	_, err := s.Audit(ctx)
	return err
}

// Age lets the time of audits go on by d.
func (s *Service) Age(d time.Duration) { s.deps.Clock = aged{s.deps.Clock, d} }

type aged struct {
	clock.Clock
	by time.Duration
}

func (a aged) Now() time.Time { return a.Clock.Now().Add(a.by) }
