package decode

import (
	"encoding/binary"
	"slices"
)

const (
	protoIPIP    = 4
	protoIPv6    = 41
	protoIGMP    = 2
	protoGRE     = 47
	protoESP     = 50
	protoEtherIP = 97
	protoMax     = 255
	ipv4Header   = 20
	ipv6Header   = 40
)

func ipv4Events(p *Packet, out []string) []string {
	b := p.IP
	if len(b) < ipv4Header {
		return append(out, "ipv4.pkt_too_small")
	}
	if b[0]>>4 != 4 {
		return append(out, "ipv4.wrong_ip_version")
	}
	head, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case head < ipv4Header:
		return append(out, "ipv4.hlen_too_small")
	case total < head:
		return append(out, "ipv4.iplen_smaller_than_hlen")
	case len(b) < total:
		return append(out, "ipv4.trunc_pkt")
	}
	if head > ipv4Header {
		out = ipv4Options(b[ipv4Header:head], out)
	}
	frag := binary.BigEndian.Uint16(b[6:])
	offset, more := int(frag&0x1fff)*8, frag&0x2000 != 0
	if offset+total-head > 65535 {
		return append(out, "ipv4.frag_pkt_too_large")
	}
	if offset > 0 || more {
		return out
	}
	proto, body := b[9], b[head:total]
	switch proto {
	case ProtoICMPv6:
		return append(out, "ipv4.icmpv6")
	case ProtoTCP, ProtoUDP, ProtoICMP, protoSCTP:
		return transportEvents(proto, body, b, out)
	case protoIGMP:
		return igmpEvents(body, out)
	case protoGRE:
		return greEvents(p, body, out)
	case protoIPIP, protoIPv6, protoESP, extAuth, 89, 103, 112, 88, 46, 115, 108, 137, 8, 9:
		return out
	}
	return append(out, "ipv4.unknown_protocol")
}

// ipv4Options walks the options (RFC 791 §3.1).
func ipv4Options(o []byte, out []string) []string {
	var seen [256]bool
	if len(o)%8 != 0 {
		out = append(out, "ipv4.opt_pad_required")
	}
	for len(o) > 0 {
		kind := o[0]
		switch kind {
		case 0:
			return out
		case 1:
			o = o[1:]
			continue
		}
		if len(o) < 2 {
			return append(out, "ipv4.opt_eol_required")
		}
		n := int(o[1])
		if n < 2 || n > len(o) {
			return append(out, "ipv4.opt_invalid_len")
		}
		lo, hi, known := ipv4OptionLength(kind)
		switch {
		case !known:
			out = append(out, "ipv4.opt_invalid")
			if !assignedOption(kind) {
				out = append(out, "ipv4.opt_unknown")
			}
		case seen[kind]:
			out = append(out, "ipv4.opt_duplicate")
		case n < lo || n > hi:
			return append(out, "ipv4.opt_invalid_len")
		case (kind == 7 || kind == 131 || kind == 137) && (o[2] < 4 || o[2]%4 != 0):
			// RFC 791: the pointer counts from 4 in steps of an address.
			return append(out, "ipv4.opt_malformed")
		}
		seen[kind] = true
		o = o[n:]
	}
	return out
}

// assignedOption are the further options that have been assigned (IANA "IP
// Option Numbers"); nobody uses them any more.
func assignedOption(kind byte) bool {
	switch kind {
	case 10, 11, 12, 15, 30, 82, 94, 133, 142, 144, 145, 147, 149, 150, 151, 152, 158, 205, 222:
		return true
	}
	return false
}

// ipv4OptionLength are the bounds of an option's length.
func ipv4OptionLength(kind byte) (lo, hi int, known bool) {
	switch kind {
	case 7, 131, 137: // record route, loose and strict source route
		return 3, 39, true
	case 68: // time-stamp
		return 5, 40, true
	case 130: // security
		return 3, 11, true
	case 136: // stream id
		return 4, 4, true
	case 148: // router alert
		return 4, 4, true
	case 25: // quick start
		return 8, 8, true
	case 134: // CIPSO
		return 6, 40, true
	}
	return 0, 0, false
}

func ipv6Events(p *Packet, out []string) []string {
	b := p.IP
	if len(b) < ipv6Header {
		return append(out, "ipv6.pkt_too_small")
	}
	if b[0]>>4 != 6 {
		return append(out, "ipv6.wrong_ip_version")
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	body := b[ipv6Header:]
	if n > len(body) {
		return append(out, "ipv6.trunc_pkt")
	}
	if n > 0 {
		body = body[:n]
	}
	return ipv6Chain(p, b[6], body, out)
}

// ipv6Chain walks the extension headers (RFC 8200 §4).
func ipv6Chain(p *Packet, next byte, body []byte, out []string) []string {
	var seen [256]int
	for range maxExtensions {
		if !isExtension(next) {
			break
		}
		seen[next]++
		if name := ipv6Duplicate(next, seen[next]); name != "" {
			out = append(out, name)
		}
		if next == extNoNext {
			break
		}
		if len(body) < 8 {
			return append(out, "ipv6.trunc_exthdr")
		}
		length := (int(body[1]) + 1) * 8
		switch next {
		case extAuth:
			length = (int(body[1]) + 2) * 4
		case extFragment:
			length = 8
		}
		if length > len(body) {
			return append(out, "ipv6.trunc_exthdr")
		}
		var whole bool
		out, whole = ipv6Extension(next, body[:length], len(body)-length, out)
		next, body = body[0], body[length:]
		if !whole {
			return out
		}
	}
	return ipv6Inner(p, next, body, out)
}

func ipv6Duplicate(next byte, count int) string {
	most := 1
	if next == extDestination {
		// RFC 8200 §4.1: once before a routing header and once at the end.
		most = 2
	}
	if count != most+1 {
		return ""
	}
	switch next {
	case extHopByHop:
		return "ipv6.exthdr_dupl_hh"
	case extDestination:
		return "ipv6.exthdr_dupl_dh"
	case extRouting:
		return "ipv6.exthdr_dupl_rh"
	case extFragment:
		return "ipv6.exthdr_dupl_fh"
	case extAuth:
		return "ipv6.exthdr_dupl_ah"
	}
	return ""
}

// ipv6Extension judges one extension header; whole is false when what follows
// is a part of a datagram.
func ipv6Extension(next byte, h []byte, rest int, out []string) (_ []string, whole bool) {
	switch next {
	case extHopByHop:
		return ipv6Options("hopopts", h[2:], out), true
	case extDestination:
		return ipv6Options("dstopts", h[2:], out), true
	case extRouting:
		if h[2] == 0 {
			// Deprecated by RFC 5095.
			out = append(out, "ipv6.rh_type_0")
		}
	case extAuth:
		if binary.BigEndian.Uint16(h[2:]) != 0 {
			out = append(out, "ipv6.exthdr_ah_res_not_null")
		}
	case extFragment:
		frag := binary.BigEndian.Uint16(h[2:])
		if h[1] != 0 || frag&6 != 0 {
			out = append(out, "ipv6.fh_non_zero_reserved_field")
		}
		offset, more := int(frag&^7), frag&1 != 0
		switch {
		case offset == 0 && !more:
			return append(out, "ipv6.exthdr_useless_fh"), true
		case offset+rest > 65535:
			out = append(out, "ipv6.frag_pkt_too_large")
		case more && rest%8 != 0:
			out = append(out, "ipv6.frag_invalid_length")
		}
		return out, false
	}
	return out, true
}

// ipv6Options walks the options of hop-by-hop and destination headers (RFC
// 8200 §4.2).
func ipv6Options(layer string, o []byte, out []string) []string {
	padding, unknown := true, false
	for len(o) > 0 {
		if o[0] == 0 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || int(o[1])+2 > len(o) {
			return append(out, "ipv6.exthdr_invalid_optlen")
		}
		switch o[0] {
		case 1:
		case 5, 0xc2, 0xc9, 0x26, 0x04, 0x07, 0x08, 0x63, 0x6d, 0x8a, 0x8b, 0x8c:
			padding = false
			if o[0] == 5 && o[1] != 2 || o[0] == 0xc2 && o[1] != 4 {
				return append(out, "ipv6.exthdr_invalid_optlen")
			}
		default:
			padding, unknown = false, true
		}
		o = o[int(o[1])+2:]
	}
	if unknown {
		out = append(out, "ipv6."+layer+"_unknown_opt")
	}
	if padding {
		out = append(out, "ipv6."+layer+"_only_padding")
	}
	return out
}

// ipv6Inner judges what the chain ends in.
func ipv6Inner(p *Packet, next byte, body []byte, out []string) []string {
	switch next {
	case extNoNext:
		if len(body) > 0 {
			out = append(out, "ipv6.data_after_none_header")
		}
	case ProtoICMP:
		out = append(out, "ipv6.icmpv4")
	case ProtoTCP, ProtoUDP, ProtoICMPv6, protoSCTP:
		return transportEvents(next, body, p.IP, out)
	case protoGRE:
		return greEvents(p, body, out)
	case protoIPIP:
		switch {
		case len(body) < ipv4Header:
			out = append(out, "ipv6.ipv4_in_ipv6_too_small")
		case body[0]>>4 != 4:
			out = append(out, "ipv6.ipv4_in_ipv6_wrong_version")
		}
	case protoIPv6:
		switch {
		case len(body) < ipv6Header:
			out = append(out, "ipv6.ipv6_in_ipv6_too_small")
		case body[0]>>4 != 6:
			out = append(out, "ipv6.ipv6_in_ipv6_wrong_version")
		}
	}
	return out
}

func transportEvents(proto byte, b, ip []byte, out []string) []string {
	switch proto {
	case protoSCTP:
		return sctpEvents(b, out)
	case ProtoTCP:
		return tcpEvents(b, out)
	case ProtoUDP:
		if len(b) < 8 {
			return append(out, "udp.pkt_too_small")
		}
		switch n := int(binary.BigEndian.Uint16(b[4:])); {
		case n != 0 && n < 8:
			out = append(out, "udp.hlen_too_small", "udp.len_invalid")
		case n > len(b):
			out = append(out, "udp.len_invalid")
		}
		return out
	case ProtoICMP:
		return icmp4Events(b, out)
	}
	return icmp6Events(b, ip, out)
}

func tcpEvents(b []byte, out []string) []string {
	if len(b) < 20 {
		return append(out, "tcp.pkt_too_small")
	}
	n := int(b[12]>>4) * 4
	switch {
	case n < 20:
		return append(out, "tcp.hlen_too_small")
	case n > len(b):
		return append(out, "tcp.invalid_optlen")
	}
	var seen []byte
	for o := b[20:n]; len(o) > 0 && o[0] != 0; {
		if o[0] == 1 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return append(out, "tcp.opt_invalid_len")
		}
		want := tcpOptionLength(o[0])
		switch {
		case want != 0 && o[1] != want:
			out = append(out, "tcp.opt_invalid_len")
		case want != 0 && slices.Contains(seen, o[0]):
			out = append(out, "tcp.opt_duplicate")
		}
		seen = append(seen, o[0])
		o = o[o[1]:]
	}
	return out
}

// tcpOptionLength is the fixed length of an option (RFC 9293 §3.2, RFC 7323
// §2, RFC 2018 §2), 0 for others.
func tcpOptionLength(kind byte) byte {
	switch kind {
	case 2:
		return 4
	case 3:
		return 3
	case 4:
		return 2
	case 8:
		return 10
	}
	return 0
}

// icmp4Codes is the highest code of each type in use (IANA "ICMP Parameters"),
// -1 for types that are not.
func icmp4Codes(kind byte) int {
	switch kind {
	case 3:
		return 15
	case 5:
		return 3
	case 9:
		return 16
	case 11:
		return 1
	case 12:
		return 2
	case 40:
		return 5
	case 0, 4, 6, 8, 10, 13, 14, 15, 16, 17, 18, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 41, 42, 43:
		return 0
	}
	return -1
}

func icmp4Events(b []byte, out []string) []string {
	if len(b) < 8 {
		return append(out, "icmpv4.pkt_too_small")
	}
	most := icmp4Codes(b[0])
	switch {
	case most < 0:
		return append(out, "icmpv4.unknown_type")
	case int(b[1]) > most:
		return append(out, "icmpv4.unknown_code")
	}
	switch b[0] {
	case 3, 4, 5, 11, 12:
		inner := b[8:]
		switch {
		case len(inner) < ipv4Header:
			out = append(out, "icmpv4.ipv4_trunc_pkt")
		case inner[0]>>4 != 4:
			out = append(out, "icmpv4.ipv4_unknown_ver")
		}
	}
	return out
}

func icmp6Events(b, ip []byte, out []string) []string {
	if len(b) < 8 {
		return append(out, "icmpv6.pkt_too_small")
	}
	kind, code := b[0], b[1]
	most := 0
	switch {
	case kind == 1:
		most = 8
	case kind == 3:
		most = 1
	case kind == 4:
		most = 10
	case kind == 2 || kind >= 128 && kind <= 137 || kind >= 141 && kind <= 149 || kind >= 151 && kind <= 161:
	case kind == 138:
		most = protoMax
	case kind == 139 || kind == 140:
		most = 2
	case kind == 100 || kind == 101 || kind == 200 || kind == 201:
		return append(out, "icmpv6.experimentation_type")
	default:
		return append(out, "icmpv6.unassigned_type")
	}
	if int(code) > most {
		out = append(out, "icmpv6.unknown_code")
	}
	if kind >= 130 && kind <= 132 && ip[7] != 1 {
		// RFC 2710 §3.
		out = append(out, "icmpv6.mld_message_with_invalid_hl")
	}
	if kind >= 1 && kind <= 4 {
		inner := b[8:]
		switch {
		case len(inner) < ipv6Header:
			out = append(out, "icmpv6.ipv6_trunc_pkt")
		case inner[0]>>4 != 6:
			out = append(out, "icmpv6.ipv6_unknown_version")
		}
	}
	return out
}
