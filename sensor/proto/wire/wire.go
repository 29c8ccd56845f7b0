// Package wire reads fixed fields off hostile bytes: a reader that runs short
// says so once, and gives zeros from then on.
package wire

import (
	"encoding/binary"
	"math"
)

// Reader reads from the front of B. The zero value is an empty reader.
type Reader struct {
	B []byte
	// Short is true when more was asked for than there was.
	Short bool
}

// Take returns the next n bytes, or nil and an empty reader.
func (r *Reader) Take(n int) []byte {
	if n < 0 || n > len(r.B) {
		r.Short, r.B = true, nil
		return nil
	}
	out := r.B[:n]
	r.B = r.B[n:]
	return out
}

// U8 reads a byte.
func (r *Reader) U8() uint8 {
	b := r.Take(1)
	if b == nil {
		return 0
	}
	return b[0]
}

// U16 reads a big-endian number.
func (r *Reader) U16() uint16 {
	b := r.Take(2)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint16(b)
}

// U24 reads a big-endian number of three bytes.
func (r *Reader) U24() uint32 {
	b := r.Take(3)
	if b == nil {
		return 0
	}
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
}

// U32 reads a big-endian number.
func (r *Reader) U32() uint32 {
	b := r.Take(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// L16 reads a little-endian number.
func (r *Reader) L16() uint16 {
	b := r.Take(2)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint16(b)
}

// L32 reads a little-endian number.
func (r *Reader) L32() uint32 {
	b := r.Take(4)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// L64 reads a little-endian number.
func (r *Reader) L64() uint64 {
	b := r.Take(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// Varint reads the variable-length integer of QUIC (RFC 9000 §16).
func (r *Reader) Varint() uint64 {
	first := r.U8()
	v := uint64(first & 0x3f)
	for range 1<<(first>>6) - 1 {
		v = v<<8 | uint64(r.U8())
	}
	return v
}

// Lose takes a gap of n bytes in a stream of messages that begin with their
// length: one within what is passed over only shortens it; after another, where
// the next message starts cannot be known and all that follows is passed over.
func Lose(kept *[]byte, skip *int, n int) {
	if len(*kept) == 0 && n <= *skip {
		*skip -= n
		return
	}
	*kept, *skip = nil, math.MaxInt
}
