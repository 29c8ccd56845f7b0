// Package modbus reads Modbus/TCP ("MODBUS Messaging on TCP/IP Implementation
// Guide V1.0b" §3.1.3, "MODBUS Application Protocol Specification V1.1b3"): each
// request with its answer, what it reads and writes, and what breaks the
// specification.
//
// Not here: Modbus over serial lines and over UDP, and the fields inside file
// records and identifications, which are told as bytes.
package modbus

import (
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

const (
	// port is Modbus's own; elsewhere the probe wants a message that is sound in
	// every respect.
	port = 502
	// headSize is the head up to its length, which counts what follows.
	headSize = 6
	// least and most are the length's bounds: unit and function, and a whole
	// unit of data ("Messaging" §3.1.2: 260 bytes in all).
	least, most = 2, 254
	// maxOpen is how many requests may wait for their answers; more are a
	// flood.
	maxOpen = 500
)

// ErrMalformed means that a direction is not Modbus.
var ErrMalformed = errors.New("modbus: malformed")

// Probe tells Modbus by its head on its port, and elsewhere by whole sound
// messages.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	if len(b) < headSize+least {
		n := min(len(b), 4)
		return false, n < 3 || b[2] == 0 && b[n-1] == 0
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if b[2] != 0 || b[3] != 0 || n < least || n > most || b[7] == 0 {
		return false, false
	}
	if h.Ports[1] == port {
		return true, false
	}
	// The server's words alone say too little.
	if dir != proto.ToServer || len(b) != headSize+n {
		return false, false
	}
	m := parse(dir, b)
	return m.errors == 0 && m.access != 0, false
}

// transaction is a request with its answer; one of them may be missing.
type transaction struct {
	number            uint64
	request, response *message
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host    proto.Host
	buf     [2][]byte
	skip    [2]int
	open    []*transaction
	next    uint64
	flooded bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	n := min(c.skip[dir], len(b))
	c.skip[dir] -= n
	b = b[n:]
	if len(c.buf[dir]) > 0 {
		b = append(c.buf[dir], b...)
	}
	for len(b) >= headSize {
		size := int(binary.BigEndian.Uint16(b[4:]))
		if size < least {
			c.host.Notice(dir, c.next, "invalid_length")
			c.next++
			c.buf[dir] = nil
			return ErrMalformed
		}
		if size > most {
			c.host.Notice(dir, c.next, "invalid_length")
			c.next++
			n := min(len(b), headSize+size)
			c.skip[dir] = headSize + size - n
			b = b[n:]
			continue
		}
		if len(b) < headSize+size {
			break
		}
		c.message(dir, parse(dir, b[:headSize+size]))
		b = b[headSize+size:]
	}
	c.buf[dir] = append(c.buf[dir][:0], b...)
	return nil
}

func (c *Conn) message(dir int, m *message) {
	if dir == proto.ToServer {
		c.request(m)
		return
	}
	for i, tx := range c.open {
		if m.answers(tx.request) {
			tx.response = m
			c.notice(dir, tx)
			c.open = append(c.open[:i], c.open[i+1:]...)
			c.flooded = c.flooded && len(c.open) >= maxOpen-1
			c.tell(tx)
			return
		}
	}
	tx := &transaction{number: c.next, response: m}
	c.next++
	c.notice(dir, tx)
	c.host.Notice(dir, tx.number, "unsolicited_response")
	c.tell(tx)
}

// request keeps a request until it is answered. Of a flood the oldest is told
// as it is.
func (c *Conn) request(m *message) {
	tx := &transaction{number: c.next, request: m}
	c.next++
	if len(c.open) == maxOpen {
		if !c.flooded {
			c.flooded = true
			c.host.Notice(proto.ToServer, tx.number, "flooded")
		}
		c.tell(c.open[0])
		c.open = append(c.open[:0], c.open[1:]...)
	}
	c.notice(proto.ToServer, tx)
	c.host.Inspect(proto.ToServer, tx.number, tx)
	c.open = append(c.open, tx)
}

// notice tells what is wrong with the newest message of a transaction.
func (c *Conn) notice(dir int, tx *transaction) {
	m := tx.request
	if dir == proto.ToClient {
		m = tx.response
		if m.access&(accessRead|accessWrite) != 0 && m.errors&(errorValue|errorLength) != 0 {
			c.host.Notice(dir, tx.number, "value_mismatch")
			return
		}
	}
	for i, name := range errorEvents {
		if m.errors&(1<<i) != 0 {
			c.host.Notice(dir, tx.number, name)
		}
	}
}

func (c *Conn) tell(tx *transaction) {
	c.host.Record(proto.Event{Kind: "modbus", Tx: tx.number, HasTx: true, Bodies: []encode.Body{tx}})
}

// Gap implements proto.Parser: where the next message starts is known only
// when the gap lies in one that is passed over.
func (c *Conn) Gap(dir int, n int) {
	wire.Lose(&c.buf[dir], &c.skip[dir], n)
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	for _, tx := range c.open {
		c.tell(tx)
	}
	c.open = nil
}
