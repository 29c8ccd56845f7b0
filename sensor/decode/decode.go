// Package decode turns a captured frame into addresses, ports, flags and
// payload: Ethernet, 802.1Q, 802.1ad, 802.1ah, MPLS, NSH, Linux cooked, null,
// PPP and HDLC framing, IPv4, IPv6 with extension headers, fragments, TCP, UDP
// and ICMP, and the packets inside GRE, ERSPAN, IP in IP, EtherIP, VXLAN,
// Geneve and Teredo.
//
// Headers are decoded by gopacket's DecodingLayerParser on decoders that are
// used again, and only by those whose bounds hold; cooked and loop-back
// framing and IPv6 extension headers are read here, and so is, for speed, the
// plain frame of IPv4 with TCP or UDP. Every decode is guarded:
// a panic becomes an invalid frame. Not here: ESP, L2TP, 802.11.
package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/hostos"
)

// Decoder decodes frames one after another. It is not safe for concurrent
// use.
type Decoder struct {
	eth   layers.Ethernet
	ip4   layers.IPv4
	ip6   layers.IPv6
	tcp   layers.TCP
	udp   layers.UDP
	icmp4 layers.ICMPv4
	icmp6 layers.ICMPv6

	byLink, byIP4, byIP6      *gopacket.DecodingLayerParser
	byTCP, byUDP, by4ic, by6i *gopacket.DecodingLayerParser

	decoded []gopacket.LayerType
	frags   *defragmenter
	verify  bool
	panics  uint64
}

const (
	protoSCTP  = 132
	sctpHeader = 12
)

// Options set how a decoder judges.
type Options struct {
	// Checksums makes the decoder verify IPv4, TCP, UDP and ICMP checksums.
	Checksums bool
	// Hosts are the operating systems of receivers, for fragments that overlap.
	Hosts *hostos.Table
}

// New returns a decoder.
func New(o Options) *Decoder {
	d := &Decoder{verify: o.Checksums, frags: newDefragmenter(o.Hosts)}
	d.byIP4 = d.parser(layers.LayerTypeIPv4, &d.ip4, &d.tcp, &d.udp, &d.icmp4)
	d.byIP6 = d.parser(layers.LayerTypeIPv6, &d.ip6, &d.tcp, &d.udp, &d.icmp6)
	d.byLink = d.parser(layers.LayerTypeEthernet, &d.eth)
	d.byTCP = d.parser(layers.LayerTypeTCP, &d.tcp)
	d.byUDP = d.parser(layers.LayerTypeUDP, &d.udp)
	d.by4ic = d.parser(layers.LayerTypeICMPv4, &d.icmp4)
	d.by6i = d.parser(layers.LayerTypeICMPv6, &d.icmp6)
	return d
}

func (d *Decoder) parser(first gopacket.LayerType, ls ...gopacket.DecodingLayer) *gopacket.DecodingLayerParser {
	p := gopacket.NewDecodingLayerParser(first)
	p.SetDecodingLayerContainer(gopacket.DecodingLayerSparse(nil))
	for _, l := range ls {
		p.AddDecodingLayer(l)
	}
	p.IgnoreUnsupported = true
	// The guard is one deferred recover around the whole frame, in Decode.
	p.IgnorePanic = true
	return p
}

// SetChecksums changes whether checksums are verified.
func (d *Decoder) SetChecksums(on bool) { d.verify = on }

// Forget drops the fragments that wait: the capture is over.
func (d *Decoder) Forget() { d.frags = newDefragmenter(d.frags.hosts) }

// Waiting is the number of datagrams that wait for fragments, and their bytes.
func (d *Decoder) Waiting() (datagrams, bytes int) { return len(d.frags.open), d.frags.bytes }

// Panics is the number of frames whose decoding was stopped by a panic.
func (d *Decoder) Panics() uint64 { return d.panics }

// Decode reads the frame into p.
func (d *Decoder) Decode(f *capture.Frame, p *Packet) (outcome Outcome, reason Reason) {
	defer func() {
		if r := recover(); r != nil {
			d.panics++
			outcome, reason = Invalid, ReasonPanic
		}
	}()
	start(f, p)
	if d.plain(f, p) {
		return Decoded, ReasonNone
	}
	outcome, reason = d.layered(f, p)
	if outcome == Invalid && p.Cut {
		reason = ReasonCut
	}
	return outcome, reason
}

func start(f *capture.Frame, p *Packet) {
	*p = Packet{}
	p.Time, p.Number, p.Link, p.Frame, p.WireLength, p.partial = f.Time, f.Number, f.Link, f.Data, f.Length, f.Partial
	p.Cut = f.Length > len(f.Data)
	if f.HasVLAN {
		p.VLANs[0], p.VLANLen = f.VLAN, 1
	}
}

// layered reads any frame, layer by layer.
func (d *Decoder) layered(f *capture.Frame, p *Packet) (Outcome, Reason) {
	start(f, p)
	kind, body, ok := d.link(f, p)
	if !ok {
		return Invalid, ReasonLink
	}
	return d.network(kind, body, p)
}

// network decodes from the IP header on.
func (d *Decoder) network(kind uint16, body []byte, p *Packet) (Outcome, Reason) {
	verify := d.verify && !p.partial
	switch kind {
	case etherIPv4:
		return d.ipv4(body, p, verify)
	case etherIPv6:
		return d.ipv6(body, p, verify)
	}
	return NotIP, ReasonNone
}

func (d *Decoder) run(parser *gopacket.DecodingLayerParser, data []byte) error {
	d.decoded = d.decoded[:0]
	return parser.DecodeLayers(data, &d.decoded)
}

// alone decodes one header and nothing after it.
func (d *Decoder) alone(parser *gopacket.DecodingLayerParser, l gopacket.DecodingLayer, data []byte) error {
	d.decoded = d.decoded[:0]
	parser.Truncated = false
	err := l.DecodeFromBytes(data, parser)
	if err == nil {
		d.decoded = append(d.decoded, layers.LayerTypeIPv4)
	}
	return err
}

// last is the layer decoded last.
func (d *Decoder) last() gopacket.LayerType {
	if len(d.decoded) == 0 {
		return gopacket.LayerTypeZero
	}
	return d.decoded[len(d.decoded)-1]
}

func (d *Decoder) ipv4(data []byte, p *Packet, verify bool) (Outcome, Reason) {
	p.Version, p.IP = 4, data
	if len(data) < 1 || data[0]>>4 != 4 {
		return Invalid, ReasonIPv4
	}
	var err error
	if len(data) >= ipv4Header && data[9] == protoIPIP {
		// The parser would go on into the packet inside.
		err = d.alone(d.byIP4, &d.ip4, data)
	} else {
		err = d.run(d.byIP4, data)
	}
	if len(d.decoded) == 0 {
		return Invalid, ReasonIPv4
	}
	p.Src, p.Dst = addr(d.ip4.SrcIP), addr(d.ip4.DstIP)
	p.Proto = uint8(d.ip4.Protocol)
	p.Truncated = d.byIP4.Truncated
	p.missing(int(d.ip4.Length), len(data))
	if verify && sum(d.ip4.Contents) != 0 {
		p.BadChecksum = true
	}
	if d.ip4.Flags&layers.IPv4MoreFragments != 0 || d.ip4.FragOffset != 0 {
		return d.fragment(fragment{
			key:    fragKey{src: p.Src, dst: p.Dst, id: uint32(d.ip4.Id), proto: p.Proto, vlan: p.VLANs},
			offset: int(d.ip4.FragOffset) * 8, more: d.ip4.Flags&layers.IPv4MoreFragments != 0,
			data: d.ip4.Payload, at: p.Time,
		}, p, verify)
	}
	if err != nil {
		return Invalid, transportReason(p.Proto)
	}
	return d.transport(p, d.ip4.Payload, verify)
}

// transport takes over what the parser has decoded, or decodes it when the
// parser stopped before.
func (d *Decoder) transport(p *Packet, body []byte, verify bool) (Outcome, Reason) {
	p.Transport = body
	var want gopacket.LayerType
	var parser *gopacket.DecodingLayerParser
	switch p.Proto {
	case ProtoTCP:
		want, parser = layers.LayerTypeTCP, d.byTCP
	case ProtoUDP:
		want, parser = layers.LayerTypeUDP, d.byUDP
	case ProtoICMP:
		want, parser = layers.LayerTypeICMPv4, d.by4ic
	case ProtoICMPv6:
		want, parser = layers.LayerTypeICMPv6, d.by6i
	case protoSCTP:
		// RFC 9260 §3.1: only the ports, they are the flow's name.
		if len(body) >= sctpHeader {
			p.SrcPort, p.DstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		}
		p.Payload = body
		return Decoded, ReasonNone
	default:
		p.Payload = body
		p.inner = tunnelOf(p, body)
		return Decoded, ReasonNone
	}
	if d.last() != want {
		err := d.run(parser, body)
		if err != nil || d.last() != want {
			return Invalid, transportReason(p.Proto)
		}
		p.Truncated = p.Truncated || parser.Truncated
	}
	d.fields(p)
	if verify && !p.Truncated && !transportSum(p, body) {
		p.BadChecksum = true
	}
	return Decoded, ReasonNone
}

func (d *Decoder) fields(p *Packet) {
	switch p.Proto {
	case ProtoTCP:
		p.SrcPort, p.DstPort = uint16(d.tcp.SrcPort), uint16(d.tcp.DstPort)
		p.Seq, p.Ack, p.Window = d.tcp.Seq, d.tcp.Ack, d.tcp.Window
		p.Flags = d.tcp.Contents[13]
		p.Payload = d.tcp.Payload
	case ProtoUDP:
		p.SrcPort, p.DstPort = uint16(d.udp.SrcPort), uint16(d.udp.DstPort)
		p.Payload = d.udp.Payload
		if p.DstPort == portVXLAN || p.DstPort == portGeneve || p.DstPort == portTeredo || p.SrcPort == portTeredo {
			p.inner = udpTunnel(p)
		}
	case ProtoICMP:
		p.ICMPType, p.ICMPCode = d.icmp4.TypeCode.Type(), d.icmp4.TypeCode.Code()
		p.Payload = d.icmp4.Payload
	case ProtoICMPv6:
		p.ICMPType, p.ICMPCode = d.icmp6.TypeCode.Type(), d.icmp6.TypeCode.Code()
		p.Payload = d.icmp6.Payload
	}
}

func transportReason(proto uint8) Reason {
	switch proto {
	case ProtoTCP:
		return ReasonTCP
	case ProtoUDP:
		return ReasonUDP
	case ProtoICMP, ProtoICMPv6:
		return ReasonICMP
	}
	return ReasonIPv4
}

func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// fragment keeps a fragment, and decodes the packet when it is whole.
func (d *Decoder) fragment(f fragment, p *Packet, verify bool) (Outcome, Reason) {
	if p.Truncated || p.BadChecksum {
		return Invalid, ReasonFragment
	}
	whole, proto, reason := d.frags.add(f)
	p.overlap = d.frags.overlapped
	if reason != ReasonNone {
		return Invalid, reason
	}
	if whole == nil {
		return Held, ReasonNone
	}
	p.Proto = proto
	p.Defragmented = true
	d.decoded = d.decoded[:0]
	return d.transport(p, whole, verify)
}
