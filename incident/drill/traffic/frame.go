package traffic

import (
	"encoding/binary"
	"net/netip"
)

// IP protocol numbers.
const (
	protoTCP = 6
	protoUDP = 17
)

// TCP flags (RFC 9293 §3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

const (
	etherHeader = 14
	ipHeader    = 20
	tcpHeader   = 20
	udpHeader   = 8
	// minEther is the least frame without its check sequence (IEEE 802.3).
	minEther = 60
	ttl      = 64
	window   = 64240
)

// segment is what a TCP frame needs besides its addresses.
type segment struct {
	seq, ack uint32
	flags    byte
	payload  []byte
}

// mac gives every address a locally administered MAC of its own.
func mac(a netip.Addr) [6]byte {
	b := a.As4()
	return [6]byte{0x02, 0x00, b[0], b[1], b[2], b[3]}
}

// frame builds an Ethernet frame with an IPv4 packet around the transport
// segment, whose checksum field at sumAt is filled in.
func frame(src, dst netip.Addr, proto byte, id uint16, transport []byte, sumAt int) []byte {
	binary.BigEndian.PutUint16(transport[sumAt:], 0)
	sum := transportSum(src, dst, proto, transport)
	if proto == protoUDP && sum == 0 {
		sum = 0xffff // zero would say "no checksum" (RFC 768)
	}
	binary.BigEndian.PutUint16(transport[sumAt:], sum)
	f := make([]byte, etherHeader+ipHeader, max(minEther, etherHeader+ipHeader+len(transport)))
	to, from := mac(dst), mac(src)
	copy(f, to[:])
	copy(f[6:], from[:])
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	ip := f[etherHeader:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(ipHeader+len(transport)))
	binary.BigEndian.PutUint16(ip[4:], id)
	binary.BigEndian.PutUint16(ip[6:], 0x4000) // don't fragment
	ip[8], ip[9] = ttl, proto
	s, d := src.As4(), dst.As4()
	copy(ip[12:], s[:])
	copy(ip[16:], d[:])
	binary.BigEndian.PutUint16(ip[10:], checksum(0, ip[:ipHeader]))
	f = append(f, transport...)
	for len(f) < minEther {
		f = append(f, 0)
	}
	return f
}

func tcpFrame(src, dst netip.AddrPort, id uint16, s segment) []byte {
	t := make([]byte, tcpHeader, tcpHeader+len(s.payload))
	binary.BigEndian.PutUint16(t, src.Port())
	binary.BigEndian.PutUint16(t[2:], dst.Port())
	binary.BigEndian.PutUint32(t[4:], s.seq)
	binary.BigEndian.PutUint32(t[8:], s.ack)
	t[12], t[13] = tcpHeader/4<<4, s.flags
	binary.BigEndian.PutUint16(t[14:], window)
	return frame(src.Addr(), dst.Addr(), protoTCP, id, append(t, s.payload...), 16)
}

func udpFrame(src, dst netip.AddrPort, id uint16, payload []byte) []byte {
	u := make([]byte, udpHeader, udpHeader+len(payload))
	binary.BigEndian.PutUint16(u, src.Port())
	binary.BigEndian.PutUint16(u[2:], dst.Port())
	binary.BigEndian.PutUint16(u[4:], uint16(udpHeader+len(payload)))
	return frame(src.Addr(), dst.Addr(), protoUDP, id, append(u, payload...), 6)
}

// transportSum is the checksum over the pseudo header and the segment
// (RFC 9293 §3.1, RFC 768).
func transportSum(src, dst netip.Addr, proto byte, b []byte) uint16 {
	s, d := src.As4(), dst.As4()
	var sum uint32
	for _, a := range [][4]byte{s, d} {
		sum += uint32(binary.BigEndian.Uint16(a[:])) + uint32(binary.BigEndian.Uint16(a[2:]))
	}
	sum += uint32(proto) + uint32(len(b))
	return checksum(sum, b)
}

// checksum is the one's complement sum of RFC 1071.
func checksum(sum uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
