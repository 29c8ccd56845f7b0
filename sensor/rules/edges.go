package rules

import "slices"

// edges finds patterns that stand at the one end of the data: names under a
// domain, most of all, or the beginning of a packet. It reads the data from
// that end and looks up each beginning in a table, so that its cost does not
// depend on the number of patterns.
type edges struct {
	// back is true when the data is read from its end.
	back bool
	// longest is how much of a pattern is hashed at most.
	longest int
	// lengths has a bit for each hashed length that is in the table.
	lengths uint64
	table   hashed
	entries []edgeEntry
}

type edgeEntry struct{ value, pat uint32 }

const (
	// maxEdge bounds the hashed part of a pattern, fewEdge that of few patterns
	// or of beginnings, which differ early; the rest is compared.
	maxEdge = 32
	fewEdge = 8
	// edgeFactor is the multiplier of FNV-1a.
	edgeFactor = 16777619
)

func edgeStep(h uint32, c byte) uint32 { return (h ^ uint32(c)) * edgeFactor }

func newEdges(m *matcher, pats []int32, back bool) *edges {
	if len(pats) == 0 {
		return nil
	}
	t := &edges{back: back}
	most := maxEdge
	if !back || len(pats) < 2*fewEdge {
		most = fewEdge
	}
	for _, id := range pats {
		p := m.pattern(id)
		n := min(len(p), most)
		h := uint32(0)
		for i := range n {
			if back {
				h = edgeStep(h, p[len(p)-1-i])
			} else {
				h = edgeStep(h, p[i])
			}
		}
		t.entries = append(t.entries, edgeEntry{h, uint32(id)})
		t.lengths |= 1 << n
		t.longest = max(t.longest, n)
	}
	t.entries = slices.Clip(t.entries)
	t.table = newHashed(t.entries, hashFactor, func(e *edgeEntry) uint32 { return e.value })
	return t
}

func (t *edges) scan(m *matcher, data []byte, ctx *Context) {
	h, shift := uint32(0), t.table.shift&31
	last := min(t.longest, len(data))
	for n := 1; n <= last; n++ {
		c := data[n-1]
		if t.back {
			c = data[len(data)-n]
		}
		h = edgeStep(h, fold[c])
		if t.lengths>>n&1 == 0 {
			continue
		}
		at := h * hashFactor >> shift
		if t.table.bits[at>>6]>>(at&63)&1 != 0 {
			t.found(m, data, h, ctx)
		}
	}
}

func (t *edges) found(m *matcher, data []byte, h uint32, ctx *Context) {
	from, to := t.table.bucket(h * hashFactor >> (t.table.shift & 31))
	for _, e := range t.entries[from:to] {
		if e.value != h {
			continue
		}
		at := 0
		if t.back {
			at = len(data) - m.length(int32(e.pat))
		}
		m.confirm(int32(e.pat), data, at, ctx)
	}
}
