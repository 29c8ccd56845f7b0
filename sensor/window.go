package sensor

import (
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/rules"
	"github.com/antin-gov/antin/sensor/scratch"
)

// The window over a reassembled stream that rules see. A match longer than
// the overlap may be missed at a window's edge; the longest pattern of the
// public rules is under 400 bytes.
const (
	// windowStart is how much of a stream's beginning is kept whole: rules
	// with offset and depth mean that place.
	windowStart   = 4 << 10
	windowOverlap = 1 << 10
	// bulkSegment and bulkPending keep the cost of bulk transfers down: full
	// segments that do not end a message are shown to the rules together.
	bulkSegment = 1 << 10
	bulkPending = 4 << 10
)

// window is the piece of a direction's stream shown to the rules.
type window struct {
	buf []byte
	// pending is how much of it the rules have not seen.
	pending int
	// offset is the place of its first byte in the stream.
	offset uint64
	unit   uint64
	// hit is how many bytes at the front were there when a rule alerted. As
	// long as some of them are, the piece keeps its number, so that the same
	// bytes do not alert twice.
	hit int
	// trail is what the rules remember of it.
	trail rules.Trail
}

// windowSmall is up to what size a window has memory of its own; most streams
// are no longer.
const windowSmall = 1 << 10

func (w *window) add(b []byte, m *scratch.Memory) {
	if w.pending == 0 && len(w.buf) >= windowStart {
		w.slide()
	}
	if len(w.buf)+len(b) <= windowSmall {
		w.buf = append(w.buf, b...)
	} else {
		w.buf = m.Append(w.buf, b)
	}
	w.pending += len(b)
}

// leave gives the memory back, unless the rules have not seen all.
func (w *window) leave(m *scratch.Memory) {
	if w.buf == nil || w.pending > 0 {
		return
	}
	m.Give(w.buf)
	w.gap(0)
	w.buf = nil
}

func (w *window) slide() {
	gone := len(w.buf) - windowOverlap
	w.buf = append(w.buf[:0], w.buf[gone:]...)
	w.offset += uint64(gone)
	w.hit = max(0, w.hit-gone)
	if w.hit == 0 {
		w.unit++
	}
}

func (w *window) gap(n int) {
	*w = window{trail: w.trail, buf: w.buf[:0], offset: w.offset + uint64(len(w.buf)+n), unit: w.unit + 1}
}

// window is what rules see of a direction.
func (c *conversation) window(dir int) *window {
	if c.windows == nil {
		c.windows = new([2]window)
	}
	return &c.windows[dir]
}

// streamData takes reassembled bytes for the rules. Encrypted bytes match
// nothing but by chance and are passed over.
func (c *conversation) streamData(dir int, b []byte) {
	if c.w.rules == nil || c.tlsQuiet[0] && c.tlsQuiet[1] {
		return
	}
	win := c.window(dir)
	win.add(b, &c.w.memory)
	p := c.w.cur
	if p != nil && len(b) > 0 && len(b) == len(p.Payload) && &b[0] == &p.Payload[0] {
		c.w.taken = taken{c, dir, win.offset + uint64(len(win.buf)-len(b))}
	}
	bulk := p != nil && p.Flags&decode.PSH == 0 && len(b) >= bulkSegment
	if !bulk || win.pending >= bulkPending {
		c.inspectStream(dir)
		return
	}
	c.w.rules.Scan(c.w.rctx, c.windowInput(dir))
}

// taken says where a stream has put the payload of the packet in work.
type taken struct {
	c      *conversation
	dir    int
	offset uint64
}

// windowInput shows what is there of a direction.
func (c *conversation) windowInput(dir int) *rules.Input {
	win := &c.windows[dir]
	in := c.w.prepare(c, flow.Direction(dir), rules.ViewStream)
	in.Payload, in.StreamOffset, in.Unit, in.Fresh = win.buf, win.offset, win.unit<<1|uint64(dir), win.pending
	in.Trail = &win.trail
	return in
}

// streamTurn shows the rules what waits when the packet says that no more will
// come with it: the other side answers, or the connection ends.
func (c *conversation) streamTurn(dir int, p *decode.Packet) {
	if p.Flags&(decode.FIN|decode.RST) != 0 {
		c.inspectStream(dir)
		c.inspectStream(1 - dir)
		return
	}
	if len(p.Payload) > 0 {
		c.inspectStream(1 - dir)
	}
}

// rest lets go of what only more bytes of the stream would need: it has ended, or
// what it says from now on is encrypted.
func (c *conversation) rest() {
	closed := c.f.State == flow.StateClosed
	if closed && c.http != nil {
		c.http.Rest()
	}
	if closed && c.tlsDone {
		c.tls.Rest()
	}
	if c.windows != nil && (closed || c.tlsQuiet[0] && c.tlsQuiet[1]) {
		c.windows[0].leave(&c.w.memory)
		c.windows[1].leave(&c.w.memory)
	}
}

// inspectStream shows the rules what they have not seen of a direction.
func (c *conversation) inspectStream(dir int) {
	if c.windows == nil || c.windows[dir].pending == 0 {
		return
	}
	w, win := c.w, &c.windows[dir]
	in := c.windowInput(dir)
	win.pending = 0
	matches := w.rules.Inspect(w.rctx, in)
	c.choose(flow.Direction(dir), 0, false)
	for _, m := range matches {
		win.hit = len(win.buf)
		w.alert(c, flow.Direction(dir), m.Rule, evidence{payload: win.buf, stream: true})
	}
}
