package decode

import (
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/capture"
)

// Events appends the names of what is wrong or odd with the packet's headers,
// as Suricata's decode-event keyword has them. It reads the frame again by
// itself, so it costs nothing when nobody asks; p is as Decode left it,
// whatever the outcome.
func Events(p *Packet, out []string) []string {
	out = linkEvents(p, out)
	if p.inner.body != nil && p.Tunnel.Depth >= MaxDepth {
		out = append(out, "too_many_layers")
	}
	if p.IP == nil {
		return out
	}
	if p.overlap {
		out = append(out, [...]string{4: "ipv4.frag_overlap", 6: "ipv6.frag_overlap"}[p.Version])
	}
	if p.Version == 4 {
		out = ipv4Events(p, out)
	} else {
		out = ipv6Events(p, out)
	}
	return udpTunnelEvents(p, out)
}

const (
	ethernetHeader = 14
	etherPPPoEDisc = 0x8863
	// firstEtherType is where lengths end and types begin (IEEE 802.3 §3.2.6).
	firstEtherType = 0x600
)

func linkEvents(p *Packet, out []string) []string {
	f := p.Frame
	if p.Tunnel.Depth > 0 {
		return out
	}
	switch p.Link {
	case capture.LinkEthernet:
		if len(f) < ethernetHeader {
			return append(out, "ethernet.pkt_too_small")
		}
		kind := binary.BigEndian.Uint16(f[12:])
		return typeEvents(kind, f[ethernetHeader:], 0, out)
	case capture.LinkRaw, capture.LinkRawBSD:
		if len(f) > 0 && f[0]>>4 != 4 && f[0]>>4 != 6 {
			out = append(out, "ipraw.invalid_ip_version")
		}
	case capture.LinkNull, capture.LinkLoop:
		if len(f) < 4 {
			return append(out, "ltnull.pkt_too_small")
		}
		kind, _, _ := null(f)
		if kind == etherOther {
			out = append(out, "ltnull.unsupported_type")
		}
	case capture.LinkLinuxSLL:
		if len(f) < 16 {
			out = append(out, "sll.pkt_too_small")
		}
	case capture.LinkPPP:
		out = pppEvents(f, out)
	case capture.LinkHDLC:
		if len(f) < 4 {
			out = append(out, "chdlc.pkt_too_small")
		}
	}
	return out
}

// typeEvents judges what an Ethernet type announces.
func typeEvents(kind uint16, body []byte, depth int, out []string) []string {
	switch kind {
	case etherQ, etherQinQ, etherQ9100:
		if depth == MaxVLANs {
			return append(out, "vlan.too_many_layers")
		}
		if len(body) < 4 {
			return append(out, "vlan.header_too_small")
		}
		return typeEvents(binary.BigEndian.Uint16(body[2:]), body[4:], depth+1, out)
	case etherPPPoE:
		if len(body) < 8 {
			return append(out, "pppoe.pkt_too_small")
		}
		return pppEvents(body[6:], out)
	case etherPPPoEDisc:
		return pppoeEvents(body, out)
	case etherMPLS, etherMPLSM:
		return mplsEvents(body, out)
	case etherBAC:
		if len(body) < bacHeader {
			out = append(out, "ieee8021ah.header_too_small")
		}
		return out
	case etherFabric:
		if len(body) < fabricHeader+ethernetHeader {
			out = append(out, "dce.pkt_too_small")
		}
		return out
	case etherVNTag:
		return tagEvents("vntag", vnTagHeader, body, out)
	case etherETag:
		return tagEvents("etag", eTagHeader, body, out)
	}
	if kind < firstEtherType || knownType(kind) {
		return out
	}
	if depth > 0 {
		return append(out, "vlan.unknown_type")
	}
	return append(out, "ethernet.unknown_ethertype")
}

// tagEvents judges a tag whose last two bytes are the type of what follows.
func tagEvents(name string, size int, body []byte, out []string) []string {
	if len(body) < size {
		return append(out, name+".header_too_small")
	}
	kind := binary.BigEndian.Uint16(body[size-2:])
	if kind >= firstEtherType && !knownType(kind) {
		out = append(out, name+".unknown_type")
	}
	return out
}

// knownType are the types of protocols that are ordinary on a network, whether
// they are read here or not (IEEE 802 Numbers).
func knownType(kind uint16) bool {
	switch kind {
	case etherIPv4, etherIPv6, 0x0806, 0x8035, 0x6558, 0x8847, 0x8848, 0x88e7, 0x893f, 0x8926, 0x8903, 0x894f,
		0x8100, 0x88cc, 0x888e, 0x8809, 0x9000:
		return true
	}
	return false
}

// pppoeEvents judges a discovery packet (RFC 2516 §5).
func pppoeEvents(b []byte, out []string) []string {
	if len(b) < 6 {
		return append(out, "pppoe.pkt_too_small")
	}
	switch b[1] {
	case 0x09, 0x07, 0x19, 0x65, 0xa7:
	default:
		out = append(out, "pppoe.wrong_code")
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	tags := b[6:]
	if n > len(tags) {
		return append(out, "pppoe.malformed_tags")
	}
	for tags = tags[:n]; len(tags) >= 4; {
		size := 4 + int(binary.BigEndian.Uint16(tags[2:]))
		if size > len(tags) {
			return append(out, "pppoe.malformed_tags")
		}
		tags = tags[size:]
	}
	return out
}

func pppEvents(b []byte, out []string) []string {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 {
		return append(out, "ppp.pkt_too_small")
	}
	kind, body := uint16(b[0]), b[1:]
	if b[0]&1 == 0 {
		kind, body = binary.BigEndian.Uint16(b), b[2:]
	}
	switch {
	case kind == pppIPv4:
		if len(body) < 20 {
			out = append(out, "ppp.ip4_pkt_too_small")
		}
	case kind == pppIPv6:
		if len(body) < 40 {
			out = append(out, "ppp.ip6_pkt_too_small")
		}
	case kind == pppVJ:
		if len(body) < 20 {
			out = append(out, "ppp.vju_pkt_too_small")
		}
	case kind&0x0101 != 1 && kind > 0xff:
		// RFC 1661 §2: the low byte is odd, the high byte even.
		out = append(out, "ppp.wrong_type")
	case !knownPPP(kind):
		out = append(out, "ppp.unsup_proto")
	}
	return out
}

// knownPPP are the control protocols that go beside IP.
func knownPPP(kind uint16) bool {
	switch kind {
	case 0x002d, 0x002f, 0x8021, 0x8057, 0xc021, 0xc023, 0xc025, 0xc223, 0x80fd, 0x00fd:
		return true
	}
	return false
}

// ChecksumEvents appends the names of the checksums of the packet that are wrong.
func ChecksumEvents(p *Packet, out []string) []string {
	if p.Version == 4 && len(p.IP) >= 20 {
		n := int(p.IP[0]&15) * 4
		if n >= 20 && n <= len(p.IP) && sum(p.IP[:n]) != 0 {
			out = append(out, "ipv4")
		}
	}
	if p.Proto == protoIGMP && len(p.Payload) >= igmpHeader && !p.Truncated && sum(p.Payload) != 0 {
		return append(out, "igmp")
	}
	if p.Transport == nil || p.Truncated || p.Defragmented || transportSum(p, p.Transport) {
		return out
	}
	switch {
	case p.Proto == ProtoTCP && p.Version == 4:
		return append(out, "tcpv4")
	case p.Proto == ProtoTCP:
		return append(out, "tcpv6")
	case p.Proto == ProtoUDP && p.Version == 4:
		return append(out, "udpv4")
	case p.Proto == ProtoUDP:
		return append(out, "udpv6")
	case p.Proto == ProtoICMP:
		return append(out, "icmpv4")
	case p.Proto == ProtoICMPv6:
		return append(out, "icmpv6")
	}
	return out
}
