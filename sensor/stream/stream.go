// Package stream puts TCP segments in order (RFC 9293 §3.10.7.4) and hands
// the bytes of each direction to a handler as they become contiguous.
//
// Memory is bounded for each direction and for all connections together; what
// cannot be waited for becomes a gap that the handler is told. Of bytes sent
// twice the first copy delivered counts. A connection may be joined midstream.
// What waits and is sent again with other bytes becomes what the receiver's
// operating system makes of it (sensor/hostos). Not here: urgent data, and the
// judgement whether a reset was acceptable to the receiver.
package stream

import (
	"net/netip"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/hostos"
)

// Limits of reassembly.
const (
	// DefaultDepth is how many bytes of each direction are delivered:
	// Suricata's default. What comes later is seldom worth its cost.
	DefaultDepth = 1 << 20
	// maxWaiting is how much of one direction may wait for a missing segment:
	// the receive window that common systems open with.
	maxWaiting = 256 << 10
	// maxSegments bounds the bookkeeping when the segments are tiny.
	maxSegments = 256
	// DefaultMemory bounds the waiting bytes of all connections.
	DefaultMemory = 256 << 20
	// maxAhead is how far ahead a segment may lie: RFC 7323's largest window.
	maxAhead = 1 << 30
	// patience is how many segments may follow a hole that the receiver has
	// acknowledged: it has the bytes and will not ask for them again, so only
	// a capture that swaps packets can still bring them.
	patience = 8
)

// Handler takes the bytes of a connection. Dir is 0 for the bytes of the
// client, 1 for those of the server. The bytes are valid during the call.
type Handler interface {
	Data(dir int, b []byte)
	Gap(dir int, n int)
}

// Stats counts what the assembler did.
type Stats struct {
	Gaps, GapBytes   uint64
	OutOfOrder       uint64
	Retransmitted    uint64
	OutOfWindow      uint64
	DepthReached     uint64
	MemoryRefused    uint64
	Waiting, Highest int
}

// Assembler is the budget and the counters of all connections of one worker.
// It is not safe for concurrent use.
type Assembler struct {
	depth  uint64
	memory int
	hosts  *hostos.Table
	stats  Stats
	// to is the receiver of the segment in work.
	to netip.Addr
}

// Options set the limits; zero means the default.
type Options struct {
	Depth  int
	Memory int
	// Hosts are the operating systems of receivers.
	Hosts *hostos.Table
}

// NewAssembler returns an assembler.
func NewAssembler(o Options) *Assembler {
	a := &Assembler{depth: DefaultDepth, memory: DefaultMemory, hosts: o.Hosts}
	if o.Depth > 0 {
		a.depth = uint64(o.Depth)
	}
	if o.Memory > 0 {
		a.memory = o.Memory
	}
	return a
}

// Stats returns the counts so far.
func (a *Assembler) Stats() Stats { return a.stats }

// Conn is the reassembly of one connection. The zero value is a new one.
type Conn struct {
	half [2]half
}

type half struct {
	synced bool
	// offered is true after a SYN/ACK with another sequence number, offer, than
	// the one that was taken: the client's ACK decides.
	offered   bool
	full      bool
	offer     uint32
	next      uint32
	acked     uint32
	hasAck    bool
	delivered uint64
	waiting   int
	stalled   int
	segments  []waiting
}

type segment struct {
	seq  uint32
	data []byte
}

// Delivered is how many bytes of a direction were delivered, gaps included.
func (c *Conn) Delivered(dir int) uint64 { return c.half[dir].delivered }

// Full reports whether a direction has been delivered up to the depth.
func (c *Conn) Full(dir int) bool { return c.half[dir].full }

// Segment gives the connection one TCP segment of a direction.
func (a *Assembler) Segment(c *Conn, dir int, p *decode.Packet, h Handler) {
	mine, other := &c.half[dir], &c.half[1-dir]
	if p.Flags&decode.ACK != 0 {
		other.acked, other.hasAck = p.Ack, true
		if other.offered {
			a.confirm(other, 1-dir, p.Ack, h)
		}
	}
	seq, data := p.Seq, p.Payload
	if p.Flags&decode.SYN != 0 {
		seq++
		switch {
		case !mine.synced:
			mine.synced, mine.next = true, seq
		case p.Flags&decode.ACK != 0 && seq != mine.next && mine.delivered == 0:
			mine.offered, mine.offer = true, seq
		}
	}
	if mine.full || len(data)+p.Missing == 0 {
		return
	}
	if !mine.synced {
		mine.synced, mine.next = true, seq
	}
	a.to = p.Dst
	if len(data) > 0 {
		a.place(mine, dir, seq, data, h)
	}
	if p.Missing > 0 && !mine.full && mine.next == seq+uint32(len(data)) {
		// What the capture has cut does not come any more.
		a.gap(mine, dir, p.Missing, h)
		a.drain(mine, dir, h)
	}
	a.unstall(mine, dir, h)
}

// confirm takes the sequence number of a later SYN/ACK over when the client
// acknowledges it and nothing of the server's was delivered. A server that
// refuses the data of TCP Fast Open may answer the SYN that is sent again with
// another number (RFC 7413 §4.2.2).
func (a *Assembler) confirm(m *half, dir int, ack uint32, h Handler) {
	switch {
	case m.delivered > 0:
		m.offered = false
	case ack == m.offer:
		m.offered, m.next = false, m.offer
		a.drain(m, dir, h)
	}
}

// place delivers the segment or keeps it.
func (a *Assembler) place(m *half, dir int, seq uint32, data []byte, h Handler) {
	ahead := int32(seq - m.next)
	if ahead <= 0 {
		old := -int64(ahead)
		if old >= int64(len(data)) {
			a.stats.Retransmitted++
			return
		}
		a.deliver(m, dir, data[old:], h)
		a.drain(m, dir, h)
		return
	}
	if ahead > maxAhead {
		a.stats.OutOfWindow++
		return
	}
	a.keep(m, dir, seq, data, h)
}

// keep stores a segment that lies ahead, in order.
func (a *Assembler) keep(m *half, dir int, seq uint32, data []byte, h Handler) {
	a.stats.OutOfOrder++
	if a.stats.Waiting+len(data) > a.memory {
		a.stats.MemoryRefused++
		a.skip(m, dir, h)
		if int32(seq-m.next) <= 0 {
			a.place(m, dir, seq, data, h)
		}
		return
	}
	added := m.insert(seq, data, a.hosts, a.to)
	if added == 0 {
		a.stats.Retransmitted++
	}
	m.waiting += added
	a.stats.Waiting += added
	a.stats.Highest = max(a.stats.Highest, a.stats.Waiting)
	if m.waiting > maxWaiting || len(m.segments) > maxSegments {
		a.skip(m, dir, h)
	}
}

// unstall gives up a hole that the receiver has acknowledged.
func (a *Assembler) unstall(m *half, dir int, h Handler) {
	if len(m.segments) == 0 {
		m.stalled = 0
		return
	}
	if !m.hasAck || int32(m.acked-m.segments[0].seq) < 0 {
		return
	}
	m.stalled++
	if m.stalled > patience {
		a.skip(m, dir, h)
	}
}

// skip declares what is missing before the first kept segment lost.
func (a *Assembler) skip(m *half, dir int, h Handler) {
	m.stalled = 0
	if len(m.segments) == 0 || m.full {
		return
	}
	n := int(int32(m.segments[0].seq - m.next))
	if n > 0 {
		a.gap(m, dir, n, h)
	}
	a.drain(m, dir, h)
}

// gap declares the next bytes lost.
func (a *Assembler) gap(m *half, dir, n int, h Handler) {
	a.stats.Gaps++
	a.stats.GapBytes += uint64(n)
	m.next += uint32(n)
	m.delivered += uint64(n)
	h.Gap(dir, n)
}

// drain delivers the kept segments that have become contiguous.
func (a *Assembler) drain(m *half, dir int, h Handler) {
	for len(m.segments) > 0 && !m.full {
		s := m.segments[0]
		ahead := int32(s.seq - m.next)
		if ahead > 0 {
			return
		}
		m.segments[0] = waiting{}
		m.segments = m.segments[1:]
		m.waiting -= len(s.data)
		a.stats.Waiting -= len(s.data)
		old := -int64(ahead)
		if old < int64(len(s.data)) {
			a.deliver(m, dir, s.data[old:], h)
		}
	}
	if len(m.segments) == 0 {
		m.segments = nil
	}
}

// deliver hands contiguous bytes over, up to the depth.
func (a *Assembler) deliver(m *half, dir int, data []byte, h Handler) {
	left := int64(a.depth) - int64(m.delivered)
	m.next += uint32(len(data))
	if left <= int64(len(data)) {
		data = data[:max(left, 0)]
		m.full = true
		a.stats.DepthReached++
	}
	m.delivered += uint64(len(data))
	if len(data) > 0 {
		h.Data(dir, data)
	}
	if m.full {
		a.free(m)
	}
}

func (a *Assembler) free(m *half) {
	a.stats.Waiting -= m.waiting
	m.waiting = 0
	m.segments = nil
}

// Close delivers what still waits, with its gaps, and frees the connection's
// memory.
func (a *Assembler) Close(c *Conn, h Handler) {
	for dir := range c.half {
		m := &c.half[dir]
		for len(m.segments) > 0 && !m.full {
			a.skip(m, dir, h)
		}
		a.free(m)
		m.full = true
	}
}
