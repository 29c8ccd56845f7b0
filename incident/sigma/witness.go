package sigma

// atom is a literal that a field must contain; "" as field means any value of
// the record.
type atom struct {
	field, literal string
}

// minLiteral is the shortest literal worth looking up.
const minLiteral = 3

// maxAtoms bounds the alternatives of one rule; a rule with more is evaluated
// on every event of its source, which is right but slower.
const maxAtoms = 4096

// witness returns literals of which a matching record must contain at least
// one, or nil when the condition gives none. Negations give none, "and" needs
// only its best part, "or" needs every part.
func witness(e expr) []atom {
	switch e := e.(type) {
	case nameExpr:
		return searchWitness(e.of)
	case andExpr:
		var best []atom
		for _, x := range e {
			best = better(best, witness(x))
		}
		return best
	case orExpr:
		return union(len(e), func(i int) []atom { return witness(e[i]) })
	case countExpr:
		return union(len(e.of), func(i int) []atom { return witness(e.of[i]) })
	}
	return nil
}

func union(n int, part func(int) []atom) []atom {
	var all []atom
	for i := range n {
		w := part(i)
		if w == nil || len(all)+len(w) > maxAtoms {
			return nil
		}
		all = append(all, w...)
	}
	return all
}

// better prefers the set whose shortest literal is longest, then the smaller.
func better(a, b []atom) []atom {
	sa, sb := shortest(a), shortest(b)
	switch {
	case a == nil || sb > sa:
		return b
	case b == nil || sa > sb:
		return a
	case len(b) < len(a):
		return b
	}
	return a
}

func shortest(w []atom) int {
	n := 0
	for i, a := range w {
		if i == 0 || len(a.literal) < n {
			n = len(a.literal)
		}
	}
	return n
}

func searchWitness(s search) []atom {
	switch s := s.(type) {
	case mapSearch:
		var best []atom
		for _, t := range s {
			best = better(best, fieldWitness(t))
		}
		return best
	case listSearch:
		return union(len(s), func(i int) []atom { return searchWitness(s[i]) })
	case keywordSearch:
		part := func(i int) []atom { return literalAtom("", s.patterns[i]) }
		if s.all {
			return bestOf(len(s.patterns), part)
		}
		return union(len(s.patterns), part)
	}
	return nil
}

func fieldWitness(t *fieldTest) []atom {
	if t.exists != nil || t.neq {
		return nil
	}
	part := func(i int) []atom {
		x, ok := t.tests[i].(textTest)
		if !ok {
			return nil
		}
		return literalAtom(t.field, x.pattern)
	}
	if t.all {
		return bestOf(len(t.tests), part)
	}
	return union(len(t.tests), part)
}

func bestOf(n int, part func(int) []atom) []atom {
	var best []atom
	for i := range n {
		best = better(best, part(i))
	}
	return best
}

func literalAtom(field string, p *pattern) []atom {
	l := p.literal()
	if len(l) < minLiteral {
		return nil
	}
	return []atom{{field, l}}
}

// literalIndex finds which literals a text contains: each is filed under the
// three of its bytes that the fewest others have.
type literalIndex struct {
	uses    map[uint32]int
	byThree map[uint32][]filed
	pending []filed
	bitmap  [1 << 13]uint64
}

type filed struct {
	literal string
	at      int
	rule    int
}

func newLiteralIndex() *literalIndex {
	return &literalIndex{uses: map[uint32]int{}, byThree: map[uint32][]filed{}}
}

func three(s string, i int) uint32 {
	return uint32(s[i])<<16 | uint32(s[i+1])<<8 | uint32(s[i+2])
}

func (x *literalIndex) add(literal string, rule int) {
	x.pending = append(x.pending, filed{literal: literal, rule: rule})
	for i := 0; i+minLiteral <= len(literal); i++ {
		x.uses[three(literal, i)]++
	}
}

func (x *literalIndex) build() {
	for _, f := range x.pending {
		for i := 0; i+minLiteral <= len(f.literal); i++ {
			if x.uses[three(f.literal, i)] < x.uses[three(f.literal, f.at)] {
				f.at = i
			}
		}
		k := three(f.literal, f.at)
		x.byThree[k] = append(x.byThree[k], f)
		h := hashThree(k)
		x.bitmap[h>>6] |= 1 << (h & 63)
	}
	x.uses, x.pending = nil, nil
}

func hashThree(k uint32) uint32 {
	return k * 0x9E3779B1 >> 13
}

// find calls found with each rule one of whose literals is in the lower-case
// text.
func (x *literalIndex) find(text string, found func(rule int)) {
	for i := 0; i+minLiteral <= len(text); i++ {
		k := three(text, i)
		h := hashThree(k)
		if x.bitmap[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, f := range x.byThree[k] {
			start := i - f.at
			if start >= 0 && len(text)-start >= len(f.literal) && text[start:start+len(f.literal)] == f.literal {
				found(f.rule)
			}
		}
	}
}
