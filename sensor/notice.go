package sensor

import (
	"strings"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/rules"
	"github.com/antin-gov/antin/sensor/stream"
)

// noticeHeaders looks for what is wrong with the packet's headers.
func (w *worker) noticeHeaders(p *decode.Packet) {
	if w.wants.Decode || w.e.cfg.HeaderAnomalies {
		w.scratch = w.scratch[:0]
		switch {
		case w.iface == "" || !p.Cut:
			w.scratch = decode.Events(p, w.scratch)
		case p.Tunnel.Depth == 0:
			// What is wrong with it would be told of the sensor's own cut.
			w.scratch = append(w.scratch, "afpacket.trunc_pkt")
		}
		for _, name := range w.scratch {
			w.noticed = append(w.noticed, rules.EventDecode+name)
		}
	}
	if w.wants.Checksum && p.BadChecksum {
		w.scratch = decode.ChecksumEvents(p, w.scratch[:0])
		for _, name := range w.scratch {
			w.noticed = append(w.noticed, rules.EventChecksum+name)
		}
	}
}

// inspectHeaders shows the rules a packet that reaches no flow: an invalid
// one, a fragment or one that carries no IP.
func (w *worker) inspectHeaders(p *decode.Packet) {
	if len(w.noticed) == 0 || w.rules == nil {
		return
	}
	w.input = rules.Input{
		Time: p.Time, Proto: p.Proto, Src: p.SrcAddrPort(), Dst: p.DstAddrPort(), ToServer: true,
		View: rules.ViewPacket, IP: p.IP, Transport: p.Transport, Events: w.noticed, EventsOnly: true,
	}
	for _, m := range w.rules.Inspect(w.rctx, &w.input) {
		w.packetAlert(p, m.Rule)
	}
}

// noticeStream looks for what is wrong with a segment in its connection.
func (w *worker) noticeStream(c *conversation, dir int, p *decode.Packet) {
	if c.watch == nil {
		if w.history == nil {
			w.history = stream.NewHistory(stream.DefaultHistory)
		}
		c.watch = &stream.Watch{History: w.history}
	}
	w.scratch = c.watch.See(dir, p, w.scratch[:0])
	raw := dir
	if c.flipped {
		raw = 1 - raw
	}
	if c.tcp.Full(raw) && !c.deep[dir] {
		c.deep[dir] = true
		w.scratch = append(w.scratch, "reassembly_depth_reached")
	}
	for _, name := range w.scratch {
		w.noticed = append(w.noticed, rules.EventStream+name)
	}
}

// recordStream records what was noticed of a segment, when rules have judged it.
func (w *worker) recordStream(c *conversation, dir flow.Direction) {
	for _, name := range w.noticed {
		if strings.HasPrefix(name, rules.EventStream) {
			h := c.header(kindAnomaly, dir)
			w.emit(h.Type, w.eve.Anomaly(&h, "stream", name, ""))
		}
	}
}

// recordDecoded records what was noticed of a packet's headers, and reports whether
// that was anything.
func (w *worker) recordDecoded(p *decode.Packet) bool {
	if !w.e.cfg.HeaderAnomalies {
		return false
	}
	found := false
	for _, name := range w.noticed {
		rest, ok := strings.CutPrefix(name, rules.EventDecode)
		if ok {
			found = true
			w.headerAnomaly(p, "decode", "decoder."+rest)
		}
	}
	return found
}

func (w *worker) headerAnomaly(p *decode.Packet, kind, name string) {
	h := w.packetHeader(p)
	h.Type = kindAnomaly
	w.emit(h.Type, w.eve.Anomaly(&h, kind, name, ""))
}

// appEvent tells an event that a parser noticed: in a record, and to the rules.
func (c *conversation) appEvent(dir flow.Direction, name string) {
	c.appEventOf(dir, 0, false, name)
}

// appEventOf is appEvent for one that belongs to a transaction.
func (c *conversation) appEventOf(dir flow.Direction, tx uint64, hasTx bool, name string) {
	w := c.w
	c.anomaly(dir, tx, hasTx, name)
	if !w.wants.App {
		return
	}
	in := w.prepare(c, dir, rules.ViewTransaction)
	in.Events, in.EventsOnly = []string{name}, true
	c.events++
	in.Unit = 1<<62 | c.events
	matches := w.rules.Inspect(w.rctx, in)
	c.choose(dir, tx, hasTx)
	for _, m := range matches {
		e := evidence{}
		if w.cur != nil {
			e.payload = w.cur.Payload
		}
		w.alert(c, dir, m.Rule, e)
	}
}

// maxAnomalies bounds the records of what was noticed in one flow.
const maxAnomalies = 256

// anomaly records an event of the application layer.
func (c *conversation) anomaly(dir flow.Direction, tx uint64, hasTx bool, name string) {
	c.noticed = true
	if c.w.e.cfg.NoAnomalies || c.anomalies == maxAnomalies {
		return
	}
	c.anomalies++
	h := c.header(kindAnomaly, dir)
	h.AppProto = c.eventApp()
	h.TxID, h.HasTx = tx, hasTx
	layer := "proto_parser"
	event := eventName(name)
	if strings.HasPrefix(name, eventDetect) {
		layer = "proto_detect"
	}
	c.w.emit(h.Type, c.w.eve.Anomaly(&h, "applayer", event, layer))
}

// anomaliesOf records the events of a transaction that rules see with it.
func (c *conversation) anomaliesOf(dir flow.Direction, tx uint64, names []string) {
	for _, name := range names {
		c.anomaly(dir, tx, true, name)
	}
}

// eventDetect begins the events of finding the protocol.
const eventDetect = "applayer_"

// eventName is an event as records have it: without the protocol, and in the
// letters that Suricata uses for it.
func eventName(name string) string {
	app, rest, ok := strings.Cut(name, ".")
	if !ok {
		return strings.ToUpper(name)
	}
	switch app {
	case nameHTTP, nameTLS, "smtp":
		return strings.ToUpper(rest)
	}
	return rest
}

// DNS header bits (RFC 1035 §4.1.1).
const (
	dnsReserved  = 0x0040
	maxDNSOpcode = 6
)

var dnsOddities = [...]struct {
	odd  dns.Oddity
	name string
}{
	{dns.OddName, "dns.name_too_long"}, {dns.OddLoop, "dns.infinite_loop"}, {dns.OddLabels, "dns.too_many_labels"},
	{dns.OddAuthorities, "dns.invalid_authorities"}, {dns.OddAdditionals, "dns.invalid_additionals"},
}

// dnsEvents appends what is odd about a message.
func dnsEvents(out []string, m *dns.Message, dir flow.Direction) []string {
	if m.Flags&dnsReserved != 0 {
		out = append(out, "dns.z_flag_set")
	}
	if m.Flags>>11&15 > maxDNSOpcode {
		out = append(out, "dns.invalid_opcode")
	}
	if m.Odd != 0 {
		for _, o := range dnsOddities {
			if m.Odd&o.odd != 0 {
				out = append(out, o.name)
			}
		}
	}
	switch {
	case m.Response() && dir == flow.ToServer:
		out = append(out, "dns.not_request")
	case !m.Response() && dir == flow.ToClient:
		out = append(out, "dns.not_response")
	}
	return out
}
