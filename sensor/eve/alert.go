package eve

import (
	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
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
	Flow          *flow.Flow
	Direction     flow.Direction
	// DNS, HTTP and TLS are the transaction, if any.
	DNS  *dns.Message
	HTTP *http1.Tx
	TLS  *tls.Conn
	// Payload and Packet are the evidence, left out when nil. Stream says
	// that the payload is reassembled.
	Payload, Packet []byte
	Stream          bool
	Link            capture.LinkType
}

// maxEvidence bounds payload and packet in an alert, as Suricata's
// payload-buffer-size does; a record must stay far below event.MaxRawBytes.
const maxEvidence = 64 << 10

// Alert writes an alert record.
func (w *Writer) Alert(h *Header, a *Alert) []byte {
	e := w.begin(h)
	e.open("alert")
	e.string("action", "allowed")
	e.uint("gid", a.GID)
	e.uint("signature_id", a.SID)
	e.uint("rev", a.Rev)
	e.string("signature", a.Signature)
	e.string("category", a.Category)
	e.int("severity", int64(a.Severity))
	if len(a.Metadata) > 0 {
		e.open("metadata")
		for _, m := range a.Metadata {
			// The key comes from a rule file: it is written like any text.
			e.key("")
			e.b = appendText(e.b, m.Key)
			e.b = append(e.b, ':', '[')
			for _, v := range m.Values {
				e.string("", v)
			}
			e.end()
		}
		e.close()
	}
	e.close()
	if a.DNS != nil {
		e.dns(a.DNS, h.TxID)
	}
	if a.HTTP != nil {
		e.http(a.HTTP)
	}
	if a.TLS != nil {
		e.tls(a.TLS)
	}
	if a.Flow != nil {
		e.string("direction", a.Direction.String())
		e.flowPart(a.Flow)
	}
	if a.Payload != nil {
		e.base64("payload", a.Payload[:min(len(a.Payload), maxEvidence)])
		if a.Stream {
			e.uint("stream", 1)
		} else {
			e.uint("stream", 0)
		}
	}
	if a.Packet != nil {
		e.base64("packet", a.Packet[:min(len(a.Packet), maxEvidence)])
		e.open("packet_info")
		e.uint("linktype", uint64(a.Link))
		e.close()
	}
	return w.finish()
}

// Anomaly writes an anomaly record: a frame or a conversation that breaks the
// rules of its protocol.
func (w *Writer) Anomaly(h *Header, kind, name, layer string) []byte {
	e := w.begin(h)
	e.open("anomaly")
	e.string("type", kind)
	e.string("event", name)
	if layer != "" {
		e.string("layer", layer)
	}
	e.close()
	return w.finish()
}
