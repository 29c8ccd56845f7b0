package decode

import (
	"encoding/binary"
	"net/netip"
)

// MaxDepth is how many tunnels are opened in one another.
const MaxDepth = 6

// Ports of the tunnels over UDP: RFC 7348 §5, RFC 8926 §3.3, RFC 4380 §2.7.
const (
	portVXLAN  = 4789
	portGeneve = 6081
	portTeredo = 3544
)

// Via says how a packet came: on the wire, or in which tunnel.
type Via uint8

// The ways of a packet.
const (
	Wire Via = iota
	ViaGRE
	ViaIPv4
	ViaIPv6
	ViaVXLAN
	ViaGeneve
	ViaTeredo
)

// Tunnel is the packet that carried another: the outermost one.
type Tunnel struct {
	Src, Dst netip.AddrPort
	Proto    uint8
	// Depth counts the tunnels around the packet.
	Depth uint8
	Via   Via
}

// carried is what a packet carries when it is a tunnel.
type carried struct {
	kind uint16
	body []byte
	via  Via
}

// Inner decodes the packet that p carries into in, which must be another. It
// returns false when p carries none that is read here, or too deep a one.
// Like Decode, it is guarded.
func (d *Decoder) Inner(p, in *Packet) (outcome Outcome, reason Reason, ok bool) {
	c := p.inner
	if c.body == nil || p.Tunnel.Depth >= MaxDepth {
		return 0, ReasonNone, false
	}
	defer func() {
		if r := recover(); r != nil {
			d.panics++
			outcome, reason = Invalid, ReasonPanic
		}
	}()
	tunnel := p.Tunnel
	if tunnel.Depth == 0 {
		tunnel.Src, tunnel.Dst, tunnel.Proto = p.SrcAddrPort(), p.DstAddrPort(), p.Proto
	}
	tunnel.Depth++
	tunnel.Via = c.via
	*in = Packet{
		Time: p.Time, Number: p.Number, Link: p.Link, Frame: c.body, WireLength: len(c.body), Tunnel: tunnel,
		partial: p.partial, Cut: p.Cut,
	}
	kind, body, good := d.ether(c.kind, c.body, in)
	if !good {
		return Invalid, ReasonLink, true
	}
	outcome, reason = d.network(kind, body, in)
	if outcome == Invalid && in.Cut {
		reason = ReasonCut
	}
	return outcome, reason, true
}

// ether strips what lies below IP in a tunnel.
func (d *Decoder) ether(kind uint16, body []byte, p *Packet) (uint16, []byte, bool) {
	switch kind {
	case etherBridged:
		return bridged(body, p)
	case etherPPP:
		return ppp(body)
	}
	return tags(kind, body, p)
}

// tunnelOf finds what a packet of an IP protocol other than the transports
// carries.
func tunnelOf(p *Packet, body []byte) carried {
	via := ViaIPv4
	if p.Version == 6 {
		via = ViaIPv6
	}
	switch p.Proto {
	case protoIPIP:
		return carried{kind: etherIPv4, body: body, via: via}
	case protoIPv6:
		return carried{kind: etherIPv6, body: body, via: via}
	case protoGRE:
		return gre(body)
	case protoEtherIP:
		// RFC 3378 §3: version 3 in the first of two bytes.
		if len(body) > 2 && body[0]>>4 == 3 {
			return carried{kind: etherBridged, body: body[2:], via: via}
		}
	}
	return carried{}
}

// gre reads the header of RFC 2784 and 2890, with the routing of RFC 1701, and
// of PPTP (RFC 2637 §4.1, version 1).
func gre(b []byte) carried {
	const (
		checksum = 1 << 15
		routing  = 1 << 14
		key      = 1 << 13
		sequence = 1 << 12
		acked    = 1 << 7
	)
	if len(b) < 4 {
		return carried{}
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	version, at := flags&7, 4
	if version > 1 {
		return carried{}
	}
	if flags&(checksum|routing) != 0 {
		at += 4
	}
	if flags&key != 0 {
		at += 4
	}
	if flags&sequence != 0 {
		at += 4
	}
	if version == 1 && flags&acked != 0 {
		at += 4
	}
	for flags&routing != 0 {
		// RFC 1701: entries of family, offset and length, ended by a zero one.
		if at+4 > len(b) {
			return carried{}
		}
		family, size := binary.BigEndian.Uint16(b[at:]), int(b[at+3])
		at += 4 + size
		if family == 0 && size == 0 {
			break
		}
	}
	if kind == etherERSPAN && flags&sequence != 0 {
		// Type II has eight bytes of its own, type I none.
		at += 8
	}
	if at >= len(b) {
		return carried{}
	}
	switch kind {
	case etherERSPAN, etherTEB:
		kind = etherBridged
	case etherGREPPP:
		kind = etherPPP
	}
	return carried{kind: kind, body: b[at:], via: ViaGRE}
}

// udpTunnel finds what a datagram on a tunnel's port carries.
func udpTunnel(p *Packet) carried {
	b := p.Payload
	switch {
	case p.DstPort == portVXLAN:
		// RFC 7348 §5: the I flag must be set.
		if len(b) > 8 && b[0]&0x08 != 0 {
			return carried{kind: etherBridged, body: b[8:], via: ViaVXLAN}
		}
	case p.DstPort == portGeneve:
		// RFC 8926 §3.4: version 0, options in words of four bytes.
		if len(b) <= 8 || b[0]>>6 != 0 {
			break
		}
		at := 8 + 4*int(b[0]&0x3f)
		if at >= len(b) {
			break
		}
		kind := binary.BigEndian.Uint16(b[2:])
		if kind == etherTEB {
			kind = etherBridged
		}
		return carried{kind: kind, body: b[at:], via: ViaGeneve}
	case p.DstPort == portTeredo, p.SrcPort == portTeredo:
		return teredo(b)
	}
	return carried{}
}

// teredo passes over the authentication and origin indications (RFC 4380
// §5.1.1) to the IPv6 packet.
func teredo(b []byte) carried {
	if len(b) >= 13 && b[0] == 0 && b[1] == 1 {
		n := 13 + int(b[2]) + int(b[3])
		b = b[min(n, len(b)):]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 {
		b = b[8:]
	}
	if len(b) < ipv6Header || b[0]>>4 != 6 || int(binary.BigEndian.Uint16(b[4:])) > len(b)-ipv6Header {
		return carried{}
	}
	return carried{kind: etherIPv6, body: b, via: ViaTeredo}
}
