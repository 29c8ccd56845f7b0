package flow

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"

	"github.com/antin-gov/antin/sensor/decode"
)

// icmpPeer returns the type that answers the given one (Community ID
// specification, "ICMP"; RFC 792, RFC 4443 and their kin).
func icmpPeer(proto, kind uint8) (uint8, bool) {
	table := icmp4Peers[:]
	if proto == decode.ProtoICMPv6 {
		table = icmp6Peers[:]
	}
	for _, pair := range table {
		if pair[0] == kind {
			return pair[1], true
		}
	}
	return 0, false
}

var icmp4Peers = [...][2]uint8{
	{8, 0}, {0, 8}, {13, 14}, {14, 13}, {15, 16}, {16, 15}, {10, 9}, {9, 10}, {17, 18}, {18, 17},
}

var icmp6Peers = [...][2]uint8{
	{128, 129}, {129, 128}, {133, 134}, {134, 133}, {135, 136}, {136, 135}, {130, 131}, {131, 130},
	{144, 145}, {145, 144}, {139, 140}, {140, 139},
}

// communityID computes version 1 with seed 0: base64 of the SHA-1 over seed,
// addresses, protocol, padding and ports, the lower end first. The ports of
// an ICMP message are its type and the answering type; a message that has no
// answer keeps its direction and its code.
func communityID(f *Flow) string {
	a, b := f.Client, f.Server
	oneWay := false
	switch f.Proto {
	case decode.ProtoICMP, decode.ProtoICMPv6:
		answer, ok := icmpPeer(f.Proto, f.ICMPType)
		if !ok {
			answer, oneWay = f.ICMPCode, true
		}
		a = netip.AddrPortFrom(a.Addr(), uint16(f.ICMPType))
		b = netip.AddrPortFrom(b.Addr(), uint16(answer))
	}
	if !oneWay && !inOrder(a, b) {
		a, b = b, a
	}
	var room [40]byte
	buf := append(room[:0], 0, 0)
	buf = appendAddr(buf, a.Addr())
	buf = appendAddr(buf, b.Addr())
	buf = append(buf, f.Proto, 0)
	switch f.Proto {
	case decode.ProtoTCP, decode.ProtoUDP, decode.ProtoICMP, decode.ProtoICMPv6, protoSCTP:
		buf = binary.BigEndian.AppendUint16(buf, a.Port())
		buf = binary.BigEndian.AppendUint16(buf, b.Port())
	}
	sum := sha1.Sum(buf)
	var text [len("1:") + (sha1.Size+2)/3*4]byte
	return string(base64.StdEncoding.AppendEncode(append(text[:0], "1:"...), sum[:]))
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(b, four[:]...)
	}
	long := a.As16()
	return append(b, long[:]...)
}

const protoSCTP = 132

func inOrder(a, b netip.AddrPort) bool {
	c := a.Addr().Compare(b.Addr())
	return c < 0 || c == 0 && a.Port() < b.Port()
}
