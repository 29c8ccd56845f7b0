// Package rdp reads the beginning of Remote Desktop connections ([MS-RDPBCGR]
// §1.3.1.1): who asks, what both sides agree on, and what the client tells of
// itself. When they agree on TLS the connection is handed over to it.
//
// Not here: anything after the connect request, and RDP over UDP.
package rdp

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// headLength is the TPKT header (RFC 1006 §6), x224 the fixed part of a
	// connection request or confirm after it (ITU-T X.224 §13.3).
	headLength = 4
	x224       = 7

	typeRequest = 0xe0
	typeConfirm = 0xd0
	typeData    = 0xf0

	maxCookie = 256

	// answered and refused are kinds of what a confirm carries (§2.2.1.2).
	answered = 2
	refused  = 3
)

// ErrMalformed means that a direction is not RDP.
var ErrMalformed = errors.New("rdp: malformed")

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host proto.Host
	buf  [2][]byte
	next uint64
	// quiet is true when all that is read here has come; told when the
	// client has told of itself, and only the answer to that is to come.
	quiet, told bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells RDP by the connection request or confirm in a TPKT (§2.2.1.1).
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	if len(b) < headLength+x224 {
		return false, len(b) == 0 || b[0] == 3
	}
	kind := byte(typeRequest)
	if dir == proto.ToClient {
		kind = typeConfirm
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	return b[0] == 3 && b[1] == 0 && size >= headLength+x224 && b[5] == kind && int(b[4]) <= size-headLength-1, false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if c.quiet || c.told && dir == proto.ToServer {
		return nil
	}
	c.buf[dir] = append(c.buf[dir], b...)
	for len(c.buf[dir]) >= headLength && !c.quiet {
		buf := c.buf[dir]
		size := int(binary.BigEndian.Uint16(buf[2:]))
		if buf[0] != 3 || size < headLength+3 {
			after := c.told
			c.quiet, c.buf = true, [2][]byte{}
			if after {
				return nil
			}
			return ErrMalformed
		}
		if len(buf) < size {
			return nil
		}
		c.packet(dir, buf[headLength:size])
		if c.quiet || c.told && dir == proto.ToServer {
			c.buf[dir] = nil
			return nil
		}
		c.buf[dir] = buf[size:]
	}
	return nil
}

// packet reads an X.224 unit.
func (c *Conn) packet(dir int, b []byte) {
	switch kind := b[1]; {
	case kind == typeRequest && dir == proto.ToServer && len(b) >= x224:
		c.tell(dir, &request{record: c.number(), cookie: cookie(b[x224:])})
	case kind == typeConfirm && dir == proto.ToClient && len(b) >= x224:
		c.confirm(dir, b[x224:])
	case kind == typeData && dir == proto.ToServer && len(b) > 3:
		hello := parseClient(b[3:])
		if hello != nil {
			hello.record = c.number()
			c.tell(dir, hello)
			c.told = true
		}
	case kind == typeData && dir == proto.ToClient && isConnectResponse(b[3:]):
		c.tell(dir, &connected{c.number()})
		c.quiet, c.buf = true, [2][]byte{}
	}
}

// confirm reads the answer to the request (§2.2.1.2).
func (c *Conn) confirm(dir int, b []byte) {
	const size = 8
	r := &response{record: c.number()}
	if len(b) >= size {
		r.kind, r.flags, r.value = b[0], b[1], binary.LittleEndian.Uint32(b[4:])
	}
	c.tell(dir, r)
	switch {
	case r.kind == refused:
		c.quiet = true
	case r.kind == answered && r.value != 0:
		// TLS, CredSSP inside it, or its kin (§2.2.1.2.1).
		c.quiet, c.buf = true, [2][]byte{}
		c.host.Upgrade()
	}
}

// isConnectResponse tells the answer to the client (ITU-T T.125 §7).
func isConnectResponse(b []byte) bool { return len(b) >= 2 && b[0] == 0x7f && b[1] == 0x66 }

// number numbers the next record.
func (c *Conn) number() record { return record{c.next + 1} }

func (c *Conn) tell(dir int, body encode.Body) {
	c.host.Record(proto.Event{Kind: "rdp", Dir: dir, Tx: c.next, HasTx: true, Bodies: []encode.Body{body}})
	c.next++
}

// cookie is the name in "Cookie: mstshash=NAME".
func cookie(b []byte) []byte {
	line, _, ok := bytes.Cut(b, []byte("\r\n"))
	name, found := bytes.CutPrefix(line, []byte("Cookie: mstshash="))
	if !ok || !found {
		return nil
	}
	return bytes.Clone(name[:min(len(name), maxCookie)])
}

// Gap implements proto.Parser: where the next unit starts cannot be known.
func (c *Conn) Gap(int, int) { c.quiet, c.buf = true, [2][]byte{} }

// Close implements proto.Parser.
func (c *Conn) Close() {}
