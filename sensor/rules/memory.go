package rules

import (
	mathbits "math/bits"
	"sync/atomic"
	"time"
)

// memory is what engines remember of the traffic. It outlives a reload, so
// everything in it is named by what stays: names of bits, numbers of rules.
type memory struct {
	// bits, hosts and counters number the names of flowbits, xbits and
	// counters; rules number the rules by gid and sid. Only the building of an
	// engine looks at them.
	bits, hosts, counters numbers[string]
	ruleIDs               numbers[ruleID]

	thresholds thresholds
	xbits      xbits
	suppressed atomic.Uint64
	exhausted  atomic.Uint64
}

type ruleID struct{ gid, sid uint32 }

func newMemory() *memory {
	return &memory{
		bits: numbers[string]{}, hosts: numbers[string]{}, counters: numbers[string]{}, ruleIDs: numbers[ruleID]{},
		thresholds: thresholds{states: map[thresholdKey]thresholdState{}},
		xbits:      xbits{until: map[xbitKey]time.Time{}},
	}
}

// numbers gives names their numbers.
type numbers[T comparable] map[T]int

func (n numbers[T]) of(name T) int {
	id, ok := n[name]
	if !ok {
		id = len(n)
		n[name] = id
	}
	return id
}

// name gives each rule and each flowbit, xbit and counter its number, the one
// that it had before if it had one.
func (m *memory) name(rules []*Rule) {
	for _, r := range rules {
		r.number = int32(m.ruleIDs.of(ruleID{r.GID, r.SID}))
		for i := range r.xbits {
			r.xbits[i].id = m.hosts.of(r.xbits[i].name)
		}
		for i := range r.ints {
			op := &r.ints[i]
			op.id = m.counters.of(op.name)
			if op.other != "" {
				op.otherID = m.counters.of(op.other)
			}
		}
		for i := range r.bits {
			op := &r.bits[i]
			op.ids = op.ids[:0]
			for _, n := range op.names {
				op.ids = append(op.ids, m.bits.of(n))
			}
		}
	}
}

// table gives each number its name.
func table(n numbers[string]) []string {
	out := make([]string, len(n))
	for name, id := range n {
		out[id] = name
	}
	return out
}

// Counter is a flowint of a flow.
type Counter struct {
	Name  string
	Value uint32
}

// Remembered appends the names of the flowbits that are set in a flow and the
// flowints that have a value to bits and counters, by the age of their names.
func (e *Engine) Remembered(f *FlowState, bits []string, counters []Counter) ([]string, []Counter) {
	for i, word := range f.bits {
		for ; word != 0; word &= word - 1 {
			id := i<<6 + mathbits.TrailingZeros64(word)
			if id < len(e.bitNames) {
				bits = append(bits, e.bitNames[id])
			}
		}
	}
	if f.kept == nil {
		return bits, counters
	}
	for id, name := range e.counterNames {
		v, set := f.counter(id)
		if set {
			counters = append(counters, Counter{name, v})
		}
	}
	return bits, counters
}

// Step tells the engine that the clock was set forward or, with a negative
// length, back: what counts in time goes on as if it had not been.
func (e *Engine) Step(by time.Duration) {
	t := &e.thresholds
	t.mu.Lock()
	for k, s := range t.states {
		s.until = s.until.Add(by)
		t.states[k] = s
	}
	t.mu.Unlock()
	x := &e.xbits
	x.mu.Lock()
	defer x.mu.Unlock()
	for k, until := range x.until {
		x.until[k] = until.Add(by)
	}
}
