package decode_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/hostos"
)

var at = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// udp4 is an IPv4 packet from 10.0.0.1:1111 to 10.0.0.2:53 with the payload.
func udp4(t testing.TB, payload string) []byte {
	t.Helper()
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2},
	}
	udp := &layers.UDP{SrcPort: 1111, DstPort: 53}
	return serialize(t, ip, udp, payload)
}

func udp6(t testing.TB, payload string) []byte {
	t.Helper()
	ip := &layers.IPv6{
		Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP,
		SrcIP: netip.MustParseAddr("2001:db8::1").AsSlice(), DstIP: netip.MustParseAddr("2001:db8::2").AsSlice(),
	}
	udp := &layers.UDP{SrcPort: 1111, DstPort: 53}
	return serialize(t, ip, udp, payload)
}

type network interface {
	gopacket.NetworkLayer
	gopacket.SerializableLayer
}

func serialize(t testing.TB, ip network, udp *layers.UDP, payload string) []byte {
	t.Helper()
	err := udp.SetNetworkLayerForChecksum(ip)
	if err != nil {
		t.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err = gopacket.SerializeLayers(buf, opts, ip, udp, gopacket.Payload(payload))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var macs = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}

// withExtensions puts extension headers between the IPv6 header and the rest.
func withExtensions(packet []byte, chain ...[]byte) []byte {
	head, rest := bytes.Clone(packet[:40]), packet[40:]
	next := head[6]
	body := rest
	for i := len(chain) - 1; i >= 0; i-- {
		ext := bytes.Clone(chain[i])
		kind := ext[0]
		ext[0] = next
		body, next = join(ext, body), kind
	}
	head[6] = next
	binary.BigEndian.PutUint16(head[4:], uint16(len(body)))
	return join(head, body)
}

func TestDecodeReadsEveryFraming(t *testing.T) {
	v4, v6 := udp4(t, "hello"), udp6(t, "hello")
	hop := []byte{0, 0, 1, 4, 0, 0, 0, 0}
	dest := []byte{60, 0, 1, 4, 0, 0, 0, 0}
	routing := []byte{43, 0, 0, 0, 0, 0, 0, 0}
	atomic := []byte{44, 0, 0, 0, 0, 0, 0, 9}
	cases := []struct {
		name  string
		link  capture.LinkType
		frame []byte
		vlans []uint16
	}{
		{"Ethernet", 1, join(macs, []byte{8, 0}, v4), nil},
		{"Ethernet with IPv6", 1, join(macs, []byte{0x86, 0xdd}, v6), nil},
		{"802.1Q", 1, join(macs, []byte{0x81, 0, 0x20, 7, 8, 0}, v4), []uint16{7}},
		{"802.1ad around 802.1Q", 1, join(macs, []byte{0x88, 0xa8, 0, 9, 0x81, 0, 0, 7, 8, 0}, v4), []uint16{9, 7}},
		{"PPPoE session", 1, join(macs, []byte{0x88, 0x64, 0x11, 0, 0, 1, 0, 30, 0, 0x21}, v4), nil},
		{"LLC with SNAP", 1, join(macs, []byte{0, byte(8 + len(v4)), 0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4), nil},
		{"raw IP", 101, v4, nil},
		{"raw IPv6", 229, v6, nil},
		{"BSD loop-back in little-endian", 0, join([]byte{2, 0, 0, 0}, v4), nil},
		{"BSD loop-back in big-endian with IPv6", 0, join([]byte{0, 0, 0, 30}, v6), nil},
		{"Linux cooked", 113, join(make([]byte, 14), []byte{8, 0}, v4), nil},
		{"Linux cooked version 2", 276, join([]byte{8, 0}, make([]byte, 18), v4), nil},
		{"PPP with address and control", 9, join([]byte{0xff, 3, 0, 0x21}, v4), nil},
		{"PPP with compressed protocol", 9, join([]byte{0x57}, v6), nil},
		{"Cisco HDLC", 104, join([]byte{0x0f, 0, 8, 0}, v4), nil},
		{"IPv6 with hop-by-hop", 101, withExtensions(v6, hop), nil},
		{"IPv6 with a chain of extensions", 101, withExtensions(v6, hop, dest, routing, dest), nil},
		{"IPv6 atomic fragment", 101, withExtensions(v6, atomic), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := decode.New(decode.Options{Checksums: true})
			var p decode.Packet
			outcome, reason := d.Decode(&capture.Frame{Data: c.frame, Time: at, Link: c.link}, &p)
			if outcome != decode.Decoded || p.BadChecksum {
				t.Fatalf("outcome %d, reason %q, bad checksum %v", outcome, reason, p.BadChecksum)
			}
			if string(p.Payload) != "hello" || p.SrcPort != 1111 || p.DstPort != 53 || p.Proto != decode.ProtoUDP {
				t.Errorf("got %q from port %d to %d, protocol %d", p.Payload, p.SrcPort, p.DstPort, p.Proto)
			}
			want := "10.0.0.1"
			if p.Version == 6 {
				want = "2001:db8::1"
			}
			if p.Src.String() != want {
				t.Errorf("source %s, want %s", p.Src, want)
			}
			if !equal(p.VLANs[:p.VLANLen], c.vlans) {
				t.Errorf("VLANs %v, want %v", p.VLANs[:p.VLANLen], c.vlans)
			}
		})
	}
}

func equal(a, b []uint16) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestDecodeKeepsTheTagTheCardTookOff(t *testing.T) {
	d := decode.New(decode.Options{})
	var p decode.Packet
	f := capture.Frame{Data: join(macs, []byte{0x81, 0, 0, 7, 8, 0}, udp4(t, "x")), Link: 1, VLAN: 9, HasVLAN: true}
	outcome, _ := d.Decode(&f, &p)
	if outcome != decode.Decoded || !equal(p.VLANs[:p.VLANLen], []uint16{9, 7}) {
		t.Fatalf("outcome %d, VLANs %v", outcome, p.VLANs[:p.VLANLen])
	}
}

func TestDecodeTellsWhatIsWrong(t *testing.T) {
	v4 := udp4(t, "hello")
	badSum := bytes.Clone(v4)
	badSum[len(badSum)-1] ^= 1
	badHead := bytes.Clone(v4)
	badHead[8]--
	long := bytes.Clone(v4)
	binary.BigEndian.PutUint16(long[24:], 4)
	chain := make([][]byte, 20)
	for i := range chain {
		chain[i] = []byte{60, 0, 1, 4, 0, 0, 0, 0}
	}
	cases := []struct {
		name    string
		link    capture.LinkType
		frame   []byte
		outcome decode.Outcome
		reason  decode.Reason
		badSum  bool
	}{
		{"a frame shorter than its link header", 1, macs, decode.Invalid, decode.ReasonLink, false},
		{"an empty frame", 1, nil, decode.Invalid, decode.ReasonLink, false},
		{"ARP is not IP", 1, join(macs, []byte{8, 6}, make([]byte, 28)), decode.NotIP, "", false},
		{"an unknown link type is not IP", 147, []byte{1}, decode.NotIP, "", false},
		{"IPv4 cut in its header", 101, v4[:12], decode.Invalid, decode.ReasonIPv4, false},
		{"UDP with a length below its header", 101, long, decode.Invalid, decode.ReasonUDP, false},
		{"a wrong UDP checksum", 101, badSum, decode.Decoded, "", true},
		{"a wrong IPv4 checksum", 101, badHead, decode.Decoded, "", true},
		{"an endless chain of extensions", 101, withExtensions(udp6(t, "x"), chain...), decode.Invalid, decode.ReasonExtension, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := decode.New(decode.Options{Checksums: true})
			var p decode.Packet
			outcome, reason := d.Decode(&capture.Frame{Data: c.frame, Time: at, Link: c.link}, &p)
			if outcome != c.outcome || reason != c.reason || p.BadChecksum != c.badSum {
				t.Errorf("got %d %q bad checksum %v", outcome, reason, p.BadChecksum)
			}
		})
	}
}

// fragments cuts an IPv4 packet into fragments of n payload bytes.
func fragments(packet []byte, n int) [][]byte {
	head, body := packet[:20], packet[20:]
	var out [][]byte
	for off := 0; off < len(body); off += n {
		end := min(off+n, len(body))
		h := bytes.Clone(head)
		field := uint16(off / 8)
		if end < len(body) {
			field |= 0x2000
		}
		binary.BigEndian.PutUint16(h[6:], field)
		binary.BigEndian.PutUint16(h[2:], uint16(20+end-off))
		out = append(out, join(h, body[off:end]))
	}
	return out
}

func TestFragmentsArePutTogether(t *testing.T) {
	text := string(bytes.Repeat([]byte("0123456789abcdef"), 40))
	parts := fragments(udp4(t, text), 64)
	orders := map[string]func(int) int{
		"in order":        func(i int) int { return i },
		"the last first":  func(i int) int { return len(parts) - 1 - i },
		"evens then odds": func(i int) int { return i * 2 % (len(parts) | 1) },
	}
	if len(parts)%2 == 0 {
		delete(orders, "evens then odds")
	}
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			d := decode.New(decode.Options{})
			var p decode.Packet
			for i := range parts {
				outcome, reason := d.Decode(&capture.Frame{Data: parts[order(i)], Time: at, Link: 101}, &p)
				if i < len(parts)-1 && outcome != decode.Held {
					t.Fatalf("fragment %d: outcome %d %q", i, outcome, reason)
				}
				if i == len(parts)-1 && (outcome != decode.Decoded || string(p.Payload) != text || !p.Defragmented) {
					t.Fatalf("outcome %d %q, %d bytes", outcome, reason, len(p.Payload))
				}
			}
		})
	}
}

func TestFragmentsThatOverlapAreReadAsTheReceiverReadsThem(t *testing.T) {
	packet := udp4(t, string(bytes.Repeat([]byte{'.'}, 56)))
	// Places are those of the packet's units of eight bytes; the first is the UDP
	// header.
	type piece struct {
		from, to int
		fill     byte
	}
	cases := []struct {
		name   string
		pieces []piece
		want   map[string]string
	}{
		{"the same place", []piece{{2, 4, 'A'}, {2, 4, 'B'}, {0, 2, '-'}, {4, 8, '-'}},
			map[string]string{"bsd": "-AA----", "first": "-AA----", "linux": "-BB----", "bsd-right": "-BB----", "last": "-BB----"}},
		{"begins before", []piece{{3, 5, 'A'}, {2, 4, 'B'}, {0, 2, '-'}, {5, 8, '-'}},
			map[string]string{"bsd": "-BBA---", "linux": "-BBA---", "first": "-BAA---", "windows": "-BAA---", "last": "-BBA---"}},
		{"covers", []piece{{3, 4, 'A'}, {2, 5, 'B'}, {0, 2, '-'}, {5, 8, '-'}},
			map[string]string{"windows": "-BBB---", "solaris": "-BBB---", "first": "-BAB---"}},
	}
	for _, c := range cases {
		for system, want := range c.want {
			hosts, err := hostos.New(map[string][]string{system: {"0.0.0.0/0"}})
			if err != nil {
				t.Fatal(err)
			}
			d := decode.New(decode.Options{Hosts: hosts})
			var p decode.Packet
			var outcome decode.Outcome
			for _, x := range c.pieces {
				body := bytes.Clone(packet[20:])
				for i := max(x.from, 1) * 8; i < x.to*8; i++ {
					body[i] = x.fill
				}
				h := bytes.Clone(packet[:20])
				field := uint16(x.from)
				if x.to < 8 {
					field |= 0x2000
				}
				binary.BigEndian.PutUint16(h[6:], field)
				binary.BigEndian.PutUint16(h[2:], uint16(20+(x.to-x.from)*8))
				outcome, _ = d.Decode(&capture.Frame{Data: join(h, body[x.from*8:x.to*8]), Time: at, Link: 101}, &p)
			}
			got := ""
			for i := 0; i < len(p.Payload); i += 8 {
				got += string(p.Payload[i])
			}
			if outcome != decode.Decoded || got != want {
				t.Errorf("%s, %s: %d %q, want %q", c.name, system, outcome, got, want)
			}
			if _, n := d.Waiting(); n != 0 {
				t.Errorf("%s, %s: %d bytes still wait", c.name, system, n)
			}
		}
	}
}

func TestFragmentsStayWithinTheirLimits(t *testing.T) {
	d := decode.New(decode.Options{})
	var p decode.Packet
	first := fragments(udp4(t, string(make([]byte, 8000))), 4000)[0]
	for i := range 20000 {
		binary.BigEndian.PutUint16(first[4:], uint16(i))
		first[12] = byte(i >> 16)
		outcome, _ := d.Decode(&capture.Frame{Data: first, Time: at, Link: 101}, &p)
		if outcome != decode.Held {
			t.Fatalf("datagram %d: outcome %d", i, outcome)
		}
	}
	datagrams, held := d.Waiting()
	if datagrams > 4096 || held > 16<<20 {
		t.Errorf("%d datagrams with %d bytes wait", datagrams, held)
	}
}

// TestDecodeAgreesWithGopacket compares with gopacket's own full decoding over
// real captures.
func TestDecodeAgreesWithGopacket(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "pcap/other"), "ja4__*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	compared := 0
	for _, name := range files {
		src, err := capture.OpenFile(name)
		if errors.Is(err, capture.ErrFormat) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		d := decode.New(decode.Options{})
		var f capture.Frame
		var p decode.Packet
		for src.Next(&f) == nil {
			outcome, _ := d.Decode(&f, &p)
			if f.Link != capture.LinkEthernet || outcome != decode.Decoded || p.Defragmented {
				continue
			}
			whole := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
			tcp, ok := whole.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if !ok || p.Proto != decode.ProtoTCP {
				continue
			}
			compared++
			if p.Seq != tcp.Seq || p.Ack != tcp.Ack || p.SrcPort != uint16(tcp.SrcPort) ||
				!bytes.Equal(p.Payload, tcp.Payload) || p.Flags&decode.SYN != 0 != tcp.SYN {
				t.Fatalf("%s frame %d differs", name, f.Number)
			}
		}
		src.Close()
	}
	if compared < 1000 {
		t.Errorf("only %d packets compared", compared)
	}
}

func FuzzDecode(f *testing.F) {
	v4, v6 := udp4(f, "hello"), udp6(f, "hello")
	for _, link := range []uint16{0, 1, 9, 101, 104, 113, 276} {
		f.Add(link, join(macs, []byte{8, 0}, v4))
		f.Add(link, join(macs, []byte{0x81, 0, 0, 1, 0x86, 0xdd}, v6))
		f.Add(link, v4)
		f.Add(link, withExtensions(v6, []byte{0, 0, 1, 4, 0, 0, 0, 0}, []byte{44, 0, 0, 1, 0, 0, 0, 9}))
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		d := decode.New(decode.Options{Checksums: true})
		var p decode.Packet
		for range 2 {
			outcome, _ := d.Decode(&capture.Frame{Data: data, Time: at, Link: capture.LinkType(link), Length: len(data)}, &p)
			if outcome == decode.Decoded && !p.Src.IsValid() {
				t.Error("decoded without a source address")
			}
		}
		if d.Panics() > 0 {
			t.Error("a decoder panicked")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	frame := capture.Frame{Data: join(macs, []byte{8, 0}, udp4(b, string(make([]byte, 400)))), Time: at, Link: 1}
	d := decode.New(decode.Options{})
	var p decode.Packet
	b.SetBytes(int64(len(frame.Data)))
	b.ReportAllocs()
	for b.Loop() {
		outcome, _ := d.Decode(&frame, &p)
		if outcome != decode.Decoded {
			b.Fatal(io.ErrUnexpectedEOF)
		}
	}
}

func TestTCPOption(t *testing.T) {
	header := func(offset byte, options ...byte) []byte {
		return append(append(make([]byte, 12), offset<<4, 0, 0, 0, 0, 0, 0, 0), options...)
	}
	for _, c := range []struct {
		name   string
		header []byte
		kind   byte
		want   []byte
	}{
		{"first", header(6, 2, 4, 5, 0xb4), 2, []byte{5, 0xb4}},
		{"behind padding", header(7, 1, 1, 1, 3, 3, 7, 0, 0), 3, []byte{7}},
		{"absent", header(6, 2, 4, 5, 0xb4), 3, nil},
		{"after the end of the list", header(7, 0, 2, 4, 5, 0xb4, 0, 0, 0), 2, nil},
		{"longer than the header", header(6, 2, 5, 5, 0xb4), 2, nil},
		{"length of one", header(6, 2, 1, 5, 0xb4), 2, nil},
		{"in the payload", header(5, 2, 4, 5, 0xb4), 2, nil},
		{"header cut", header(6)[:19], 2, nil},
		{"offset beyond the bytes", header(15, 2, 4, 5, 0xb4), 2, nil},
	} {
		if got := decode.TCPOption(c.header, c.kind); !bytes.Equal(got, c.want) || (got == nil) != (c.want == nil) {
			t.Errorf("%s: %x, want %x", c.name, got, c.want)
		}
	}
}
