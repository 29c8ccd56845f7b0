package rules

import (
	"net/netip"
	"slices"
)

// Context is one worker's scratch memory. It belongs to one engine and to one
// goroutine at a time.
type Context struct {
	engine *Engine
	// vlans are the numbers of the packet in work, as the tests read them.
	vlans      [3][2]byte
	generation uint32
	candidates []int32
	ruleSeen   []uint32
	src, dst   []memo
	subjects   []subject
	// keys says which subjects are the instances of a key.
	keys    []subjectRange
	matches []Match
	stores  []StoreFiles
	latin   []byte
	// decoded holds what base64_decode read; vars the byte variables of the
	// rule in work; in the unit in work.
	decoded subject
	vars    [maxByteVars]uint64
	in      *Input
	//lint:ignore U1000 used with the tag hyperscan
	libraryUse
	steps   int
	regex   int
	machine regexMemory
	// joined are the groups that were met together lately.
	joined [joinedSlots]joinedGroups
	// meter measures, when the context is in a Profile.
	meter *meter
}

type memo struct {
	generation uint32
	has        bool
}

type subjectRange struct {
	generation uint32
	from, to   int32
}

// Work limits of one Inspect, so that no traffic can hold a worker. Ordinary
// traffic stays under a hundredth of them; what is cut is counted in
// Stats.Exhausted.
const (
	// baseSteps and stepsPerByte bound the searches for contents: a step is
	// one test or stepBytes bytes searched. The worst case is about a
	// millisecond for a packet.
	baseSteps    = 1 << 16
	stepsPerByte = 4
	stepBytes    = 64
	// baseRegexBytes and regexPerByte bound the bytes that regular expressions
	// read.
	baseRegexBytes = 1 << 18
	regexPerByte   = 4
)

// maxStreamOffset is where all anchored contents are past, which parsing
// limits to twice maxOffset.
const maxStreamOffset = 4 * maxOffset

// NewContext makes the scratch memory for one worker.
func (e *Engine) NewContext() *Context {
	return &Context{
		engine:   e,
		ruleSeen: make([]uint32, 2*len(e.rules)),
		src:      make([]memo, e.addrSets),
		dst:      make([]memo, e.addrSets),
		keys:     make([]subjectRange, len(e.keys)+1),
	}
}

// begin starts a unit. Generations save clearing the marks; when they wrap,
// the marks are cleared once.
func (ctx *Context) begin() {
	ctx.generation++
	if ctx.generation == 0 {
		ctx.generation = 1
		clear(ctx.ruleSeen)
		clear(ctx.src)
		clear(ctx.dst)
		clear(ctx.keys)
	}
	ctx.candidates = ctx.candidates[:0]
	ctx.matches = ctx.matches[:0]
	ctx.subjects = ctx.subjects[:0]
	ctx.steps, ctx.regex = baseSteps, baseRegexBytes
}

func (ctx *Context) addRules(ids []int32) {
	for _, id := range ids {
		if ctx.ruleSeen[id] != ctx.generation {
			ctx.ruleSeen[id] = ctx.generation
			ctx.candidates = append(ctx.candidates, id)
		}
	}
}

// Inspect judges one unit of traffic. The result is valid until the context's
// next use.
func (e *Engine) Inspect(ctx *Context, in *Input) []Match {
	ctx.stores = ctx.stores[:0]
	if in.Flow != nil && in.Flow.passing {
		return nil
	}
	if ctx.meter != nil {
		return ctx.meter.inspect(e, ctx, in)
	}
	e.gather(ctx, in)
	for _, id := range ctx.candidates {
		r := e.rules[id]
		if e.judge(ctx, in, r) && r.Action == ActionPass {
			return passed(in)
		}
	}
	return e.judged(ctx, in)
}

// gather finds the rules that may hold.
func (e *Engine) gather(ctx *Context, in *Input) {
	ctx.begin()
	ctx.in = in
	ctx.setSubjects(0, in.Payload, nil)
	for _, name := range in.Events {
		ctx.addRules(e.byEvent[name])
	}
	switch {
	case in.EventsOnly:
		if in.Buffers != nil && len(ctx.candidates) > 0 {
			e.fillKeys(ctx, in.Buffers)
		}
	case in.View == ViewPacket:
		e.prefilterPlain(ctx, in)
		ctx.addRules(e.listedSrc.rules(in.Src.Addr()))
		ctx.addRules(e.listedDst.rules(in.Dst.Addr()))
		ctx.addRules(e.byProto[in.Proto])
		for _, i := range e.packetKeys {
			e.prefilterPacket(ctx, i, in)
		}
	case in.View == ViewStream:
		ctx.subjects[0].base = int(min(in.StreamOffset, maxStreamOffset))
		e.prefilterPlain(ctx, in)
	case in.View == ViewTransaction:
		e.prefilterKeys(ctx, in.Buffers)
		ctx.addRules(e.optional)
	}
	if len(ctx.candidates) > 1 {
		slices.Sort(ctx.candidates)
	}
}

// passed silences the rules on a flow for which a pass rule holds.
func passed(in *Input) []Match {
	if in.Flow != nil {
		in.Flow.passing = true
	}
	return nil
}

// judged ends a unit on which all candidates were judged.
func (e *Engine) judged(ctx *Context, in *Input) []Match {
	if ctx.steps < 0 || ctx.regex < 0 {
		e.exhausted.Add(1)
	}
	if in.View == ViewPacket && in.Flow != nil {
		in.Flow.ipOnly[direction(in)] = true
	}
	return ctx.matches
}

// Stores says which files the rules chose that matched in the last Inspect,
// whether they alerted or not. It is valid until the context's next use.
func (ctx *Context) Stores() []StoreFiles { return ctx.stores }

func direction(in *Input) int {
	if in.ToServer {
		return 0
	}
	return 1
}

// prefilterPlain scans the payload for the rules on plain content that can
// concern it.
func (e *Engine) prefilterPlain(ctx *Context, in *Input) {
	which := &e.other
	switch {
	case in.View == ViewStream:
		which = &e.stream
	case in.Proto == ProtoTCP:
		which = &e.tcp
	case in.Proto == ProtoUDP:
		which = &e.udp
	}
	groups := ctx.groups(&which[direction(in)], in)
	if in.View == ViewPacket && in.Trail.covers(ctx, e, in) {
		for _, g := range groups {
			if g != nil && g.matcher != nil && len(in.Payload) > 0 {
				g.matcher.scanPlaces(in.Payload, 0, 0, ctx)
			}
			if g != nil {
				ctx.addRules(g.always)
			}
		}
		in.Trail.segment(ctx, in)
		return
	}
	fresh := 0
	if in.View == ViewStream {
		fresh = in.Trail.fresh(e, &groups, in)
	}
	for _, g := range groups {
		if g != nil {
			ctx.prefilter(g, &ctx.subjects[0], fresh)
		}
	}
	if in.View != ViewStream {
		return
	}
	if in.Trail != nil {
		in.Trail.take(ctx, &groups, in)
	}
	ctx.withoutPackets()
}

// Scan looks at new bytes of a stream without judging rules, which a later
// Inspect does with what was found. The input must have a Trail.
func (e *Engine) Scan(ctx *Context, in *Input) {
	if in.Flow != nil && in.Flow.passing {
		return
	}
	if ctx.meter != nil {
		ctx.meter.scan(e, ctx, in)
		return
	}
	e.scan(ctx, in)
}

func (e *Engine) scan(ctx *Context, in *Input) {
	ctx.begin()
	ctx.in = in
	ctx.setSubjects(0, in.Payload, nil)
	ctx.subjects[0].base = int(min(in.StreamOffset, maxStreamOffset))
	e.prefilterPlain(ctx, in)
}

// prefilter makes candidates of a group's rules over a subject, of which what
// stands before fresh was scanned already.
func (ctx *Context) prefilter(g *group, s *subject, fresh int) {
	if ctx.meter != nil {
		ctx.meter.prefilter(ctx, g, s, fresh)
		return
	}
	g.prefilter(ctx, s, fresh)
}

func (g *group) prefilter(ctx *Context, s *subject, fresh int) {
	if g.matcher != nil {
		g.matcher.scan(s.raw, s.base, fresh, ctx)
	}
	ctx.addRules(g.always)
}

func (e *Engine) prefilterKeys(ctx *Context, b *Buffers) {
	if b == nil {
		return
	}
	for _, name := range b.used {
		for _, i := range e.byBuffer[name] {
			k := &e.keys[i]
			for _, value := range b.values[name] {
				ctx.setSubjects(i+1, value, k.trans)
				ctx.prefilter(&k.group, &ctx.subjects[len(ctx.subjects)-1], 0)
			}
		}
	}
}

// fillKeys shows the buffers to rules that are candidates already.
func (e *Engine) fillKeys(ctx *Context, b *Buffers) {
	for i := range e.keys {
		for _, value := range b.Get(e.keys[i].buf) {
			ctx.setSubjects(i+1, value, e.keys[i].trans)
		}
	}
}

// judge verifies a candidate and, if it matches, runs its flowbits and
// thresholds and records the alert.
func (e *Engine) judge(ctx *Context, in *Input, r *Rule) bool {
	if !r.flow.holds(in) || !e.headerHolds(ctx, in, r) {
		return false
	}
	if len(r.events) > 0 && !r.eventsHold(in) {
		return false
	}
	for i := range r.packet {
		if !r.packet[i].holds(in) {
			return false
		}
	}
	// What a rule over both directions asks of the flow is asked when both hold.
	if r.isHalf && (!ctx.listsHold(r) || !in.Flow.bothHold(r, in)) {
		return false
	}
	if !r.bitsHold(in.Flow) || !r.intsHold(in.Flow) || !ctx.listsHold(r) || !e.xbits.hold(r, in) {
		return false
	}
	if r.store != nil && r.Action != ActionPass {
		// What is shown again may have another file.
		s := *r.store
		s.SID = r.SID
		ctx.stores = append(ctx.stores, s)
	}
	if in.Flow != nil && !ctx.firstOnUnit(in, r) {
		return false
	}
	r.changeBits(in.Flow)
	r.changeInts(in.Flow)
	e.xbits.change(r, in)
	if r.bypass && in.Flow != nil {
		in.Flow.passing = true
	}
	if r.noAlert || r.Action == ActionPass {
		return true
	}
	if e.silenced(r, in) {
		e.suppressed.Add(1)
		return true
	}
	for _, spec := range [...]*thresholdSpec{r.filter, r.limit} {
		if spec != nil && !e.thresholds.pass(r.number, spec, in) {
			e.suppressed.Add(1)
			return true
		}
	}
	ctx.matches = append(ctx.matches, Match{Rule: r})
	return true
}

// firstOnUnit keeps a rule from alerting twice on the same thing: on one
// transaction or stream piece that is shown again, or on one packet that is
// seen both alone and in the stream. What is new in a stream piece may alert
// again.
func (ctx *Context) firstOnUnit(in *Input, r *Rule) bool {
	first := true
	if in.View != ViewPacket {
		first = in.Flow.once(r.number, in.View, in.Unit) || ctx.holdsAgain(in, r)
	}
	if in.Proto == ProtoTCP && r.flow.views == 1<<ViewPacket|1<<ViewStream {
		first = in.Flow.once(r.number, ViewPacket, uint64(in.Time.UnixNano())) && first
	}
	return first
}

// holdsAgain tells whether the new bytes of a stream piece match by themselves.
func (ctx *Context) holdsAgain(in *Input, r *Rule) bool {
	old := len(in.Payload) - in.Fresh
	if in.View != ViewStream || in.Fresh == 0 || old <= 0 || len(r.lists) == 0 {
		return false
	}
	s := &ctx.subjects[0]
	raw, base := s.raw, s.base
	s.raw, s.base, s.isFolded = raw[old:], base+old, false
	again := ctx.listsHold(r)
	s.raw, s.base, s.isFolded = raw, base, false
	return again
}

func (e *Engine) headerHolds(ctx *Context, in *Input, r *Rule) bool {
	if r.proto.ip&ipBit(in.Proto) == 0 || r.flow.views&(1<<in.View) == 0 {
		return false
	}
	if r.proto.version != 0 && !r.proto.versionHolds(in) || r.proto.number != 0 && r.proto.number != in.Proto {
		return false
	}
	if r.proto.app != "" && !appHolds(r.proto.app, in.AppProto) {
		return false
	}
	if r.ipOnly && in.Flow != nil && in.Flow.ipOnly[direction(in)] {
		return false
	}
	if in.View == ViewTransaction && len(r.lists) > 0 && !r.onSide(in.ToServer) {
		return false
	}
	if e.sidesHold(ctx, r, in.Src, in.Dst, false) {
		return true
	}
	return r.bidir && e.sidesHold(ctx, r, in.Dst, in.Src, true)
}

// onSide reports whether one of the rule's buffers exists in the direction.
func (r *Rule) onSide(toServer bool) bool {
	want := sideClient
	if toServer {
		want = sideServer
	}
	plain := true
	for i := range r.lists {
		b := r.lists[i].buf
		if b != BufferPayload && bufferTable[b].side&want != 0 {
			return true
		}
		plain = plain && b == BufferPayload
	}
	return plain
}

func (e *Engine) sidesHold(ctx *Context, r *Rule, src, dst netip.AddrPort, swapped bool) bool {
	if !r.srcPort.has(src.Port()) || !r.dstPort.has(dst.Port()) {
		return false
	}
	if swapped {
		return r.src.has(src.Addr()) && r.dst.has(dst.Addr())
	}
	return ctx.remember(ctx.src, r.src, src.Addr()) && ctx.remember(ctx.dst, r.dst, dst.Addr())
}

// remember asks a set about the unit's address once, however many rules use
// the set.
func (ctx *Context) remember(memos []memo, s *addrSet, a netip.Addr) bool {
	if s.any {
		return true
	}
	m := &memos[s.id]
	if m.generation != ctx.generation {
		*m = memo{ctx.generation, s.has(a)}
	}
	return m.has
}
