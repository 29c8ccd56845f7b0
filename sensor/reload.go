package sensor

import (
	"errors"

	"github.com/antin-gov/antin/sensor/rules"
)

// ruleSet is what the workers take over between two packets.
type ruleSet struct {
	engine  *rules.Engine
	version string
	loaded  int
	// profile measures the rules, when that is asked for.
	profile *rules.Profile
}

// ErrNoRules means that there are none to take over, or to measure.
var ErrNoRules = errors.New("sensor: there are no rules")

// Rules is the engine of the rules in force, for the one that comes after it
// (rules.Options.After); nil when there are none.
func (e *Engine) Rules() *rules.Engine { return e.rules.Load().engine }

// RulesInForce says which rules they are, and how many.
func (e *Engine) RulesInForce() (version string, loaded int) {
	set := e.rules.Load()
	return set.version, set.loaded
}

// Reload puts other rules in force. Every worker takes them over before its
// next packet; flows, and what rules remember of them, go on.
func (e *Engine) Reload(engine *rules.Engine, version string, loaded int) error {
	if engine == nil {
		return ErrNoRules
	}
	e.rules.Store(&ruleSet{engine: engine, version: version, loaded: loaded})
	return nil
}

// adopt takes over the rules in force.
func (w *worker) adopt(set *ruleSet) {
	w.ruleSet, w.rules = set, set.engine
	if w.rules != nil {
		w.rctx = w.rules.NewContext()
		w.wants = w.rules.Wants()
		if set.profile != nil {
			set.profile.Measure(w.rctx)
		}
	}
	w.ask()
}
