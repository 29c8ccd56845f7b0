package http2

import (
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dns"
)

// lookupBegin finds out whether a message's body is one of DNS (RFC 8484), and
// reads the question that a path carries.
func (c *Conn) lookupBegin(tx *transaction, dir int) {
	h := &tx.half[dir]
	if dns.IsMedia(value(h.fields, "content-type")) && value(h.fields, "content-encoding") == "" {
		h.carries = true
		return
	}
	if dir == proto.ToServer {
		c.lookup(tx, dir, dns.FromPath(value(h.fields, ":path")))
	}
}

// lookupContent keeps what has come of a message of DNS.
func (h *half) lookupContent(b []byte) {
	room := dns.MaxMessage - len(h.message)
	h.message = append(h.message, b[:min(room, len(b))]...)
}

// lookupEnd reads a message of DNS that has come whole.
func (c *Conn) lookupEnd(tx *transaction, dir int) {
	h := &tx.half[dir]
	if !h.carries || len(h.message) == 0 {
		return
	}
	m, err := dns.Parse(h.message)
	h.message = nil
	if err != nil {
		// The record is that of the transaction alone.
		return
	}
	c.lookup(tx, dir, m)
	c.host.Inspect(dir, tx.number, tx)
}

// lookup tells of a message of DNS.
func (c *Conn) lookup(tx *transaction, dir int, m *dns.Message) {
	if m == nil {
		return
	}
	tx.half[dir].lookup = m
	c.host.Lookup(dir, tx.number, m)
}

// lookedUp is the answer, or else the question, or nil.
func (tx *transaction) lookedUp() *dns.Message {
	if m := tx.half[proto.ToClient].lookup; m != nil {
		return m
	}
	return tx.half[proto.ToServer].lookup
}
