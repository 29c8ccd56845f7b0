package rules

import (
	"math/bits"
	"slices"
)

// point is a 128-bit number: an IPv4 or IPv6 address or a port.
type point struct{ hi, lo uint64 }

func (p point) less(q point) bool { return p.hi < q.hi || p.hi == q.hi && p.lo < q.lo }

func (p point) next() point {
	lo, carry := bits.Add64(p.lo, 1, 0)
	return point{p.hi + carry, lo}
}

func (p point) prev() point {
	lo, borrow := bits.Sub64(p.lo, 1, 0)
	return point{p.hi - borrow, lo}
}

// span is an inclusive range; spans is a sorted list of ranges that do not
// overlap, which makes membership a binary search however long a list is.
type span struct{ lo, hi point }

type spans []span

func (s spans) has(p point) bool {
	if len(s) == 0 {
		return false
	}
	i, j := 0, len(s)
	for i < j {
		m := int(uint(i+j) >> 1)
		if s[m].hi.less(p) {
			i = m + 1
		} else {
			j = m
		}
	}
	return i < len(s) && !p.less(s[i].lo)
}

func normalise(in spans) spans {
	slices.SortFunc(in, func(a, b span) int {
		switch {
		case a.lo.less(b.lo):
			return -1
		case b.lo.less(a.lo):
			return 1
		}
		return 0
	})
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 && !out[n-1].hi.less(s.lo) {
			if out[n-1].hi.less(s.hi) {
				out[n-1].hi = s.hi
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// minus returns the points of a that are not in b; both are normalised.
func minus(a, b spans) spans {
	var out spans
	for _, s := range a {
		lo := s.lo
		open := true
		for _, x := range b {
			if x.hi.less(lo) {
				continue
			}
			if s.hi.less(x.lo) {
				break
			}
			if lo.less(x.lo) {
				out = append(out, span{lo, x.lo.prev()})
			}
			if !x.hi.less(s.hi) {
				open = false
				break
			}
			lo = x.hi.next()
		}
		if open {
			out = append(out, span{lo, s.hi})
		}
	}
	return out
}
