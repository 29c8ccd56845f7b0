package rules

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// CostReport is what a Profile has measured. All times are in nanoseconds of
// the wall clock and include the reading of it, which takes Clock each.
type CostReport struct {
	// Seconds is how long was measured.
	Seconds float64 `json:"seconds"`
	// Loaded rules were in force; Checked ones were judged at least once. The
	// list may hold fewer.
	Loaded  int   `json:"loaded"`
	Checked int   `json:"checked"`
	Clock   int64 `json:"clock_ns"`
	// Found is the time to find the rules that may hold, Judged that to judge
	// them.
	Found  int64 `json:"prefilter_ns"`
	Judged int64 `json:"judge_ns"`
	// The sums over all rules.
	Checks  uint64 `json:"checks"`
	Matches uint64 `json:"matches"`
	Alerts  uint64 `json:"alerts"`

	Rules   []RuleCost   `json:"rules"`
	Buffers []BufferCost `json:"buffers"`
	Groups  []GroupCost  `json:"groups"`
	Views   []ViewCost   `json:"views"`
}

// RuleCost is what one rule has cost. A rule of which both directions are
// judged is one.
type RuleCost struct {
	GID  uint32 `json:"gid"`
	SID  uint32 `json:"sid"`
	Rev  uint32 `json:"rev"`
	Msg  string `json:"signature"`
	File string `json:"file"`
	Line int    `json:"line"`
	// Checks counts how often the rule was judged, Matches how often it held,
	// Alerts how often no threshold, noalert or earlier alert on the same unit
	// kept that back.
	Checks  uint64 `json:"checks"`
	Matches uint64 `json:"matches"`
	Alerts  uint64 `json:"alerts"`
	Time    int64  `json:"time_ns"`
	// Share is its part of the time of all rules, in percent.
	Share float64 `json:"share"`
	Most  int64   `json:"max_ns"`
	// Average is over all checks, the others over those that held or did not.
	Average   int64 `json:"avg_ns"`
	AvgMatch  int64 `json:"avg_match_ns"`
	AvgFailed int64 `json:"avg_no_match_ns"`
}

// BufferCost is what verifying a buffer has cost, over all rules.
type BufferCost struct {
	Buffer  string  `json:"buffer"`
	Checks  uint64  `json:"checks"`
	Matches uint64  `json:"matches"`
	Time    int64   `json:"time_ns"`
	Share   float64 `json:"share"`
	Average int64   `json:"avg_ns"`
}

// GroupCost is what the search for one group's contents has cost: the rules on
// a buffer under the same transforms, or those on the plain content of a port or
// protocol.
type GroupCost struct {
	Group      string  `json:"group"`
	Scans      uint64  `json:"scans"`
	Bytes      uint64  `json:"bytes"`
	Candidates uint64  `json:"candidates"`
	Time       int64   `json:"time_ns"`
	Share      float64 `json:"share"`
}

// ViewCost is what the units of one view have cost.
type ViewCost struct {
	View       string `json:"view"`
	Units      uint64 `json:"units"`
	Candidates uint64 `json:"candidates"`
	Matches    uint64 `json:"matches"`
	Found      int64  `json:"prefilter_ns"`
	Judged     int64  `json:"judge_ns"`
}

// CostOrder says by what a report is sorted, most first.
type CostOrder string

// The orders. Average and most are times as well.
const (
	ByTime    CostOrder = "time"
	ByAverage CostOrder = "avg"
	ByMost    CostOrder = "max"
	ByChecks  CostOrder = "checks"
	ByMatches CostOrder = "matches"
)

// ErrCostOrder means that a report cannot be sorted so.
var ErrCostOrder = errors.New("rules are sorted by time, avg, max, checks or matches")

func (o CostOrder) of(c *RuleCost) (uint64, error) {
	switch o {
	case ByTime, "":
		return uint64(c.Time), nil
	case ByAverage:
		return uint64(c.Average), nil
	case ByMost:
		return uint64(c.Most), nil
	case ByChecks:
		return c.Checks, nil
	case ByMatches:
		return c.Matches, nil
	}
	return 0, fmt.Errorf("%w, not by %q", ErrCostOrder, o)
}

// Valid returns ErrCostOrder for an order that does not exist.
func (o CostOrder) Valid() error {
	_, err := o.of(&RuleCost{})
	return err
}

// Report sums up what was measured so far, at most that many rules and groups;
// zero is all.
func (p *Profile) Report(order CostOrder, rows int) (CostReport, error) {
	err := order.Valid()
	if err != nil {
		return CostReport{}, err
	}
	e := p.engine
	sum := p.sum()
	r := CostReport{Seconds: time.Since(p.began).Seconds(), Loaded: len(e.rules) - e.answers, Clock: clockCost()}
	for v, c := range sum.views {
		r.Found += int64(c.found)
		r.Judged += int64(c.judged)
		r.Views = append(r.Views, ViewCost{
			View: View(v).String(), Units: c.units, Candidates: c.candidates, Matches: c.matches, Found: int64(c.found), Judged: int64(c.judged),
		})
	}
	r.Rules = e.ruleCosts(sum.rules)
	r.Checked = len(r.Rules)
	for i := range r.Rules {
		c := &r.Rules[i]
		r.Checks, r.Matches, r.Alerts = r.Checks+c.Checks, r.Matches+c.Matches, r.Alerts+c.Alerts
		c.Share = percent(c.Time, r.Judged)
	}
	r.Buffers = bufferCosts(&sum.buffers)
	r.Groups = e.groupCosts(sum.groups, r.Found)
	slices.SortStableFunc(r.Rules, func(a, b RuleCost) int {
		// The order is valid.
		x, _ := order.of(&a)
		y, _ := order.of(&b)
		return cmp.Or(cmp.Compare(y, x), cmp.Compare(b.Time, a.Time))
	})
	if rows > 0 {
		r.Rules, r.Groups = r.Rules[:min(rows, len(r.Rules))], r.Groups[:min(rows, len(r.Groups))]
	}
	return r, nil
}

// sum adds the meters.
func (p *Profile) sum() *meter {
	total := &meter{rules: make([]ruleCost, len(p.engine.rules)), groups: map[*group]*groupCost{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.meters {
		m.mu.Lock()
		total.take(m)
		m.mu.Unlock()
	}
	return total
}

func (m *meter) take(o *meter) {
	for i := range o.rules {
		m.rules[i].take(&o.rules[i])
	}
	for i := range o.buffers {
		a, b := &m.buffers[i], &o.buffers[i]
		a.checks, a.matches, a.spent = a.checks+b.checks, a.matches+b.matches, a.spent+b.spent
	}
	for g, b := range o.groups {
		a := m.groups[g]
		if a == nil {
			a = &groupCost{}
			m.groups[g] = a
		}
		a.scans, a.bytes, a.candidates, a.spent = a.scans+b.scans, a.bytes+b.bytes, a.candidates+b.candidates, a.spent+b.spent
	}
	for i := range o.views {
		a, b := &m.views[i], &o.views[i]
		a.units, a.candidates, a.matches = a.units+b.units, a.candidates+b.candidates, a.matches+b.matches
		a.found, a.judged = a.found+b.found, a.judged+b.judged
	}
}

func (c *ruleCost) take(o *ruleCost) {
	c.checks, c.matches, c.alerts = c.checks+o.checks, c.matches+o.matches, c.alerts+o.alerts
	c.spent, c.held, c.most = c.spent+o.spent, c.held+o.held, max(c.most, o.most)
}

// ruleCosts are those of the rules that were judged, halves put together.
func (e *Engine) ruleCosts(costs []ruleCost) []RuleCost {
	type id struct{ gid, sid uint32 }
	whole, first := map[id]*ruleCost{}, map[id]*Rule{}
	var order []id
	for i, c := range costs {
		if c.checks == 0 {
			continue
		}
		r := e.rules[i]
		k := id{r.GID, r.SID}
		if whole[k] == nil {
			whole[k], first[k] = &ruleCost{}, r
			order = append(order, k)
		}
		whole[k].take(&c)
	}
	list := make([]RuleCost, 0, len(order))
	for _, k := range order {
		r, c := first[k], whole[k]
		list = append(list, RuleCost{
			GID: r.GID, SID: r.SID, Rev: r.Rev, Msg: r.Msg, File: r.File, Line: r.Line,
			Checks: c.checks, Matches: c.matches, Alerts: c.alerts, Time: int64(c.spent), Most: int64(c.most),
			Average: per(c.spent, c.checks), AvgMatch: per(c.held, c.matches), AvgFailed: per(c.spent-c.held, c.checks-c.matches),
		})
	}
	return list
}

func bufferCosts(costs *[bufferCount]bufferCost) []BufferCost {
	list, all := []BufferCost{}, time.Duration(0)
	for _, c := range costs {
		all += c.spent
	}
	for b, c := range costs {
		if c.checks > 0 {
			list = append(list, BufferCost{
				Buffer: Buffer(b).String(), Checks: c.checks, Matches: c.matches, Time: int64(c.spent),
				Share: percent(int64(c.spent), int64(all)), Average: per(c.spent, c.checks),
			})
		}
	}
	slices.SortStableFunc(list, func(a, b BufferCost) int { return cmp.Compare(b.Time, a.Time) })
	return list
}

func (e *Engine) groupCosts(costs map[*group]*groupCost, all int64) []GroupCost {
	list := []GroupCost{}
	e.eachGroup(func(name string, g *group) {
		c := costs[g]
		if c == nil {
			return
		}
		// A group of many ports is named by the first.
		delete(costs, g)
		list = append(list, GroupCost{
			Group: name, Scans: c.scans, Bytes: c.bytes, Candidates: c.candidates, Time: int64(c.spent), Share: percent(int64(c.spent), all),
		})
	})
	slices.SortStableFunc(list, func(a, b GroupCost) int { return cmp.Compare(b.Time, a.Time) })
	return list
}

// eachGroup calls f with all prefilters by name.
func (e *Engine) eachGroup(f func(name string, g *group)) {
	for i := range e.keys {
		k := &e.keys[i]
		name := k.buf.String()
		for _, t := range k.trans {
			name += " " + t.name
		}
		f(name, &k.group)
	}
	for name, plains := range map[string]*[2]plain{"tcp packets": &e.tcp, "udp packets": &e.udp, "other packets": &e.other, "tcp streams": &e.stream} {
		for i, way := range [...]string{"to server", "to client"} {
			p := &plains[i]
			f(name+" "+way, &p.any)
			for app, g := range p.app {
				f(name+" "+way+", "+app, g)
			}
			p.dst.each(name+" "+way+", to port ", f)
			p.src.each(name+" "+way+", from port ", f)
		}
	}
}

func (p *ports) each(name string, f func(string, *group)) {
	for i, g := range p.groups {
		if g != nil {
			f(fmt.Sprint(name, p.starts[i]), g)
		}
	}
}

func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part*10000/whole) / 100
}

func per(d time.Duration, n uint64) int64 {
	if n == 0 {
		return 0
	}
	return int64(d) / int64(n)
}

// clockCost measures what one look at the clock takes.
func clockCost() int64 {
	const looks = 1000
	began := time.Now()
	for range looks {
		_ = time.Now()
	}
	return int64(time.Since(began)) / looks
}
