package eve

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
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
	TxID         uint64
	HasTx        bool
	AppProto     string
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

func (w *Writer) begin(h *Header) *encoder {
	e := &w.e
	e.b = append(e.b[:0], '{')
	e.time("timestamp", h.Time)
	if h.FlowID != 0 {
		e.uint("flow_id", h.FlowID)
	}
	if h.Interface != "" {
		e.string("in_iface", h.Interface)
	}
	if h.PcapCount != 0 {
		e.uint("pcap_cnt", h.PcapCount)
	}
	e.string("event_type", h.Type)
	if len(h.VLANs) > 0 {
		e.array("vlan")
		for _, v := range h.VLANs {
			e.uint("", uint64(v))
		}
		e.end()
	}
	if h.Src.Addr().IsValid() {
		e.addressing(h)
	}
	if h.PcapFile != "" {
		e.string("pcap_filename", h.PcapFile)
	}
	if h.HasTx {
		e.uint("tx_id", h.TxID)
	}
	if h.AppProto != "" {
		e.string("app_proto", h.AppProto)
	}
	return e
}

func (e *encoder) addressing(h *Header) {
	ports := h.Proto == decode.ProtoTCP || h.Proto == decode.ProtoUDP || h.Proto == 132
	e.addr("src_ip", h.Src.Addr())
	if ports {
		e.uint("src_port", uint64(h.Src.Port()))
	}
	e.addr("dest_ip", h.Dst.Addr())
	if ports {
		e.uint("dest_port", uint64(h.Dst.Port()))
	}
	e.string("proto", ProtoName(h.Proto))
	if h.Src.Addr().Is4() {
		e.uint("ip_v", 4)
	} else {
		e.uint("ip_v", 6)
	}
	if h.Proto == decode.ProtoICMP || h.Proto == decode.ProtoICMPv6 {
		e.uint("icmp_type", uint64(h.ICMPType))
		e.uint("icmp_code", uint64(h.ICMPCode))
	}
	if h.PacketSource != "" {
		e.string("pkt_src", h.PacketSource)
	}
	if h.CommunityID != "" {
		e.string("community_id", h.CommunityID)
	}
}

func (w *Writer) finish() []byte {
	e := &w.e
	if w.id.Host != "" {
		e.string("host", w.id.Host)
	}
	if w.id.ExerciseID != "" {
		e.string("exercise_id", w.id.ExerciseID)
	}
	e.b = append(e.b, '}', '\n')
	return e.b
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
