package stream

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/antin-gov/antin/sensor/hostos"
)

// waiting is a piece of a segment that waits for those before it. Those of one
// direction lie in order and do not overlap.
type waiting struct {
	segment
	// sent is the whole segment that it is of, by its distance from the start of
	// the piece: policies judge segments as they were sent.
	before, after int
}

func (w *waiting) end() uint32 { return w.seq + uint32(len(w.data)) }

// piece is the segment as it was sent, by its places from base on.
func (w *waiting) piece(base uint32) hostos.Piece {
	at := int64(int32(w.seq - base))
	return hostos.Piece{From: at - int64(w.before), To: at + int64(len(w.data)) + int64(w.after)}
}

// cut is the part of w between two places in its data.
func (w *waiting) cut(from, to int) waiting {
	return waiting{
		segment: segment{seq: w.seq + uint32(from), data: w.data[from:to]},
		before:  w.before + from, after: w.after + len(w.data) - to,
	}
}

// insert keeps a segment, and returns how many bytes more wait then. Where it
// overlaps others the receiver's policy decides.
func (m *half) insert(seq uint32, data []byte, hosts *hostos.Table, to netip.Addr) int {
	s := waiting{segment: segment{seq: seq, data: data}}
	i := len(m.segments)
	for i > 0 && int32(m.segments[i-1].seq-seq) > 0 {
		i--
	}
	apart := (i == 0 || int32(m.segments[i-1].end()-seq) <= 0) && (i == len(m.segments) || int32(s.end()-m.segments[i].seq) <= 0)
	if apart {
		s.data = bytes.Clone(data)
		m.segments = slices.Insert(m.segments, i, s)
		return len(data)
	}
	return m.settle(s, hosts.Of(to))
}

// settle puts a segment among those that it overlaps.
func (m *half) settle(s waiting, policy hostos.Policy) int {
	had := 0
	queue := make([]waiting, 0, len(m.segments)+2)
	at := 0 // how much of s has found its place
	take := func(to int) {
		if to > at {
			part := s.cut(at, to)
			part.data = bytes.Clone(part.data)
			queue = append(queue, part)
		}
		at = max(at, to)
	}
	for i := range m.segments {
		old := &m.segments[i]
		had += len(old.data)
		// Where old begins and ends, as places in s.
		from, to := int(int32(old.seq-s.seq)), int(int32(old.end()-s.seq))
		if to <= 0 {
			queue = append(queue, *old)
			continue
		}
		if from >= len(s.data) {
			take(len(s.data))
			queue = append(queue, *old)
			continue
		}
		if !policy.Segment(s.piece(s.seq), old.piece(s.seq)) {
			take(max(from, 0))
			queue = append(queue, *old)
			at = max(at, to)
			continue
		}
		if from < 0 {
			queue = append(queue, old.cut(0, -from))
		}
		if to > len(s.data) {
			take(len(s.data))
			queue = append(queue, old.cut(len(s.data)-from, len(old.data)))
		}
	}
	take(len(s.data))
	m.segments = queue
	has := 0
	for i := range queue {
		has += len(queue[i].data)
	}
	return has - had
}
