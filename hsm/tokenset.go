package hsm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// reloadEvery bounds how often an unknown label makes the worker list all
// objects again: with 1,000 keys SoftHSM takes about 50 ms for it.
const reloadEvery = 2 * time.Second

// tokenSet routes requests to the tokens of the worker. A key that several
// tokens hold (same label, equal public key) is signed with by the active one
// that owes the least; a token that fails is quarantined and its work goes to
// the others. Lock order: objects, then mu, then a member's mu.
type tokenSet struct {
	log     *slog.Logger
	members []*member // in the order of the configuration

	// objects serialises the making and listing of objects over all tokens, so
	// that a label is made once.
	objects sync.Mutex
	// listed is when all tokens were listed last; guarded by objects.
	listed time.Time

	mu sync.RWMutex
	// routes are the keys by label; guarded by mu, replaced as a whole.
	routes map[string]*route
	// turned is closed and made anew when a token becomes active; guarded by mu.
	turned chan struct{}

	ctx     context.Context // ends with close
	stop    context.CancelFunc
	repairs sync.WaitGroup
	lanes   sync.WaitGroup

	// leaked counts signatures that leak memory in some modules; worn is closed
	// when there were leakMost.
	leaked   atomic.Int64
	leakMost int64
	worn     chan struct{}

	// pinRefused is closed once every token refused its PIN.
	pinRefused chan struct{}
	pinOnce    sync.Once
}

// route is a key with the tokens that hold it.
type route struct {
	key     backendKey
	holders []*member
}

// openTokens opens every token. One that does not open is quarantined and
// tried again, unless it is the only one or all fail: then the reason of the
// first is the error.
func openTokens(ctx context.Context, cfgs []tokenConfig, log *slog.Logger) (*tokenSet, error) {
	s := newTokenSet(ctx, log)
	var first error
	opened := 0
	for _, cfg := range cfgs {
		m := newMember(cfg, log)
		s.members = append(s.members, m)
		b, err := openBackend(ctx, cfg, log)
		if err == nil {
			m.backend, m.state = b, StateActive
			s.startLanes(m, b)
			opened++
			continue
		}
		log.Error("a token does not open", slog.String("token", cfg.name), slog.Any("error", err))
		if first == nil {
			first = err
		}
		m.state, m.cause = StateQuarantined, err.Error()
		if errors.Is(err, ErrPIN) {
			m.state = StateRefused
		}
	}
	if opened == 0 {
		return nil, errors.Join(first, s.close())
	}
	s.objects.Lock()
	err := s.refresh(ctx)
	s.objects.Unlock()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	for _, m := range s.members {
		if m.state == StateQuarantined {
			s.repair(m)
		}
	}
	return s, nil
}

// newTokenSet makes a set without tokens.
func newTokenSet(ctx context.Context, log *slog.Logger) *tokenSet {
	s := &tokenSet{log: log, routes: map[string]*route{}, turned: make(chan struct{}), worn: make(chan struct{}), leakMost: recycleAfter, pinRefused: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// close ends repairs and closes the tokens.
func (s *tokenSet) close() error {
	s.stop()
	s.repairs.Wait()
	for _, m := range s.members {
		close(m.queue)
	}
	s.lanes.Wait()
	var errs []error
	for _, m := range s.members {
		if m.backend != nil {
			errs = append(errs, m.backend.close())
		}
	}
	return errors.Join(errs...)
}

// refresh lists the keys of all active tokens and makes the routes anew; the
// caller holds objects.
func (s *tokenSet) refresh(ctx context.Context) error {
	s.listed = time.Now()
	var errs []error
	asked := 0
	for _, m := range s.members {
		b := m.active()
		if b == nil {
			continue
		}
		asked++
		keys, err := b.keys(ctx, true)
		if err != nil {
			errs = append(errs, fmt.Errorf("token %q: %w", m.cfg.name, err))
			s.failed(m, err)
			continue
		}
		m.mu.Lock()
		m.held = keys
		m.mu.Unlock()
	}
	s.reroute()
	if asked == 0 {
		return fmt.Errorf("%w: no token is active", ErrUnavailable)
	}
	if len(errs) == asked {
		return errors.Join(errs...)
	}
	return nil
}

// reroute makes the routes from what each token held last. A label that stands
// for different keys is served for the key it stood for before, and for nobody
// when there is no before: choosing one would sign with a key that nobody chose.
func (s *tokenSet) reroute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	routes := map[string]*route{}
	conflicts := map[string]bool{}
	for _, m := range s.members {
		m.mu.Lock()
		held := m.held
		m.mu.Unlock()
		for _, key := range held {
			before := s.routes[key.Label]
			if before != nil && !samePublic(before.key.Public, key.Public) {
				s.log.Error("a token holds another key under a known label; it is not used for it",
					slog.String("token", m.cfg.name), slog.String("label", key.Label))
				continue
			}
			r := routes[key.Label]
			if r == nil {
				routes[key.Label] = &route{key: key, holders: []*member{m}}
				continue
			}
			if !samePublic(r.key.Public, key.Public) {
				conflicts[key.Label] = true
				continue
			}
			r.holders = append(r.holders, m)
		}
	}
	for label := range conflicts {
		s.log.Error("a label stands for different keys in several tokens and is left out", slog.String("label", label))
		delete(routes, label)
	}
	s.routes = routes
}

// lookup finds a route in memory.
func (s *tokenSet) lookup(label string) *route {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.routes[label]
}

// lookupBytes is lookup without a copy of the label.
func (s *tokenSet) lookupBytes(label []byte) *route {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.routes[string(label)]
}

// find gives a key by label, listing the objects again when it is unknown:
// another program may have made it.
func (s *tokenSet) find(ctx context.Context, label string) (*route, error) {
	r := s.lookup(label)
	if r != nil {
		return r, nil
	}
	err := checkLabel(label)
	if err != nil {
		return nil, err
	}
	s.objects.Lock()
	defer s.objects.Unlock()
	if time.Since(s.listed) >= reloadEvery {
		err := s.refresh(ctx)
		if err != nil {
			return nil, err
		}
	}
	r = s.lookup(label)
	if r == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, label)
	}
	return r, nil
}

// list gives all keys, sorted by label.
func (s *tokenSet) list(ctx context.Context) ([]*route, error) {
	s.objects.Lock()
	defer s.objects.Unlock()
	if time.Since(s.listed) >= reloadEvery {
		err := s.refresh(ctx)
		if err != nil {
			return nil, err
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*route, 0, len(s.routes))
	for _, r := range s.routes {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].key.Label < out[j].key.Label })
	return out, nil
}

// failed takes a token out of service after an error that says that it is
// lost, and has it brought back.
func (s *tokenSet) failed(m *member, cause error) {
	state := StateQuarantined
	if errors.Is(cause, ErrPIN) {
		state = StateRefused
	}
	if !lost(cause) && !errors.Is(cause, ErrKeyMismatch) && state != StateRefused {
		return
	}
	m.mu.Lock()
	changed := m.state == StateActive && m.setLocked(state, cause.Error())
	m.mu.Unlock()
	if !changed {
		return
	}
	m.losses.Add(1)
	if state == StateRefused {
		s.checkPINs()
		return
	}
	s.repair(m)
}

// checkPINs ends the worker when every token refused its PIN: a supervisor
// that started it again would lock them.
func (s *tokenSet) checkPINs() {
	for _, m := range s.members {
		m.mu.Lock()
		state := m.state
		m.mu.Unlock()
		if state != StateRefused {
			return
		}
	}
	s.pinOnce.Do(func() { close(s.pinRefused) })
}

// repair brings a quarantined token back with growing pauses.
func (s *tokenSet) repair(m *member) {
	m.mu.Lock()
	running := m.recovering
	m.recovering = true
	m.mu.Unlock()
	if running || s.ctx.Err() != nil {
		return
	}
	s.repairs.Go(func() {
		pause := firstRetry
		for {
			err := s.repairOnce(m)
			if err == nil {
				return
			}
			s.log.Warn("a token is not back yet", slog.String("token", m.cfg.name), slog.Any("error", err), slog.Duration("pause", pause))
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, lastRetry)
		}
	})
}

// repairOnce makes one attempt; nil ends the attempts.
func (s *tokenSet) repairOnce(m *member) error {
	err := m.recover(s.ctx)
	m.mu.Lock()
	switch {
	case m.state != StateQuarantined: // an officer decided otherwise meanwhile
		err = nil
	case err == nil:
		m.setLocked(StateActive, "")
	case errors.Is(err, ErrPIN):
		m.setLocked(StateRefused, err.Error())
		err = nil
	default:
		m.cause = err.Error()
	}
	if err == nil {
		m.recovering = false
	}
	m.mu.Unlock()
	if err != nil {
		return err
	}
	m.mu.Lock()
	b := m.backend
	m.mu.Unlock()
	if b != nil {
		s.startLanes(m, b)
	}
	s.checkPINs()
	s.reroute()
	s.announce()
	return nil
}

// announce wakes those who wait for a token.
func (s *tokenSet) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.turned)
	s.turned = make(chan struct{})
}

// setState is an officer's decision.
func (s *tokenSet) setState(name string, state TokenState) error {
	m, err := s.member(name)
	if err != nil {
		return err
	}
	switch state {
	case StateDrained:
		m.set(StateDrained, "by an officer")
	case StateQuarantined, StateActive:
		m.mu.Lock()
		if m.state == StateActive && state == StateActive {
			m.mu.Unlock()
			return nil
		}
		// Back into service through quarantine, so that the token proves itself.
		m.setLocked(StateQuarantined, "by an officer")
		m.mu.Unlock()
		s.repair(m)
	default:
		return fmt.Errorf("%w: state %q", ErrBadRequest, state)
	}
	return nil
}

// member finds a token by name; empty means the first that is active.
func (s *tokenSet) member(name string) (*member, error) {
	for _, m := range s.members {
		if m.cfg.name == name || (name == "" && m.active() != nil) {
			return m, nil
		}
	}
	if name == "" {
		return nil, fmt.Errorf("%w: no token is active", ErrUnavailable)
	}
	return nil, fmt.Errorf("%w: %q is none of the worker's", ErrTokenNotFound, name)
}

// infos tells the state of each token.
func (s *tokenSet) infos() []TokenInfo {
	out := make([]TokenInfo, 0, len(s.members))
	for _, m := range s.members {
		out = append(out, m.info())
	}
	return out
}
