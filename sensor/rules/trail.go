package rules

// Trail remembers what the prefilter found in the bytes of a stream that were
// shown before and are shown again with new ones, so that only the new ones
// are scanned. The caller keeps one with each direction of a stream; the zero
// value remembers nothing.
type Trail struct {
	// engine and groups found it; upto is the place in the stream up to which
	// they scanned, from that of the first byte.
	engine     *Engine
	groups     [3]*group
	from, upto uint64
	found      []trailMark
}

// trailMark is a candidate with the place where its pattern ended at the
// latest.
type trailMark struct {
	rule int32
	upto uint64
}

// maxTrail bounds the candidates that are remembered; with more, all is
// scanned again.
const maxTrail = 512

// fresh is where the bytes begin that the groups have not scanned.
func (t *Trail) fresh(e *Engine, groups *[3]*group, in *Input) int {
	if t == nil {
		return 0
	}
	old := len(in.Payload) - in.Fresh
	known := t.engine == e && t.groups == *groups && in.StreamOffset >= t.from &&
		old >= 0 && t.upto == in.StreamOffset+uint64(old)
	if !known {
		t.found = t.found[:0]
		return 0
	}
	return old
}

// take adds the remembered candidates to those that the new bytes have made,
// and remembers these.
func (t *Trail) take(ctx *Context, groups *[3]*group, in *Input) {
	kept := t.found[:0]
	for _, m := range t.found {
		if m.upto > in.StreamOffset && ctx.ruleSeen[m.rule] != ctx.generation {
			kept = append(kept, m)
		}
	}
	t.found = kept
	t.engine, t.groups, t.from = ctx.engine, *groups, in.StreamOffset
	t.upto = in.StreamOffset + uint64(len(in.Payload))
	for _, id := range ctx.candidates {
		t.found = append(t.found, trailMark{id, t.upto})
	}
	for _, m := range kept {
		if ctx.ruleSeen[m.rule] != ctx.generation {
			ctx.ruleSeen[m.rule] = ctx.generation
			ctx.candidates = append(ctx.candidates, m.rule)
		}
	}
	if len(t.found) > maxTrail {
		t.engine, t.found = nil, nil
	}
}
