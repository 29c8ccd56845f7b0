package dnp3

import "github.com/antin-gov/antin/sensor/proto/wire"

// kind is how a field is written.
type kind uint8

const (
	// bits are parts of an octet, the lowest first; unsigned, signed and float are
	// numbers, the lowest octet first.
	bits kind = iota
	unsigned
	signed
	float
	// packed are bits of points that share octets.
	packed
	// text and opaque are the rest of a point whose length stands before it.
	text
	opaque
	// lengthened is text after its length in an octet; octets is text as long as
	// the variation says.
	lengthened
	octets
)

// field is a field of a point: size is in bits for bits and packed, else in
// octets.
type field struct {
	name string
	kind kind
	size uint8
}

// layout is the fields of a point, in parts.
type layout [][]field

// packed is how many bits a point has when several share an octet, else 0.
func (l layout) packed() int {
	if len(l) > 0 && l[0][0].kind == packed {
		return int(l[0][0].size)
	}
	return 0
}

// skip passes over one point.
func (l layout) skip(in *wire.Reader) {
	n := 0
	for _, part := range l {
		for _, f := range part {
			switch f.kind {
			case bits, packed:
				n += int(f.size)
				in.Take(n / 8)
				n %= 8
			case lengthened:
				in.Take(int(in.U8()))
			case text, opaque:
				in.Take(len(in.B))
			default:
				in.Take(int(f.size))
			}
		}
	}
	if n > 0 {
		in.Take(1)
	}
}

// layoutOf finds how an object's points are written.
func layoutOf(group, variation uint8) (layout, bool) {
	switch group {
	case groupAttributes:
		return layout{{{"data_type", unsigned, 1}, {"value", lengthened, 0}}}, true
	case groupOctets, groupOctetEvents, groupTerminal, groupTerminalEvents:
		return layout{{{"value", octets, variation}}}, variation > 0
	}
	l, ok := layouts[[2]uint8{group, variation}]
	return l, ok
}

// groupKnown reports whether a group is one of the standard's (annex A).
func groupKnown(group uint8) bool {
	switch {
	case group <= 4, group >= 10 && group <= 13, group >= 20 && group <= 23, group >= 30 && group <= 34,
		group >= 40 && group <= 43, group >= 50 && group <= 52, group == groupClass, group == 70,
		group >= 80 && group <= 83, group >= 85 && group <= 88, group == 90 || group == 91,
		group >= 100 && group <= 102, group >= 110 && group <= 113, group >= 120 && group <= 122:
		return true
	}
	return false
}

// Groups that are treated apart.
const (
	groupAttributes     = 0
	groupTime           = 50
	groupClass          = 60
	groupOctets         = 110
	groupOctetEvents    = 111
	groupTerminal       = 112
	groupTerminalEvents = 113
)
