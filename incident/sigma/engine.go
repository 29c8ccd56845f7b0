package sigma

import (
	"fmt"

	"github.com/antin-gov/antin/internal/event"
)

// Engine evaluates many rules over events. It does not change after
// NewEngine and may be used by any number of goroutines.
type Engine struct {
	mapping *Mapping
	byType  map[string]*bucket
	unfed   []Unfed
	count   int
}

// Unfed is a rule that the engine does not evaluate, with the reason.
type Unfed struct {
	Rule   *Rule
	Reason string
}

// bucket holds the rules for one event type.
type bucket struct {
	groups []*group
}

// group holds the rules of one log source in a bucket: they see the same
// fields, so they share look-ups and literal indexes.
type group struct {
	source *Source
	rules  []*Rule
	// always are the rules without a literal.
	always  []int
	indexes map[string]*literalIndex
}

// NewEngine prepares the rules that the mapping feeds. The others are listed
// by Unfed.
func NewEngine(rules []*Rule, m *Mapping) (*Engine, error) {
	if m == nil {
		return nil, fmt.Errorf("sigma: engine without a mapping")
	}
	e := &Engine{mapping: m, byType: map[string]*bucket{}}
	for _, r := range rules {
		reason := m.unfed(r)
		if reason != "" {
			e.unfed = append(e.unfed, Unfed{r, reason})
			continue
		}
		e.count++
		s := m.source(r.LogSource)
		atoms := witness(r.cond)
		for _, typ := range s.Events {
			e.group(typ, s).add(r, atoms)
		}
	}
	for _, b := range e.byType {
		for _, g := range b.groups {
			for _, x := range g.indexes {
				x.build()
			}
		}
	}
	return e, nil
}

// Len is the number of rules that are evaluated.
func (e *Engine) Len() int { return e.count }

// Unfed lists the rules that are not evaluated.
func (e *Engine) Unfed() []Unfed { return e.unfed }

func (e *Engine) group(typ string, s *Source) *group {
	b := e.byType[typ]
	if b == nil {
		b = &bucket{}
		e.byType[typ] = b
	}
	for _, g := range b.groups {
		if g.source == s {
			return g
		}
	}
	g := &group{source: s, indexes: map[string]*literalIndex{}}
	b.groups = append(b.groups, g)
	return g
}

func (g *group) add(r *Rule, atoms []atom) {
	id := len(g.rules)
	g.rules = append(g.rules, r)
	if atoms == nil {
		g.always = append(g.always, id)
		return
	}
	for _, a := range atoms {
		x := g.indexes[a.field]
		if x == nil {
			x = newLiteralIndex()
			g.indexes[a.field] = x
		}
		x.add(a.literal, id)
	}
}

// Eval returns the rules that the event meets, in the order in which they
// were given within a log source.
func (e *Engine) Eval(ev *event.Event) []Match {
	b := e.byType[ev.Type]
	if b == nil {
		return nil
	}
	var out []Match
	for _, g := range b.groups {
		v := newEvaluation(mapped{e.mapping, g.source, Fields(ev.Fields)})
		candidates := g.candidates(v)
		for id, r := range g.rules {
			if candidates[id] && r.cond.eval(v) {
				out = append(out, Match{Rule: r})
			}
		}
	}
	return out
}

func (g *group) candidates(v *evaluation) []bool {
	is := make([]bool, len(g.rules))
	for _, id := range g.always {
		is[id] = true
	}
	mark := func(id int) { is[id] = true }
	for field, x := range g.indexes {
		values, _ := v.lookup(field)
		if field == "" {
			values = v.everything()
		}
		for i := range values {
			x.find(values[i].lower(), mark)
		}
	}
	return is
}

// EvalRule evaluates one rule over one record: an EVE record, whose fields
// are found through the built-in mapping and whose type must be one that feeds
// the rule's log source, or any other JSON object with the rule's own field
// names. It fails with ErrUnsupported or ErrUnfed when the rule cannot be
// evaluated.
func EvalRule(r *Rule, fields map[string]any) (bool, error) {
	if r.unsupported != "" {
		return false, fmt.Errorf("%w: %s", ErrUnsupported, r.unsupported)
	}
	typ, isEVE := fields["event_type"].(string)
	if !isEVE {
		return r.cond.eval(newEvaluation(Fields(fields))), nil
	}
	m, err := DefaultMapping()
	if err != nil {
		return false, err
	}
	reason := m.unfed(r)
	if reason != "" {
		return false, fmt.Errorf("%w: %s", ErrUnfed, reason)
	}
	s := m.source(r.LogSource)
	for _, t := range s.Events {
		if t == typ {
			return r.cond.eval(newEvaluation(mapped{m, s, Fields(fields)})), nil
		}
	}
	return false, nil
}
