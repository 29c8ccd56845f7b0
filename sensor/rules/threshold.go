package rules

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

type thresholdKind uint8

const (
	thresholdLimit thresholdKind = iota + 1
	thresholdEvery
	thresholdBoth
	// thresholdFilter is detection_filter: silent up to count, then every
	// match.
	thresholdFilter
	// thresholdBackoff alerts at the count-th match, then at multiplier times
	// as many, and so on; it counts in the flow.
	thresholdBackoff
	// thresholdRate is rate_filter: it trips after count and stays so for its
	// timeout.
	thresholdRate
)

type trackKind uint8

const (
	trackSrc trackKind = iota + 1
	trackDst
	trackBoth
	trackRule
	trackFlow
)

type thresholdSpec struct {
	kind   thresholdKind
	track  trackKind
	count  int
	window time.Duration
	// multiplier is backoff's.
	multiplier int
}

// parseThreshold reads "type limit, track by_src, count 1, seconds 60".
func parseThreshold(value string, withType bool) (*thresholdSpec, error) {
	t := &thresholdSpec{kind: thresholdFilter}
	if withType {
		t.kind = 0
	}
	for _, part := range strings.Split(value, ",") {
		key, arg, _ := strings.Cut(strings.TrimSpace(part), " ")
		arg = strings.TrimSpace(arg)
		var err error
		switch {
		case key == "type" && withType:
			t.kind = map[string]thresholdKind{
				"limit": thresholdLimit, "threshold": thresholdEvery, "both": thresholdBoth,
				"backoff": thresholdBackoff,
			}[arg]
			if t.kind == 0 {
				err = fmt.Errorf("unknown type %q", clip(arg))
			}
		case key == "track":
			t.track = map[string]trackKind{
				"by_src": trackSrc, "by_dst": trackDst, "by_both": trackBoth, "by_rule": trackRule,
				"by_flow": trackFlow,
			}[arg]
			if t.track == 0 {
				err = fmt.Errorf("unknown track %q", clip(arg))
			}
		case key == "count":
			t.count, err = parseInt(arg, 1, maxOffset)
		case key == "multiplier":
			t.multiplier, err = parseInt(arg, 2, maxOffset)
		case key == "seconds":
			var n int
			n, err = parseInt(arg, 1, 365*24*3600)
			t.window = time.Duration(n) * time.Second
		default:
			err = fmt.Errorf("unknown part %q", clip(key))
		}
		if err != nil {
			return nil, err
		}
	}
	if t.kind == thresholdBackoff {
		if t.track != trackFlow || t.count == 0 || t.multiplier == 0 || t.window != 0 {
			return nil, errors.New("backoff needs track by_flow, count and multiplier")
		}
		return t, nil
	}
	if t.kind == 0 || t.track == 0 || t.count == 0 || t.window == 0 {
		return nil, errors.New("needs type, track, count and seconds")
	}
	return t, nil
}

// backoff is what a flow remembers of one rule with that kind of threshold.
type backoff struct {
	rule  int32
	count uint64
	next  uint64
}

// backs counts a match in the flow and reports whether it may alert.
func (f *FlowState) backs(rule int32, spec *thresholdSpec) bool {
	k := f.keep()
	i := slices.IndexFunc(k.backoffs, func(b backoff) bool { return b.rule == rule })
	if i < 0 {
		i = len(k.backoffs)
		k.backoffs = append(k.backoffs, backoff{rule: rule, next: uint64(spec.count)})
	}
	b := &k.backoffs[i]
	b.count++
	if b.count != b.next {
		return false
	}
	b.next *= uint64(spec.multiplier)
	return true
}

// maxThresholds bounds the counters of all rules together: about 8 MB. When
// it is reached, closed windows go first, then any: a lost "limit" counter
// means one alert more, never one less.
const maxThresholds = 1 << 16

type thresholdKey struct {
	rule int32
	// filter keeps a rule's detection_filter apart from its threshold.
	filter, rate bool
	src, dst     netip.Addr
}

type thresholdState struct {
	until time.Time
	count int
}

// thresholds counts matches for all workers. Only rules that matched come
// here, so one lock is enough.
type thresholds struct {
	mu     sync.Mutex
	states map[thresholdKey]thresholdState
}

// pass counts a match and reports whether it may alert.
func (t *thresholds) pass(rule int32, spec *thresholdSpec, in *Input) bool {
	if spec.kind == thresholdBackoff {
		return in.Flow == nil || in.Flow.backs(rule, spec)
	}
	return t.count(rule, spec, in, func(s *thresholdState) bool { return spec.take(s, in.Time) })
}

// tripped counts a match of a rule with a rate filter and reports whether the
// rule has matched too often, now or less than the timeout ago.
func (t *thresholds) tripped(rule int32, f *rateFilter, in *Input) bool {
	return t.count(rule, &f.spec, in, func(s *thresholdState) bool { return f.take(s, in.Time) })
}

// count lets take judge the counter of a match: the flow's own, or that of the
// addresses.
func (t *thresholds) count(rule int32, spec *thresholdSpec, in *Input, take func(*thresholdState) bool) bool {
	key := spec.key(rule, in)
	if spec.track == trackFlow {
		if in.Flow == nil {
			return take(&thresholdState{})
		}
		return take(in.Flow.counted(key))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.states[key]
	result := take(&s)
	if s == (thresholdState{}) {
		delete(t.states, key)
		return result
	}
	if !ok && len(t.states) >= maxThresholds {
		t.makeRoom(in.Time)
	}
	t.states[key] = s
	return result
}

// maxFlowCounts bounds the counters of a flow; of more, one makes room.
const maxFlowCounts = 64

// flowCount is a counter that a flow keeps of one rule.
type flowCount struct {
	key   thresholdKey
	state thresholdState
}

// counted is the flow's counter of that key.
func (f *FlowState) counted(key thresholdKey) *thresholdState {
	k := f.keep()
	i := slices.IndexFunc(k.counts, func(c flowCount) bool { return c.key == key })
	switch {
	case i >= 0:
	case len(k.counts) < maxFlowCounts:
		i = len(k.counts)
		k.counts = append(k.counts, flowCount{key: key})
	default:
		i = int(key.rule) % maxFlowCounts
		k.counts[i] = flowCount{key: key}
	}
	return &k.counts[i].state
}

// take counts a match and reports whether it may alert. A counter that starts
// anew is zero.
func (spec *thresholdSpec) take(s *thresholdState, now time.Time) bool {
	if s.until.IsZero() || now.After(s.until) {
		*s = thresholdState{until: now.Add(spec.window)}
	}
	s.count++
	switch spec.kind {
	case thresholdLimit:
		return s.count <= spec.count
	case thresholdBoth:
		return s.count == spec.count
	case thresholdFilter:
		return s.count > spec.count
	case thresholdEvery:
		if s.count >= spec.count {
			*s = thresholdState{}
			return true
		}
	}
	return false
}

// take counts a match and reports whether the filter has tripped, which a
// negative count says.
func (f *rateFilter) take(s *thresholdState, now time.Time) bool {
	over := s.until.IsZero() || now.After(s.until)
	if s.count < 0 && !over {
		return true
	}
	if over {
		*s = thresholdState{until: now.Add(f.spec.window)}
	}
	s.count++
	if s.count <= f.spec.count {
		return false
	}
	*s = thresholdState{until: now.Add(f.timeout), count: -1}
	return true
}

// key is whose matches are counted together.
func (spec *thresholdSpec) key(rule int32, in *Input) thresholdKey {
	key := thresholdKey{rule: rule, filter: spec.kind == thresholdFilter, rate: spec.kind == thresholdRate}
	if spec.track == trackSrc || spec.track == trackBoth {
		key.src = in.Src.Addr()
	}
	if spec.track == trackDst || spec.track == trackBoth {
		key.dst = in.Dst.Addr()
	}
	if spec.track == trackBoth && key.dst.Less(key.src) {
		// Both directions of a pair count together.
		key.src, key.dst = key.dst, key.src
	}
	return key
}

func (t *thresholds) makeRoom(now time.Time) {
	for k, s := range t.states {
		if now.After(s.until) {
			delete(t.states, k)
		}
	}
	drop := len(t.states) - maxThresholds*3/4
	for k := range t.states {
		if drop <= 0 {
			return
		}
		delete(t.states, k)
		drop--
	}
}
