package rules

import (
	"net/netip"
	"slices"
)

// addrIndex finds the rules that name an address, for rules that are little
// more than an address list: a look-up is one binary search however many
// lists there are.
type addrIndex struct {
	v4, v6 cells
}

// cells cuts the number line at every start and end of a range; all
// addresses of a cell are named by the same rules.
type cells struct {
	starts []point
	rules  [][]int32
}

type ruleSpan struct {
	span
	rule int32
}

func newCells(in []ruleSpan) cells {
	var c cells
	for _, s := range in {
		c.starts = append(c.starts, s.lo)
		next := s.hi.next()
		if s.hi.less(next) {
			c.starts = append(c.starts, next)
		}
	}
	slices.SortFunc(c.starts, func(a, b point) int {
		switch {
		case a.less(b):
			return -1
		case b.less(a):
			return 1
		}
		return 0
	})
	c.starts = slices.Compact(c.starts)
	c.rules = make([][]int32, len(c.starts))
	for _, s := range in {
		for i := c.find(s.lo); i < len(c.starts) && !s.hi.less(c.starts[i]); i++ {
			c.rules[i] = append(c.rules[i], s.rule)
		}
	}
	return c
}

// find returns the last cell that starts at or before p, or -1.
func (c *cells) find(p point) int {
	i, j := 0, len(c.starts)
	for i < j {
		m := int(uint(i+j) >> 1)
		if p.less(c.starts[m]) {
			j = m
		} else {
			i = m + 1
		}
	}
	return i - 1
}

func (x *addrIndex) rules(a netip.Addr) []int32 {
	c := &x.v6
	if a.Is4() || a.Is4In6() {
		a, c = a.Unmap(), &x.v4
	}
	i := c.find(addrPoint(a))
	if i < 0 {
		return nil
	}
	return c.rules[i]
}

// maxListed is the number of IPv4 addresses up to which an expression is a
// list to index rather than a network that most packets belong to.
const maxListed = 1 << 23

// listed reports whether a set is small enough to be worth an index.
func (s *addrSet) listed() bool {
	if s.any || len(s.v6) > 0 && s.v6[0].lo.hi == 0 {
		return false
	}
	total := uint64(0)
	for _, x := range s.v4 {
		total += x.hi.lo - x.lo.lo + 1
	}
	return total <= maxListed
}
