package flow

import (
	"encoding/binary"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
)

// Idle times after which a flow ends: Suricata's defaults
// (docs.suricata.io, "Flow Settings").
const (
	timeoutTCPNew         = 60 * time.Second
	timeoutTCPEstablished = 600 * time.Second
	timeoutTCPClosed      = 10 * time.Second
	timeoutNew            = 30 * time.Second
	timeoutEstablished    = 300 * time.Second
	longest               = timeoutTCPEstablished
)

// DefaultLimit is the number of flows held at a time. A flow with its
// reassembly and parser is about 1.1 KiB when idle: 220 MiB at the limit.
const DefaultLimit = 200_000

// idMask keeps flow ids exact in readers that hold numbers as doubles.
const idMask = 1<<53 - 1

// class groups flows of the same idle time in one list, whose head is then
// the one to end next.
type class uint8

const (
	classTCPNew class = iota
	classTCPEstablished
	classTCPClosed
	classNew
	classEstablished
	classes
)

var timeouts = [classes]time.Duration{
	timeoutTCPNew, timeoutTCPEstablished, timeoutTCPClosed, timeoutNew, timeoutEstablished,
}

type list struct{ head, tail *Flow }

func (l *list) push(f *Flow) {
	f.prev, f.next = l.tail, nil
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
}

func (l *list) remove(f *Flow) {
	if f.prev == nil {
		l.head = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		l.tail = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// Stats counts what the table did.
type Stats struct {
	Created, TimedOut, Forced uint64
	Active                    int
}

// Table holds the flows of one worker. It is not safe for concurrent use.
type Table struct {
	flows index
	fresh func() *Flow
	lists [classes]list
	limit int
	end   func(*Flow)
	now   time.Time
	// due is a time before which no flow is idle for too long; zero is unknown.
	due   time.Time
	stats Stats
}

// NewTable returns a table of at most limit flows (DefaultLimit when zero)
// that calls end for each flow that ends.
func NewTable(limit int, end func(*Flow)) *Table {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Table{flows: newIndex(), fresh: func() *Flow { return new(Flow) }, limit: limit, end: end}
}

// Fresh has flows come from make, which gives empty ones, with Ext set as the
// user likes. A flow may be given again after its end.
func (t *Table) Fresh(make func() *Flow) { t.fresh = make }

// Stats returns the counts so far.
func (t *Table) Stats() Stats {
	s := t.stats
	s.Active = t.flows.n
	return s
}

// Find returns the packet's flow, made when it is new, and the direction of
// the packet in it. The packet is counted.
func (t *Table) Find(p *decode.Packet) (*Flow, Direction) {
	t.Advance(p.Time)
	k := keyOf(p)
	hash := t.flows.hash(&k)
	f := t.flows.get(&k, hash)
	if f != nil && reused(f, p) {
		t.finish(f, ReasonReuse)
		f = nil
	}
	if f == nil {
		f = t.create(&k, hash, p)
	}
	dir := f.Direction(p.SrcAddrPort())
	f.observe(p, dir)
	t.touch(f)
	return f, dir
}

// reused reports whether the packet opens a new connection on the ports of an
// ended one (RFC 9293 §3.6.1).
func reused(f *Flow, p *decode.Packet) bool {
	if p.Proto != decode.ProtoTCP || f.State != StateClosed {
		return false
	}
	return p.Flags&(decode.SYN|decode.ACK|decode.RST|decode.FIN) == decode.SYN
}

func (t *Table) create(k *key, hash uint64, p *decode.Packet) *Flow {
	for t.flows.n >= t.limit {
		t.evict()
	}
	f := t.fresh()
	f.Client, f.Server, f.Proto, f.VLANs, f.VLANLen = p.SrcAddrPort(), p.DstAddrPort(), p.Proto, p.VLANs, p.VLANLen
	f.Start, f.ICMPType, f.ICMPCode, f.key, f.class = p.Time, p.ICMPType, p.ICMPCode, *k, classes
	if p.Proto == decode.ProtoTCP {
		syn := p.Flags&decode.SYN != 0
		f.Midstream = !syn
		if syn && p.Flags&decode.ACK != 0 {
			// The handshake's second packet is the first we saw.
			f.Client, f.Server = f.Server, f.Client
			f.Midstream = true
		}
	}
	f.ID = identify(f)
	t.flows.put(f, hash)
	t.stats.Created++
	return f
}

// identify derives the flow's id from its ends and its start, so that the
// same capture gives the same ids.
func identify(f *Flow) uint64 {
	var buf [64]byte
	k := &f.key
	for i, w := range [...]uint64{k.a[0], k.a[1], k.b[0], k.b[1]} {
		binary.BigEndian.PutUint64(buf[8*i:], w)
	}
	const n = 32
	binary.BigEndian.PutUint32(buf[n:], uint32(k.ends>>32))
	buf[n+4] = f.Proto
	for i, v := range f.VLANs {
		binary.BigEndian.PutUint16(buf[n+5+2*i:], v)
	}
	binary.BigEndian.PutUint64(buf[n+5+2*len(f.VLANs):], uint64(f.Start.UnixNano()))
	buf[len(buf)-1] = uint8(k.ends)
	// FNV-1a.
	h := uint64(14695981039346656037)
	for _, c := range buf {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h & idMask
}

func classOf(f *Flow) class {
	if f.Proto == decode.ProtoTCP {
		return classTCPNew + class(f.State)
	}
	if f.State == StateNew {
		return classNew
	}
	return classEstablished
}

// touch moves the flow to the end of its list.
func (t *Table) touch(f *Flow) {
	c := classOf(f)
	if f.class == c && f.next == nil {
		return
	}
	if f.class != classes {
		t.lists[f.class].remove(f)
	}
	if f.class != c {
		// Only a flow that comes to a list can be due before all others were.
		at := f.Last.Add(timeouts[c])
		if at.Before(t.due) {
			t.due = at
		}
	}
	f.class = c
	t.lists[c].push(f)
}

// Each shows all flows to f, which must not touch the table.
func (t *Table) Each(f func(*Flow)) {
	for c := range t.lists {
		for x := t.lists[c].head; x != nil; x = x.next {
			f(x)
		}
	}
}

// Advance tells the table the time: it ends the flows that were idle too
// long. Time that goes backwards, as in a merged capture, is ignored.
func (t *Table) Advance(now time.Time) {
	if !now.After(t.now) {
		return
	}
	t.now = now
	if now.Before(t.due) {
		return
	}
	t.due = now.Add(longest)
	for c := range t.lists {
		for f := t.lists[c].head; f != nil; f = t.lists[c].head {
			at := f.Last.Add(timeouts[c])
			if now.Before(at) {
				if at.Before(t.due) {
					t.due = at
				}
				break
			}
			t.stats.TimedOut++
			t.finish(f, ReasonTimeout)
		}
	}
}

// Step tells the table that the clock was set forward or, with a negative
// length, back. Flows move with it: how long they last and are idle stays.
func (t *Table) Step(by time.Duration) {
	t.Each(func(f *Flow) { f.Start, f.Last = f.Start.Add(by), f.Last.Add(by) })
	if !t.now.IsZero() {
		t.now = t.now.Add(by)
	}
	t.due = time.Time{}
}

// evict ends the flow idle for longest.
func (t *Table) evict() {
	var oldest *Flow
	for c := range t.lists {
		f := t.lists[c].head
		if f != nil && (oldest == nil || f.Last.Before(oldest.Last)) {
			oldest = f
		}
	}
	if oldest == nil {
		return
	}
	t.stats.Forced++
	t.finish(oldest, ReasonForced)
}

func (t *Table) finish(f *Flow, reason Reason) {
	if f.class != classes {
		t.lists[f.class].remove(f)
		f.class = classes
	}
	t.flows.remove(f)
	f.Reason = reason
	t.end(f)
}

// Flush ends all flows, in the order in which they were last seen within each
// kind, and sets the clock back for the next capture.
func (t *Table) Flush(reason Reason) {
	for c := range t.lists {
		for f := t.lists[c].head; f != nil; f = t.lists[c].head {
			t.finish(f, reason)
		}
	}
	t.now, t.due = time.Time{}, time.Time{}
}
