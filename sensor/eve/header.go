// Package eve writes records in Suricata's EVE JSON format
// (docs.suricata.io, "EVE JSON Format", versions 7 and 8).
//
// What a protocol's record says is written by the protocol itself
// (encode.Body); here is what records share, and alert, anomaly, dns
// (version 3), http, tls, flow and stats. It decides nothing; what to record
// is the caller's matter.
package eve

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/encode"
)

// Identity is what every record of a sensor carries.
type Identity struct {
	// Host is the sensor's name.
	Host string
	// ExerciseID marks the records of a drill.
	ExerciseID string
}

// Header is the part that all records share.
type Header struct {
	Time   time.Time
	FlowID uint64
	// Interface is set for live capture; PcapCount and PcapFile for a file.
	Interface string
	PcapCount uint64
	PcapFile  string
	Type      string
	VLANs     []uint16
	Src, Dst  netip.AddrPort
	Proto     uint8
	// ICMPType and ICMPCode are written when Proto is ICMP.
	ICMPType, ICMPCode uint8
	CommunityID        string
	// PacketSource is "wire/pcap", or "stream (flow timeout)" when the end of
	// the flow made the record.
	PacketSource string
	// CaptureFile is the file of the packet log that was written then.
	CaptureFile string
	TxID        uint64
	HasTx       bool
	AppProto    string
	// AppProtoOrig is the protocol that the conversation began with, when it
	// has changed.
	AppProtoOrig string
}

// Values of Header.PacketSource, as Suricata names them.
const (
	SourceWire    = "wire/pcap"
	SourceTimeout = "stream (flow timeout)"
)

// Writer builds records. The bytes a method returns are a complete line with
// its end, valid until the next call. It is not safe for concurrent use.
type Writer struct {
	e  encoder
	id Identity
}

// NewWriter returns a writer.
func NewWriter(id Identity) *Writer { return &Writer{id: id} }

// encoder knows the objects that several records share.
type encoder struct{ encode.Encoder }

// Object writes a record whose objects come from a protocol.
func (w *Writer) Object(h *Header, bodies ...encode.Body) []byte {
	e := w.begin(h)
	for _, b := range bodies {
		b.Encode(&e.Encoder)
	}
	return w.finish()
}

func (w *Writer) begin(h *Header) *encoder {
	e := &w.e
	e.B = append(e.B[:0], '{')
	e.Time("timestamp", h.Time)
	if h.FlowID != 0 {
		e.Uint("flow_id", h.FlowID)
	}
	if h.Interface != "" {
		e.String("in_iface", h.Interface)
	}
	if h.PcapCount != 0 {
		e.Uint("pcap_cnt", h.PcapCount)
	}
	e.String("event_type", h.Type)
	if len(h.VLANs) > 0 {
		e.Array("vlan")
		for _, v := range h.VLANs {
			e.Uint("", uint64(v))
		}
		e.End()
	}
	if h.Src.Addr().IsValid() {
		e.addressing(h)
	}
	if h.PcapFile != "" {
		e.String("pcap_filename", h.PcapFile)
	}
	if h.CaptureFile != "" {
		e.String("capture_file", h.CaptureFile)
	}
	if h.HasTx {
		e.Uint("tx_id", h.TxID)
	}
	if h.AppProto != "" {
		e.String("app_proto", h.AppProto)
	}
	if h.AppProtoOrig != "" {
		e.String("app_proto_orig", h.AppProtoOrig)
	}
	return e
}

func (e *encoder) addressing(h *Header) {
	ports := h.Proto == decode.ProtoTCP || h.Proto == decode.ProtoUDP || h.Proto == 132
	e.Addr("src_ip", h.Src.Addr())
	if ports {
		e.Uint("src_port", uint64(h.Src.Port()))
	}
	e.Addr("dest_ip", h.Dst.Addr())
	if ports {
		e.Uint("dest_port", uint64(h.Dst.Port()))
	}
	e.String("proto", ProtoName(h.Proto))
	if h.Src.Addr().Is4() {
		e.Uint("ip_v", 4)
	} else {
		e.Uint("ip_v", 6)
	}
	if h.Proto == decode.ProtoICMP || h.Proto == decode.ProtoICMPv6 {
		e.Uint("icmp_type", uint64(h.ICMPType))
		e.Uint("icmp_code", uint64(h.ICMPCode))
	}
	if h.PacketSource != "" {
		e.String("pkt_src", h.PacketSource)
	}
	if h.CommunityID != "" {
		e.String("community_id", h.CommunityID)
	}
}

func (w *Writer) finish() []byte {
	e := &w.e
	if w.id.Host != "" {
		e.String("host", w.id.Host)
	}
	if w.id.ExerciseID != "" {
		e.String("exercise_id", w.id.ExerciseID)
	}
	e.B = append(e.B, '}', '\n')
	return e.B
}

// ProtoName is the protocol as EVE names it.
func ProtoName(proto uint8) string {
	switch proto {
	case decode.ProtoTCP:
		return "TCP"
	case decode.ProtoUDP:
		return "UDP"
	case decode.ProtoICMP:
		return "ICMP"
	case decode.ProtoICMPv6:
		return "IPv6-ICMP"
	case 2:
		return "IGMP"
	case 4:
		return "IP-in-IP"
	case 41:
		return "IPv6"
	case 47:
		return "GRE"
	case 50:
		return "ESP"
	case 51:
		return "AH"
	case 132:
		return "SCTP"
	}
	return fmt.Sprintf("%03d", proto)
}
