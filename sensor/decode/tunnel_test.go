package decode_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
)

// over4 wraps a body in an IPv4 header from 192.0.2.1 to 192.0.2.2.
func over4(proto byte, body []byte) []byte {
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(body)))
	copy(h[12:], []byte{192, 0, 2, 1, 192, 0, 2, 2})
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(h[10:], ^uint16(sum))
	return append(h, body...)
}

// overUDP wraps a body in a datagram without checksum.
func overUDP(port uint16, body []byte) []byte {
	h := make([]byte, 8)
	binary.BigEndian.PutUint16(h, 40000)
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(body)))
	return over4(17, append(h, body...))
}

func framed(kind uint16, body []byte) []byte {
	return join(macs, binary.BigEndian.AppendUint16(nil, kind), body)
}

func TestPacketsInsideOthersAreDecoded(t *testing.T) {
	ip4, ip6 := udp4(t, "inner"), udp6(t, "inner")
	cases := []struct {
		name  string
		outer []byte
		depth uint8
		via   decode.Via
	}{
		{"IP in IP", over4(4, ip4), 1, decode.ViaIPv4},
		{"IPv6 in IPv4", over4(41, ip6), 1, decode.ViaIPv4},
		{"GRE", over4(47, join([]byte{0, 0, 8, 0}, ip4)), 1, decode.ViaGRE},
		{"GRE with checksum, key and sequence", over4(47, join([]byte{0xb0, 0, 8, 0}, make([]byte, 12), ip4)), 1, decode.ViaGRE},
		{"GRE with PPP", over4(47, join([]byte{0x30, 0x81, 0x88, 0x0b}, make([]byte, 12), []byte{0xff, 3, 0, 0x21}, ip4)), 1, decode.ViaGRE},
		{"ERSPAN I", over4(47, join([]byte{0, 0, 0x88, 0xbe}, framed(0x800, ip4))), 1, decode.ViaGRE},
		{"ERSPAN II", over4(47, join([]byte{0x10, 0, 0x88, 0xbe}, make([]byte, 12), framed(0x800, ip4))), 1, decode.ViaGRE},
		{"VXLAN", overUDP(4789, join([]byte{8, 0, 0, 0, 0, 0, 1, 0}, framed(0x86dd, ip6))), 1, decode.ViaVXLAN},
		{"Geneve with options", overUDP(6081, join([]byte{1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 0}, framed(0x800, ip4))), 1, decode.ViaGeneve},
		{"Teredo", overUDP(3544, join([]byte{0, 0, 1, 2, 3, 4, 5, 6}, ip6)), 1, decode.ViaTeredo},
		{"EtherIP", over4(97, join([]byte{0x30, 0}, framed(0x800, ip4))), 1, decode.ViaIPv4},
		{"IP in IP in GRE", over4(47, join([]byte{0, 0, 8, 0}, over4(4, ip4))), 2, decode.ViaIPv4},
		{"a VLAN in VXLAN", overUDP(4789, join([]byte{8, 0, 0, 0, 0, 0, 1, 0}, framed(0x8100, join([]byte{0, 7, 8, 0}, ip4)))), 1, decode.ViaVXLAN},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := decode.New(decode.Options{Checksums: true})
			p, in := &decode.Packet{}, &decode.Packet{}
			frame := framed(0x800, c.outer)
			outcome, reason := d.Decode(&capture.Frame{Time: at, Link: capture.LinkEthernet, Data: frame, Length: len(frame)}, p)
			if outcome != decode.Decoded || p.BadChecksum {
				t.Fatalf("outer: %v %s", outcome, reason)
			}
			for range c.depth {
				outcome, reason, ok := d.Inner(p, in)
				if !ok || outcome != decode.Decoded {
					t.Fatalf("inner: %v %v %s", ok, outcome, reason)
				}
				p, in = in, p
			}
			if string(p.Payload) != "inner" || p.DstPort != 53 || p.Tunnel.Depth != c.depth || p.Tunnel.Via != c.via ||
				p.Tunnel.Src.Addr().String() != "192.0.2.1" {
				t.Errorf("found %q to port %d in %+v", p.Payload, p.DstPort, p.Tunnel)
			}
			_, _, ok := d.Inner(p, in)
			if ok {
				t.Error("there is more inside")
			}
		})
	}
}

func TestLabelsAndTagsBelowIP(t *testing.T) {
	ip4 := udp4(t, "inner")
	for name, frame := range map[string][]byte{
		"MPLS":               framed(0x8847, join([]byte{0, 1, 0, 64, 0, 2, 1, 64}, ip4)),
		"Ethernet over MPLS": framed(0x8847, join([]byte{0, 2, 1, 64, 0, 0, 0, 0}, framed(0x800, ip4))),
		"NSH":                framed(0x894f, join([]byte{0x0f, 0xc6, 1, 1, 0, 0, 1, 0xff}, make([]byte, 16), ip4)),
		"802.1ah":            framed(0x88e7, join([]byte{0, 0, 0, 1}, framed(0x800, ip4))),
		"VN-Tag":             framed(0x8926, join([]byte{0, 1, 0, 2, 8, 0}, ip4)),
	} {
		p := &decode.Packet{}
		outcome, reason := decode.New(decode.Options{}).Decode(
			&capture.Frame{Time: at, Link: capture.LinkEthernet, Data: frame, Length: len(frame)}, p)
		if outcome != decode.Decoded || string(p.Payload) != "inner" {
			t.Errorf("%s: %v %s %q", name, outcome, reason, p.Payload)
		}
	}
}

func TestTunnelsAreOpenedToADepth(t *testing.T) {
	packet := udp4(t, "inner")
	for range 3 * decode.MaxDepth {
		packet = over4(4, packet)
	}
	d := decode.New(decode.Options{})
	p, in := &decode.Packet{}, &decode.Packet{}
	d.Decode(&capture.Frame{Time: at, Link: capture.LinkRaw, Data: packet, Length: len(packet)}, p)
	n := 0
	for {
		_, _, ok := d.Inner(p, in)
		if !ok {
			break
		}
		p, in = in, p
		n++
	}
	if n != decode.MaxDepth {
		t.Errorf("%d tunnels opened", n)
	}
}

func FuzzTunnel(f *testing.F) {
	ip4 := serialize(f, &layers.IPv4{Version: 4, TTL: 1, Protocol: 17, SrcIP: []byte{1, 1, 1, 1}, DstIP: []byte{2, 2, 2, 2}}, &layers.UDP{}, "x")
	f.Add(framed(0x800, over4(47, join([]byte{0x40, 0, 8, 0}, make([]byte, 4), ip4))))
	f.Add(framed(0x800, overUDP(6081, join([]byte{1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 0}, framed(0x800, ip4)))))
	f.Add(framed(0x8847, bytes.Repeat([]byte{0, 1, 0, 64}, 20)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := decode.New(decode.Options{})
		p, in := &decode.Packet{}, &decode.Packet{}
		d.Decode(&capture.Frame{Time: at, Link: capture.LinkEthernet, Data: frame, Length: len(frame)}, p)
		for {
			_, _, ok := d.Inner(p, in)
			if !ok {
				break
			}
			p, in = in, p
		}
		if d.Panics() > 0 {
			t.Error("a panic was contained")
		}
	})
}
