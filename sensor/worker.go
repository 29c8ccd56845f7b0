package sensor

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/capture/packetlog"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
	"github.com/antin-gov/antin/sensor/scratch"
	"github.com/antin-gov/antin/sensor/stream"
)

// reasonChecksum is the name of a packet refused for its checksum.
const reasonChecksum = "invalid_checksum"

// worker takes the frames of one source through the parts. One goroutine owns
// it.
type worker struct {
	e     *Engine
	iface string
	// file is written into records when a run reads several files.
	file string

	dec    *decode.Decoder
	packet decode.Packet
	// inside takes turns with packet when packets carry others.
	inside decode.Packet
	table  *flow.Table
	seats  seats
	asm    *stream.Assembler
	eve    *eve.Writer

	ruleSet *ruleSet
	rules   *rules.Engine
	rctx    *rules.Context
	// bits and ints are what the header in work tells of the rules' memory.
	bits  []string
	ints  []rules.Counter
	input rules.Input
	// noticed are the events of the packet in work, for the rules; wants is
	// what they ask for.
	noticed, scratch []string
	wants            rules.EventWants
	wanted           wanted
	// store is what becomes of files.
	store *files.Store
	// memory is what its parsers borrow from.
	memory scratch.Memory
	// history is what the watches of connections share.
	history *stream.History
	// hosts are those that rules have tagged.
	hosts   map[netip.Addr]*tagged
	buffers rules.Buffers
	// taken is where the payload of the packet in work went.
	taken taken

	// pulse watches the clock of a live capture; seen is the time of the frame
	// before.
	pulse pulse
	seen  time.Time
	// wire is the frame in work.
	wire *capture.Frame
	// ring remembers the last packets; ordered are the orders that are known.
	ring    *packetlog.Ring
	ordered []*placed
	// tally counts for an onlooker, nil when there is none.
	tally *tally
	// lookAt is when the detectors see the open flows next.
	lookAt time.Time
	// indicated are the hits told lately.
	indicated *recent

	// expected are connections that others announced.
	expected map[expected]*proto.Expectation

	// cur is the packet in work, nil while a flow ends for another reason.
	cur     *decode.Packet
	packets struct {
		received, processed, dropped, invalid   uint64
		bytes, badChecksum                      uint64
		notIP, held, defragmented, panics, errs uint64
		alerts, tunnelled, cut                  uint64
	}
	// source is what the source counted last.
	source  capture.Stats
	reasons map[string]uint64
	events  map[string]uint64
	kinds   PacketKinds
	flows   FlowKinds
	apps    map[AppKey]AppCounts
	err     error
}

func newWorker(e *Engine, iface string) *worker {
	w := &worker{
		e: e, iface: iface, dec: decode.New(decode.Options{Hosts: e.cfg.Hosts}),
		asm:     stream.NewAssembler(stream.Options{Depth: e.cfg.StreamDepth, Hosts: e.cfg.Hosts}),
		eve:     eve.NewWriter(e.cfg.Identity),
		reasons: make(map[string]uint64), events: make(map[string]uint64),
		apps: make(map[AppKey]AppCounts),
	}
	w.table = flow.NewTable(e.cfg.FlowLimit, w.flowEnd)
	w.table.Fresh(w.seat)
	w.ring = newRing(&e.cfg.Packets)
	if e.cfg.Indicators != nil {
		w.indicated = &recent{}
	}
	w.adopt(e.rules.Load())
	return w
}

// frame takes one frame.
func (w *worker) frame(f *capture.Frame) {
	if set := w.e.rules.Load(); set != w.ruleSet {
		w.adopt(set)
	}
	w.wire = f
	w.packets.received++
	w.packets.bytes += uint64(len(f.Data))
	w.kinds.Largest = max(w.kinds.Largest, uint64(len(f.Data)))
	p, in := &w.packet, &w.inside
	outcome, reason := w.dec.Decode(f, p)
	if p.Cut {
		w.packets.cut++
	}
	w.decoded(p, outcome, reason)
	for {
		var ok bool
		outcome, reason, ok = w.dec.Inner(p, in)
		if !ok {
			return
		}
		w.packets.tunnelled++
		w.decoded(in, outcome, reason)
		p, in = in, p
	}
}

// decoded takes a packet of the wire or of a tunnel. Only those of the wire
// are in the balance of the counters.
func (w *worker) decoded(p *decode.Packet, outcome decode.Outcome, reason decode.Reason) {
	wire := uint64(1)
	if p.Tunnel.Depth > 0 {
		wire = 0
	}
	w.noticed = w.noticed[:0]
	told := false
	if w.wants.Decode || w.wants.Checksum || w.e.cfg.HeaderAnomalies {
		w.noticeHeaders(p)
		told = w.recordDecoded(p)
		if outcome != decode.Decoded || p.BadChecksum {
			w.inspectHeaders(p)
		}
	}
	switch {
	case outcome == decode.Invalid:
		w.packets.invalid += wire
		told = told || reason == decode.ReasonCut
		w.invalid(p, string(reason), told)
		return
	case outcome == decode.NotIP:
		w.packets.processed += wire
		w.packets.notIP += wire
		return
	}
	w.kinds.count(p, outcome == decode.Held)
	switch {
	case p.BadChecksum:
		w.packets.badChecksum += wire
		w.packets.invalid += wire
		w.invalid(p, reasonChecksum, told)
		return
	case outcome == decode.Held:
		w.packets.processed += wire
		w.packets.held += wire
		return
	}
	w.packets.processed += wire
	if p.Defragmented {
		w.packets.defragmented += wire
	}
	w.handle(p)
}

// invalid counts a packet that cannot be used, and records it unless that was
// told already.
func (w *worker) invalid(p *decode.Packet, reason string, told bool) {
	w.reasons[reason]++
	if !w.e.cfg.NoAnomalies && !told {
		w.headerAnomaly(p, "decode", reason)
	}
}

func (w *worker) packetHeader(p *decode.Packet) eve.Header {
	h := eve.Header{
		Time: p.Time, Interface: w.iface, PcapFile: w.file, PacketSource: eve.SourceWire,
		Src: p.SrcAddrPort(), Dst: p.DstAddrPort(), Proto: p.Proto,
		ICMPType: p.ICMPType, ICMPCode: p.ICMPCode, VLANs: p.VLANs[:p.VLANLen],
	}
	h.PacketSource = source(p)
	if w.iface == "" {
		h.PcapCount = p.Number
	}
	return h
}

// source names the way a packet came, as EVE does.
func source(p *decode.Packet) string {
	return [...]string{
		decode.Wire: eve.SourceWire, decode.ViaGRE: "gre tunnel", decode.ViaIPv4: "ipv4 tunnel",
		decode.ViaIPv6: "ipv6 tunnel", decode.ViaVXLAN: "vxlan encapsulation",
		decode.ViaGeneve: "geneve encapsulation", decode.ViaTeredo: "teredo tunnel",
	}[p.Tunnel.Via]
}

// handle takes a decoded packet to its flow.
func (w *worker) handle(p *decode.Packet) {
	w.cur, w.taken = nil, taken{}
	f, dir := w.table.Find(p)
	w.cur = p
	c := f.Ext.(*conversation)
	if c.w == nil {
		c.w, c.f = w, f
		w.flows.count(p.Proto)
		c.announced()
		c.indicateAddresses()
		for _, o := range w.ordered {
			c.ordered(o, p.Time)
		}
		w.look(p.Time)
	}
	was := f.Swapped()
	switch p.Proto {
	case decode.ProtoTCP:
		if w.rules != nil {
			c.size[dir].observe(p)
		}
		raw := int(dir)
		if c.flipped {
			raw = 1 - raw
		}
		if f.Midstream && w.e.cfg.NoMidstream {
			c.inspectUntracked(dir, p)
			break
		}
		c.segment(raw, dir, p)
	case decode.ProtoUDP:
		if p.Cut && p.Truncated {
			// Half a message would be told as a broken one.
			break
		}
		c.guard(func() { c.datagram(int(dir), p.Payload) })
	}
	if w.tally != nil {
		w.tally.see(p, c.tallied())
	}
	way := dir
	if f.Swapped() != was {
		way = dir.Reverse()
	}
	if (w.wants.Stream || w.e.cfg.HeaderAnomalies) && p.Proto == decode.ProtoTCP {
		w.noticeStream(c, int(way), p)
	}
	w.inspectPacket(c, way, p)
	if w.e.cfg.HeaderAnomalies {
		w.recordStream(c, way)
	}
	if c.tag != nil || len(w.hosts) > 0 {
		w.follow(c, way, p)
	}
	w.keepPacket(c)
	if p.Proto == decode.ProtoTCP {
		c.rest()
	}
	w.cur = nil
}

// flowEnd is called by the table for each flow that ends.
func (w *worker) flowEnd(f *flow.Flow) {
	c := f.Ext.(*conversation)
	saved := w.cur
	w.cur = nil
	c.guard(c.end)
	if c.watch != nil {
		c.watch.Close()
	}
	w.tallyApp(c, AppCounts{Flows: 1, Transactions: c.transactions})
	if w.wanted.writes(kindFlow) {
		h := c.header(kindFlow, flow.ToServer)
		h.AppProto, h.AppProtoOrig = c.appName(), c.orig
		h.PacketSource = ""
		w.emit(h.Type, w.eve.Flow(&h, f, c.transactions, c.alerted))
	}
	if w.e.cfg.Netflow {
		c.recordNetflow()
	}
	c.behave(true)
	w.cur = saved
	w.leave(c)
}

// finish ends all flows: the capture is over.
func (w *worker) finish(reason flow.Reason) {
	w.table.Flush(reason)
	w.dec.Forget()
	w.lookAt = time.Time{}
}

// tick tells a live worker the time when there are no packets to tell it.
func (w *worker) tick(now time.Time) {
	w.table.Advance(now)
	w.look(now)
}

// dropped takes over the source's count of lost packets.
func (w *worker) dropped(src capture.Source) {
	st, err := src.Stats()
	if err != nil {
		w.e.cfg.Logger.Warn("capture statistics not readable", "interface", w.iface, "error", err)
		return
	}
	w.packets.dropped = st.Dropped
	w.source = st
}

// sinkError is a sink that takes no more records: the run cannot go on.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return fmt.Sprintf("record not written: %v", e.err) }
func (e *sinkError) Unwrap() error { return e.err }

func (w *worker) sinkErr() error {
	if w.err == nil {
		return nil
	}
	return &sinkError{w.err}
}

// emit gives a finished record to the sinks.
func (w *worker) emit(kind string, line []byte) {
	if !w.wanted.writes(kind) {
		return
	}
	w.events[kind]++
	for _, s := range w.e.cfg.Sinks {
		err := s.Write(kind, line)
		if err != nil && w.err == nil {
			w.err = err
		}
	}
}

// stats records the worker's figures.
func (w *worker) stats(uptime time.Duration) {
	if !w.wanted.writes(kindStats) {
		return
	}
	c := w.counters()
	figures, own := c.list()
	h := eve.Header{Time: w.e.cfg.Clock.Now(), Type: kindStats, Interface: w.iface}
	w.emit(h.Type, w.eve.Stats(&h, int64(uptime/time.Second), figures, own))
}

func (w *worker) counters() Counters {
	p := &w.packets
	suppressed := uint64(0)
	if w.rules != nil {
		suppressed = w.rules.Stats().Suppressed
	}
	return Counters{
		Received: p.received + p.dropped, Processed: p.processed, Dropped: p.dropped, Invalid: p.invalid,
		Bytes: p.bytes, BadChecksum: p.badChecksum, Reasons: w.reasons, NotIP: p.notIP,
		FragmentsHeld: p.held, Defragmented: p.defragmented, Tunnelled: p.tunnelled, Truncated: p.cut,
		ParserPanics: p.panics + w.dec.Panics(),
		ParserErrors: p.errs, Alerts: p.alerts, Suppressed: suppressed, Files: w.e.cfg.Files.Stats(), Ranges: w.e.ranges.Stats(), Events: w.events,
		Kinds: w.kinds, Flows: w.flows, Apps: w.apps, Flow: w.table.Stats(), Stream: w.asm.Stats(),
		Kernel: w.source.Kernel, Freezes: w.source.Freezes, Doubles: w.source.Doubles,
		Unreadable: w.source.Unreadable, Filtered: w.source.Filtered,
	}
}

// tallyApp adds to the figures of a conversation's protocol.
func (w *worker) tallyApp(c *conversation, n AppCounts) {
	k := AppKey{Name: c.appName(), UDP: c.f.Proto == decode.ProtoUDP}
	if k.Name == "" {
		return
	}
	sum := w.apps[k]
	sum.add(n)
	w.apps[k] = sum
}

// logPanic tells the operator about a contained panic, without the traffic.
func (w *worker) logPanic(app string, value any) {
	w.packets.panics++
	w.e.cfg.Logger.LogAttrs(context.Background(), levelPanic, "parser panic contained",
		panicAttrs(app, value)...)
}
