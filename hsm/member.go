package hsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// firstRetry and lastRetry bound the pause before a quarantined token is
	// tried again; the first attempt comes at once.
	firstRetry = 20 * time.Millisecond
	lastRetry  = 10 * time.Second
	// retryTime bounds one attempt to recover a token.
	retryTime = 30 * time.Second
)

// member is one token of a tokenSet, with its state.
type member struct {
	cfg  tokenConfig
	log  *slog.Logger
	open func(context.Context, tokenConfig, *slog.Logger) (backend, error)

	mu    sync.Mutex
	state TokenState // guarded by mu
	since time.Time  // guarded by mu
	cause string     // guarded by mu
	// backend is nil until the token was opened once; guarded by mu.
	backend backend
	// held are the keys seen last; guarded by mu.
	held []backendKey
	// recovering says that a goroutine brings the token back; guarded by mu.
	recovering bool

	// queue holds the signatures that the lanes make; it is bounded.
	queue chan *signJob
	// started says that the lanes run; guarded by mu.
	started bool
	// network says that the token is a service in the network; set before the
	// lanes run.
	network bool
	// busy is when each lane entered the token, in nanoseconds; zero outside.
	busy [maxSessions]atomic.Int64
	// proved is the epoch of the token in which a label's first signature was
	// verified.
	proved sync.Map
	// unchecked counts signatures since the last that was verified.
	unchecked atomic.Uint32

	outstanding atomic.Int64
	signatures  atomic.Uint64
	losses      atomic.Uint64
	refused     atomic.Uint64
}

func newMember(cfg tokenConfig, log *slog.Logger) *member {
	return &member{cfg: cfg, log: log, open: openBackend, since: time.Now(), queue: make(chan *signJob, maxQueue)}
}

// active gives the backend when the token takes work, nil otherwise.
func (m *member) active() backend {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != StateActive {
		return nil
	}
	return m.backend
}

// set changes the state; it tells whether that was a change.
func (m *member) set(state TokenState, cause string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.setLocked(state, cause)
}

func (m *member) setLocked(state TokenState, cause string) bool {
	if m.state == state {
		return false
	}
	m.log.Warn("token state", slog.String("token", m.cfg.name), slog.String("from", string(m.state)),
		slog.String("to", string(state)), slog.String("cause", cause))
	m.state, m.since, m.cause = state, time.Now(), cause
	return true
}

// recover makes one attempt to bring the token back and to prove it: the token
// must sign as before with a key that it held.
func (m *member) recover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, retryTime)
	defer cancel()
	m.mu.Lock()
	b, held := m.backend, m.held
	m.mu.Unlock()
	if b == nil {
		opened, err := m.open(ctx, m.cfg, m.log)
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.backend = opened
		m.mu.Unlock()
		b = opened
	} else {
		err := b.recover(ctx)
		if err != nil {
			return err
		}
	}
	now, err := b.keys(ctx, true)
	if err != nil {
		return err
	}
	err = m.prove(ctx, b, held)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.held = now
	m.mu.Unlock()
	return nil
}

// prove makes one signature with a key that the token held before and verifies
// it with the public key of before: after a reset a token may answer with
// another key. A token that held none has nothing to prove.
func (m *member) prove(ctx context.Context, b backend, held []backendKey) error {
	for _, key := range held {
		plan, err := provingPlan(key.Public)
		if err != nil {
			continue
		}
		sig, err := b.sign(ctx, key.Label, plan)
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%w: key %q is gone", ErrKeyMismatch, key.Label)
		}
		if errors.Is(err, ErrKeyRotated) || errors.Is(err, ErrDenied) {
			continue // this key says nothing about the others
		}
		if err != nil {
			return fmt.Errorf("prove key %q: %w", key.Label, err)
		}
		if !plan.verify(sig) {
			m.refused.Add(1)
			return fmt.Errorf("%w: %q", ErrKeyMismatch, key.Label)
		}
		return nil
	}
	return nil
}

// info tells the state.
func (m *member) info() TokenInfo {
	m.mu.Lock()
	b := m.backend
	out := TokenInfo{
		Name: m.cfg.name, URI: m.cfg.uri.String(), Kind: m.cfg.uri.Scheme, Serial: m.cfg.serial,
		State: m.state, Since: m.since.UTC(), Cause: m.cause, Keys: len(m.held),
	}
	m.mu.Unlock()
	out.Outstanding = int(m.outstanding.Load())
	out.Signatures, out.Losses, out.Refused = m.signatures.Load(), m.losses.Load(), m.refused.Load()
	if b == nil {
		return out
	}
	i := b.info()
	out.Kind, out.Serial, out.Manufacturer, out.Model, out.Firmware = i.Kind, i.Serial, i.Manufacturer, i.Model, i.Firmware
	out.Lanes, out.Sessions, out.Recoveries = i.Lanes, i.Sessions, i.Recoveries
	return out
}
