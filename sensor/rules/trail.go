package rules

import "slices"

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

// The stream's prefilter also looks for what the packets' prefilter would look
// for everywhere in a segment: a segment that the stream has taken is not
// scanned twice. What is found on behalf of the packets' rules has numbers
// after those of all rules.

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
	old, end := len(in.Payload)-in.Fresh, in.StreamOffset+uint64(len(in.Payload))
	known := t.engine == e && t.groups == *groups && in.StreamOffset >= t.from &&
		old >= 0 && t.upto >= in.StreamOffset+uint64(old) && t.upto <= end
	if !known {
		t.found = t.found[:0]
		return 0
	}
	return int(t.upto - in.StreamOffset)
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
	old := len(kept)
	t.found = kept
	t.engine, t.groups, t.from = ctx.engine, *groups, in.StreamOffset
	t.upto = in.StreamOffset + uint64(len(in.Payload))
	for _, id := range ctx.candidates {
		t.found = append(t.found, trailMark{id, t.upto})
	}
	for _, m := range t.found[:old] {
		ctx.ruleSeen[m.rule] = ctx.generation
		ctx.candidates = append(ctx.candidates, m.rule)
	}
	if len(t.found) > maxTrail {
		t.engine, t.found = nil, nil
	}
}

// covers says that the stream's prefilter has scanned a segment.
func (t *Trail) covers(ctx *Context, e *Engine, in *Input) bool {
	if t == nil || t.engine != e || t.from > in.StreamOffset || t.upto < in.StreamOffset+uint64(len(in.Payload)) {
		return false
	}
	return t.groups == ctx.groups(&e.stream[direction(in)], in)
}

// segment makes candidates of the packets' rules that were found in the stream
// from the segment's beginning on.
func (t *Trail) segment(ctx *Context, in *Input) {
	n := int32(len(ctx.engine.rules))
	for _, m := range t.found {
		if m.rule >= n && m.upto > in.StreamOffset && ctx.ruleSeen[m.rule-n] != ctx.generation {
			ctx.ruleSeen[m.rule-n] = ctx.generation
			ctx.candidates = append(ctx.candidates, m.rule-n)
		}
	}
}

// withoutPackets takes those candidates away that are for packets.
func (ctx *Context) withoutPackets() {
	n := int32(len(ctx.engine.rules))
	ctx.candidates = slices.DeleteFunc(ctx.candidates, func(id int32) bool { return id >= n })
}
