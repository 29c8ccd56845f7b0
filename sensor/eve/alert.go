package eve

import (
	"net/netip"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
)

// Aim is the end that an attack is meant for.
type Aim uint8

// The ends: not said, the one that sent, the one that was sent to.
const (
	AimUnknown Aim = iota
	AimSource
	AimDestination
)

// Metadata is one key of a rule's metadata.
type Metadata struct {
	Key    string
	Values []string
}

// Alert is what a rule says and what it was found in.
type Alert struct {
	GID, SID, Rev uint64
	Signature     string
	Category      string
	Severity      int
	Metadata      []Metadata
	// Aim is which end of the packet or message the attack is meant for, by the
	// rule's target.
	Aim       Aim
	Flow      *flow.Flow
	Direction flow.Direction
	// DNS, HTTP and TLS are the transaction, if any.
	DNS  *dns.Message
	HTTP *http1.Tx
	TLS  *tls.Conn
	// More is the transaction of any other protocol.
	More []encode.Body
	// Payload and Packet are the evidence, left out when nil. Stream says
	// that the payload is reassembled.
	Payload, Packet []byte
	Stream          bool
	Link            capture.LinkType
	// Tunnel is what carried the packet, when its depth is not 0.
	Tunnel decode.Tunnel
}

// maxEvidence bounds payload and packet in an alert, as Suricata's
// payload-buffer-size does; a record must stay far below event.MaxRawBytes.
const maxEvidence = 64 << 10

// Alert writes an alert record.
func (w *Writer) Alert(h *Header, a *Alert) []byte {
	e := w.begin(h)
	e.Open("alert")
	e.String("action", "allowed")
	e.Uint("gid", a.GID)
	e.Uint("signature_id", a.SID)
	e.Uint("rev", a.Rev)
	e.String("signature", a.Signature)
	e.String("category", a.Category)
	e.Int("severity", int64(a.Severity))
	switch aim := a.Aim; {
	case !h.Src.Addr().IsValid():
	case aim == AimSource:
		e.end("source", h.Dst, h.Proto)
		e.end("target", h.Src, h.Proto)
	case aim == AimDestination:
		e.end("source", h.Src, h.Proto)
		e.end("target", h.Dst, h.Proto)
	}
	if len(a.Metadata) > 0 {
		e.Open("metadata")
		for _, m := range a.Metadata {
			e.TextKey(m.Key)
			e.B = append(e.B, '[')
			for _, v := range m.Values {
				e.String("", v)
			}
			e.End()
		}
		e.Close()
	}
	e.Close()
	e.tunnel(h, &a.Tunnel)
	if a.DNS != nil {
		a.DNS.Encode(&e.Encoder, h.TxID)
	}
	if a.HTTP != nil {
		e.http(a.HTTP)
	}
	if a.TLS != nil {
		e.tls(a.TLS)
	}
	for _, b := range a.More {
		b.Encode(&e.Encoder)
	}
	if a.Flow != nil {
		e.String("direction", a.Direction.String())
		e.flowPart(a.Flow)
	}
	if a.Payload != nil {
		e.Base64("payload", a.Payload[:min(len(a.Payload), maxEvidence)])
		if a.Stream {
			e.Uint("stream", 1)
		} else {
			e.Uint("stream", 0)
		}
	}
	if a.Packet != nil {
		e.Base64("packet", a.Packet[:min(len(a.Packet), maxEvidence)])
		e.Open("packet_info")
		e.Uint("linktype", uint64(a.Link))
		if name := a.Link.String(); name != "" {
			e.String("linktype_name", name)
		}
		e.Close()
	}
	return w.finish()
}

// end is one end of the attack.
func (e *encoder) end(name string, at netip.AddrPort, proto uint8) {
	e.Open(name)
	e.Addr("ip", at.Addr())
	if hasPorts(proto) {
		e.Uint("port", uint64(at.Port()))
	}
	e.Close()
}

// tunnel is the tunnel object: the outermost packet's addresses.
func (e *encoder) tunnel(h *Header, t *decode.Tunnel) {
	if t.Depth == 0 {
		return
	}
	e.Open("tunnel")
	e.Addr("src_ip", t.Src.Addr())
	e.Uint("src_port", uint64(t.Src.Port()))
	e.Addr("dest_ip", t.Dst.Addr())
	e.Uint("dest_port", uint64(t.Dst.Port()))
	e.String("proto", ProtoName(t.Proto))
	e.Uint("depth", uint64(t.Depth))
	if h.PcapCount != 0 {
		e.Uint("pcap_cnt", h.PcapCount)
	}
	e.String("pkt_src", SourceWire)
	e.Close()
}

// Anomaly writes an anomaly record: a frame or a conversation that breaks the
// rules of its protocol.
func (w *Writer) Anomaly(h *Header, kind, name, layer string) []byte {
	e := w.begin(h)
	e.Open("anomaly")
	if layer != "" {
		e.String("app_proto", h.AppProto)
	}
	e.String("type", kind)
	e.String("event", name)
	if layer != "" {
		e.String("layer", layer)
	}
	e.Close()
	return w.finish()
}
