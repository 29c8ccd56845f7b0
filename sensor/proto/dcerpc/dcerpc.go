// Package dcerpc reads DCE/RPC (The Open Group C706, [MS-RPCE]): over TCP, in
// the named pipes of SMB, and as datagrams. It tells which interfaces are
// bound, and of each call its number, the sizes of what was sent and the
// answer.
//
// Not here: the arguments of calls (NDR), RPC over HTTP, and what is sealed.
package dcerpc

import (
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

const (
	// headLength is the head that all units of a connection share (C706
	// §12.6.3.1), packetHead that of a datagram (§12.5.2).
	headLength = 16
	packetHead = 80

	// requestHead is the head of a request's body, responseHead of a response's.
	requestHead  = 8
	responseHead = 8

	flagFirst = 0x01
	flagLast  = 0x02

	// maxOpen bounds the calls without an answer, maxContexts the interfaces
	// kept of an association, maxStub what is kept of a call's arguments.
	maxOpen     = 64
	maxContexts = 64
	maxStub     = 64 << 10
)

// Kinds of units (C706 §12.6.4, [MS-RPCE] §2.2.2.1).
const (
	kindRequest  = 0
	kindResponse = 2
	kindFault    = 3
	kindBind     = 11
	kindBindAck  = 12
	kindBindNak  = 13
	kindAlter    = 14
	kindAlterAck = 15
	kindAuth3    = 16
	kindLast     = 20
)

var kindNames = [...]string{
	"REQUEST", "PING", "RESPONSE", "FAULT", "WORKING", "NOCALL", "REJECT", "ACK", "CL_CANCEL", "FACK", "CANCEL_ACK",
	"BIND", "BINDACK", "BINDNAK", "ALTER_CONTEXT", "ALTER_CONTEXT_RESP", "AUTH3", "SHUTDOWN", "CO_CANCEL", "ORPHANED", "RTS",
}

func kindName(kind byte) string {
	if int(kind) < len(kindNames) {
		return kindNames[kind]
	}
	return "UNKNOWN"
}

// ErrMalformed means that a direction is not DCE/RPC.
var ErrMalformed = errors.New("dcerpc: malformed")

// unit is one PDU of a connection.
type unit struct {
	minor, kind, flags byte
	little             bool
	size               int
	call               uint32
	body               []byte
}

// order reads numbers in the sender's order.
func (u *unit) order() binary.ByteOrder {
	if u.little {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

// head reads the head of a unit.
func head(b []byte) (u unit, ok bool) {
	if len(b) < headLength || b[0] != 5 || b[1] > 1 || b[2] > kindLast {
		return u, false
	}
	u = unit{minor: b[1], kind: b[2], flags: b[3], little: b[4]&0x10 != 0}
	u.size = int(u.order().Uint16(b[8:]))
	u.call = u.order().Uint32(b[12:])
	return u, u.size >= headLength && b[4]&0xef == 0
}

// Begins reports whether bytes begin with the head of a unit.
func Begins(b []byte) bool {
	_, ok := head(b)
	return ok
}

// Probe tells DCE/RPC over TCP by the head of a first unit: a bind or its
// answer, and of a connection joined midstream a request or response.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	if len(b) < headLength {
		return false, len(b) == 0 || b[0] == 5
	}
	u, ok := head(b)
	if !ok {
		return false, false
	}
	if dir == proto.ToServer {
		return u.kind == kindBind || u.kind == kindRequest && u.flags&flagFirst != 0 && u.size > headLength+8, false
	}
	return u.kind == kindBindAck || u.kind == kindBindNak || h.First[0] == 5 && h.First[1] <= 1, false
}

// Conn reads one TCP connection. It implements proto.Parser.
type Conn struct {
	host proto.Host
	a    Association
	next uint64
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	asked, told, err := c.a.Feed(dir, b)
	for _, call := range asked {
		call.Tx = c.next
		c.next++
		c.host.Inspect(proto.ToServer, call.Tx, call)
	}
	for _, call := range told {
		c.tell(call)
	}
	return err
}

func (c *Conn) tell(call *Call) {
	if call.Lost() {
		call.Tx = c.next
		c.next++
	}
	c.host.Record(event("dcerpc", call))
}

// Gap implements proto.Parser.
func (c *Conn) Gap(dir int, n int) { c.a.Gap(dir, n) }

// Close implements proto.Parser.
func (c *Conn) Close() {
	for _, call := range c.a.Close() {
		c.tell(call)
	}
}

// parseBind reads the interfaces that a bind asks for (C706 §12.6.4.3).
func parseBind(u *unit) ([]Interface, bool) {
	r := wire.Reader{B: u.body}
	r.Take(8)
	n := r.U8()
	r.Take(3)
	var out []Interface
	for range n {
		id := u.order().Uint16(pad(r.Take(2), 2))
		transfers := r.U8()
		r.Take(1)
		uuid := r.Take(16)
		major := u.order().Uint16(pad(r.Take(2), 2))
		minor := u.order().Uint16(pad(r.Take(2), 2))
		r.Take(20 * int(transfers))
		if r.Short {
			return out, false
		}
		i := Interface{context: id, call: u.call, major: major, minor: minor}
		copy(i.uuid[:], uuid)
		if u.little {
			swapUUID(i.uuid[:])
		}
		if len(out) < maxContexts {
			out = append(out, i)
		}
	}
	return out, true
}

// result is the answer to one interface.
type result struct{ result, reason uint16 }

// parseBindAck reads the answers (C706 §12.6.4.4).
func parseBindAck(u *unit) []result {
	r := wire.Reader{B: u.body}
	r.Take(8)
	size := int(u.order().Uint16(pad(r.Take(2), 2)))
	r.Take(size)
	r.Take((4 - (headLength+10+size)%4) % 4)
	n := r.U8()
	r.Take(3)
	var out []result
	for range min(int(n), maxContexts) {
		x := result{result: u.order().Uint16(pad(r.Take(2), 2)), reason: u.order().Uint16(pad(r.Take(2), 2))}
		r.Take(20)
		if r.Short {
			break
		}
		out = append(out, x)
	}
	return out
}

// pad gives n zeros where a reader ran short.
func pad(b []byte, n int) []byte {
	if len(b) < n {
		return make([]byte, n)
	}
	return b
}

// swapUUID turns the little-endian form of a UUID into its text's order.
func swapUUID(b []byte) {
	b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
	b[4], b[5] = b[5], b[4]
	b[6], b[7] = b[7], b[6]
}
