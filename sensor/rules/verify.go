package rules

import "bytes"

// subject is one instance of a buffer with what has been derived from it.
type subject struct {
	raw []byte
	// base is the place of raw's start in its stream.
	base     int
	folded   []byte
	isFolded bool
	// own keeps the transformed bytes' memory between units.
	own, swap []byte
}

// setSubjects records an instance of a buffer for the tests, transformed.
// Instances of one key are added one after another.
func (ctx *Context) setSubjects(key int, value []byte, trans []transform) {
	at := len(ctx.subjects)
	if at < cap(ctx.subjects) {
		ctx.subjects = ctx.subjects[:at+1]
	} else {
		ctx.subjects = append(ctx.subjects, subject{})
	}
	s := &ctx.subjects[at]
	s.isFolded = false
	s.raw, s.base = value, 0
	for _, t := range trans {
		s.swap = t.apply(s.swap[:0], s.raw)
		s.own, s.swap = s.swap, s.own
		s.raw = s.own
	}
	k := &ctx.keys[key]
	if k.generation != ctx.generation {
		*k = subjectRange{ctx.generation, int32(at), int32(at)}
	}
	k.to++
	ctx.steps += stepsPerByte * len(s.raw)
	ctx.regex += regexPerByte * len(s.raw)
}

func (s *subject) fold() []byte {
	if !s.isFolded {
		s.folded = s.folded[:0]
		for _, c := range s.raw {
			s.folded = append(s.folded, fold[c])
		}
		s.isFolded = true
	}
	return s.folded
}

// listsHold verifies all buffers of a rule: for each, one instance must hold
// all that the rule asks of it.
func (ctx *Context) listsHold(r *Rule) bool {
	if ctx.meter != nil {
		return ctx.meter.listsHold(ctx, r)
	}
	for i := range r.lists {
		if !ctx.listHolds(&r.lists[i]) {
			return false
		}
	}
	return true
}

func (ctx *Context) listHolds(l *bufferList) bool {
	k := ctx.keys[l.key]
	if k.generation != ctx.generation {
		k = subjectRange{}
	}
	if bufferTable[l.buf].number != nil {
		return l.numbersHold(ctx.subjects[k.from:k.to])
	}
	if k.from == k.to {
		return l.absent || l.orElse
	}
	if l.absent {
		return false
	}
	for i := k.from; i < k.to; i++ {
		if ctx.instanceHolds(l, &ctx.subjects[i]) {
			return true
		}
	}
	return false
}

// numbersHold tests a list over the numbers of a buffer, each test for itself.
func (l *bufferList) numbersHold(values []subject) bool {
	for i := range l.items {
		it := &l.items[i]
		if it.quantifier == countOf {
			if !it.size.holds(len(values)) {
				return false
			}
			continue
		}
		held := 0
		for j := range values {
			if it.numberHolds(values[j].raw) {
				held++
			}
		}
		if !it.quantified(held, values) {
			return false
		}
	}
	return true
}

// quantified judges how many of the numbers held.
func (it *item) quantified(held int, values []subject) bool {
	switch it.quantifier {
	case allOf:
		return held > 0 && held == len(values)
	case allOrNone:
		return held == len(values)
	case anyOrNone:
		return held > 0 || len(values) == 0
	case atIndex:
		at := it.at
		if at < 0 {
			at += len(values)
		}
		return at >= 0 && at < len(values) && it.numberHolds(values[at].raw)
	}
	return held > 0
}

// numberHolds tests one number. The place of a number that is not there is
// empty, and holds nothing.
func (it *item) numberHolds(raw []byte) bool {
	if it.raw != nil {
		return it.raw.holds(raw)
	}
	return len(raw) > 0 && it.size.holds(bufferNumber(raw))
}

func (ctx *Context) instanceHolds(l *bufferList, s *subject) bool {
	for i := range l.checks {
		if !ctx.chainHolds(l.checks[i:i+1], s, 0) {
			return false
		}
	}
	for _, c := range l.needs {
		data := s.raw
		if c.nocase {
			data = s.fold()
		}
		if !bytes.Contains(data, c.pattern) {
			return false
		}
	}
	for _, c := range l.chains {
		if !ctx.chainHolds(c, s, 0) {
			return false
		}
	}
	for _, c := range l.changes {
		if !c.holds(s.raw) {
			return false
		}
	}
	return true
}

// chainHolds verifies items from a position on. Where an item can match at
// several places, the later items decide (backtracking).
func (ctx *Context) chainHolds(items []item, s *subject, pos int) bool {
	if len(items) == 0 {
		return true
	}
	ctx.steps--
	if ctx.steps < 0 {
		return false
	}
	it, rest := &items[0], items[1:]
	switch it.kind {
	case itemContent:
		return ctx.contentHolds(it.content, rest, s, pos)
	case itemPCRE:
		return ctx.pcreHolds(it.pcre, rest, s, pos)
	case itemSize:
		return it.size.holds(len(s.raw)) && ctx.chainHolds(rest, s, pos)
	case itemDataAt:
		at := ctx.value(it.at, it.atRef)
		is := at < len(s.raw)
		if it.relative {
			is = pos+at <= len(s.raw)
		}
		return is != it.negated && ctx.chainHolds(rest, s, pos)
	case itemByteTest:
		t := it.bytes
		if t.usesVars() {
			resolved := ctx.resolvedTest(t)
			t = &resolved
		}
		return t.holds(s.raw, pos) && ctx.chainHolds(rest, s, pos)
	case itemByteJump:
		t := it.bytes
		if t.usesVars() {
			resolved := ctx.resolvedTest(t)
			t = &resolved
		}
		to, ok := t.jump(s.raw, pos)
		return ok && ctx.chainHolds(rest, s, to)
	}
	return ctx.rareHolds(it, rest, s, pos)
}

// rareHolds verifies the items that few rules have.
func (ctx *Context) rareHolds(it *item, rest []item, s *subject, pos int) bool {
	switch it.kind {
	case itemExtract:
		return ctx.extractHolds(it.bytes, rest, s, pos)
	case itemBase64:
		return ctx.base64Holds(it.base64, rest, s, pos)
	case itemASN1:
		return it.asn1.holds(s.raw, pos) && ctx.chainHolds(rest, s, pos)
	case itemSet:
		return it.set.holds(s.raw) && ctx.chainHolds(rest, s, pos)
	case itemEntropy:
		return it.entropy.holds(s.raw) && ctx.chainHolds(rest, s, pos)
	case itemRaw:
		return it.raw.holds(s.raw) && ctx.chainHolds(rest, s, pos)
	case itemFTPBounce:
		return ftpBounces(s.raw, ctx.in.Src.Addr()) && ctx.chainHolds(rest, s, pos)
	}
	return false
}

// contentHolds searches a content between its bounds. Bounds follow Suricata
// (DetectEngineContentInspection): depth counts from offset, within from the
// previous match's end plus distance.
func (ctx *Context) contentHolds(c *content, rest []item, s *subject, pos int) bool {
	if c.vars != nil {
		resolved := ctx.resolvedContent(c)
		c = &resolved
	}
	data := s.raw
	if c.nocase {
		data = s.fold()
	}
	lo, hi := max(c.offset-s.base, 0), len(data)
	if c.depth >= 0 {
		hi = min(hi, c.offset+c.depth-s.base)
	}
	if c.relative {
		lo = pos + c.distance
		if c.within >= 0 {
			hi = min(hi, lo+c.within)
		}
		lo = max(lo, 0)
	}
	n := len(c.pattern)
	if c.endswith {
		lo = max(lo, len(data)-n)
	}
	for {
		at := -1
		if lo <= hi-n {
			at = bytes.Index(data[lo:hi], c.pattern)
			searched := at
			if at < 0 {
				searched = hi - lo
			}
			ctx.steps -= 1 + searched/stepBytes
		}
		if at >= 0 && c.endswith && lo+at+n != len(data) {
			at = -1
		}
		switch {
		case c.negated:
			return at < 0 && ctx.chainHolds(rest, s, pos)
		case at < 0:
			return false
		case len(rest) == 0 || ctx.chainHolds(rest, s, lo+at+n):
			return true
		}
		if ctx.steps < 0 {
			return false
		}
		lo += at + 1
	}
}

// pcreHolds runs a regular expression. Relative ones see the bytes after the
// match before as a whole subject, so ^ stands there.
func (ctx *Context) pcreHolds(t *pcreTest, rest []item, s *subject, pos int) bool {
	start := 0
	if t.relative {
		start = min(max(pos, 0), len(s.raw))
	}
	if t.back != nil {
		return ctx.backtrackHolds(t, rest, s, pos, start)
	}
	for {
		data := s.raw[start:]
		ctx.regex -= len(data) + 1
		if ctx.regex < 0 {
			return false
		}
		text, wide := ctx.asLatin1(data)
		if t.negated || len(rest) == 0 {
			if t.regex().Match(text) == t.negated {
				return false
			}
			return ctx.chainHolds(rest, s, pos)
		}
		loc := t.regex().FindIndex(text)
		if loc == nil {
			return false
		}
		from, to := loc[0], loc[1]
		if wide {
			from, to = narrow(text, from), narrow(text, to)
		}
		if ctx.chainHolds(rest, s, start+to) {
			return true
		}
		start += from + 1
		if t.anchored || start > len(s.raw) {
			return false
		}
	}
}

// asLatin1 writes bytes above 7F as the UTF-8 of the character with that
// number, which is what translated patterns expect. Plain ASCII is not copied.
func (ctx *Context) asLatin1(data []byte) (text []byte, wide bool) {
	first := 0
	for first < len(data) && data[first] < 0x80 {
		first++
	}
	if first == len(data) {
		return data, false
	}
	out := append(ctx.latin[:0], data[:first]...)
	for _, c := range data[first:] {
		if c < 0x80 {
			out = append(out, c)
			continue
		}
		out = append(out, 0xC0|c>>6, 0x80|c&0x3F)
	}
	ctx.latin = out
	return out, true
}

// narrow turns a place in the UTF-8 form into one in the bytes.
func narrow(text []byte, at int) int {
	n := 0
	for _, c := range text[:at] {
		if c&0xC0 != 0x80 {
			n++
		}
	}
	return n
}

// backtrackHolds is pcreHolds for a pattern that RE2 cannot hold. Later
// matches are looked for in the same subject, so that what look-behind sees
// does not change.
func (ctx *Context) backtrackHolds(t *pcreTest, rest []item, s *subject, pos, start int) bool {
	data, from := s.raw[start:], 0
	for ctx.regex >= 0 {
		m := &ctx.machine
		m.steps, m.spent = ctx.regex, false
		at, end, ok := t.back.match(m, data, from)
		ctx.regex = m.steps - 1
		if m.spent {
			return false
		}
		if t.negated {
			return !ok && ctx.chainHolds(rest, s, pos)
		}
		if !ok {
			return false
		}
		if len(rest) == 0 || ctx.chainHolds(rest, s, start+end) {
			return true
		}
		from = at + 1
		if t.anchored {
			return false
		}
	}
	return false
}
