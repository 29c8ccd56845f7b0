package rules

// seek is what the prefilter looks for on behalf of a rule: one of its
// contents, with where it can stand. A rule cannot match where it is not found.
type seek struct {
	pattern []byte
	place   place
	// limit is, near the start, where the pattern ends at the latest.
	limit int
	// exact says that the case counts.
	exact bool
	// worth compares the contents of a rule.
	worth int
}

const (
	// worthMarked is what the author's mark counts, worthNear that the place is
	// known about, and worthPlaced that it is known.
	worthMarked = 1 << 20
	worthNear   = fullByte - 1
	worthPlaced = fullByte + 1
	// weakPattern is the worth below which a mark is not followed: the best
	// content is taken then.
	weakPattern = 4 * fullByte
	// fullByte is what a byte counts that tells as much as a byte can.
	fullByte = 4
)

// seekIn returns the most telling content of a list, and false if it has none.
func seekIn(l *bufferList) (best seek, ok bool) {
	for i := range l.items {
		c := l.items[i].content
		if c == nil || c.negated {
			continue
		}
		s := newSeek(l, c)
		if !ok || s.worth > best.worth {
			best, ok = s, true
		}
	}
	return best, ok
}

func newSeek(l *bufferList, c *content) seek {
	s := seek{pattern: c.pattern, exact: !c.nocase || !hasLetter(c.pattern)}
	switch {
	case c.endswith || l.isWhole(c):
		s.place = atEnd
	case c.vars == nil && !c.relative && c.offset == 0 && c.depth == len(c.pattern):
		s.place = atStart
	case c.vars == nil && !c.relative && c.depth >= 0 && c.offset+c.depth <= maxNear:
		s.place, s.limit = nearStart, c.offset+c.depth
	case c.fastLength > 0:
		s.pattern = s.pattern[c.fastFrom : c.fastFrom+c.fastLength]
	}
	s.worth = informative(s.pattern)
	if c.fast && s.worth >= weakPattern {
		s.worth += worthMarked
	}
	switch s.place {
	case nearStart:
		s.worth += worthNear
	case atStart, atEnd:
		s.worth += worthPlaced
	}
	return s
}

func hasLetter(p []byte) bool {
	for _, c := range p {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			return true
		}
	}
	return false
}

// informative is how much a pattern tells: bytes that stand everywhere count
// less.
func informative(p []byte) int {
	n := 0
	for i, c := range p {
		switch {
		case i > 0 && c == p[i-1]:
			// A run tells no more than its first byte.
		case c == 0:
			n += fullByte / 4
		case c == ' ' || c == 0xff || c == '\r' || c == '\n':
			n += fullByte / 2
		default:
			n += fullByte
		}
	}
	return n
}

// isWhole says that the list asks for a buffer of the content's own length.
func (l *bufferList) isWhole(c *content) bool {
	for i := range l.items {
		it := &l.items[i]
		if it.kind == itemSize && it.size.op == numEqual && it.size.a == len(c.pattern) {
			return true
		}
	}
	return false
}
