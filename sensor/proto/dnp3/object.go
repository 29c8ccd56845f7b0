package dnp3

import "github.com/antin-gov/antin/sensor/proto/wire"

// object is an object's head with the points that follow it (§4.2.2.7).
type object struct {
	group, variation, qualifier uint8
	start, stop, count          uint32
	// data are the bytes of the points, read as layout says.
	data   []byte
	layout layout
}

func (o *object) prefix() uint8    { return o.qualifier >> 4 & 7 }
func (o *object) rangeCode() uint8 { return o.qualifier & 0x0f }

// Codes of what stands before each point (§4.2.2.7.3.2): nothing, its number, or
// its length, in one, two or four bytes.
const (
	prefixIndex1 = 1
	prefixIndex4 = 3
	prefixSize1  = 4
	prefixSize4  = 6
)

// indexed and sized report what stands before each point.
func (o *object) indexed() bool { return o.prefix() >= prefixIndex1 && o.prefix() <= prefixIndex4 }
func (o *object) sized() bool   { return o.prefix() >= prefixSize1 && o.prefix() <= prefixSize4 }

// prefixLength is the length of what stands before each point.
func (o *object) prefixLength() int {
	return [...]int{0, 1, 2, 4, 1, 2, 4, 0}[o.prefix()]
}

// number reads a number of one, two or four bytes.
func number(in *wire.Reader, size int) uint32 {
	switch size {
	case 1:
		return uint32(in.U8())
	case 2:
		return uint32(in.L16())
	case 4:
		return in.L32()
	}
	return 0
}

// readHead reads an object's head: which points, by their range or their number
// (§4.2.2.7.3.3).
func readHead(in *wire.Reader) (o object, ok bool) {
	o = object{group: in.U8(), variation: in.U8(), qualifier: in.U8()}
	switch code := o.rangeCode(); code {
	case 0, 1, 2, 3, 4, 5:
		size := 1 << (code % 3)
		o.start = number(in, size)
		o.stop = number(in, size)
		if o.stop < o.start || o.stop-o.start == 1<<32-1 {
			return o, false
		}
		o.count = o.stop - o.start + 1
	case 6:
		// All points.
	case 7, 8, 9:
		o.count = number(in, 1<<(code-7))
	case 0x0b:
		o.count = number(in, 1)
	default:
		return o, false
	}
	return o, !in.Short && o.prefix() < 7
}

// readPoints takes the points' bytes; without a layout only what stands before
// each point is there.
func (o *object) readPoints(in *wire.Reader, l layout) bool {
	from := in.B
	if packed := l.packed(); packed > 0 && o.prefix() == 0 {
		in.Take((int(o.count)*packed + 7) / 8)
	} else if l != nil || o.prefix() > 0 {
		for range o.count {
			before := number(in, o.prefixLength())
			switch {
			case o.sized():
				in.Take(int(before))
			case l != nil:
				l.skip(in)
			}
			if in.Short {
				return false
			}
		}
	}
	if in.Short {
		return false
	}
	o.data, o.layout = from[:len(from)-len(in.B)], l
	return true
}
