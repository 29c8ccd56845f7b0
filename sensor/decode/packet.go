package decode

import (
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
)

// IP protocol numbers (IANA "Protocol Numbers").
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// TCP flags as in the header's byte 13 (RFC 9293 §3.1).
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// MaxVLANs is the depth of tags kept: 802.1ad has two, some carriers three.
const MaxVLANs = 3

// Packet is one decoded packet. Slices point into the frame or into the
// decoder and are valid until the next call of Decode.
type Packet struct {
	Time   time.Time
	Number uint64
	Link   capture.LinkType
	// Frame is the whole frame as captured; WireLength its length on the wire.
	Frame      []byte
	WireLength int

	VLANs    [MaxVLANs]uint16
	VLANLen  uint8
	Src, Dst netip.Addr
	Version  uint8
	Proto    uint8

	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Window           uint16
	Flags            uint8

	ICMPType, ICMPCode uint8

	// IP starts at the IP header; Transport at the transport header, or at
	// what stands in its place. Of a packet put together from fragments, IP is
	// that of the last one.
	IP, Transport []byte
	// Payload is what the transport header carries; for a protocol without
	// decoder, what the IP header carries.
	Payload []byte
	// Defragmented is true for a packet put together from fragments.
	Defragmented bool
	// Truncated is true when the frame holds less than its headers say, Cut
	// when the capture took less of it than was on the wire. Missing is how many
	// bytes of the payload that has cost.
	Truncated, Cut bool
	Missing        int
	// BadChecksum is true when a checksum was verified and is wrong.
	BadChecksum bool
	// Tunnel is what carried the packet; its depth is 0 for one on the wire.
	Tunnel Tunnel

	inner carried
	// overlap is true of a fragment that overlaps another of its datagram.
	overlap bool
	partial bool
}

// SrcAddrPort is the sender's address and port.
func (p *Packet) SrcAddrPort() netip.AddrPort { return netip.AddrPortFrom(p.Src, p.SrcPort) }

// DstAddrPort is the receiver's address and port.
func (p *Packet) DstAddrPort() netip.AddrPort { return netip.AddrPortFrom(p.Dst, p.DstPort) }

// Outcome says what became of a frame.
type Outcome uint8

// The outcomes of Decode.
const (
	// Decoded means that the packet is complete.
	Decoded Outcome = iota
	// Held means that the frame is a fragment kept until the others come.
	Held
	// NotIP means that the frame carries something else: ARP, LLDP, 802.11.
	NotIP
	// Invalid means that the frame breaks its own headers.
	Invalid
)

// missing notes how much of what a header announces the capture has cut.
func (p *Packet) missing(says, has int) {
	if p.Cut && says > has {
		p.Missing = says - has
	}
}

// Reason names why a frame is invalid, as an EVE anomaly event has it.
type Reason string

// The reasons.
const (
	ReasonNone      Reason = ""
	ReasonLink      Reason = "link_header_invalid"
	ReasonIPv4      Reason = "ipv4_header_invalid"
	ReasonIPv6      Reason = "ipv6_header_invalid"
	ReasonExtension Reason = "ipv6_extension_invalid"
	ReasonTCP       Reason = "tcp_header_invalid"
	ReasonUDP       Reason = "udp_header_invalid"
	ReasonICMP      Reason = "icmp_header_invalid"
	ReasonFragment  Reason = "fragment_invalid"
	ReasonFragLimit Reason = "fragment_limit"
	ReasonPanic     Reason = "decoder_panic"
	// ReasonCut is of a frame whose headers the capture cut: nothing is wrong
	// with it.
	ReasonCut Reason = "cut_by_capture"
)

// TCPOption is the data of a TCP header's first option of a kind, without kind
// and length (RFC 9293 §3.1); nil where there is none or the options are
// broken. The header may have the segment's payload behind it.
func TCPOption(header []byte, kind byte) []byte {
	const bare = 20
	if len(header) < bare {
		return nil
	}
	n := int(header[12]>>4) * 4
	if n < bare || n > len(header) {
		return nil
	}
	for o := header[bare:n]; len(o) > 0 && o[0] != 0; {
		if o[0] == 1 {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return nil
		}
		if o[0] == kind {
			return o[2:o[1]]
		}
		o = o[o[1]:]
	}
	return nil
}
