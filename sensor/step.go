package sensor

import (
	"sync"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

// leastStep is the change of the clock that counts as a step: clocks that are
// disciplined drift by far less, and idle times are no shorter.
const leastStep = 2 * time.Second

// pulse tells a clock that was set from time that passed.
type pulse struct {
	// wall is what the clock said when the monotonic clock said mono.
	wall, mono time.Time
}

func newPulse(c clock.Clock) pulse { return pulse{wall: c.Now().Round(0), mono: time.Now()} }

// step is how far the clock has been set forward since it was last asked, or,
// negative, back; zero when it was not.
func (p *pulse) step(c clock.Clock) time.Duration {
	now := newPulse(c)
	by := now.wall.Sub(p.wall) - now.mono.Sub(p.mono)
	*p = now
	if by.Abs() < leastStep {
		return 0
	}
	return by
}

// keepTime looks whether the clock was set. What waits for a time then waits
// for as much longer or shorter, so no flow ends and none stays for it.
func (w *worker) keepTime() {
	by := w.pulse.step(w.e.cfg.Clock)
	if by == 0 {
		return
	}
	w.table.Step(by)
	if !w.lookAt.IsZero() {
		w.lookAt = w.lookAt.Add(by)
	}
	for _, t := range w.hosts {
		if !t.until.IsZero() {
			t.until = t.until.Add(by)
		}
	}
	w.e.clockSet.note(w.e)
}

// clockSet tells the engine once of what every worker notices.
type clockSet struct {
	mu    sync.Mutex
	pulse pulse
	times uint64
}

func (s *clockSet) note(e *Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := s.pulse.step(e.cfg.Clock)
	if by == 0 {
		return
	}
	s.times++
	e.cfg.Logger.Warn("the clock was set, flows go on", "by", by)
	set := e.rules.Load()
	if set.engine != nil {
		set.engine.Step(by)
	}
}

func (s *clockSet) count() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times
}
