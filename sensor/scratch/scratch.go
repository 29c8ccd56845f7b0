// Package scratch is memory that a worker's parsers borrow while they read a
// message and give back: what is large and short-lived is not made anew each
// time, nor cleared, nor looked for by the collector.
//
// It is bounded; what is over goes to the collector.
package scratch

import (
	"bytes"
	"compress/flate"
	"io"
	"math/bits"
)

const (
	// leastBits and mostBits are the smallest and the largest piece that is kept,
	// as powers of two: 1 KiB and 1 MiB.
	leastBits = 10
	mostBits  = 20
	// mostKept is how many bytes of one size are kept, mostInflaters how many
	// readers of deflate; each has some 40 KiB.
	mostKept      = 1 << 20
	mostInflaters = 4
)

// Memory is that of one worker; nil takes from the heap. It is not safe for
// concurrent use.
type Memory struct {
	free      [mostBits - leastBits + 1][][]byte
	inflaters []*Inflater
}

// class is the size of pieces that hold n bytes.
func class(n int) int { return max(bits.Len(uint(max(n, 1)-1)), leastBits) - leastBits }

// Take returns an empty piece with room for n bytes.
func (m *Memory) Take(n int) []byte {
	c := class(n)
	if m == nil || c >= len(m.free) {
		return make([]byte, 0, n)
	}
	list := m.free[c]
	if len(list) == 0 {
		return make([]byte, 0, 1<<(c+leastBits))
	}
	b := list[len(list)-1]
	list[len(list)-1] = nil
	m.free[c] = list[:len(list)-1]
	return b
}

// Append adds to a piece, which moves to a larger one when it is full.
func (m *Memory) Append(b, more []byte) []byte {
	if len(b)+len(more) <= cap(b) {
		return append(b, more...)
	}
	wide := m.Take(max(len(b)+len(more), 2*cap(b)))
	wide = append(append(wide, b...), more...)
	m.Give(b)
	return wide
}

// Give takes a piece back. Nobody may use its bytes any more.
func (m *Memory) Give(b []byte) {
	n := cap(b)
	if m == nil || n < 1<<leastBits || n > 1<<mostBits || n&(n-1) != 0 {
		return
	}
	c := class(n)
	if (len(m.free[c])+1)*n <= mostKept {
		m.free[c] = append(m.free[c], b[:0])
	}
}

// Inflater reads deflate (RFC 1951). It implements io.Reader.
type Inflater struct {
	in  bytes.Reader
	out io.ReadCloser
}

// Inflate begins to read b.
func (m *Memory) Inflate(b []byte) *Inflater {
	var z *Inflater
	if m != nil && len(m.inflaters) > 0 {
		z = m.inflaters[len(m.inflaters)-1]
		m.inflaters = m.inflaters[:len(m.inflaters)-1]
	} else {
		z = &Inflater{out: flate.NewReader(bytes.NewReader(nil))}
	}
	z.in.Reset(b)
	resetter, ok := z.out.(flate.Resetter)
	if ok {
		// It only fails where a dictionary is refused.
		_ = resetter.Reset(&z.in, nil)
	}
	return z
}

// Read implements io.Reader.
func (z *Inflater) Read(b []byte) (int, error) { return z.out.Read(b) }

// Done takes an inflater back.
func (m *Memory) Done(z *Inflater) {
	z.in.Reset(nil)
	if m != nil && len(m.inflaters) < mostInflaters {
		m.inflaters = append(m.inflaters, z)
	}
}
