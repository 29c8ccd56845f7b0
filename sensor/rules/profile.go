package rules

import (
	"sync"
	"time"
)

// Profile measures what the rules of an engine cost: how often each is judged,
// how often it holds, and for how long. Contexts that are in no profile read no
// clock and count nothing.
type Profile struct {
	engine *Engine
	began  time.Time

	// mu guards meters.
	mu     sync.Mutex
	meters []*meter
}

// NewProfile begins to measure; contexts are put in by Measure.
func (e *Engine) NewProfile() *Profile { return &Profile{engine: e, began: time.Now()} }

// Measure puts a context of the profile's engine into the profile. What other
// engines' contexts do is not measured.
func (p *Profile) Measure(ctx *Context) {
	if ctx.engine != p.engine {
		return
	}
	m := &meter{rules: make([]ruleCost, len(p.engine.rules)), groups: map[*group]*groupCost{}}
	ctx.meter = m
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meters = append(p.meters, m)
}

// meter takes the measures of one context. Its lock is for the report: only one
// goroutine at a time measures.
type meter struct {
	mu      sync.Mutex
	rules   []ruleCost
	buffers [bufferCount]bufferCost
	groups  map[*group]*groupCost
	views   [viewCount]viewCost
}

// ruleCost is what one rule has cost; held is the part of spent on what held.
type ruleCost struct {
	checks, matches, alerts uint64
	spent, held, most       time.Duration
}

// bufferCost is what verifying one buffer has cost.
type bufferCost struct {
	checks, matches uint64
	spent           time.Duration
}

// groupCost is what one prefilter has cost.
type groupCost struct {
	scans, bytes, candidates uint64
	spent                    time.Duration
}

// viewCost is what the units of one view have cost: finding candidates, and
// judging them.
type viewCost struct {
	units, candidates, matches uint64
	found, judged              time.Duration
}

func (c *ruleCost) add(spent time.Duration, holds bool, alerts int) {
	c.checks++
	c.alerts += uint64(alerts)
	c.spent += spent
	c.most = max(c.most, spent)
	if holds {
		c.matches++
		c.held += spent
	}
}

// inspect is Engine.Inspect with a look at the clock around each rule.
func (m *meter) inspect(e *Engine, ctx *Context, in *Input) []Match {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := time.Now()
	e.gather(ctx, in)
	last := time.Now()
	v := &m.views[in.View]
	v.units++
	v.candidates += uint64(len(ctx.candidates))
	v.found += last.Sub(began)
	began = last
	for _, id := range ctx.candidates {
		r, alerts := e.rules[id], len(ctx.matches)
		holds := e.judge(ctx, in, r)
		now := time.Now()
		m.rules[id].add(now.Sub(last), holds, len(ctx.matches)-alerts)
		last = now
		if holds {
			v.matches++
		}
		if holds && r.Action == ActionPass {
			v.judged += last.Sub(began)
			return passed(in)
		}
	}
	v.judged += last.Sub(began)
	return e.judged(ctx, in)
}

// scan is Engine.Scan measured.
func (m *meter) scan(e *Engine, ctx *Context, in *Input) {
	m.mu.Lock()
	defer m.mu.Unlock()
	began := time.Now()
	e.scan(ctx, in)
	m.views[in.View].found += time.Since(began)
}

// listsHold is Context.listsHold with a look at the clock around each buffer.
func (m *meter) listsHold(ctx *Context, r *Rule) bool {
	last := time.Now()
	for i := range r.lists {
		l := &r.lists[i]
		holds := ctx.listHolds(l)
		now := time.Now()
		c := &m.buffers[l.buf]
		c.checks++
		c.spent += now.Sub(last)
		last = now
		if !holds {
			return false
		}
		c.matches++
	}
	return true
}

// prefilter is Context.prefilter measured.
func (m *meter) prefilter(ctx *Context, g *group, s *subject, fresh int) {
	c := m.groups[g]
	if c == nil {
		c = &groupCost{}
		m.groups[g] = c
	}
	had, began := len(ctx.candidates), time.Now()
	g.prefilter(ctx, s, fresh)
	c.spent += time.Since(began)
	c.scans++
	c.bytes += uint64(max(0, len(s.raw)-fresh))
	c.candidates += uint64(len(ctx.candidates) - had)
}
