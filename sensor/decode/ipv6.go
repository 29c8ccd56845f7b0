package decode

import "encoding/binary"

// IPv6 extension headers (RFC 8200 §4, RFC 4302 for AH).
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAuth        = 51
	extNoNext      = 59
	extDestination = 60
	extMobility    = 135
	extHIP         = 139
	extShim6       = 140
)

// maxExtensions bounds the chain: RFC 8200 §4.1 names seven in its recommended
// order.
const maxExtensions = 16

func (d *Decoder) ipv6(data []byte, p *Packet, verify bool) (Outcome, Reason) {
	p.Version, p.IP = 6, data
	if len(data) < 1 || data[0]>>4 != 6 {
		return Invalid, ReasonIPv6
	}
	var err error
	if len(data) >= ipv6Header && data[6] == protoIPv6 {
		// The parser would go on into the packet inside.
		err = d.alone(d.byIP6, &d.ip6, data)
	} else {
		err = d.run(d.byIP6, data)
	}
	if len(d.decoded) == 0 {
		return Invalid, ReasonIPv6
	}
	p.Src, p.Dst = addr(d.ip6.SrcIP), addr(d.ip6.DstIP)
	p.Proto = uint8(d.ip6.NextHeader)
	p.Truncated = d.byIP6.Truncated
	p.missing(ipv6Header+int(d.ip6.Length), len(data))
	if !isExtension(p.Proto) {
		if err != nil {
			return Invalid, transportReason(p.Proto)
		}
		return d.transport(p, d.ip6.Payload, verify)
	}
	// The parser takes a hop-by-hop header for part of its own and then counts
	// the packet's length wrongly; the walk starts again behind the fixed
	// header. A length of zero is a jumbogram's (RFC 2675).
	d.decoded = d.decoded[:0]
	body := data[40:]
	length := int(d.ip6.Length)
	p.Truncated = length > len(body)
	if length > 0 && length < len(body) {
		body = body[:length]
	}
	return d.extensions(body, p, verify)
}

func isExtension(next uint8) bool {
	switch next {
	case extHopByHop, extRouting, extFragment, extAuth, extDestination, extMobility, extHIP, extShim6:
		return true
	}
	return false
}

// extensions walks the chain of extension headers to the transport header or
// to a fragment.
func (d *Decoder) extensions(body []byte, p *Packet, verify bool) (Outcome, Reason) {
	for range maxExtensions {
		if !isExtension(p.Proto) {
			if p.Proto == extNoNext {
				p.Payload = body
				return Decoded, ReasonNone
			}
			return d.transport(p, body, verify)
		}
		if len(body) < 8 {
			return Invalid, ReasonExtension
		}
		next := body[0]
		if p.Proto == extFragment {
			frag := binary.BigEndian.Uint16(body[2:])
			// An atomic fragment is a whole packet (RFC 6946).
			if frag&0xfff9 == 0 {
				p.Proto, body = next, body[8:]
				continue
			}
			return d.fragment(fragment{
				key: fragKey{
					src: p.Src, dst: p.Dst, id: binary.BigEndian.Uint32(body[4:]),
					proto: extFragment, vlan: p.VLANs,
				},
				offset: int(frag &^ 7), more: frag&1 != 0, data: body[8:], next: next, at: p.Time,
			}, p, verify)
		}
		length := (int(body[1]) + 1) * 8
		if p.Proto == extAuth {
			length = (int(body[1]) + 2) * 4
		}
		if length > len(body) {
			return Invalid, ReasonExtension
		}
		p.Proto, body = next, body[length:]
	}
	return Invalid, ReasonExtension
}
