package decode

import "encoding/binary"

// Lengths of the headers judged here.
const (
	greHeader    = 4
	erspanHeader = 8
	mplsHeader   = 4
	// bacHeader is IEEE 802.1ah's tag with the addresses and the type behind it.
	bacHeader = 18
	// vnTagHeader and eTagHeader are those of IEEE 802.1BR with the type.
	vnTagHeader = 6
	eTagHeader  = 8
	// fabricHeader is Cisco FabricPath's, before an Ethernet frame.
	fabricHeader = 2
	igmpHeader   = 8
	igmp3Query   = 12
)

// greEvents judges a GRE header (RFC 2784, RFC 2890, RFC 1701; version 1: RFC
// 2637 §4.1).
func greEvents(p *Packet, b []byte, out []string) []string {
	if len(b) < greHeader {
		return append(out, "gre.pkt_too_small")
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	const checksum, routing, key, sequence, strict = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
	recursion := flags >> 8 & 7
	switch flags & 7 {
	case 0:
		switch {
		case recursion != 0:
			return append(out, "gre.version0_recur")
		case flags>>3&0x1f != 0:
			return append(out, "gre.version0_flags")
		}
		at, ok := greLength(flags, b)
		if !ok || at > len(b) {
			return append(out, "gre.version0_hdr_too_big")
		}
		if kind == etherERSPAN && flags&sequence != 0 {
			return erspanEvents(p, b[at:], out)
		}
		return out
	case 1:
		switch {
		case flags&checksum != 0:
			return append(out, "gre.version1_chksum")
		case flags&routing != 0:
			_, ok := greLength(flags, b)
			if !ok {
				out = append(out, "gre.version1_malformed_sre_hdr")
			}
			return append(out, "gre.version1_route")
		case flags&strict != 0:
			return append(out, "gre.version1_ssr")
		case recursion != 0:
			return append(out, "gre.version1_recur")
		case flags>>3&0xf != 0:
			return append(out, "gre.version1_flags")
		case kind != etherGREPPP:
			return append(out, "gre.version1_wrong_protocol")
		case flags&key == 0:
			return append(out, "gre.version1_no_key")
		}
		at, ok := greLength(flags, b)
		if !ok || at > len(b) {
			return append(out, "gre.version1_hdr_too_big")
		}
		return out
	}
	return append(out, "gre.wrong_version")
}

// greLength is how long a header is with what its flags announce; ok is false
// when the entries of its route do not end.
func greLength(flags uint16, b []byte) (at int, ok bool) {
	const checksum, routing, key, sequence, acked = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 7
	at = greHeader
	if flags&(checksum|routing) != 0 {
		at += 4
	}
	for _, flag := range [...]uint16{key, sequence} {
		if flags&flag != 0 {
			at += 4
		}
	}
	if flags&7 == 1 && flags&acked != 0 {
		at += 4
	}
	for flags&routing != 0 {
		if at+4 > len(b) {
			return at, false
		}
		family, size := binary.BigEndian.Uint16(b[at:]), int(b[at+3])
		at += 4 + size
		if family == 0 && size == 0 {
			break
		}
	}
	return at, true
}

// erspanEvents judges ERSPAN's header (draft-foschiano-erspan §4.2).
func erspanEvents(p *Packet, b []byte, out []string) []string {
	if len(b) < erspanHeader {
		return append(out, "erspan.header_too_small")
	}
	head := binary.BigEndian.Uint16(b)
	switch {
	case head>>12 != 1:
		return append(out, "erspan.unsupported_version")
	case head&0xfff != 0 && p.VLANLen >= MaxVLANs:
		return append(out, "erspan.too_many_vlan_layers")
	}
	return out
}

// mplsEvents judges a label stack (RFC 3032 §2.1) and what lies under it.
func mplsEvents(b []byte, out []string) []string {
	const (
		labelIPv4 = iota
		labelRouterAlert
		labelIPv6
		labelImplicitNull
		reservedLabels = 15
		word           = 4
	)
	label := uint32(0)
	for depth := 0; ; depth++ {
		if depth == maxLabels {
			return append(out, "too_many_layers")
		}
		if len(b) < mplsHeader {
			return append(out, "mpls.header_too_small")
		}
		shim := binary.BigEndian.Uint32(b)
		label, b = shim>>12, b[mplsHeader:]
		if shim>>8&1 != 0 {
			break
		}
	}
	switch {
	case label == labelIPv4 || label == labelIPv6:
		return out
	case label == labelRouterAlert:
		return append(out, "mpls.bad_label_router_alert")
	case label == labelImplicitNull:
		return append(out, "mpls.bad_label_implicit_null")
	case label < reservedLabels:
		return append(out, "mpls.bad_label_reserved")
	case len(b) < word:
		return append(out, "mpls.pkt_too_small")
	}
	switch b[0] >> 4 {
	case 0, 4, 6:
		return out
	}
	return append(out, "mpls.unknown_payload_type")
}

// udpTunnelEvents judges what VXLAN (RFC 7348 §5) and Geneve (RFC 8926 §3.4)
// say they carry.
func udpTunnelEvents(p *Packet, out []string) []string {
	b := p.Payload
	if p.Proto != ProtoUDP || len(b) < 8 {
		return out
	}
	switch p.DstPort {
	case portVXLAN:
		at := 8 + ethernetHeader
		if b[0]&8 != 0 && len(b) >= at && !knownType(binary.BigEndian.Uint16(b[at-2:])) && binary.BigEndian.Uint16(b[at-2:]) >= firstEtherType {
			out = append(out, "vxlan.unknown_payload_type")
		}
	case portGeneve:
		if b[0]>>6 == 0 && !knownType(binary.BigEndian.Uint16(b[2:])) {
			out = append(out, "geneve.unknown_payload_type")
		}
	}
	return out
}

// igmpEvents judges IGMP (RFC 3376 §4).
func igmpEvents(b []byte, out []string) []string {
	const (
		query      = 0x11
		report3    = 0x22
		group      = 8
		maxSources = 366 // as many as fit an Ethernet frame (RFC 3376 §4.1.8)
	)
	if len(b) < igmpHeader {
		return append(out, "igmp.pkt_too_small")
	}
	switch {
	case b[0] == query && len(b) >= igmp3Query:
		n := int(binary.BigEndian.Uint16(b[10:]))
		switch {
		case n > maxSources:
			return append(out, "igmp.malformed")
		case igmp3Query+4*n > len(b):
			return append(out, "igmp.v3_pkt_too_small")
		}
	case b[0] == query && len(b) > igmpHeader:
		return append(out, "igmp.v3_pkt_too_small")
	case b[0] == report3:
		rest := b[igmpHeader:]
		for range binary.BigEndian.Uint16(b[6:]) {
			if len(rest) < group {
				return append(out, "igmp.v3_pkt_too_small")
			}
			size := group + 4*int(binary.BigEndian.Uint16(rest[2:])) + 4*int(rest[1])
			if size > len(rest) {
				return append(out, "igmp.malformed")
			}
			rest = rest[size:]
		}
	}
	return out
}

// SCTP's limits: more chunks than one packet has for a purpose.
const (
	manyChunks     = 64
	manyDataChunks = 32
)

// sctpEvents judges SCTP's header and its chunks (RFC 9260 §3, §6.10, §8.5.1).
func sctpEvents(b []byte, out []string) []string {
	const (
		chunkData = 0
		chunkInit = 1
		head      = 4
	)
	if len(b) < sctpHeader {
		return append(out, "sctp.pkt_too_small")
	}
	tag := binary.BigEndian.Uint32(b[4:])
	chunks, data, init := 0, 0, false
	for rest := b[sctpHeader:]; len(rest) > 0; {
		if len(rest) < head {
			return append(out, "sctp.chunk_too_small")
		}
		size := int(binary.BigEndian.Uint16(rest[2:]))
		if size < head {
			return append(out, "sctp.chunk_too_small")
		}
		if size > len(rest) {
			return append(out, "sctp.chunk_len_invalid")
		}
		chunks++
		switch rest[0] {
		case chunkData:
			data++
		case chunkInit:
			init = true
		}
		// Chunks are padded to four bytes; the last one may lack it.
		rest = rest[min(len(rest), (size+3)&^3):]
	}
	for _, odd := range [...]struct {
		is   bool
		name string
	}{
		{init && chunks > 1, "sctp.init_chunk_bundled"}, {init && tag != 0, "sctp.init_with_non_zero_vtag"},
		{data > 0 && tag == 0, "sctp.data_with_zero_vtag"}, {chunks > manyChunks, "sctp.too_many_chunks"},
		{data > manyDataChunks, "sctp.too_many_data_chunks"},
	} {
		if odd.is {
			out = append(out, odd.name)
		}
	}
	return out
}
