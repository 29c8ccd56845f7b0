package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/antin-gov/antin/sensor/capture"
)

const (
	ipv4Plain = 0x45 // version 4, five words of header
	tcpHeader = 20
	udpHeader = 8
)

// plain reads the frame that nearly every frame is: Ethernet, at most some
// tags, IPv4 without options or fragments, TCP or UDP, all lengths sound and no
// tunnel. It answers false for any other, and p is then to be filled by
// gopacket's decoders, which take about four times as long because each layer
// is a call through an interface that fills in all fields. What it reads is
// what they read: a test and the fuzzer hold both against each other.
func (d *Decoder) plain(f *capture.Frame, p *Packet) bool {
	if f.Link != capture.LinkEthernet || len(f.Data) < ethernetHeader+ipv4Header+udpHeader {
		return false
	}
	kind, b := binary.BigEndian.Uint16(f.Data[12:]), f.Data[ethernetHeader:]
	for kind == etherQ || kind == etherQinQ {
		if len(b) < 4 || p.VLANLen == MaxVLANs {
			return false
		}
		p.VLANs[p.VLANLen] = binary.BigEndian.Uint16(b) & 0xfff
		p.VLANLen++
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	if kind != etherIPv4 || len(b) < ipv4Header || b[0] != ipv4Plain {
		return false
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	// The two bits are More Fragments and, unlike Don't Fragment, the offset.
	if total < ipv4Header || total > len(b) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return false
	}
	body := b[ipv4Header:total]
	switch b[9] {
	case ProtoTCP:
		if !plainTCP(body, p) {
			return false
		}
	case ProtoUDP:
		if !plainUDP(body, p) {
			return false
		}
	default:
		return false
	}
	p.Version, p.IP, p.Proto, p.Transport = 4, b, b[9], body
	p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	if d.verify && !p.partial {
		p.BadChecksum = sum(b[:ipv4Header]) != 0 || !transportSum(p, body)
	}
	return true
}

// plainTCP reads a TCP header whose options are well-formed (RFC 9293 §3.1).
func plainTCP(b []byte, p *Packet) bool {
	if len(b) < tcpHeader {
		return false
	}
	start := int(b[12]>>4) * 4
	if start < tcpHeader || start > len(b) || !soundOptions(b[tcpHeader:start]) {
		return false
	}
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	p.Seq, p.Ack, p.Window = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[14:])
	p.Flags, p.Payload = b[13], b[start:]
	return true
}

func soundOptions(b []byte) bool {
	for len(b) > 0 {
		switch {
		case b[0] == 0:
			return true
		case b[0] == 1:
			b = b[1:]
		case len(b) < 2 || b[1] < 2 || int(b[1]) > len(b):
			return false
		default:
			b = b[b[1]:]
		}
	}
	return true
}

// plainUDP reads a UDP header (RFC 768) of a port where no tunnel ends.
func plainUDP(b []byte, p *Packet) bool {
	if len(b) < udpHeader {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if n < udpHeader || n > len(b) || dst == portVXLAN || dst == portGeneve || dst == portTeredo || src == portTeredo {
		return false
	}
	p.SrcPort, p.DstPort, p.Payload = src, dst, b[udpHeader:n]
	return true
}
