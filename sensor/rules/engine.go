package rules

import (
	"errors"
	"slices"
)

// Options are what an engine needs beside its rules.
type Options struct {
	// Classifications gives priority and description of classtypes, from
	// ParseClassifications. Without it all rules keep their own.
	Classifications map[string]Classification
	// Adjustments are the lines of threshold.config, from ParseThresholds.
	Adjustments []Adjustment
	// After is the engine that this one takes over from: flowbits, counters,
	// thresholds and xbits go on as they are, and so do the flows' memories.
	After *Engine
}

// Engine holds a compiled set of rules. It does not change and may be used by
// any number of goroutines, each with its own Context.
type Engine struct {
	rules []*Rule
	keys  []keyGroup
	// packetKeys are those of keys that are made of each packet, byBuffer those
	// of a buffer; optional are the rules on transactions that may lack the
	// buffers they name.
	packetKeys []int
	byBuffer   [bufferCount][]int
	optional   []int32
	// tcp, udp, other and stream are the prefilters of plain content, by
	// direction.
	tcp, udp, other, stream [2]plain
	// listedSrc and listedDst index header-only rules by their address list.
	listedSrc, listedDst addrIndex
	// byProto are the rules without contents on rare IP protocols.
	byProto    [256][]int32
	addrSets   int
	duplicates int
	// answers are the second halves among the rules.
	answers    int
	unfiltered int
	// byEvent lists the rules that wait for an event.
	byEvent map[string][]int32
	wants   EventWants
	// joins are the groups that were made of several.
	joins *joins
	// memory is shared with the engine before.
	*memory
	// bitNames and counterNames are by the numbers that memory gave. They are
	// the engine's own: memory changes while the next engine is built.
	bitNames, counterNames []string
}

// keyGroup is the prefilter of one buffer under one chain of transforms.
type keyGroup struct {
	buf   Buffer
	trans []transform
	group
}

// ErrTooManyRules is returned by NewEngine beyond maxRules.
var ErrTooManyRules = errors.New("rules: too many rules for one engine")

const maxRules = 1_000_000

// Stats are figures about an engine.
type Stats struct {
	// Rules run; Duplicates were left out because another rule has their gid
	// and sid in the same or a later revision.
	Rules, Duplicates int
	// Unfiltered rules have no content and are judged on every unit of
	// traffic that has their buffer.
	Unfiltered int
	// Suppressed counts matches that a threshold kept from alerting.
	Suppressed uint64
	// Exhausted counts units of traffic on which the work limit ended the
	// judgement early.
	Exhausted uint64
}

// NewEngine compiles rules. Rules must not be shared between engines.
func NewEngine(rs []*Rule, o Options) (*Engine, error) {
	if len(rs) > maxRules {
		return nil, ErrTooManyRules
	}
	e := &Engine{byEvent: map[string][]int32{}, joins: &joins{made: map[[3]*group]*group{}}}
	if o.After != nil {
		e.memory = o.After.memory
	} else {
		e.memory = newMemory()
	}
	e.rules, e.duplicates = newestRevisions(rs)
	whole := len(e.rules)
	e.rules = withAnswers(e.rules)
	e.answers = len(e.rules) - whole
	for _, r := range e.rules {
		class, ok := o.Classifications[r.Class]
		if !ok {
			continue
		}
		r.Category = class.Description
		if !r.ownPriority {
			r.Priority = class.Priority
		}
	}
	slices.SortStableFunc(e.rules, compareOrder)
	e.adjust(o.Adjustments)
	e.memory.name(e.rules)
	e.bitNames, e.counterNames = table(e.bits), table(e.counters)
	e.nameSets()
	e.buildGroups()
	e.wants.wantFiles(e.keys)
	e.wants.wantStore(e.rules)
	return e, nil
}

// Stats returns the engine's figures.
func (e *Engine) Stats() Stats {
	return Stats{
		Rules: len(e.rules) - e.answers, Duplicates: e.duplicates, Unfiltered: e.unfiltered,
		Suppressed: e.suppressed.Load(), Exhausted: e.exhausted.Load(),
	}
}

// newestRevisions keeps one rule per gid and sid: the highest revision, and
// of equal ones the first.
func newestRevisions(rs []*Rule) (kept []*Rule, dropped int) {
	type id struct{ gid, sid uint32 }
	at := map[id]int{}
	for _, r := range rs {
		key := id{r.GID, r.SID}
		i, ok := at[key]
		if !ok {
			at[key] = len(kept)
			kept = append(kept, r)
			continue
		}
		dropped++
		if r.Rev > kept[i].Rev {
			kept[i] = r
		}
	}
	return kept, dropped
}

// compareOrder is the order of judging: pass rules first, then who sets
// flowbits, who sets and checks, who only checks; then by priority.
func compareOrder(a, b *Rule) int {
	return rank(a) - rank(b)
}

func rank(r *Rule) int {
	n := r.Priority
	if r.checksBits() {
		n += 1 << 9
		if !r.setsBits() {
			n += 1 << 9
		}
	} else if !r.setsBits() {
		n += 1 << 9
	}
	if r.Action != ActionPass {
		n += 1 << 12
	}
	return n
}

// nameSets gives each address set its place in the contexts' memo.
func (e *Engine) nameSets() {
	ids := map[*addrSet]bool{}
	for _, r := range e.rules {
		for _, s := range []*addrSet{r.src, r.dst} {
			if !ids[s] {
				ids[s] = true
				s.id = len(ids) - 1
			}
		}
	}
	e.addrSets = len(ids)
}
