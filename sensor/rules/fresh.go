package rules

import "time"

// Fresh is an engine of the same rules that remembers nothing of the traffic so
// far: no thresholds, no xbits. Datasets are shared.
func (e *Engine) Fresh() *Engine {
	fresh := *e
	fresh.memory = &memory{
		bits: e.bits, hosts: e.hosts, counters: e.counters, ruleIDs: e.ruleIDs,
		thresholds: thresholds{states: map[thresholdKey]thresholdState{}},
		xbits:      xbits{until: map[xbitKey]time.Time{}},
	}
	return &fresh
}
