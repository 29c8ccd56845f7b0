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
	// packetKeys are those of keys that are made of each packet; optional are
	// the rules on transactions that may lack the buffers they name.
	packetKeys []int
	optional   []int32
	// tcp, other and stream are the prefilters of plain content.
	tcp, other, stream group
	// listedSrc and listedDst index header-only rules by their address list;
	// headerOnly are those without one.
	listedSrc, listedDst addrIndex
	headerOnly           []int32
	addrSets             int
	duplicates           int
	// byEvent lists the rules that wait for an event.
	byEvent map[string][]int32
	wants   EventWants
	// memory is shared with the engine before.
	*memory
}

// group is a prefilter with the rules that it cannot serve: those without a
// positive content in that buffer.
type group struct {
	matcher *matcher
	always  []int32
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
	e := &Engine{byEvent: map[string][]int32{}}
	if o.After != nil {
		e.memory = o.After.memory
	} else {
		e.memory = newMemory()
	}
	e.rules, e.duplicates = newestRevisions(rs)
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
	e.nameSets()
	e.buildGroups()
	e.wants.wantFiles(e.keys)
	return e, nil
}

// Stats returns the engine's figures.
func (e *Engine) Stats() Stats {
	s := Stats{Rules: len(e.rules), Duplicates: e.duplicates, Suppressed: e.suppressed.Load(), Exhausted: e.exhausted.Load()}
	s.Unfiltered = len(e.headerOnly) + len(e.optional) + len(e.tcp.always) + len(e.other.always) + len(e.stream.always)
	for i := range e.keys {
		s.Unfiltered += len(e.keys[i].always)
	}
	return s
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

// buildGroups puts every rule into the prefilters of its views.
func (e *Engine) buildGroups() {
	builders := []*matcherBuilder{}
	tcp, other, stream := newMatcherBuilder(), newMatcherBuilder(), newMatcherBuilder()
	var srcSpans, dstSpans [2][]ruleSpan
	for i, r := range e.rules {
		id := int32(i)
		for j := range r.lists {
			r.lists[j].key = e.key(&r.lists[j], &builders)
		}
		if len(r.events) > 0 {
			e.placeEvent(r, id)
			continue
		}
		if r.flow.views&(1<<ViewTransaction) != 0 {
			e.place(r, id, builders)
			continue
		}
		at := slices.IndexFunc(r.lists, func(l bufferList) bool { return l.buf == BufferPayload })
		if at < 0 && len(r.lists) > 0 {
			e.place(r, id, builders)
			continue
		}
		if at < 0 {
			r.ipOnly = r.proto.ip == ipAny && r.proto.version == 0 && len(r.packet) == 0 && r.flow == (flowSpec{views: r.flow.views}) && !r.checksBits()
			e.placeHeaderOnly(r, id, &srcSpans, &dstSpans)
			continue
		}
		fast := fastContent(&r.lists[at])
		if r.flow.views&(1<<ViewPacket) != 0 {
			if r.proto.ip&ipTCP != 0 && !r.flow.tcpStreamOnly {
				e.tcp.put(tcp, fast, id)
			}
			if r.proto.ip&^ipTCP != 0 {
				e.other.put(other, fast, id)
			}
		}
		if r.flow.views&(1<<ViewStream) != 0 {
			e.stream.put(stream, fast, id)
		}
	}
	for i := range e.keys {
		e.keys[i].matcher = builders[i].build()
		if bufferTable[e.keys[i].buf].packet {
			e.packetKeys = append(e.packetKeys, i)
		}
	}
	e.tcp.matcher, e.other.matcher, e.stream.matcher = tcp.build(), other.build(), stream.build()
	e.listedSrc = addrIndex{newCells(srcSpans[0]), newCells(srcSpans[1])}
	e.listedDst = addrIndex{newCells(dstSpans[0]), newCells(dstSpans[1])}
}

// key numbers a buffer with its transforms. Number 0 is the payload.
func (e *Engine) key(l *bufferList, builders *[]*matcherBuilder) int {
	if l.buf == BufferPayload {
		return 0
	}
	for i := range e.keys {
		if e.keys[i].buf == l.buf && sameTransforms(e.keys[i].trans, l.trans) {
			return i + 1
		}
	}
	e.keys = append(e.keys, keyGroup{buf: l.buf, trans: l.trans})
	*builders = append(*builders, newMatcherBuilder())
	return len(e.keys)
}

// place puts a transaction rule under the most telling content of its
// buffers; without one, under its first buffer.
func (e *Engine) place(r *Rule, id int32, builders []*matcherBuilder) {
	bestKey := 0
	var best *content
	for i := range r.lists {
		l := &r.lists[i]
		if l.buf == BufferPayload || l.optional() {
			continue
		}
		if bestKey == 0 {
			bestKey = l.key
		}
		c := fastContent(l)
		if c != nil && (best == nil || !best.fast && (c.fast || len(c.pattern) > len(best.pattern))) {
			best, bestKey = c, l.key
		}
	}
	if bestKey == 0 {
		e.optional = append(e.optional, id)
		return
	}
	e.keys[bestKey-1].put(builders[bestKey-1], best, id)
}

func (g *group) put(b *matcherBuilder, c *content, id int32) {
	if c == nil {
		g.always = append(g.always, id)
		return
	}
	p := c.pattern
	if c.fastLength > 0 {
		p = p[c.fastFrom : c.fastFrom+c.fastLength]
	}
	b.add(p, id)
}

// fastContent is the content that a rule's author marked, else the longest.
func fastContent(l *bufferList) *content {
	var best *content
	for i := range l.items {
		c := l.items[i].content
		if c == nil || c.negated {
			continue
		}
		if best == nil || !best.fast && (c.fast || len(c.pattern) > len(best.pattern)) {
			best = c
		}
	}
	return best
}

// placeHeaderOnly indexes a rule by its shorter address list, if it has one.
func (e *Engine) placeHeaderOnly(r *Rule, id int32, src, dst *[2][]ruleSpan) {
	set, into := r.src, src
	if !set.listed() {
		set, into = r.dst, dst
	}
	if r.bidir || !set.listed() {
		e.headerOnly = append(e.headerOnly, id)
		return
	}
	for _, s := range set.v4 {
		into[0] = append(into[0], ruleSpan{s, id})
	}
	for _, s := range set.v6 {
		into[1] = append(into[1], ruleSpan{s, id})
	}
}
