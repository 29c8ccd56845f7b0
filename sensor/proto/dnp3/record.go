package dnp3

import (
	"math"
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// maxTold bounds the points in a record; the objects say how many there were.
const maxTold = 512

// indicationNames are the bits of the two octets (§4.2.2.6), the lowest of the
// first octet first.
var indicationNames = [...]string{
	"all_stations", "class_1_events", "class_2_events", "class_3_events", "need_time", "local_control", "device_trouble",
	"device_restart", "no_func_code_support", "object_unknown", "parameter_error", "event_buffer_overflow",
	"already_executing", "config_corrupt", "reserved_2", "reserved_1",
}

// Encode writes the dnp3 object.
func (m *message) Encode(e *encode.Encoder) {
	e.Open("dnp3")
	switch {
	case m.function == functionUnsolicited:
		e.String("type", "unsolicited_response")
	case m.response():
		e.String("type", "response")
	default:
		e.String("type", "request")
	}
	c := m.head.control
	e.Open("control")
	e.Bool("dir", c&linkMaster != 0)
	e.Bool("pri", c&linkPrimary != 0)
	e.Bool("fcb", c&linkFCB != 0)
	e.Bool("fcv", c&linkFCV != 0)
	e.Uint("function_code", uint64(c&0x0f))
	e.Close()
	e.Uint("src", uint64(m.head.src))
	e.Uint("dst", uint64(m.head.dst))
	m.application(e)
	if m.indications != 0 {
		e.Open("iin")
		e.Array("indicators")
		for i, name := range indicationNames {
			// The first octet is the upper one.
			if m.indications>>((i+8)%16)&1 != 0 {
				e.String("", name)
			}
		}
		e.End()
		e.Close()
	}
	e.Close()
}

func (m *message) application(e *encode.Encoder) {
	e.Open("application")
	e.Open("control")
	e.Bool("fir", m.control&appFirst != 0)
	e.Bool("fin", m.control&appLast != 0)
	e.Bool("con", m.control&appConfirm != 0)
	e.Bool("uns", m.control&appUnsolicited != 0)
	e.Uint("sequence", uint64(m.control&appSequence))
	e.Close()
	e.Uint("function_code", uint64(m.function))
	if len(m.objects) > 0 {
		room := maxTold
		e.Array("objects")
		for i := range m.objects {
			room -= m.objects[i].encode(e, room)
		}
		e.End()
	}
	e.Bool("complete", m.complete)
	e.Close()
}

// encode writes an object with at most room points, and returns how many.
func (o *object) encode(e *encode.Encoder, room int) int {
	e.Open("")
	e.Uint("group", uint64(o.group))
	e.Uint("variation", uint64(o.variation))
	e.Uint("qualifier", uint64(o.qualifier))
	e.Uint("prefix_code", uint64(o.prefix()))
	e.Uint("range_code", uint64(o.rangeCode()))
	e.Uint("start", uint64(o.start))
	e.Uint("stop", uint64(o.stop))
	e.Uint("count", uint64(o.count))
	n := 0
	if len(o.data) > 0 {
		n = min(room, int(o.count))
		e.Array("points")
		in := wire.Reader{B: o.data}
		for i := range n {
			e.Open("")
			o.point(e, &in, i)
			e.Close()
		}
		e.End()
	}
	e.Close()
	return n
}

// point writes the point that is the i-th of its object.
func (o *object) point(e *encode.Encoder, in *wire.Reader, i int) {
	before := number(in, o.prefixLength())
	index := uint64(o.start) + uint64(i)
	if o.indexed() {
		index = uint64(before)
	} else if o.sized() {
		index = 0
	}
	e.Uint("prefix", uint64(before))
	e.Uint("index", index)
	if packed := o.layout.packed(); packed > 0 && o.prefix() == 0 {
		at := i * packed
		e.Uint(o.layout[0][0].name, uint64(o.data[at/8]>>(at%8)&(1<<packed-1)))
		return
	}
	if !o.sized() {
		o.layout.encode(e, in)
		return
	}
	e.Uint("size", uint64(before))
	own := wire.Reader{B: in.Take(int(before))}
	o.layout.encode(e, &own)
}

// encode writes the fields of a point; those that are not there are left out.
func (l layout) encode(e *encode.Encoder, in *wire.Reader) {
	octet, at := uint8(0), 0
	for _, part := range l {
		for _, f := range part {
			if f.kind != bits && f.kind != packed {
				f.encode(e, in)
				continue
			}
			if at == 0 {
				octet = in.U8()
			}
			if in.Short {
				return
			}
			e.Uint(f.name, uint64(octet>>at&(1<<f.size-1)))
			at = (at + int(f.size)) % 8
		}
	}
}

// encode writes a field that fills whole octets.
func (f field) encode(e *encode.Encoder, in *wire.Reader) {
	switch f.kind {
	case text:
		e.Bytes(f.name, in.Take(len(in.B)))
		return
	case opaque:
		e.Base64(f.name, in.Take(len(in.B)))
		return
	case lengthened:
		e.Bytes(f.name, in.Take(int(in.U8())))
		return
	case octets:
		e.Hex(f.name, in.Take(int(f.size)))
		return
	}
	b := in.Take(int(f.size))
	if b == nil {
		return
	}
	v := uint64(0)
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	switch {
	case f.kind == unsigned:
		e.Uint(f.name, v)
	case f.kind == signed:
		gap := 64 - 8*len(b)
		e.Int(f.name, int64(v<<gap)>>gap)
	case len(b) == 4:
		real(e, f.name, float64(math.Float32frombits(uint32(v))), 32)
	default:
		real(e, f.name, math.Float64frombits(v), 64)
	}
}

// real writes a floating number. JSON has none but finite ones: others are left
// out.
func real(e *encode.Encoder, name string, v float64, size int) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	e.Key(name)
	from := len(e.B)
	e.B = strconv.AppendFloat(e.B, v, 'g', -1, size)
	for _, c := range e.B[from:] {
		if c == '.' || c == 'e' {
			return
		}
	}
	e.B = append(e.B, ".0"...)
}
