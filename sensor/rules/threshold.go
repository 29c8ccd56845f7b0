package rules

import (
	"errors"
	"fmt"
	"net/netip"
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
)

type trackKind uint8

const (
	trackSrc trackKind = iota + 1
	trackDst
	trackBoth
	trackRule
)

type thresholdSpec struct {
	kind   thresholdKind
	track  trackKind
	count  int
	window time.Duration
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
			}[arg]
			if t.kind == 0 {
				err = fmt.Errorf("unknown type %q", clip(arg))
			}
		case key == "track":
			t.track = map[string]trackKind{
				"by_src": trackSrc, "by_dst": trackDst, "by_both": trackBoth, "by_rule": trackRule,
			}[arg]
			if t.track == 0 {
				err = fmt.Errorf("unknown track %q", clip(arg))
			}
		case key == "count":
			t.count, err = parseInt(arg, 1, maxOffset)
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
	if t.kind == 0 || t.track == 0 || t.count == 0 || t.window == 0 {
		return nil, errors.New("needs type, track, count and seconds")
	}
	return t, nil
}

// maxThresholds bounds the counters of all rules together: about 8 MB. When
// it is reached, closed windows go first, then any: a lost "limit" counter
// means one alert more, never one less.
const maxThresholds = 1 << 16

type thresholdKey struct {
	rule int32
	// filter keeps a rule's detection_filter apart from its threshold.
	filter   bool
	src, dst netip.Addr
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
	key := thresholdKey{rule: rule, filter: spec.kind == thresholdFilter}
	if spec.track == trackSrc || spec.track == trackBoth {
		key.src = in.Src.Addr()
	}
	if spec.track == trackDst || spec.track == trackBoth {
		key.dst = in.Dst.Addr()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.states[key]
	if !ok || in.Time.After(s.until) {
		s = thresholdState{until: in.Time.Add(spec.window)}
	}
	s.count++
	alert := false
	switch spec.kind {
	case thresholdLimit:
		alert = s.count <= spec.count
	case thresholdBoth:
		alert = s.count == spec.count
	case thresholdFilter:
		alert = s.count > spec.count
	case thresholdEvery:
		alert = s.count >= spec.count
		if alert {
			delete(t.states, key)
			return true
		}
	}
	if !ok && len(t.states) >= maxThresholds {
		t.makeRoom(in.Time)
	}
	t.states[key] = s
	return alert
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
