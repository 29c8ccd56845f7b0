package decode

import (
	"encoding/binary"
	"math/bits"
)

// sum is the Internet checksum over b (RFC 1071): zero for a header whose own
// checksum is right.
func sum(b []byte) uint16 { return fold(add(0, b)) }

// add adds b to a running sum, eight bytes at a time: one's complement
// addition may be done in any word size (RFC 1071 §2).
func add(acc uint64, b []byte) uint64 {
	var carry uint64
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(tail[:]), carry)
	}
	acc, carry = bits.Add64(acc, 0, carry)
	return acc + carry
}

func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return ^uint16(acc)
}

// transportSum reports whether the transport checksum of the packet is right.
// A UDP checksum of zero over IPv4 means none (RFC 768).
func transportSum(p *Packet, body []byte) bool {
	switch p.Proto {
	case ProtoICMP:
		return sum(body) == 0
	case ProtoUDP:
		if len(body) < 8 {
			return true
		}
		if p.Version == 4 && body[6] == 0 && body[7] == 0 {
			return true
		}
		length := int(binary.BigEndian.Uint16(body[4:]))
		if length < 8 || length > len(body) {
			return true
		}
		body = body[:length]
	}
	src, dst := p.Src.As16(), p.Dst.As16()
	var pseudo [40]byte
	n := 0
	if p.Version == 4 {
		n = copy(pseudo[:], src[12:])
		n += copy(pseudo[n:], dst[12:])
	} else {
		n = copy(pseudo[:], src[:])
		n += copy(pseudo[n:], dst[:])
	}
	binary.BigEndian.PutUint32(pseudo[n:], uint32(len(body)))
	pseudo[n+7] = p.Proto
	return fold(add(add(0, pseudo[:n+8]), body)) == 0
}
