package rules

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// maxThresholdLines bounds a threshold.config.
const maxThresholdLines = 100_000

// Adjustment is a line of threshold.config: it silences rules, limits their
// alerts, or changes their action when they match too often.
type Adjustment struct {
	gid, sid uint32
	suppress *suppression
	limit    *thresholdSpec
	rate     *rateFilter
}

// suppression silences a rule for addresses; without a set, always.
type suppression struct {
	track string
	set   *addrSet
}

func (s *suppression) holds(in *Input) bool {
	if s.set == nil {
		return true
	}
	src, dst := s.set.has(in.Src.Addr()), s.set.has(in.Dst.Addr())
	switch s.track {
	case "by_src":
		return src
	case "by_dst":
		return dst
	}
	return src || dst
}

// rateFilter changes a rule's action for a time after too many matches. The
// sensor is passive, so only pass makes a difference: it silences the rule.
type rateFilter struct {
	spec    thresholdSpec
	pass    bool
	timeout time.Duration
}

// ParseThresholds reads threshold.config: suppress, threshold (or
// event_filter) and rate_filter. It returns what can be used and, by line,
// what cannot.
func ParseThresholds(r io.Reader, file string, vars Vars) (list []Adjustment, refused []Refusal) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxRuleBytes)
	text := ""
	for line := 1; in.Scan(); line++ {
		part := strings.TrimSpace(in.Text())
		if strings.HasPrefix(part, "#") {
			continue
		}
		rest, more := strings.CutSuffix(part, `\`)
		text += rest
		if more && len(text) < maxRuleBytes {
			continue
		}
		if text == "" {
			continue
		}
		a, err := parseAdjustment(text, vars)
		text = ""
		if err == nil && len(list) == maxThresholdLines {
			err = fmt.Errorf("more than %d lines", maxThresholdLines)
		}
		if err != nil {
			refused = append(refused, Refusal{File: file, Line: line, SID: a.sid, Reason: err.Error()})
			continue
		}
		list = append(list, a)
	}
	if in.Err() != nil {
		refused = append(refused, Refusal{File: file, Reason: fmt.Sprintf("read: %v", in.Err())})
	}
	return list, refused
}

// parseAdjustment reads "suppress gen_id 1, sig_id 2, track by_src, ip 10.0.0.0/8".
func parseAdjustment(text string, vars Vars) (Adjustment, error) {
	var a Adjustment
	word, rest, _ := strings.Cut(text, " ")
	parts := map[string]string{}
	var others []string
	for _, part := range splitOutside(rest) {
		key, value, _ := strings.Cut(strings.TrimSpace(part), " ")
		parts[key] = strings.TrimSpace(value)
		switch key {
		case "gen_id", "sig_id", "ip", "new_action", "timeout":
		default:
			others = append(others, part)
		}
	}
	err := parseUint(parts["gen_id"], &a.gid)
	if err == nil {
		err = parseUint(parts["sig_id"], &a.sid)
	}
	if err != nil {
		return a, errors.New("gen_id and sig_id are not numbers")
	}
	switch word {
	case "suppress":
		a.suppress, err = parseSuppression(parts, vars)
	case "threshold", "event_filter":
		a.limit, err = parseThreshold(strings.Join(others, ","), true)
	case "rate_filter":
		a.rate, err = parseRateFilter(parts, strings.Join(others, ","))
	default:
		err = fmt.Errorf("%q is neither suppress, threshold, event_filter nor rate_filter", clip(word))
	}
	return a, err
}

// splitOutside splits at commas outside brackets.
func splitOutside(s string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range s {
		switch c {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return append(out, s[from:])
}

func parseSuppression(parts map[string]string, vars Vars) (*suppression, error) {
	s := &suppression{track: parts["track"]}
	switch s.track {
	case "":
		if parts["ip"] != "" {
			return nil, errors.New("an address needs track")
		}
		return s, nil
	case "by_src", "by_dst", "by_either":
	default:
		return nil, fmt.Errorf("unknown track %q", clip(s.track))
	}
	if parts["ip"] == "" {
		return nil, errors.New("track needs an address")
	}
	var err error
	s.set, err = parseAddrs(parts["ip"], vars)
	return s, err
}

func parseRateFilter(parts map[string]string, rest string) (*rateFilter, error) {
	spec, err := parseThreshold(rest, false)
	if err != nil {
		return nil, err
	}
	n, err := parseInt(parts["timeout"], 0, 365*24*3600)
	if err != nil {
		return nil, fmt.Errorf("timeout: %w", err)
	}
	f := &rateFilter{spec: *spec, timeout: time.Duration(n) * time.Second}
	f.spec.kind = thresholdRate
	switch parts["new_action"] {
	case "pass":
		f.pass = true
	case "alert", "drop", "reject":
	default:
		return nil, fmt.Errorf("unknown action %q", clip(parts["new_action"]))
	}
	return f, nil
}

// adjust gives the rules what threshold.config says of them. A line for one
// rule goes before one for all.
func (e *Engine) adjust(list []Adjustment) {
	for _, r := range e.rules {
		var general *thresholdSpec
		for i := range list {
			a := &list[i]
			if a.gid != 0 && a.gid != r.GID || a.sid != 0 && a.sid != r.SID {
				continue
			}
			switch {
			case a.suppress != nil:
				r.suppress = append(r.suppress, a.suppress)
			case a.rate != nil:
				r.rate = a.rate
			case a.sid == 0:
				general = a.limit
			default:
				r.limit = a.limit
			}
		}
		if r.limit == nil {
			r.limit = general
		}
	}
}

// silenced reports whether threshold.config keeps a match from alerting.
func (e *Engine) silenced(r *Rule, in *Input) bool {
	for _, s := range r.suppress {
		if s.holds(in) {
			return true
		}
	}
	return r.rate != nil && r.rate.pass && e.thresholds.tripped(r.number, r.rate, in)
}
