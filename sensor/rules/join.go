package rules

import (
	"sync"
	"unsafe"
)

// A unit of traffic meets up to three groups: those for its protocol and for
// its two ports. Where the same ones are met again and again, one group is made
// of them, so that the bytes are read once.

const (
	// maxJoins bounds the groups that are made, each of some hundred kilobytes
	// at most; traffic has few protocols on few ports.
	maxJoins = 48
	// joinAfter is how often groups must have been met together.
	joinAfter = 256
	// joinedSlots is how many of them a context keeps at hand.
	joinedSlots = 64
)

// joins are the groups that an engine has made of several. Workers share them.
type joins struct {
	mu   sync.Mutex
	made map[[3]*group]*group
}

// joinedGroups is a context's slot: groups that were met together, how often,
// and what was made of them.
type joinedGroups struct {
	of   [3]*group
	met  int
	join *group
}

// groups are those that a unit of traffic meets; some may be nil.
func (ctx *Context) groups(p *plain, in *Input) [3]*group {
	of := p.groups(in)
	if of[1] == nil && of[2] == nil {
		return of
	}
	s := &ctx.joined[slotOf(of)]
	if s.of != of {
		*s = joinedGroups{of: of}
	}
	if s.join != nil {
		return [3]*group{s.join}
	}
	s.met++
	if s.met == joinAfter {
		s.join = ctx.engine.joins.get(of)
	}
	return of
}

// slotOf spreads groups over the slots by where they are in memory.
func slotOf(of [3]*group) int {
	h := uintptr(0)
	for _, g := range of {
		h = (h + uintptr(unsafe.Pointer(g))>>4) * hashFactor
	}
	return int(uint32(h) >> 26)
}

// get returns the group made of several, or nil when there are enough.
func (j *joins) get(of [3]*group) *group {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := j.made[of]
	if g != nil || len(j.made) >= maxJoins {
		return g
	}
	g = join(of[:])
	j.made[of] = g
	return g
}

// join makes one group of several.
func join(of []*group) *group {
	b := newGroupBuilder()
	for _, g := range of {
		if g == nil {
			continue
		}
		b.always = append(b.always, g.always...)
		if g.matcher != nil {
			b.join(g.matcher)
		}
	}
	built := b.build()
	return &built
}

// join adds the patterns of a matcher.
func (b *matcherBuilder) join(m *matcher) {
	b.limit = max(b.limit, m.nearLimit)
	exact := map[int32][]byte{}
	for _, n := range m.needles {
		exact[n.pat] = n.text
	}
	for id, at := range m.places {
		w := wanted{text: string(m.pattern(int32(id))), place: at}
		if text, ok := exact[int32(id)]; ok {
			w.text, w.exact = string(text), true
		}
		b.put(w, m.usersOf(int32(id))...)
	}
}
