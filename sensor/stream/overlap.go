package stream

import "bytes"

const (
	// DefaultHistory is the memory for segments that were seen, of all
	// connections of a worker together.
	DefaultHistory = 16 << 20
	// maxPast is how many segments of a direction are kept to be compared.
	maxPast = 16
)

// History is the memory that the watches of one worker share. It is not safe for
// concurrent use.
type History struct{ left int }

// NewHistory returns a memory of that many bytes.
func NewHistory(bytes int) *History { return &History{left: bytes} }

// past keeps the segments of a direction that were seen last.
type past struct {
	segments [maxPast]segment
	next     int
}

// differs reports whether a segment sends other bytes for a part of the stream
// that one before it sent, and keeps it.
func (s *past) differs(h *History, seq uint32, data []byte) bool {
	found := false
	for i := range s.segments {
		found = found || differ(&s.segments[i], seq, data)
	}
	s.keep(h, seq, data)
	return found
}

// differ compares the bytes that both segments have.
func differ(old *segment, seq uint32, data []byte) bool {
	ahead := int64(int32(seq - old.seq))
	if ahead >= int64(len(old.data)) || -ahead >= int64(len(data)) {
		return false
	}
	was := old.data[max(ahead, 0):]
	is := data[max(-ahead, 0):]
	n := min(len(was), len(is))
	return !bytes.Equal(was[:n], is[:n])
}

func (s *past) keep(h *History, seq uint32, data []byte) {
	old := &s.segments[s.next]
	h.left += len(old.data)
	old.data = nil
	if len(data) > h.left {
		// The others in memory are newer to their connections than this is worth.
		return
	}
	h.left -= len(data)
	*old = segment{seq: seq, data: bytes.Clone(data)}
	s.next = (s.next + 1) % maxPast
}

// Close gives the memory of the watch back.
func (w *Watch) Close() {
	if w.History == nil {
		return
	}
	for i := range w.past {
		if w.past[i] == nil {
			continue
		}
		for j := range w.past[i].segments {
			w.History.left += len(w.past[i].segments[j].data)
		}
		w.past[i] = nil
	}
}

// overlap names a segment that contradicts one before it.
func (w *Watch) overlap(dir int, seq uint32, data []byte, out []string) []string {
	if w.History == nil || len(data) == 0 {
		return out
	}
	if w.past[dir] == nil {
		w.past[dir] = &past{}
	}
	if w.past[dir].differs(w.History, seq, data) {
		out = append(out, "reassembly_overlap_different_data")
	}
	return out
}
