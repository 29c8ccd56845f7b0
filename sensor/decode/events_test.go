package decode

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor/capture"
)

// v4 is an Ethernet frame with an IPv4 header and what follows.
func v4(proto byte, change func(ip []byte), body ...byte) []byte {
	ip := []byte{0x45, 0, 0, 0, 0, 1, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(body)))
	if change != nil {
		change(ip)
	}
	return slices.Concat(make([]byte, 12), []byte{8, 0}, ip, body)
}

// v6 is an Ethernet frame with an IPv6 header and what follows.
func v6(next byte, body ...byte) []byte {
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7], ip[23], ip[39] = 0x60, next, 64, 1, 2
	binary.BigEndian.PutUint16(ip[4:], uint16(len(body)))
	return slices.Concat(make([]byte, 12), []byte{0x86, 0xdd}, ip, body)
}

func TestEventsOfHeaders(t *testing.T) {
	tcp := []byte{0, 80, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0}
	tcpWith := func(options ...byte) []byte {
		h := slices.Concat(tcp, options)
		h[12] = byte(len(h)/4) << 4
		return h
	}
	for _, c := range []struct {
		name  string
		frame []byte
		want  []string
	}{
		{"an ordinary packet has none", v4(ProtoTCP, nil, tcp...), nil},
		{"a frame cut short", []byte{1, 2, 3}, []string{"ethernet.pkt_too_small"}},
		{"an unknown type", append(make([]byte, 12), 0x99, 0x99, 1), []string{"ethernet.unknown_ethertype"}},
		{"a tag cut short", append(make([]byte, 12), 0x81, 0, 1), []string{"vlan.header_too_small"}},
		{"an IPv4 header cut short", append(make([]byte, 12), 8, 0, 0x45, 0), []string{"ipv4.pkt_too_small"}},
		{"an IPv4 header of another version", v4(6, func(ip []byte) { ip[0] = 0x65 }), []string{"ipv4.wrong_ip_version"}},
		{"a header length below the header", v4(6, func(ip []byte) { ip[0] = 0x44 }), []string{"ipv4.hlen_too_small"}},
		{"a total length below the header", v4(6, func(ip []byte) { ip[3] = 10 }), []string{"ipv4.iplen_smaller_than_hlen"}},
		{"a packet cut short", v4(6, func(ip []byte) { ip[3] = 200 }, tcp...), []string{"ipv4.trunc_pkt"}},
		{"an unknown protocol", v4(250, nil, 1), []string{"ipv4.unknown_protocol"}},
		{"ICMPv6 over IPv4", v4(58, nil, 1), []string{"ipv4.icmpv6"}},
		{"TCP cut short", v4(6, nil, 1, 2), []string{"tcp.pkt_too_small"}},
		{"TCP options beyond the packet", v4(6, nil, append(slices.Clone(tcp[:12]), 0xf0, 2, 4, 0, 0, 0, 0, 0)...), []string{"tcp.invalid_optlen"}},
		{"a TCP option of a wrong length", v4(6, nil, tcpWith(2, 3, 5, 0)...), []string{"tcp.opt_invalid_len"}},
		{"a TCP option twice", v4(6, nil, tcpWith(2, 4, 5, 0, 2, 4, 5, 0)...), []string{"tcp.opt_duplicate"}},
		{"UDP that is longer than its packet", v4(17, nil, 0, 1, 0, 2, 0, 99, 0, 0), []string{"udp.len_invalid"}},
		{"an unknown ICMP type", v4(1, nil, 99, 0, 0, 0, 0, 0, 0, 0), []string{"icmpv4.unknown_type"}},
		{"an unknown ICMP code", v4(1, nil, 8, 9, 0, 0, 0, 0, 0, 0), []string{"icmpv4.unknown_code"}},
		{"an unknown code of an ICMP error", v4(1, nil, 5, 213, 0, 0, 0, 0, 0, 0, 9), []string{"icmpv4.unknown_code"}},
		{"an ICMP error without the packet", v4(1, nil, 3, 0, 0, 0, 0, 0, 0, 0), []string{"icmpv4.ipv4_trunc_pkt"}},
		{"a padded destination header", v6(60, 59, 0, 1, 4, 0, 0, 0, 0), []string{"ipv6.dstopts_only_padding"}},
		{"an unknown hop-by-hop option", v6(0, 59, 0, 0x3e, 4, 0, 0, 0, 0), []string{"ipv6.hopopts_unknown_opt"}},
		{"two hop-by-hop headers", v6(0, 0, 0, 5, 2, 0, 0, 1, 0, 59, 0, 5, 2, 0, 0, 1, 0), []string{"ipv6.exthdr_dupl_hh"}},
		{"a routing header of type 0", v6(43, 59, 0, 0, 0, 0, 0, 0, 0), []string{"ipv6.rh_type_0"}},
		{"a fragment header for nothing", v6(44, 59, 0, 0, 0, 0, 0, 0, 1), []string{"ipv6.exthdr_useless_fh"}},
		{"an extension header cut short", v6(60, 59, 9, 1, 4), []string{"ipv6.trunc_exthdr"}},
		{"data after the end of the chain", v6(59, 1), []string{"ipv6.data_after_none_header"}},
		{"ICMPv4 over IPv6", v6(1, 8, 0), []string{"ipv6.icmpv4"}},
		{"an unassigned ICMPv6 type", v6(58, 99, 0, 0, 0, 0, 0, 0, 0), []string{"icmpv6.unassigned_type"}},
		{"a listener report from afar", v6(58, 131, 0, 0, 0, 0, 0, 0, 0), []string{"icmpv6.mld_message_with_invalid_hl"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(Options{})
			var p Packet
			d.Decode(&capture.Frame{Data: c.frame, Length: len(c.frame), Link: capture.LinkEthernet}, &p)
			got := Events(&p, nil)
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// FuzzEvents wants no panic whatever the bytes are.
func FuzzEvents(f *testing.F) {
	f.Add(v4(6, nil, 1, 2, 3), uint8(0))
	f.Add(v6(0, 44, 0, 5, 2, 0, 0, 1, 0), uint8(1))
	f.Fuzz(func(t *testing.T, frame []byte, link uint8) {
		links := []capture.LinkType{capture.LinkEthernet, capture.LinkRaw, capture.LinkNull, capture.LinkPPP, capture.LinkLinuxSLL, capture.LinkHDLC}
		d := New(Options{Checksums: true})
		var p Packet
		d.Decode(&capture.Frame{Data: frame, Length: len(frame), Link: links[int(link)%len(links)]}, &p)
		ChecksumEvents(&p, Events(&p, nil))
	})
}
