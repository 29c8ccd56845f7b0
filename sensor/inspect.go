package sensor

import (
	"slices"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/rules"
)

// prepare fills in what all views of the flow share.
func (w *worker) prepare(c *conversation, dir flow.Direction, view rules.View) *rules.Input {
	f := c.f
	in := &w.input
	*in = rules.Input{
		Time: f.Last, Proto: f.Proto, Src: f.Client, Dst: f.Server, ToServer: dir == flow.ToServer,
		Established: w.established(f),
		View:        view, AppProto: c.ruleApp(), Flow: &c.rules,
		ICMPType: f.ICMPType, ICMPCode: f.ICMPCode,
		StreamSize: [2]uint32{c.size[0].size(), c.size[1].size()},
		FlowAge:    f.Last.Sub(f.Start), FlowPackets: [2]uint64{f.Count[0].Packets, f.Count[1].Packets},
		FlowBytes: [2]uint64{f.Count[0].Bytes, f.Count[1].Bytes},
		AppFailed: c.app == appFailed && c.http == nil,
	}
	if dir == flow.ToClient {
		in.Src, in.Dst = in.Dst, in.Src
	}
	if w.cur != nil {
		in.Time, in.TCPFlags = w.cur.Time, w.cur.Flags
		in.ICMPType, in.ICMPCode = w.cur.ICMPType, w.cur.ICMPCode
	}
	return in
}

// inspectPacket shows the packet in work to the rules.
func (w *worker) inspectPacket(c *conversation, dir flow.Direction, p *decode.Packet) {
	if w.rules == nil {
		return
	}
	in := w.prepare(c, dir, rules.ViewPacket)
	in.Payload, in.IP, in.Transport, in.Events = p.Payload, p.IP, p.Transport, w.noticed
	in.VLANs = p.VLANs[:p.VLANLen]
	if t := &w.taken; t.c == c && t.dir == int(dir) {
		in.Trail, in.StreamOffset = &c.windows[dir].trail, t.offset
	}
	matches := w.rules.Inspect(w.rctx, in)
	c.choose(dir, 0, false)
	for _, m := range matches {
		w.alert(c, dir, m.Rule, evidence{payload: p.Payload})
	}
}

// established is what rules take a flow for. Of a connection that is not followed
// because its beginning was not seen, both sides must have spoken.
func (w *worker) established(f *flow.Flow) bool {
	both := f.Count[0].Packets > 0 && f.Count[1].Packets > 0
	if f.Midstream && w.e.cfg.NoMidstream {
		return both
	}
	return f.State == flow.StateEstablished || f.State == flow.StateClosed && f.Count[1].Packets > 0
}

// inspectUntracked shows a segment of a connection that is not put together
// to the rules for streams: each segment is all that they see.
func (c *conversation) inspectUntracked(dir flow.Direction, p *decode.Packet) {
	w := c.w
	if w.rules == nil || len(p.Payload) == 0 {
		return
	}
	c.events++
	in := w.prepare(c, dir, rules.ViewStream)
	in.Payload, in.Unit = p.Payload, 1<<62|c.events
	matches := w.rules.Inspect(w.rctx, in)
	c.choose(dir, 0, false)
	for _, m := range matches {
		w.alert(c, dir, m.Rule, evidence{payload: p.Payload})
	}
}

// unit numbers the halves of transactions, apart from those of streams.
func unit(tx uint64, dir flow.Direction) uint64 { return 1<<63 | tx<<1 | uint64(dir) }

func (c *conversation) inspectDNS(dir flow.Direction, m *dns.Message, tx uint64, raw []byte) {
	w := c.w
	w.scratch = dnsEvents(w.scratch[:0], m, dir)
	c.anomaliesOf(dir, tx, w.scratch)
	if w.rules == nil {
		return
	}
	w.buffers.Reset()
	m.Fields(&w.buffers)
	in := w.prepare(c, dir, rules.ViewTransaction)
	in.Buffers, in.Payload, in.Unit, in.Events = &w.buffers, raw, unit(tx, dir), w.scratch
	if c.app == appHTTP {
		// What HTTP/1 carries; its own rules have another unit.
		in.AppProto, in.Unit = nameDNS, 1<<61|in.Unit
	}
	for _, r := range w.rules.Inspect(w.rctx, in) {
		w.alert(c, dir, r.Rule, evidence{payload: raw, dns: m, tx: tx, hasTx: true})
	}
}

func (c *conversation) inspectTLS(dir flow.Direction) {
	w := c.w
	if w.rules == nil {
		return
	}
	b := &w.buffers
	b.Reset()
	fillTLS(b, c.tls, dir)
	in := w.prepare(c, dir, rules.ViewTransaction)
	in.Buffers, in.Unit = b, unit(0, dir)
	for _, r := range w.rules.Inspect(w.rctx, in) {
		e := evidence{tls: c.tls}
		if w.cur != nil {
			e.payload = w.cur.Payload
		}
		w.alert(c, dir, r.Rule, e)
	}
}

func (c *conversation) inspectHTTP(dir flow.Direction, tx *http1.Tx) {
	files := c.http.files[dir]
	c.http.files[dir] = nil
	w := c.w
	if w.rules != nil || !w.e.cfg.NoAnomalies {
		events := c.countWarnings(httpEvents(w.scratch[:0], tx, dir, c.f.Server.Port()))
		c.anomaliesOf(dir, tx.ID, events)
		c.http.badSettings = c.http.badSettings || dir == flow.ToServer && tx.Request.BadSettings()
		events = append(events, c.http.odd[dir]...)
		c.http.odd[dir] = nil
		w.scratch = events
		c.inspectHTTPWith(dir, tx, files, events, false)
	}
	for _, f := range files {
		c.recordFile(int(dir), tx.ID, f, eve.HTTPBody{Tx: tx})
	}
}

// httpFile shows a file that ended after its message had been inspected.
func (c *conversation) httpFile(dir flow.Direction, tx *http1.Tx, f *files.File) {
	if c.w.rules != nil && c.w.wants.Files {
		c.inspectHTTPWith(dir, tx, []*files.File{f}, nil, false)
	}
}

// inspectHTTPWith shows a half with files that ended and events; alone says that
// rules without events have seen it.
func (c *conversation) inspectHTTPWith(dir flow.Direction, tx *http1.Tx, ended []*files.File, events []string, alone bool) {
	w := c.w
	if w.rules == nil {
		return
	}
	m := &tx.Request
	if dir == flow.ToClient {
		m = &tx.Response
	}
	ev := evidence{http: tx, tx: tx.ID, hasTx: true}
	if len(ended) > 0 {
		ev.bodies = []encode.Body{files.InAlert{Files: ended, Tx: tx.ID}}
	}
	// Rules that choose files see each by itself.
	judged := [][]*files.File{ended}
	if w.wants.Store && len(ended) > 1 {
		judged = slices.Collect(slices.Chunk(ended, 1))
	}
	for _, list := range judged {
		b := &w.buffers
		b.Reset()
		fillHTTP(b, tx, m, dir)
		for _, f := range list {
			w.fillFile(b, f)
		}
		if len(list) == 0 {
			fillBody(b, m, dir)
		}
		raw := b.Made(func(raw []byte) []byte { return append(append(raw, m.Head...), m.Body...) })
		ev.payload = raw
		in := w.prepare(c, dir, rules.ViewTransaction)
		in.Buffers, in.Payload, in.Unit, in.Events = b, raw, unit(tx.ID, dir), events
		in.EventsOnly, in.File = alone, len(list) > 0
		matches := w.rules.Inspect(w.rctx, in)
		c.choose(dir, tx.ID, true, list...)
		for _, r := range matches {
			w.alert(c, dir, r.Rule, ev)
		}
	}
}

// alert records a match.
func (w *worker) alert(c *conversation, dir flow.Direction, r *rules.Rule, ev evidence) {
	w.packets.alerts++
	w.e.looker.alert(r, c.f.Last)
	c.alerted = true
	h := c.header(kindAlert, dir)
	h.TxID, h.HasTx, h.AppProto = ev.tx, ev.hasTx, c.ruleApp()
	a := eve.Alert{
		GID: uint64(r.GID), SID: uint64(r.SID), Rev: uint64(r.Rev), Signature: r.Msg,
		Category: r.Category, Severity: r.Priority, Metadata: grouped(r.Metadata), Aim: aim(r), Flow: c.f,
		Direction: dir, DNS: ev.dns, HTTP: ev.http, TLS: ev.tls, Stream: ev.stream, More: ev.bodies,
	}
	if p := w.cur; p != nil {
		h.ICMPType, h.ICMPCode = p.ICMPType, p.ICMPCode
		a.Tunnel = p.Tunnel
	}
	if !w.e.cfg.NoEvidence {
		a.Payload = ev.payload
		if w.cur != nil {
			a.Packet, a.Link = w.cur.Frame, w.cur.Link
		}
	}
	c.keepAlert()
	if l := w.e.cfg.Packets.Log; l != nil {
		h.CaptureFile = l.File()
	}
	w.emit(h.Type, w.eve.Alert(&h, &a))
	for _, t := range r.Tags {
		w.tag(c, dir, t)
	}
}

// packetAlert records a match on a packet without a flow.
func (w *worker) packetAlert(p *decode.Packet, r *rules.Rule) {
	w.packets.alerts++
	w.e.looker.alert(r, p.Time)
	h := w.packetHeader(p)
	h.Type = kindAlert
	a := eve.Alert{
		GID: uint64(r.GID), SID: uint64(r.SID), Rev: uint64(r.Rev), Signature: r.Msg,
		Category: r.Category, Severity: r.Priority, Metadata: grouped(r.Metadata), Aim: aim(r), Tunnel: p.Tunnel,
	}
	if !w.e.cfg.NoEvidence {
		a.Packet, a.Link = p.Frame, p.Link
	}
	if l := w.e.cfg.Packets.Log; l != nil && w.wire != nil {
		w.keepFrame(w.wire)
		h.CaptureFile = l.File()
	}
	w.emit(h.Type, w.eve.Alert(&h, &a))
}

// aim is which end a rule says that the attack is meant for.
func aim(r *rules.Rule) eve.Aim {
	switch r.Target {
	case "src_ip":
		return eve.AimSource
	case "dest_ip":
		return eve.AimDestination
	}
	return eve.AimUnknown
}

// grouped collects the values of each metadata key, in the order in which the
// keys come.
func grouped(list []rules.Metadata) []eve.Metadata {
	var out []eve.Metadata
next:
	for _, m := range list {
		for i := range out {
			if out[i].Key == m.Key {
				out[i].Values = append(out[i].Values, m.Value)
				continue next
			}
		}
		out = append(out, eve.Metadata{Key: m.Key, Values: []string{m.Value}})
	}
	return out
}
