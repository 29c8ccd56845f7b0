package dnp3

import "github.com/antin-gov/antin/sensor/proto/wire"

// Functions of the application layer (§4.2.2.5) that are treated apart.
const (
	functionConfirm       = 0
	functionRead          = 1
	functionWrite         = 2
	functionSelect        = 3
	functionDirectNoAck   = 6
	functionFreeze        = 7
	functionFreezeNoAck   = 8
	functionClearNoAck    = 10
	functionFreezeAt      = 11
	functionFreezeAtNoAck = 12
	functionStart         = 16
	functionSave          = 19
	functionOpen          = 25
	functionResponse      = 129
	functionUnsolicited   = 130
)

// Bits of the application layer's control octet (§4.2.2.4).
const (
	appFirst       = 0x80
	appLast        = 0x40
	appConfirm     = 0x20
	appUnsolicited = 0x10
	appSequence    = 0x0f
)

// message is a fragment of the application layer.
type message struct {
	head     head
	control  uint8
	function uint8
	// indications are those of an answer: the first octet is the upper one.
	indications uint16
	objects     []object
	// complete is true when all objects were read.
	complete bool
	// data is the fragment.
	data []byte
}

// response reports whether the fragment comes from an outstation's answer.
func (m *message) response() bool { return m.function >= functionResponse }

// answered reports whether a request asks for an answer (§4.4).
func (m *message) answered() bool {
	switch m.function {
	case functionConfirm, functionDirectNoAck, functionFreezeNoAck, functionClearNoAck, functionFreezeAtNoAck:
		return false
	}
	return true
}

// parse reads a fragment and what is wrong with it; it is nil when not even its
// head is there. The message keeps the bytes until the next fragment.
func parse(h head, fragment []byte) (m *message, notices []string) {
	in := wire.Reader{B: fragment}
	m = &message{head: h, control: in.U8(), function: in.U8(), data: fragment}
	if m.response() {
		m.indications = in.U16()
	}
	if in.Short {
		return nil, []string{"len_too_small"}
	}
	notices, m.complete = m.readObjects(&in)
	return m, notices
}

// readObjects reads the objects' heads and their points.
func (m *message) readObjects(in *wire.Reader) (notices []string, complete bool) {
	points := 0
	for len(in.B) > 0 {
		if len(m.objects) == maxObjects {
			return append(notices, "too_many_objects"), false
		}
		o, ok := readHead(in)
		if !ok {
			return notices, false
		}
		m.objects = append(m.objects, o)
		last := &m.objects[len(m.objects)-1]
		l, known := layoutOf(o.group, o.variation)
		if !m.carries(last) {
			l = nil
			if !groupKnown(o.group) {
				notices = append(notices, "unknown_object")
			}
		} else if !known {
			return append(notices, "unknown_object"), false
		}
		if points += int(o.count); o.count > maxPoints || points > maxPoints {
			return append(notices, "too_many_points"), false
		}
		if !last.readPoints(in, l) {
			return notices, false
		}
	}
	return notices, true
}

// carries reports whether the points of an object follow its head: they do in
// answers, and in requests that bring values. Others name only what they mean,
// except with files, whose blocks have their length before them, and with times.
func (m *message) carries(o *object) bool {
	switch f := m.function; {
	case m.response(), f >= functionWrite && f <= functionDirectNoAck, f >= functionStart && f < functionSave, f >= functionOpen:
		return true
	case f == functionFreezeAt, f == functionFreezeAtNoAck:
		return o.group == groupTime || o.sized()
	}
	return o.sized()
}
