package decode

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor/capture"
)

// ether is a frame of a type.
func ether(kind uint16, body ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), kind), body...)
}

func TestEventsOfTunnelsAndCarriers(t *testing.T) {
	options := func(o ...byte) []byte {
		return v4(ProtoUDP, func(ip []byte) { ip[0] = 0x46 }, o...)
	}
	sctp := func(tag byte, chunks ...byte) []byte {
		return v4(protoSCTP, nil, append([]byte{0, 1, 0, 2, 0, 0, 0, tag, 0, 0, 0, 0}, chunks...)...)
	}
	many := func(n int, kind byte) (out []byte) {
		for range n {
			out = append(out, kind, 0, 0, 4)
		}
		return out
	}
	udp := func(port uint16, body ...byte) []byte {
		h := []byte{1, 1, byte(port >> 8), byte(port), 0, byte(8 + len(body)), 0, 0}
		return v4(ProtoUDP, nil, append(h, body...)...)
	}
	pad := []string{"ipv4.opt_pad_required"}
	for _, c := range []struct {
		name  string
		frame []byte
		want  []string
	}{
		{"an option that is not known", options(0x9b, 4, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0), append(slices.Clone(pad), "ipv4.opt_invalid", "ipv4.opt_unknown")},
		{"an option of old", options(0x52, 4, 0, 0, 0, 1, 0, 2, 0, 8, 0, 0), append(slices.Clone(pad), "ipv4.opt_invalid")},
		{"an option without length", options(1, 1, 1, 7, 0, 1, 0, 2, 0, 8, 0, 0), append(slices.Clone(pad), "ipv4.opt_eol_required")},
		{"GRE cut short", v4(protoGRE, nil, 0, 0), []string{"gre.pkt_too_small"}},
		{"GRE of version 2", v4(protoGRE, nil, 0, 2, 8, 0), []string{"gre.wrong_version"}},
		{"GRE that recurs", v4(protoGRE, nil, 1, 0, 8, 0), []string{"gre.version0_recur"}},
		{"GRE with reserved flags", v4(protoGRE, nil, 0, 8, 8, 0), []string{"gre.version0_flags"}},
		{"GRE whose key is missing", v4(protoGRE, nil, 0x20, 0, 8, 0), []string{"gre.version0_hdr_too_big"}},
		{"PPTP with a checksum", v4(protoGRE, nil, 0x80, 1, 0x88, 0x0b, 0, 0, 0, 0), []string{"gre.version1_chksum"}},
		{"PPTP with a route", v4(protoGRE, nil, 0x40, 1, 0x88, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0), []string{"gre.version1_route"}},
		{"PPTP with a route without end", v4(protoGRE, nil, 0x40, 1, 0x88, 0x0b, 0, 0, 0, 0), []string{"gre.version1_malformed_sre_hdr", "gre.version1_route"}},
		{"PPTP with a strict route", v4(protoGRE, nil, 0x28, 1, 0x88, 0x0b, 0, 0, 0, 0), []string{"gre.version1_ssr"}},
		{"PPTP that recurs", v4(protoGRE, nil, 0x21, 1, 0x88, 0x0b, 0, 0, 0, 0), []string{"gre.version1_recur"}},
		{"PPTP with reserved flags", v4(protoGRE, nil, 0x20, 9, 0x88, 0x0b, 0, 0, 0, 0), []string{"gre.version1_flags"}},
		{"PPTP of IP", v4(protoGRE, nil, 0x20, 1, 8, 0, 0, 0, 0, 0), []string{"gre.version1_wrong_protocol"}},
		{"PPTP without key", v4(protoGRE, nil, 0, 1, 0x88, 0x0b), []string{"gre.version1_no_key"}},
		{"PPTP cut short", v4(protoGRE, nil, 0x30, 1, 0x88, 0x0b, 0, 0, 0, 0), []string{"gre.version1_hdr_too_big"}},
		{"ERSPAN cut short", v4(protoGRE, nil, 0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x10), []string{"erspan.header_too_small"}},
		{"ERSPAN of another version", v4(protoGRE, nil, 0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0), []string{"erspan.unsupported_version"}},
		{"ERSPAN in too many networks", slices.Concat(make([]byte, 12), []byte{0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3}, v4(protoGRE, nil, 0x10, 0, 0x88, 0xbe, 0, 0, 0, 0, 0x10, 9, 0, 0, 0, 0, 0, 0)[12:]), []string{"erspan.too_many_vlan_layers"}},
		{"MPLS cut short", ether(etherMPLS, 0, 0), []string{"mpls.header_too_small"}},
		{"MPLS of nothing", ether(etherMPLS, 0, 1, 1, 0), []string{"mpls.pkt_too_small"}},
		{"MPLS with an alert at the bottom", ether(etherMPLS, 0, 0, 0x11, 0), []string{"mpls.bad_label_router_alert"}},
		{"MPLS with a label that is none", ether(etherMPLS, 0, 0, 0x31, 0), []string{"mpls.bad_label_implicit_null"}},
		{"MPLS with a reserved label", ether(etherMPLS, 0, 0, 0x71, 0), []string{"mpls.bad_label_reserved"}},
		{"MPLS of something unknown", ether(etherMPLS, 0, 1, 1, 0, 0x99, 0, 0, 0), []string{"mpls.unknown_payload_type"}},
		{"MPLS without bottom", ether(etherMPLS, make([]byte, 4*maxLabels)...), []string{"too_many_layers"}},
		{"802.1ah cut short", ether(etherBAC, 1, 2, 3, 4), []string{"ieee8021ah.header_too_small"}},
		{"a VN-Tag cut short", ether(etherVNTag, 1, 2, 3), []string{"vntag.header_too_small"}},
		{"a VN-Tag of something unknown", ether(etherVNTag, 1, 2, 3, 4, 0x99, 0x99), []string{"vntag.unknown_type"}},
		{"an E-Tag cut short", ether(etherETag, 1, 2, 3), []string{"etag.header_too_small"}},
		{"an E-Tag of something unknown", ether(etherETag, 1, 2, 3, 4, 5, 6, 0x99, 0x99), []string{"etag.unknown_type"}},
		{"FabricPath cut short", ether(etherFabric, 1, 2, 3), []string{"dce.pkt_too_small"}},
		{"PPP with a short compressed header", ether(etherPPPoE, 0x11, 0, 0, 1, 0, 4, 0, 0x2f, 1, 2), []string{"ppp.vju_pkt_too_small"}},
		{"VXLAN of something unknown", udp(portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, ether(0x9999)...)...), []string{"vxlan.unknown_payload_type"}},
		{"Geneve of something unknown", udp(portGeneve, 0, 0, 0x99, 0x99, 0, 0, 0, 0), []string{"geneve.unknown_payload_type"}},
		{"IGMP cut short", v4(protoIGMP, nil, 0x16, 0), []string{"igmp.pkt_too_small"}},
		{"an IGMPv3 query whose sources are missing", v4(protoIGMP, nil, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2), []string{"igmp.v3_pkt_too_small"}},
		{"an IGMPv3 query of too many sources", v4(protoIGMP, nil, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), []string{"igmp.malformed"}},
		{"an IGMPv3 report whose group is missing", v4(protoIGMP, nil, 0x22, 0, 0, 0, 0, 0, 0, 1), []string{"igmp.v3_pkt_too_small"}},
		{"an IGMPv3 report whose sources are missing", v4(protoIGMP, nil, 0x22, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 9, 0, 0, 0, 0), []string{"igmp.malformed"}},
		{"SCTP cut short", v4(protoSCTP, nil, 1, 2), []string{"sctp.pkt_too_small"}},
		{"an ordinary association", sctp(0, 1, 0, 0, 4), nil},
		{"a chunk cut short", sctp(1, 3, 0), []string{"sctp.chunk_too_small"}},
		{"a chunk shorter than its head", sctp(1, 3, 0, 0, 2), []string{"sctp.chunk_too_small"}},
		{"a chunk beyond the packet", sctp(1, 3, 0, 0, 9), []string{"sctp.chunk_len_invalid"}},
		{"INIT among others", sctp(0, 1, 0, 0, 4, 3, 0, 0, 4), []string{"sctp.init_chunk_bundled"}},
		{"INIT with a tag", sctp(5, 1, 0, 0, 4), []string{"sctp.init_with_non_zero_vtag"}},
		{"DATA without a tag", sctp(0, 0, 0, 0, 4), []string{"sctp.data_with_zero_vtag"}},
		{"too many chunks", sctp(1, many(manyChunks+1, 3)...), []string{"sctp.too_many_chunks"}},
		{"too many chunks of data", sctp(1, many(manyDataChunks+1, 0)...), []string{"sctp.too_many_data_chunks"}},
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

func TestFragmentsThatOverlapAreAnEvent(t *testing.T) {
	part := func(offset byte, more bool, body ...byte) []byte {
		return v4(ProtoUDP, func(ip []byte) {
			ip[7] = offset
			if more {
				ip[6] = 0x20
			}
		}, body...)
	}
	v6part := func(offset byte, more byte) []byte {
		return v6(extFragment, append([]byte{ProtoUDP, 0, 0, offset<<3 | more, 0, 0, 0, 7}, make([]byte, 16)...)...)
	}
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   []string
	}{
		{"apart", [][]byte{part(0, true, make([]byte, 8)...), part(1, false, make([]byte, 8)...)}, nil},
		{"over one another", [][]byte{part(0, true, make([]byte, 16)...), part(1, true, make([]byte, 16)...)}, []string{"ipv4.frag_overlap"}},
		{"over one another, by IPv6", [][]byte{v6part(0, 1), v6part(1, 1)}, []string{"ipv6.frag_overlap"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(Options{})
			var got []string
			for _, f := range c.frames {
				var p Packet
				d.Decode(&capture.Frame{Data: f, Length: len(f), Link: capture.LinkEthernet}, &p)
				got = Events(&p, got)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestAWrongChecksumOfIGMPIsAnEvent(t *testing.T) {
	for sum, want := range map[byte][]string{0: {"igmp"}, 0xe9: nil} {
		d := New(Options{})
		var p Packet
		f := v4(protoIGMP, func(ip []byte) { binary.BigEndian.PutUint16(ip[10:], sumOf(ip)) }, 0x16, 0, sum, 0xff, 0, 0, 0, 0)
		d.Decode(&capture.Frame{Data: f, Length: len(f), Link: capture.LinkEthernet}, &p)
		if got := ChecksumEvents(&p, nil); !slices.Equal(got, want) {
			t.Errorf("checksum %x: %v, want %v", sum, got, want)
		}
	}
}

func sumOf(b []byte) uint16 { return sum(b) }
