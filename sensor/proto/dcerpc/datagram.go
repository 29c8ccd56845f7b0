package dcerpc

import (
	"encoding/binary"
	"slices"

	"github.com/antin-gov/antin/sensor/proto"
)

// Flags of a datagram (C706 §12.5.2.2).
const (
	packetLastPart = 0x02
	packetParted   = 0x04
)

// datagram names a call without a connection.
type datagram struct {
	activity [16]byte
	sequence uint32
}

// packet is one datagram.
type packet struct {
	unit
	datagram
	iface   [16]byte
	version uint32
	opnum   uint16
	parted  bool
	last    bool
}

// parsePacket reads a datagram (C706 §12.5.2).
func parsePacket(b []byte) (p packet, ok bool) {
	if len(b) < packetHead || b[0] != 4 || b[1] > 10 || b[4]&0xef != 0 || b[5] > 3 {
		return p, false
	}
	p.kind, p.little = b[1], b[4]&0x10 != 0
	size := int(p.order().Uint16(b[74:]))
	if size == 0 && p.kind == kindRequest || packetHead+size > len(b) {
		return p, false
	}
	p.body = b[packetHead : packetHead+size]
	copy(p.iface[:], b[24:])
	copy(p.activity[:], b[40:])
	if p.little {
		swapUUID(p.iface[:])
		swapUUID(p.activity[:])
	}
	p.version = p.order().Uint32(b[60:])
	p.sequence = p.order().Uint32(b[64:])
	p.opnum = p.order().Uint16(b[68:])
	p.parted, p.last = b[2]&packetParted != 0, b[2]&packetLastPart != 0
	return p, true
}

// ProbePacket tells DCE/RPC in a datagram by its head.
func ProbePacket(_ int, b []byte, _ proto.Hint) bool {
	p, ok := parsePacket(b)
	return ok && (p.kind == kindRequest || p.kind == kindResponse) && binary.BigEndian.Uint64(p.activity[:]) != 0
}

// Packets reads the calls of one UDP flow. It implements proto.Parser.
type Packets struct {
	host proto.Host
	open []*Call
	next uint64
}

// NewPackets returns a reader that tells host.
func NewPackets(host proto.Host) *Packets { return &Packets{host: host} }

// Feed implements proto.Parser.
func (c *Packets) Feed(dir int, b []byte) error {
	p, ok := parsePacket(b)
	if !ok {
		return ErrMalformed
	}
	i := slices.IndexFunc(c.open, func(o *Call) bool { return *o.datagram == p.datagram })
	if i < 0 {
		if len(c.open) == maxOpen {
			c.tell(0)
		}
		c.open = append(c.open, &Call{Tx: c.next, lost: true, opnum: p.opnum, datagram: &p.datagram})
		c.next++
		i = len(c.open) - 1
	}
	call := c.open[i]
	whole := !p.parted || p.last
	switch p.kind {
	case kindRequest:
		call.lost, call.request = false, kindRequest
		call.bound = []Interface{{uuid: p.iface, major: uint16(p.version), minor: uint16(p.version >> 16)}}
		call.addStub(proto.ToServer, p.body)
		if whole {
			call.asked = true
			c.host.Inspect(dir, call.Tx, call)
		}
	case kindResponse, kindFault:
		call.response, call.answered = p.kind, true
		call.addStub(proto.ToClient, p.body)
		if whole {
			c.tell(i)
		}
	}
	return nil
}

// tell records a call and forgets it.
func (c *Packets) tell(i int) {
	call := c.open[i]
	c.open = slices.Delete(c.open, i, i+1)
	c.host.Record(event("dcerpc", call))
}

// Gap implements proto.Parser.
func (c *Packets) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Packets) Close() {
	for len(c.open) > 0 {
		c.tell(0)
	}
}
