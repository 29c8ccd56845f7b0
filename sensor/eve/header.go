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
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/rules"
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
	// Flowbits are those that rules have set in the flow, Flowints the counters
	// that have a value.
	Flowbits []string
	Flowints []rules.Counter
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
	e.flowVariables(h)
	return e
}

// Beginnings of flowbits that label the traffic: what follows them stands in the
// record's traffic object.
const (
	trafficID    = "traffic/id/"
	trafficLabel = "traffic/label/"
)

// flowVariables are the objects metadata and traffic.
func (e *encoder) flowVariables(h *Header) {
	if len(h.Flowbits) == 0 && len(h.Flowints) == 0 {
		return
	}
	if hasPrefix(h.Flowbits, trafficID) || hasPrefix(h.Flowbits, trafficLabel) {
		e.Open("traffic")
		e.labels("id", trafficID, h.Flowbits)
		e.labels("label", trafficLabel, h.Flowbits)
		e.Close()
	}
	plain := slices.ContainsFunc(h.Flowbits, isPlain)
	if !plain && len(h.Flowints) == 0 {
		return
	}
	e.Open("metadata")
	if plain {
		e.Array("flowbits")
		for _, name := range h.Flowbits {
			if isPlain(name) {
				e.String("", name)
			}
		}
		e.End()
	}
	if len(h.Flowints) > 0 {
		e.Open("flowints")
		for _, c := range h.Flowints {
			e.TextKey(c.Name)
			e.Value(uint64(c.Value))
		}
		e.Close()
	}
	e.Close()
}

// isPlain reports whether a flowbit labels no traffic.
func isPlain(name string) bool {
	return !strings.HasPrefix(name, trafficID) && !strings.HasPrefix(name, trafficLabel)
}

// labels lists what follows the prefix in the flowbits that have it.
func (e *encoder) labels(name, prefix string, bits []string) {
	if !hasPrefix(bits, prefix) {
		return
	}
	e.Array(name)
	for _, b := range bits {
		rest, ok := strings.CutPrefix(b, prefix)
		if ok {
			e.String("", rest)
		}
	}
	e.End()
}

func hasPrefix(list []string, prefix string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, prefix) })
}

func (e *encoder) addressing(h *Header) {
	ports := hasPorts(h.Proto)
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

// hasPorts is true of TCP, UDP and SCTP.
func hasPorts(proto uint8) bool {
	return proto == decode.ProtoTCP || proto == decode.ProtoUDP || proto == 132
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
