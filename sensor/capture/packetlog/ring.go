package packetlog

import (
	"github.com/antin-gov/antin/sensor/capture"
)

// Ring remembers the last frames of a worker, up to a number of bytes, so that
// an alert can be told with what came before it. It is not safe for concurrent
// use.
type Ring struct {
	buf []byte
	// entries is a ring too; first is the oldest of count.
	entries      []entry
	first, count int
	next         int
}

type entry struct {
	frame capture.Frame
	flow  uint64
	from  int
	to    int
}

// smallFrame is the size of frames for which the ring has entries: with
// smaller ones it remembers fewer bytes.
const smallFrame = 256

// NewRing returns a ring of so many bytes.
func NewRing(bytes int) *Ring {
	return &Ring{buf: make([]byte, bytes), entries: make([]entry, max(bytes/smallFrame, 1))}
}

// Put remembers a frame of a flow. A frame larger than the ring is passed
// over.
func (r *Ring) Put(flow uint64, f *capture.Frame) {
	n := len(f.Data)
	if n > len(r.buf) {
		return
	}
	if r.next+n > len(r.buf) {
		// What lies behind, up to the end, is older than all before it.
		for r.count > 0 && r.entries[r.first].from >= r.next {
			r.drop()
		}
		r.next = 0
	}
	for r.count > 0 && (r.count == len(r.entries) || r.entries[r.first].from < r.next+n && r.entries[r.first].to > r.next) {
		r.drop()
	}
	copy(r.buf[r.next:], f.Data)
	e := &r.entries[(r.first+r.count)%len(r.entries)]
	*e = entry{frame: *f, flow: flow, from: r.next, to: r.next + n}
	e.frame.Data = r.buf[r.next : r.next+n : r.next+n]
	r.next += n
	r.count++
}

func (r *Ring) drop() {
	r.first = (r.first + 1) % len(r.entries)
	r.count--
}

// Each shows the frames of a flow that are remembered, the oldest first.
func (r *Ring) Each(flow uint64, show func(*capture.Frame)) {
	for i := range r.count {
		e := &r.entries[(r.first+i)%len(r.entries)]
		if e.flow == flow {
			show(&e.frame)
		}
	}
}
