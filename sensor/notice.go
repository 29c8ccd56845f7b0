package sensor

import (
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/rules"
	"github.com/antin-gov/antin/sensor/stream"
)

// noticeHeaders looks for what is wrong with the packet's headers.
func (w *worker) noticeHeaders(p *decode.Packet) {
	if w.wants.Decode {
		w.scratch = decode.Events(p, w.scratch[:0])
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
	if len(w.noticed) == 0 {
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
		c.watch = &stream.Watch{}
	}
	w.scratch = c.watch.See(dir, p, w.scratch[:0])
	for _, name := range w.scratch {
		w.noticed = append(w.noticed, rules.EventStream+name)
	}
}

// appEvent shows the rules an event outside any transaction.
func (c *conversation) appEvent(dir flow.Direction, name string) {
	w := c.w
	if !w.wants.App {
		return
	}
	in := w.prepare(c, dir, rules.ViewTransaction)
	in.Events, in.EventsOnly = []string{name}, true
	c.events++
	in.Unit = 1<<62 | c.events
	for _, m := range w.rules.Inspect(w.rctx, in) {
		e := evidence{}
		if w.cur != nil {
			e.payload = w.cur.Payload
		}
		w.alert(c, dir, m.Rule, e)
	}
}

// DNS header bits (RFC 1035 §4.1.1).
const (
	dnsReserved  = 0x0040
	maxDNSOpcode = 6
)

// dnsEvents appends what is odd about a message.
func dnsEvents(out []string, m *dns.Message, dir flow.Direction) []string {
	if m.Flags&dnsReserved != 0 {
		out = append(out, "dns.z_flag_set")
	}
	if m.Flags>>11&15 > maxDNSOpcode {
		out = append(out, "dns.invalid_opcode")
	}
	switch {
	case m.Response() && dir == flow.ToServer:
		out = append(out, "dns.not_request")
	case !m.Response() && dir == flow.ToClient:
		out = append(out, "dns.not_response")
	}
	return out
}
