package mqtt

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// Connect flags (§3.1.2.3).
const (
	flagClean      = 1 << 1
	flagWill       = 1 << 2
	flagWillRetain = 1 << 5
	flagPassword   = 1 << 6
	flagUsername   = 1 << 7
)

type topic struct {
	name []byte
	qos  uint8
}

// message is one control packet.
type message struct {
	kind        uint8
	dir         int
	dup, retain bool
	qos         uint8
	id          uint16
	hasID       bool
	// skipped is the length of a packet that was not kept.
	skipped int

	protocol, client       []byte
	version, flags         uint8
	willTopic, willMessage []byte
	username, password     []byte
	topic, payload         []byte
	topics                 []topic
	// codes are return and reason codes, or the qualities granted.
	codes   []byte
	present bool
	props   []property
	will    []property
}

// parse reads the variable header and the payload.
func (m *message) parse(body []byte, version *uint8) error {
	r := wire.Reader{B: bytes.Clone(body)}
	if m.kind == typeConnect {
		m.connect(&r)
		*version = m.version
	} else {
		m.other(&r, *version == 5)
	}
	if r.Short {
		return ErrMalformed
	}
	return nil
}

func (m *message) connect(r *wire.Reader) {
	m.protocol = text(r)
	m.version = r.U8()
	m.flags = r.U8()
	r.U16()
	if m.version == 5 {
		m.props = properties(r)
	}
	m.client = text(r)
	if m.flags&flagWill != 0 {
		if m.version == 5 {
			m.will = properties(r)
		}
		m.willTopic, m.willMessage = text(r), text(r)
	}
	if m.flags&flagUsername != 0 {
		m.username = text(r)
	}
	if m.flags&flagPassword != 0 {
		m.password = text(r)
	}
}

// other reads the packets besides CONNECT; five says that the connection is
// MQTT 5, which added reasons and properties.
func (m *message) other(r *wire.Reader, five bool) {
	switch m.kind {
	case typeConnack:
		m.present = r.U8()&1 != 0
		m.codes = r.Take(1)
		if five {
			m.props = properties(r)
		}
	case typePublish:
		m.topic = text(r)
		if m.qos > 0 {
			m.identify(r)
		}
		if five {
			m.props = properties(r)
		}
		m.payload = r.B
	case typePuback, typePubrec, typePubrel, typePubcomp:
		m.identify(r)
		m.reason(r, five)
	case typeSubscribe, typeUnsubscribe:
		m.identify(r)
		if five {
			m.props = properties(r)
		}
		for len(r.B) > 0 && len(m.topics) < maxTopics {
			t := topic{name: text(r)}
			if m.kind == typeSubscribe {
				t.qos = r.U8() & 3
			}
			m.topics = append(m.topics, t)
		}
	case typeSuback, typeUnsuback:
		m.identify(r)
		if five {
			m.props = properties(r)
		}
		m.codes = r.B[:min(len(r.B), maxTopics)]
	case typeDisconnect, typeAuth:
		if five && len(r.B) == 0 {
			// No reason means success (§3.14.2.1).
			m.codes = []byte{0}
		}
		m.reason(r, five)
	}
}

func (m *message) identify(r *wire.Reader) { m.id, m.hasID = r.U16(), true }

func (m *message) reason(r *wire.Reader, five bool) {
	if !five || len(r.B) == 0 {
		return
	}
	m.codes = r.Take(1)
	if len(r.B) > 0 {
		m.props = properties(r)
	}
}

// Encode writes the mqtt object. It implements encode.Body.
func (tx *transaction) Encode(e *encode.Encoder) {
	e.Open("mqtt")
	told := 0
	for _, m := range tx.messages {
		if told&(1<<m.kind) == 0 {
			m.encode(e)
		}
		told |= 1 << m.kind
	}
	e.Close()
}

func (m *message) encode(e *encode.Encoder) {
	e.Open(typeNames[m.kind])
	e.Uint("qos", uint64(m.qos))
	e.Bool("retain", m.retain)
	e.Bool("dup", m.dup)
	switch {
	case m.skipped > 0:
		e.Bool("truncated", true)
		e.Uint("skipped_length", uint64(m.skipped))
	case m.kind == typeConnect:
		m.encodeConnect(e)
	default:
		m.encodeOther(e)
	}
	encodeProperties(e, m.props)
	e.Close()
}

func (m *message) encodeConnect(e *encode.Encoder) {
	e.Bytes("protocol_string", m.protocol)
	e.Uint("protocol_version", uint64(m.version))
	limited(e, "client_id", m.client)
	e.Open("flags")
	e.Bool("username", m.flags&flagUsername != 0)
	e.Bool("password", m.flags&flagPassword != 0)
	e.Bool("will_retain", m.flags&flagWillRetain != 0)
	e.Bool("will", m.flags&flagWill != 0)
	e.Bool("clean_session", m.flags&flagClean != 0)
	e.Close()
	if m.flags&flagUsername != 0 {
		limited(e, "username", m.username)
	}
	if m.flags&flagPassword != 0 {
		limited(e, "password", m.password)
	}
	if m.flags&flagWill != 0 {
		e.Open("will")
		limited(e, "topic", m.willTopic)
		limited(e, "message", m.willMessage)
		encodeProperties(e, m.will)
		e.Close()
	}
}

func (m *message) encodeOther(e *encode.Encoder) {
	if m.hasID {
		e.Uint("message_id", uint64(m.id))
	}
	switch m.kind {
	case typeConnack:
		e.Bool("session_present", m.present)
		e.Uint("return_code", uint64(m.codes[0]))
	case typePublish:
		limited(e, "topic", m.topic)
		limited(e, "message", m.payload)
	case typeSubscribe, typeUnsubscribe:
		e.Array("topics")
		for _, t := range m.topics {
			if m.kind == typeUnsubscribe {
				limited(e, "", t.name)
				continue
			}
			e.Open("")
			limited(e, "topic", t.name)
			e.Uint("qos", uint64(t.qos))
			e.Close()
		}
		e.End()
	case typeSuback:
		encodeCodes(e, "qos_granted", m.codes)
	case typeUnsuback:
		if len(m.codes) > 0 {
			encodeCodes(e, "reason_codes", m.codes)
		}
	default:
		if len(m.codes) > 0 {
			e.Uint("reason_code", uint64(m.codes[0]))
		}
	}
}

func encodeCodes(e *encode.Encoder, name string, codes []byte) {
	e.Array(name)
	for _, c := range codes {
		e.Uint("", uint64(c))
	}
	e.End()
}

// limited writes a text up to the limit of records.
func limited(e *encode.Encoder, name string, v []byte) { e.Bytes(name, v[:min(len(v), maxText)]) }
