package hsm

import (
	"context"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"
)

// sessionPool lends at most size sessions, the last used first. Sessions stay
// open: opening costs, and SoftHSM has races when sessions close.
type sessionPool struct {
	slots chan struct{}

	mu   sync.Mutex
	idle []pkcs11.SessionHandle // guarded by mu
	open int                    // guarded by mu
}

func newSessionPool(size int) *sessionPool {
	return &sessionPool{slots: make(chan struct{}, size)}
}

// enter waits for a place in the pool; leave gives it back.
func (p *sessionPool) enter(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: no session in time: %w", ErrBusy, ctx.Err())
	}
}

func (p *sessionPool) leave() { <-p.slots }

// take gives an idle session or opens one.
func (p *sessionPool) take(mod *pkcs11.Ctx, slot uint) (pkcs11.SessionHandle, error) {
	p.mu.Lock()
	n := len(p.idle)
	if n > 0 {
		s := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return s, nil
	}
	p.open++
	p.mu.Unlock()
	s, err := mod.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
		return 0, fmt.Errorf("open session: %w", err)
	}
	return s, nil
}

// give returns a session; a spoilt one is closed, whatever the module says.
func (p *sessionPool) give(mod *pkcs11.Ctx, s pkcs11.SessionHandle, spoilt bool) {
	p.mu.Lock()
	if spoilt {
		p.open--
	} else {
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	if spoilt {
		_ = mod.CloseSession(s) // the session is of no use either way
	}
}

// drain closes the idle sessions.
func (p *sessionPool) drain(mod *pkcs11.Ctx) {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.open -= len(idle)
	p.mu.Unlock()
	for _, s := range idle {
		_ = mod.CloseSession(s) // it may be lost already
	}
}

// forget drops all sessions after the module was finalised.
func (p *sessionPool) forget() {
	p.mu.Lock()
	p.idle, p.open = nil, 0
	p.mu.Unlock()
}

// count tells how many sessions are open.
func (p *sessionPool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}
