// Package mqtt reads MQTT 3.1, 3.1.1 and 5.0 (OASIS, "MQTT Version 5.0"):
// control packets, grouped into transactions as EVE has them.
//
// Not here: MQTT-SN and MQTT over WebSocket.
package mqtt

import (
	"errors"
	"slices"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

// Packet types (§2.1.2).
const (
	typeConnect = 1 + iota
	typeConnack
	typePublish
	typePuback
	typePubrec
	typePubrel
	typePubcomp
	typeSubscribe
	typeSuback
	typeUnsubscribe
	typeUnsuback
	typePingreq
	typePingresp
	typeDisconnect
	typeAuth
)

var typeNames = [...]string{
	"", "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "suback",
	"unsubscribe", "unsuback", "pingreq", "pingresp", "disconnect", "auth",
}

const (
	// maxMessage is the longest packet that is kept, Suricata's default
	// max-msg-length; of a longer one only the type and length are told.
	maxMessage = 1 << 20
	// maxOpen bounds the transactions that wait for an answer.
	maxOpen = 128
	// maxMessages bounds the packets of one transaction; an exchange of quality
	// 2 has four.
	maxMessages = 32
	// maxTopics bounds the topics of a subscription.
	maxTopics = 256
	// maxText bounds a text in a record, Suricata's string-log-limit.
	maxText = 1 << 10
)

// ErrMalformed means that a direction is not MQTT.
var ErrMalformed = errors.New("mqtt: malformed")

// transaction is a packet with its answers.
type transaction struct {
	number   uint64
	id       uint16
	hasID    bool
	last     uint8
	version  uint8
	messages []*message
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host    proto.Host
	version uint8
	buf     [2][]byte
	skip    [2]int
	open    []*transaction
	next    uint64
	// connected is true after CONNACK has answered CONNECT.
	connected bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells MQTT by a CONNECT or CONNACK, which begin each direction.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	if len(b) == 0 {
		return false, true
	}
	if dir == proto.ToClient {
		// CONNACK is four bytes and no mark of its own: taken on the port only.
		may := b[0] == typeConnack<<4 && h.Ports[1] == 1883
		return may && len(b) >= 4 && b[2] <= 1, may && len(b) < 4
	}
	if b[0] != typeConnect<<4 {
		return false, false
	}
	_, n, ok := length(b[1:])
	if !ok {
		return false, len(b) < 5
	}
	name := b[1+n:]
	if len(name) < 6 {
		return false, true
	}
	return string(name[:6]) == "\x00\x04MQTT" || string(name[:6]) == "\x00\x06MQIs", false
}

// length reads the remaining length (§1.5.5) and how many bytes it took.
func length(b []byte) (v, n int, ok bool) {
	for i := 0; i < 4 && i < len(b); i++ {
		v |= int(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, i + 1, true
		}
	}
	return 0, 0, false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	for {
		n := min(c.skip[dir], len(b))
		c.skip[dir] -= n
		c.buf[dir] = append(c.buf[dir], b[n:]...)
		b = nil
		buf := c.buf[dir]
		if len(buf) < 2 || c.skip[dir] > 0 {
			return nil
		}
		size, n, ok := length(buf[1:])
		if !ok {
			if len(buf) >= 5 {
				return c.malformed(dir)
			}
			return nil
		}
		if size > maxMessage {
			c.truncated(dir, buf[0], size)
			c.skip[dir] = size + 1 + n
			b, c.buf[dir] = buf, nil
			continue
		}
		if len(buf) < 1+n+size {
			return nil
		}
		err := c.packet(dir, buf[0], buf[1+n:1+n+size])
		if err != nil {
			return err
		}
		c.buf[dir] = buf[1+n+size:]
		if len(c.buf[dir]) == 0 {
			c.buf[dir] = nil
		}
	}
}

func (c *Conn) packet(dir int, first uint8, body []byte) error {
	m := &message{kind: first >> 4, dup: first&8 != 0, qos: first >> 1 & 3, retain: first&1 != 0}
	if m.kind == 0 {
		c.reserved(dir)
		return nil
	}
	err := m.parse(body, &c.version)
	if err != nil {
		return c.malformed(dir)
	}
	c.join(dir, m)
	return nil
}

func (c *Conn) malformed(dir int) error {
	c.host.Notice(dir, c.next, "malformed_traffic")
	c.next++
	return ErrMalformed
}

// reserved tells of a packet of the type that is none (§2.1.2).
func (c *Conn) reserved(dir int) {
	c.host.Notice(dir, c.next, "unassigned_msg_type")
	c.next++
}

func (c *Conn) truncated(dir int, first uint8, size int) {
	if first>>4 == 0 {
		c.reserved(dir)
		return
	}
	m := &message{kind: first >> 4, dup: first&8 != 0, qos: first >> 1 & 3, retain: first&1 != 0, skipped: size + 1}
	c.join(dir, m)
}

// join adds a packet to its transaction and tells those that are complete.
func (c *Conn) join(dir int, m *message) {
	m.dir = dir
	tx := c.find(m)
	if tx == nil {
		tx = &transaction{number: c.next, id: m.id, hasID: m.hasID}
		c.next++
		c.notice(dir, tx.number, m)
		c.open = append(c.open, tx)
		if len(c.open) > maxOpen {
			c.host.Notice(dir, c.open[0].number, "too_many_transactions")
			c.tell(c.open[0])
		}
	} else if m.kind == typeConnack {
		c.connected = true
	}
	if len(tx.messages) == maxMessages {
		c.host.Notice(dir, tx.number, "too_many_messages")
		c.tell(tx)
		return
	}
	tx.messages = append(tx.messages, m)
	tx.last = m.kind
	if tx.complete(m) {
		c.tell(tx)
	}
}

// answers says which packet a packet answers.
var answers = [...]uint8{
	typeConnack: typeConnect, typePuback: typePublish, typePubrec: typePublish, typePubrel: typePubrec,
	typePubcomp: typePubrel, typeSuback: typeSubscribe, typeUnsuback: typeUnsubscribe, typeAuth: 0,
}

func (c *Conn) find(m *message) *transaction {
	if int(m.kind) >= len(answers) || answers[m.kind] == 0 {
		return nil
	}
	for _, tx := range c.open {
		if m.publishing() && tx.messages[0].kind == typePublish && tx.hasID && tx.id == m.id {
			return tx
		}
		if tx.last == answers[m.kind] && (m.kind == typeConnack || tx.hasID == m.hasID && tx.id == m.id) {
			return tx
		}
	}
	return nil
}

// publishing reports whether the packet belongs to the exchange of a
// publication. Its steps may be repeated (§4.4).
func (m *message) publishing() bool { return m.kind == typePubrec || m.kind == typePubrel }

func (tx *transaction) complete(m *message) bool {
	if m.skipped > 0 {
		return true
	}
	switch m.kind {
	case typeConnect, typeSubscribe, typeUnsubscribe, typePubrec, typePubrel:
		return false
	case typePublish:
		return m.qos == 0
	}
	return true
}

func (c *Conn) tell(tx *transaction) {
	c.open = slices.DeleteFunc(c.open, func(x *transaction) bool { return x == tx })
	tx.version = c.version
	c.host.Record(proto.Event{
		Kind: "mqtt", Tx: tx.number, HasTx: true, Bodies: []encode.Body{tx}, OneSided: true, From: tx.messages[0].dir,
	})
	tx.logIn(c.host)
}

// logIn tells of a connection with a name that was answered: codes 4 and 5 of
// MQTT 3.1.1 §3.2.2.3, 0x86 and 0x87 of MQTT 5 §3.2.2.2 refuse it.
func (tx *transaction) logIn(h proto.Host) {
	if len(tx.messages) < 2 {
		return
	}
	asked, said := tx.messages[0], tx.messages[1]
	if asked.kind != typeConnect || asked.flags&flagUsername == 0 || said.kind != typeConnack || len(said.codes) == 0 {
		return
	}
	switch said.codes[0] {
	case 0:
		h.LogIn(string(asked.username), false)
	case 4, 5, 0x86, 0x87:
		h.LogIn(string(asked.username), true)
	}
}

// Gap implements proto.Parser: a gap inside a packet that is passed over is
// none.
func (c *Conn) Gap(dir int, n int) {
	wire.Lose(&c.buf[dir], &c.skip[dir], n)
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	for len(c.open) > 0 {
		c.tell(c.open[0])
	}
}

// text reads a string with its length before it.
func text(r *wire.Reader) []byte { return r.Take(int(r.U16())) }
