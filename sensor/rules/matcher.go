package rules

import (
	"bytes"
	"slices"
)

// matcher finds which of many patterns occur in some bytes, without regard to
// case: those that may stand anywhere, those near the beginning, and those at
// the end, each kind in the way that costs least.
type matcher struct {
	// text holds the patterns one after another, in lower case; ends says
	// where each ends. users lists who asked for each, and userEnds where each
	// one's users end.
	text     []byte
	ends     []uint32
	users    []int32
	userEnds []uint32
	// places says where each pattern stands.
	places []place

	// anywhere or, where Hyperscan is built in and there are enough of them,
	// library has those that may stand anywhere.
	anywhere []*windows
	library  *library
	// near is for the first nearLimit bytes; start and end for their very
	// place.
	near       *windows
	nearLimit  int
	start, end *edges
	startLimit int
	// needles are short patterns in their own case, searched one by one.
	needles []needle
	// longest is the length of the longest pattern that may stand anywhere.
	longest int
}

// needle is a short pattern that counts in its own case only.
type needle struct {
	text []byte
	pat  int32
}

// place says where in the data a pattern stands.
type place uint8

const (
	anywhere place = iota
	nearStart
	atStart
	atEnd
)

const (
	// maxNear is how far from the beginning a pattern counts as near it.
	maxNear = 128
	// maxPattern is how much of a pattern that may stand anywhere is looked
	// for.
	maxPattern = 32
	// shortPattern is the length below which a pattern tells little, maxNeedles
	// how many of those are searched one by one.
	shortPattern = 4
	maxNeedles   = 8
	// longPattern is the length from which a pattern has four windows of four
	// bytes.
	longPattern = 7
	// minLibrary is the number of patterns from which Hyperscan takes them: a
	// call of it costs as much as a scan for few.
	minLibrary = 32
)

// matcherBuilder collects patterns; equal ones are kept once.
type matcherBuilder struct {
	index map[wanted]int
	list  []wanted
	users [][]int32
	limit int
	// plain keeps from using Hyperscan.
	plain bool
}

// wanted is a pattern; exact keeps its case.
type wanted struct {
	text  string
	place place
	exact bool
}

func newMatcherBuilder() *matcherBuilder {
	return &matcherBuilder{index: map[wanted]int{}}
}

// add asks for a content on behalf of a rule.
func (b *matcherBuilder) add(s seek, rule int32) {
	w := wanted{place: s.place}
	folded := make([]byte, len(s.pattern))
	for i, c := range s.pattern {
		folded[i] = fold[c]
	}
	if s.place == anywhere && len(folded) > maxPattern {
		folded = folded[:maxPattern]
	}
	if s.place == nearStart {
		b.limit = max(b.limit, s.limit)
	}
	if s.exact && s.place == anywhere && len(folded) < shortPattern {
		w.exact = true
		copy(folded, s.pattern)
	}
	w.text = string(folded)
	b.put(w, rule)
}

// put adds the rules that want a pattern.
func (b *matcherBuilder) put(w wanted, rules ...int32) {
	i, ok := b.index[w]
	if !ok {
		i = len(b.list)
		b.index[w] = i
		b.list = append(b.list, w)
		b.users = append(b.users, nil)
	}
	b.users[i] = append(b.users[i], rules...)
}

func (b *matcherBuilder) build() *matcher {
	if b == nil || len(b.list) == 0 {
		return nil
	}
	m := &matcher{nearLimit: b.limit}
	var at [4][]int32
	for i, w := range b.list {
		m.text = append(m.text, w.text...)
		m.ends = append(m.ends, uint32(len(m.text)))
		m.users = append(m.users, b.users[i]...)
		m.places = append(m.places, w.place)
		m.userEnds = append(m.userEnds, uint32(len(m.users)))
		at[w.place] = append(at[w.place], int32(i))
		switch w.place {
		case anywhere:
			m.longest = max(m.longest, len(w.text))
		case atStart:
			m.startLimit = max(m.startLimit, len(w.text))
		}
	}
	at[anywhere] = m.pickNeedles(b.list, at[anywhere])
	m.text, m.ends, m.users, m.userEnds = slices.Clip(m.text), slices.Clip(m.ends), slices.Clip(m.users), slices.Clip(m.userEnds)
	if hasLibrary && !b.plain && len(at[anywhere]) >= minLibrary {
		m.library = newLibrary(m, at[anywhere])
	}
	if m.library == nil {
		m.anywhere = m.byLength(at[anywhere])
	}
	if near := at[nearStart]; len(near) > 0 {
		m.near = newWindows(m, near, m.shortest(near))
	}
	m.start, m.end = newEdges(m, at[atStart], false), newEdges(m, at[atEnd], true)
	return m
}

// pickNeedles takes out the short patterns that are best searched by
// themselves, if they are few: a table that must know them would look at all
// places of the data.
func (m *matcher) pickNeedles(list []wanted, pats []int32) (rest []int32) {
	var needles []needle
	short := 0
	for _, id := range pats {
		w := list[id]
		switch {
		case w.exact:
			needles = append(needles, needle{[]byte(w.text), id})
			continue
		case len(w.text) < shortPattern:
			short++
		}
		rest = append(rest, id)
	}
	if short == 0 && len(needles) <= maxNeedles {
		m.needles = needles
		return rest
	}
	for _, n := range needles {
		for i, c := range m.pattern(n.pat) {
			m.pattern(n.pat)[i] = fold[c]
		}
	}
	return pats
}

// byLength sets patterns of different lengths apart, because the shortest one of
// a table says how many places of the data a scan can pass over, and how telling
// the windows are that it looks for.
func (m *matcher) byLength(pats []int32) []*windows {
	var kinds [3][]int32
	for _, id := range pats {
		switch n := m.length(id); {
		case n < shortPattern:
			kinds[0] = append(kinds[0], id)
		case n < longPattern:
			kinds[1] = append(kinds[1], id)
		default:
			kinds[2] = append(kinds[2], id)
		}
	}
	var out []*windows
	for _, list := range kinds {
		if len(list) > 0 {
			out = append(out, newWindows(m, list, m.shortest(list)))
		}
	}
	return out
}

func (m *matcher) shortest(pats []int32) int {
	n := maxContentBytes
	for _, id := range pats {
		n = min(n, m.length(id))
	}
	return n
}

func (m *matcher) pattern(id int32) []byte {
	from := uint32(0)
	if id > 0 {
		from = m.ends[id-1]
	}
	return m.text[from:m.ends[id]]
}

func (m *matcher) length(id int32) int { return len(m.pattern(id)) }

// scan makes candidates of the rules whose pattern occurs in data. Base is the
// place of data's start in its stream; what stands before fresh was scanned
// already.
func (m *matcher) scan(data []byte, base, fresh int, ctx *Context) {
	if len(data) > 0 {
		m.scanPlaces(data, base, fresh, ctx)
		m.scanAnywhere(data, fresh, ctx)
	}
}

// scanPlaces is the part of scan that reads the ends of the data.
func (m *matcher) scanPlaces(data []byte, base, fresh int, ctx *Context) {
	if m.end != nil {
		m.end.scan(m, data, ctx)
	}
	if m.start != nil && base == 0 && fresh < m.startLimit {
		m.start.scan(m, data, ctx)
	}
	if m.near != nil && fresh < m.nearLimit-base {
		m.near.scan(m, data[:min(len(data), m.nearLimit-base)], ctx)
	}
}

// scanAnywhere is the part of scan that reads all of the data.
func (m *matcher) scanAnywhere(data []byte, fresh int, ctx *Context) {
	from := max(0, fresh-m.longest+1)
	for _, n := range m.needles {
		if bytes.Contains(data[from:], n.text) {
			ctx.addRules(m.usersOf(n.pat))
		}
	}
	if m.library != nil {
		m.library.scan(m, data[from:], ctx)
	}
	for _, w := range m.anywhere {
		w.scan(m, data[from:], ctx)
	}
}

// confirm makes candidates of a pattern's users if it stands at a place. A
// rule has one pattern in each unit of traffic, so the first user tells
// whether that was found before.
func (m *matcher) confirm(id int32, data []byte, at int, ctx *Context) {
	users := m.usersOf(id)
	if at < 0 || ctx.ruleSeen[users[0]] == ctx.generation || !hasFolded(data[at:], m.pattern(id)) {
		return
	}
	ctx.addRules(users)
}

func (m *matcher) usersOf(id int32) []int32 {
	from := uint32(0)
	if id > 0 {
		from = m.userEnds[id-1]
	}
	return m.users[from:m.userEnds[id]]
}

func hasFolded(data, pattern []byte) bool {
	if len(data) < len(pattern) {
		return false
	}
	for i, c := range pattern {
		if fold[data[i]] != c {
			return false
		}
	}
	return true
}
