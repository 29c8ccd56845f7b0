package decode

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"

	"github.com/antin-gov/antin/sensor/capture"
)

// Ethernet types (IEEE 802 Numbers).
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherQ     = 0x8100
	etherQinQ  = 0x88a8
	etherQ9100 = 0x9100
	etherPPPoE = 0x8864
	etherMPLS  = 0x8847
	etherMPLSM = 0x8848
	etherNSH   = 0x894f
	etherBAC   = 0x88e7 // 802.1ah
	etherVNTag = 0x8926
	etherETag  = 0x893f // 802.1BR
	// etherFabric is Cisco FabricPath's, once called DCE.
	etherFabric = 0x8903
	etherTEB    = 0x6558 // bridged Ethernet (RFC 1701)
	// ERSPAN is not registered: draft-foschiano-erspan.
	etherERSPAN = 0x88be
	etherGREPPP = 0x880b
	// etherBridged and etherPPP stand for a whole Ethernet frame and a PPP one.
	etherBridged = 1
	etherPPP     = 2
	// etherOther stands for a frame that carries no IP.
	etherOther = 0
)

// PPP protocol numbers (RFC 1661, IANA).
const (
	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
	// pppVJ is IPv4 and TCP before their headers are compressed (RFC 1332 §4).
	pppVJ = 0x002f
)

// link strips the link header and returns the type of what follows.
func (d *Decoder) link(f *capture.Frame, p *Packet) (uint16, []byte, bool) {
	data := f.Data
	switch f.Link {
	case capture.LinkEthernet:
		err := d.run(d.byLink, data)
		if err != nil || len(d.decoded) == 0 {
			return 0, nil, false
		}
		if d.eth.EthernetType == layers.EthernetTypeLLC {
			return snap(d.eth.Payload, p)
		}
		return tags(uint16(d.eth.EthernetType), d.eth.Payload, p)
	case capture.LinkRaw, capture.LinkRawBSD, capture.LinkIPv4, capture.LinkIPv6:
		return byVersion(data)
	case capture.LinkNull, capture.LinkLoop:
		return null(data)
	case capture.LinkLinuxSLL:
		// LINKTYPE_LINUX_SLL: type at 14, payload at 16.
		if len(data) < 16 {
			return 0, nil, false
		}
		return tags(binary.BigEndian.Uint16(data[14:]), data[16:], p)
	case capture.LinkSLL2:
		// LINKTYPE_LINUX_SLL2: type at 0, payload at 20.
		if len(data) < 20 {
			return 0, nil, false
		}
		return tags(binary.BigEndian.Uint16(data), data[20:], p)
	case capture.LinkPPP:
		return ppp(data)
	case capture.LinkHDLC:
		// Cisco HDLC: address, control, Ethernet type.
		if len(data) < 4 {
			return 0, nil, false
		}
		return tags(binary.BigEndian.Uint16(data[2:]), data[4:], p)
	}
	return etherOther, nil, true
}

// tags walks the 802.1Q and 802.1ad tags and a PPPoE session header.
func tags(kind uint16, body []byte, p *Packet) (uint16, []byte, bool) {
	for kind == etherQ || kind == etherQinQ || kind == etherQ9100 {
		if len(body) < 4 {
			return 0, nil, false
		}
		if p.VLANLen < MaxVLANs {
			p.VLANs[p.VLANLen] = binary.BigEndian.Uint16(body) & 0xfff
			p.VLANLen++
		}
		kind, body = binary.BigEndian.Uint16(body[2:]), body[4:]
	}
	if kind == etherPPPoE {
		// RFC 2516 §4: six bytes, then the PPP protocol.
		if len(body) < 8 {
			return 0, nil, false
		}
		return ppp(body[6:])
	}
	switch kind {
	case etherIPv4, etherIPv6, etherOther:
		return kind, body, true
	case etherMPLS, etherMPLSM:
		return mpls(body, p)
	case etherNSH:
		return nsh(body, p)
	case etherBAC:
		// IEEE 802.1ah: four bytes of tag, then a frame.
		if len(body) < 4 {
			return 0, nil, false
		}
		return bridged(body[4:], p)
	case etherVNTag:
		// IEEE 802.1BR's forerunner: four bytes, then the type.
		if len(body) < 6 {
			return 0, nil, false
		}
		return tags(binary.BigEndian.Uint16(body[4:]), body[6:], p)
	case etherETag:
		if len(body) < eTagHeader {
			return 0, nil, false
		}
		return tags(binary.BigEndian.Uint16(body[eTagHeader-2:]), body[eTagHeader:], p)
	case etherFabric:
		if len(body) < fabricHeader {
			return 0, nil, false
		}
		return bridged(body[fabricHeader:], p)
	}
	if kind < firstEtherType {
		return snap(body, p)
	}
	return kind, body, true
}

// bridged reads an Ethernet frame inside another. Frames can only lie in one
// another as deep as the frame is long.
func bridged(body []byte, p *Packet) (uint16, []byte, bool) {
	if len(body) < ethernetHeader {
		return 0, nil, false
	}
	return tags(binary.BigEndian.Uint16(body[12:]), body[ethernetHeader:], p)
}

// maxLabels bounds an MPLS stack.
const maxLabels = 16

// mpls passes over the label stack (RFC 3032 §2.1). What lies under it is told
// by its first bits, as routers do (RFC 4928 §3): IP, or a frame behind a
// control word.
func mpls(body []byte, p *Packet) (uint16, []byte, bool) {
	for range maxLabels {
		if len(body) < 5 {
			return 0, nil, false
		}
		bottom := body[2]&1 != 0
		body = body[4:]
		if !bottom {
			continue
		}
		switch body[0] >> 4 {
		case 4:
			return etherIPv4, body, true
		case 6:
			return etherIPv6, body, true
		case 0:
			return bridged(body[min(4, len(body)):], p)
		}
		return bridged(body, p)
	}
	return 0, nil, false
}

// nsh passes over a Network Service Header (RFC 8300 §2).
func nsh(body []byte, p *Packet) (uint16, []byte, bool) {
	if len(body) < 8 {
		return 0, nil, false
	}
	n := 4 * int(binary.BigEndian.Uint16(body)&0x3f)
	if n < 8 || n > len(body) {
		return 0, nil, false
	}
	next := body[3]
	body = body[n:]
	switch next {
	case 1:
		return etherIPv4, body, true
	case 2:
		return etherIPv6, body, true
	case 3:
		return bridged(body, p)
	case 5:
		return mpls(body, p)
	}
	return etherOther, nil, true
}

// snap reads an LLC/SNAP header (IEEE 802.2; RFC 1042).
func snap(body []byte, p *Packet) (uint16, []byte, bool) {
	if len(body) < 8 || body[0] != 0xaa || body[1] != 0xaa || body[2] != 3 {
		return etherOther, nil, true
	}
	kind := binary.BigEndian.Uint16(body[6:])
	if kind != etherIPv4 && kind != etherIPv6 {
		return etherOther, nil, true
	}
	return kind, body[8:], true
}

func ppp(data []byte) (uint16, []byte, bool) {
	if len(data) >= 2 && data[0] == 0xff && data[1] == 3 {
		data = data[2:]
	}
	if len(data) < 2 {
		return 0, nil, false
	}
	// RFC 1661 §6.5: an odd first byte is a compressed protocol field.
	kind, body := uint16(data[0]), data[1:]
	if data[0]&1 == 0 {
		kind, body = binary.BigEndian.Uint16(data), data[2:]
	}
	switch kind {
	case pppIPv4:
		return etherIPv4, body, true
	case pppIPv6:
		return etherIPv6, body, true
	}
	return etherOther, nil, true
}

func byVersion(data []byte) (uint16, []byte, bool) {
	if len(data) == 0 {
		return 0, nil, false
	}
	switch data[0] >> 4 {
	case 4:
		return etherIPv4, data, true
	case 6:
		return etherIPv6, data, true
	}
	return 0, nil, false
}

// null reads the loop-back header: the address family in the byte order of
// the machine that captured (LINKTYPE_NULL), or big-endian (LINKTYPE_LOOP).
// AF_INET6 differs from system to system.
func null(data []byte) (uint16, []byte, bool) {
	if len(data) < 4 {
		return 0, nil, false
	}
	family := binary.LittleEndian.Uint32(data)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(data)
	}
	switch family {
	case 2:
		return etherIPv4, data[4:], true
	case 10, 23, 24, 28, 30:
		return etherIPv6, data[4:], true
	}
	return etherOther, nil, true
}
