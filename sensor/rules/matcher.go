package rules

import "math/bits"

// matcher finds which of many patterns occur in some bytes, without regard to
// case. Each pattern of four bytes or more is known by one four-byte window of
// it, chosen to be rare among the patterns; a scan looks up each window of the
// data in a bitmap that fits the cache and compares a pattern only where its
// window stands. That is the idea of Wu and Manber turned round: no state
// machine, memory in proportion to the patterns, and a cost per byte that
// does not grow with their number.
type matcher struct {
	patterns [][]byte
	// rules lists by pattern who asked for it.
	rules [][]int32

	shift   uint32
	bitmap  []uint64
	heads   []int32
	windows []window

	// short holds the patterns of one byte by value and those of two or three
	// by their first two bytes.
	short1     *[256][]int32
	short1On   [256]bool
	short2     [][]int32
	short2On   []uint64
	short2Rank []uint16
}

type window struct {
	value uint32
	at    int32
	pat   int32
	next  int32
}

const (
	windowBytes = 4
	// hashFactor is Knuth's multiplier for 32 bits.
	hashFactor = 0x9E3779B1
	// minHashBits and maxHashBits bound the table: 1 KiB to 4 MiB.
	minHashBits, maxHashBits = 8, 20
)

// matcherBuilder collects patterns; equal ones are kept once.
type matcherBuilder struct {
	index map[string]int32
	m     matcher
}

func newMatcherBuilder() *matcherBuilder {
	return &matcherBuilder{index: map[string]int32{}}
}

func (b *matcherBuilder) add(pattern []byte, rule int32) {
	folded := make([]byte, len(pattern))
	for i, c := range pattern {
		folded[i] = fold[c]
	}
	id, ok := b.index[string(folded)]
	if !ok {
		id = int32(len(b.m.patterns))
		b.index[string(folded)] = id
		b.m.patterns = append(b.m.patterns, folded)
		b.m.rules = append(b.m.rules, nil)
	}
	b.m.rules[id] = append(b.m.rules[id], rule)
}

func windowAt(p []byte, at int) uint32 {
	return uint32(p[at])<<24 | uint32(p[at+1])<<16 | uint32(p[at+2])<<8 | uint32(p[at+3])
}

func (b *matcherBuilder) build() *matcher {
	m := &b.m
	if len(m.patterns) == 0 {
		return nil
	}
	uses := map[uint32]int{}
	for _, p := range m.patterns {
		for at := 0; at+windowBytes <= len(p); at++ {
			uses[windowAt(p, at)]++
		}
	}
	hashBits := min(max(bits.Len(uint(len(m.patterns)*16)), minHashBits), maxHashBits)
	m.shift = uint32(32 - hashBits)
	m.bitmap = make([]uint64, 1<<hashBits/64)
	m.heads = make([]int32, 1<<hashBits)
	pairs := map[uint16][]int32{}
	for id, p := range m.patterns {
		if len(p) < windowBytes {
			m.addShort(int32(id), p, pairs)
			continue
		}
		at := bestWindow(p, uses)
		v := windowAt(p, at)
		h := v * hashFactor >> m.shift
		m.bitmap[h>>6] |= 1 << (h & 63)
		m.windows = append(m.windows, window{value: v, at: int32(at), pat: int32(id), next: m.heads[h]})
		m.heads[h] = int32(len(m.windows))
	}
	m.rankShort(pairs)
	return m
}

// bestWindow prefers the window that the fewest patterns hold, then the one
// with the most different bytes: runs of zeros or spaces stand everywhere.
func bestWindow(p []byte, uses map[uint32]int) int {
	best, bestScore := 0, -1
	for at := 0; at+windowBytes <= len(p); at++ {
		score := uses[windowAt(p, at)] * 4
		for i := at + 1; i < at+windowBytes; i++ {
			if p[i] == p[i-1] || p[i] == 0 || p[i] == ' ' {
				score += 8
			}
		}
		if bestScore < 0 || score < bestScore {
			best, bestScore = at, score
		}
	}
	return best
}

func (m *matcher) addShort(id int32, p []byte, pairs map[uint16][]int32) {
	if len(p) > 1 {
		key := uint16(p[0])<<8 | uint16(p[1])
		pairs[key] = append(pairs[key], id)
		return
	}
	if m.short1 == nil {
		m.short1 = new([256][]int32)
	}
	m.short1On[p[0]] = true
	m.short1[p[0]] = append(m.short1[p[0]], id)
}

// rankShort stores the lists of two-byte starts densely: a list's place is the
// number of bits set before its own.
func (m *matcher) rankShort(pairs map[uint16][]int32) {
	if len(pairs) == 0 {
		return
	}
	m.short2On = make([]uint64, 1<<16/64)
	m.short2Rank = make([]uint16, 1<<16/64)
	for key := range pairs {
		m.short2On[key>>6] |= 1 << (key & 63)
	}
	for i, w := range m.short2On {
		m.short2Rank[i] = uint16(len(m.short2))
		for ; w != 0; w &= w - 1 {
			m.short2 = append(m.short2, pairs[uint16(i<<6|bits.TrailingZeros64(w))])
		}
	}
}

// scan reports each pattern that occurs in data through found, possibly more
// than once.
func (m *matcher) scan(data []byte, ctx *Context, seen []uint32) {
	if len(data) >= windowBytes && len(m.windows) > 0 {
		m.scanLong(data, ctx, seen)
	}
	if m.short1 != nil || m.short2 != nil {
		m.scanShort(data, ctx, seen)
	}
}

func (m *matcher) scanLong(data []byte, ctx *Context, seen []uint32) {
	w := uint32(fold[data[0]])<<16 | uint32(fold[data[1]])<<8 | uint32(fold[data[2]])
	shift, bitmap := m.shift&31, m.bitmap
	for i := windowBytes - 1; i < len(data); i++ {
		w = w<<8 | uint32(fold[data[i]])
		h := w * hashFactor >> shift
		if bitmap[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for e := m.heads[h]; e != 0; {
			x := &m.windows[e-1]
			e = x.next
			if x.value != w || seen[x.pat] == ctx.generation {
				continue
			}
			start := i - (windowBytes - 1) - int(x.at)
			if start >= 0 && hasFolded(data[start:], m.patterns[x.pat]) {
				seen[x.pat] = ctx.generation
				ctx.addRules(m.rules[x.pat])
			}
		}
	}
}

func (m *matcher) scanShort(data []byte, ctx *Context, seen []uint32) {
	for i := range data {
		a := fold[data[i]]
		if m.short1On[a] {
			m.found(m.short1[a], data[i:], ctx, seen)
		}
		if m.short2 == nil || i+1 >= len(data) {
			continue
		}
		key := uint16(a)<<8 | uint16(fold[data[i+1]])
		word, bit := m.short2On[key>>6], uint64(1)<<(key&63)
		if word&bit != 0 {
			rank := int(m.short2Rank[key>>6]) + bits.OnesCount64(word&(bit-1))
			m.found(m.short2[rank], data[i:], ctx, seen)
		}
	}
}

func (m *matcher) found(ids []int32, data []byte, ctx *Context, seen []uint32) {
	for _, id := range ids {
		if seen[id] != ctx.generation && hasFolded(data, m.patterns[id]) {
			seen[id] = ctx.generation
			ctx.addRules(m.rules[id])
		}
	}
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
