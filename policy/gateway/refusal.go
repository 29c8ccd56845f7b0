package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// refusedEvery is how often refused connections are recorded at most, and
// refusedTimeout how long the record may take.
const (
	refusedEvery   = 10 * time.Second
	refusedTimeout = 2 * time.Second
)

// refusals counts connections without a usable certificate between two
// records.
type refusals struct {
	mu      sync.Mutex
	pending uint64
	last    time.Time
}

// add counts one and returns how many to record now: none while the last
// record is young.
func (r *refusals) add(now time.Time) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending++
	age := now.Sub(r.last)
	if !r.last.IsZero() && age >= 0 && age < refusedEvery {
		return 0
	}
	n := r.pending
	r.pending, r.last = 0, now
	return n
}

// refuse records that a connection gets no session. The connection is refused
// whether or not the record succeeds.
func (g *Gateway) refuse() {
	if g.Refused == nil {
		return
	}
	n := g.refusals.add(g.Clock.Now())
	if n == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), refusedTimeout)
	defer cancel()
	err := g.Refused(ctx, n)
	if err != nil {
		g.Logger.ErrorContext(ctx, "refused connections not recorded", slog.Any("error", err))
	}
}
