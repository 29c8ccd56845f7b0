// Package krb5 reads Kerberos 5 (RFC 4120) over UDP and TCP: who asks for
// which ticket, what the answer is, and the algorithms.
//
// Not here: what is encrypted, pre-authentication data, Kerberos inside other
// protocols.
package krb5

import (
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxMessage bounds a message over TCP: tickets with large authorization
	// data have some 64 KiB.
	maxMessage = 1 << 20
	headLength = 4
)

// ErrMalformed means that a direction is not Kerberos.
var ErrMalformed = errors.New("krb5: malformed")

// Conn reads the messages of one flow. It implements proto.Parser.
type Conn struct {
	host   proto.Host
	stream bool
	buf    [2][]byte
	next   uint64
	// asked is the last request, account who made it.
	asked   int
	account []byte
}

// New returns a reader of datagrams that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// NewStream returns a reader of a stream that tells host.
func NewStream(host proto.Host) *Conn { return &Conn{host: host, stream: true} }

// ProbePacket tells Kerberos by a message that parses.
func ProbePacket(_ int, b []byte, _ proto.Hint) bool {
	if !marked(b) {
		return false
	}
	_, err := parse(b)
	return err == nil
}

// Probe tells Kerberos by the length (§7.2.2) and the tag after it.
func Probe(_ int, b []byte, _ proto.Hint) (yes, more bool) {
	if len(b) < headLength+4 {
		return false, len(b) == 0 || b[0] == 0
	}
	size := binary.BigEndian.Uint32(b)
	return size >= 16 && size < maxMessage && marked(b[headLength:]), false
}

// marked tests the application tag, and the sequence after its length.
func marked(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	switch b[0] {
	case 0x6a, 0x6b, 0x6c, 0x6d, 0x7e:
	default:
		return false
	}
	at := 2
	if b[1]&0x80 != 0 {
		at += int(b[1] & 0x7f)
	}
	return at >= len(b) || b[at] == 0x30
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if !c.stream {
		return c.message(dir, b)
	}
	c.buf[dir] = append(c.buf[dir], b...)
	for len(c.buf[dir]) >= headLength {
		size := int(binary.BigEndian.Uint32(c.buf[dir]))
		if size > maxMessage {
			c.buf[dir] = nil
			return c.malformed(dir)
		}
		if len(c.buf[dir]) < headLength+size {
			return nil
		}
		err := c.message(dir, c.buf[dir][headLength:headLength+size])
		c.buf[dir] = c.buf[dir][headLength+size:]
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) message(dir int, b []byte) error {
	m, err := parse(b)
	if err != nil {
		return c.malformed(dir)
	}
	switch m.kind {
	case typeASRep, typeTGSRep:
		if m.hasEtype && weak(m.etype) {
			c.host.Notice(dir, c.next, "weak_encryption")
		}
	case typeASReq, typeTGSReq, typeAPReq:
		c.asked, c.account = m.kind, m.cname
	case typeError:
		m.failed = c.asked
	}
	refused, judged := m.logIn()
	if judged {
		c.host.LogIn(string(c.account), refused)
	}
	c.host.Record(proto.Event{Kind: "krb5", Dir: dir, From: dir, OneSided: true, Tx: c.next, HasTx: true, Bodies: []encode.Body{m}})
	c.next++
	return nil
}

func (c *Conn) malformed(dir int) error {
	c.host.Notice(dir, c.next, "malformed_data")
	c.next++
	return ErrMalformed
}

// Gap implements proto.Parser: where the next message starts cannot be known.
func (c *Conn) Gap(dir int, _ int) { c.buf[dir] = nil }

// Close implements proto.Parser.
func (c *Conn) Close() {}
