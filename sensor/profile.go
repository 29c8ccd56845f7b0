package sensor

import (
	"errors"

	"github.com/antin-gov/antin/sensor/rules"
)

// ErrProfiled means that the cost of the rules is being measured already.
var ErrProfiled = errors.New("sensor: the rules are being measured already; ask again when that has ended")

// Profile begins to measure what the rules in force cost: every worker joins
// before its next packet. It goes on until EndProfile or until other rules come
// into force.
func (e *Engine) Profile() (*rules.Profile, error) {
	for {
		set := e.rules.Load()
		if set.engine == nil {
			return nil, ErrNoRules
		}
		if set.profile != nil {
			return nil, ErrProfiled
		}
		measured := *set
		measured.profile = set.engine.NewProfile()
		if e.rules.CompareAndSwap(set, &measured) {
			return measured.profile, nil
		}
	}
}

// EndProfile ends the measuring, and reports whether the rules stayed in force
// until now.
func (e *Engine) EndProfile(p *rules.Profile) bool {
	for {
		set := e.rules.Load()
		if set.profile != p {
			return false
		}
		plain := *set
		plain.profile = nil
		if e.rules.CompareAndSwap(set, &plain) {
			return true
		}
	}
}
