package sensor

import (
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/rules"
)

// maxTaggedHosts bounds the hosts followed at a time.
const maxTaggedHosts = 1 << 12

// tagged counts what is left to record of a flow or host after an alert.
type tagged struct {
	packets, bytes uint64
	until          time.Time
	// after is the number of the packet that alerted: it is in the alert.
	after uint64
}

func newTagged(t *rules.Tag, now time.Time, packet uint64) tagged {
	x := tagged{packets: t.Packets, bytes: t.Bytes, after: packet}
	if t.Time > 0 {
		x.until = now.Add(t.Time)
	}
	return x
}

// join adds what another tag of the same alert asks for: a packet is recorded as
// long as one of them wants it.
func (t *tagged) join(x tagged) {
	if t.after != x.after {
		return
	}
	t.packets, t.bytes = max(t.packets, x.packets), max(t.bytes, x.bytes)
	if x.until.After(t.until) {
		t.until = x.until
	}
}

func (t *tagged) active(p *decode.Packet) bool {
	return t.packets > 0 || t.bytes > 0 || !t.until.IsZero() && !p.Time.After(t.until)
}

// take counts a packet.
func (t *tagged) take(p *decode.Packet) {
	if t.packets > 0 {
		t.packets--
	}
	t.bytes -= min(t.bytes, uint64(p.WireLength))
}

// tag begins to follow what an alert asks to.
func (w *worker) tag(c *conversation, dir flow.Direction, t *rules.Tag) {
	p := w.cur
	if t == nil || p == nil {
		return
	}
	x := newTagged(t, p.Time, p.Number)
	if !t.Host {
		if c.tag == nil {
			c.tag = &x
		}
		c.tag.join(x)
		return
	}
	from := c.f.Client
	if (dir == flow.ToClient) != t.Dst {
		from = c.f.Server
	}
	host := from.Addr()
	had, ok := w.hosts[host]
	if ok {
		had.join(x)
	}
	if ok || len(w.hosts) >= maxTaggedHosts {
		return
	}
	if w.hosts == nil {
		w.hosts = make(map[netip.Addr]*tagged)
	}
	w.hosts[host] = &x
}

// follow records the packet in work if its flow or one of its hosts is
// followed.
func (w *worker) follow(c *conversation, dir flow.Direction, p *decode.Packet) {
	record := false
	if c.tag != nil && c.tag.after != p.Number {
		if c.tag.active(p) {
			c.tag.take(p)
			record = true
		} else {
			c.tag = nil
		}
	}
	if len(w.hosts) > 0 {
		for _, a := range [2]netip.Addr{p.Src, p.Dst} {
			t, ok := w.hosts[a]
			switch {
			case !ok || t.after == p.Number:
			case t.active(p):
				t.take(p)
				record = true
			default:
				delete(w.hosts, a)
			}
		}
	}
	if record && w.wanted.writes(kindPacket) {
		h := c.header(kindPacket, dir)
		w.emit(h.Type, w.eve.Packet(&h, p.Frame, p.Link))
	}
}
