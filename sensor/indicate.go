package sensor

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/ioc"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

// Generators of alerts that come from no rule: Suricata's rules are 1.
const (
	gidIndicator = 9001
)

// indicatorRepeat is how long the same hit of the same client is kept back.
const indicatorRepeat = 10 * time.Minute

// recent remembers what was told lately, in fixed memory: a later one may
// push another out, which is then told once more.
type recent struct {
	slots [4096]struct{ key, until uint64 }
}

// again reports whether the key was told within the time, and remembers it.
func (r *recent) again(key uint64, now time.Time, keep time.Duration) bool {
	s := &r.slots[key%uint64(len(r.slots))]
	t := uint64(now.Unix())
	if s.key == key && t < s.until && s.until-t <= uint64(keep/time.Second) {
		return true
	}
	s.key, s.until = key, t+uint64(keep/time.Second)
	return false
}

// mix makes one number of the parts.
func mix(h uint64, part string) uint64 {
	for i := range len(part) {
		h = (h ^ uint64(part[i])) * 1099511628211
	}
	return h
}

// indicatorAction is what a hit means: technique and class of ATT&CK.
func indicatorAction(k ioc.Kind) (technique, category string) {
	switch k {
	case ioc.KindMD5, ioc.KindSHA1, ioc.KindSHA256:
		return "T1105", "A Network Trojan was detected"
	case ioc.KindDomain, ioc.KindURL:
		return "T1071.001", "Malware Command and Control Activity Detected"
	case ioc.KindJA3, ioc.KindJA3S, ioc.KindJA4:
		return "T1573", "Malware Command and Control Activity Detected"
	}
	return "T1071", "Malware Command and Control Activity Detected"
}

// indicated is the "ioc" object of an alert. It implements encode.Body.
type indicated struct {
	i            ioc.Indicator
	where, value string
}

// Encode implements encode.Body.
func (b indicated) Encode(e *encode.Encoder) {
	e.Open("ioc")
	e.String("type", b.i.Kind.String())
	e.String("indicator", b.i.Value)
	e.Bool("subdomains", b.i.Subdomains)
	e.String("seen_in", b.where)
	e.String("seen", b.value)
	e.String("source", b.i.Source)
	e.Uint("confidence", uint64(b.i.Confidence))
	if b.i.Description != "" {
		e.String("description", b.i.Description)
	}
	if !b.i.Expires.IsZero() {
		e.Time("expires", b.i.Expires)
	}
	e.Close()
}

// hit is where in a conversation an indicator was met.
type hit struct {
	dir   flow.Direction
	where string
	value string
	tx    uint64
	hasTx bool
	dns   *dns.Message
	http  *http1.Tx
	isTLS bool
}

// indicate records a hit.
func (c *conversation) indicate(i ioc.Indicator, at hit) {
	w := c.w
	key := mix(mix(mix(14695981039346656037, i.Kind.String()), i.Value), c.f.Client.Addr().String())
	h := c.header(kindAlert, at.dir)
	if w.indicated.again(key, h.Time, indicatorRepeat) {
		return
	}
	w.packets.alerts++
	c.alerted = true
	h.TxID, h.HasTx, h.AppProto = at.tx, at.hasTx, c.ruleApp()
	technique, category := indicatorAction(i.Kind)
	a := eve.Alert{
		GID: gidIndicator, SID: uint64(i.Kind), Rev: 1, Category: category, Severity: indicatorSeverity(i.Confidence),
		Signature: "Dấu hiệu xâm nhập (" + i.Source + ") / Indicator of compromise: " + i.Kind.String() + " " + i.Value,
		Metadata: []eve.Metadata{
			{Key: "mitre_technique_id", Values: []string{technique}},
			{Key: "ioc_source", Values: []string{i.Source}},
			{Key: "confidence", Values: []string{strconv.Itoa(int(i.Confidence))}},
		},
		Flow: c.f, Direction: at.dir, DNS: at.dns, HTTP: at.http, More: []encode.Body{indicated{i, at.where, at.value}},
	}
	if at.isTLS {
		a.TLS = c.tls
	}
	if p := w.cur; p != nil && !w.e.cfg.NoEvidence {
		a.Payload, a.Packet, a.Link = p.Payload, p.Frame, p.Link
	}
	w.emit(h.Type, w.eve.Alert(&h, &a))
}

// indicatorSeverity grades a hit by how sure its source is.
func indicatorSeverity(confidence uint8) int {
	switch {
	case confidence >= 75:
		return 1
	case confidence >= 40:
		return 2
	}
	return 3
}

// indicators is the table in use, nil when there is nothing to look up.
func (w *worker) indicators() *ioc.Table {
	if w.e.cfg.Indicators == nil {
		return nil
	}
	t := w.e.cfg.Indicators.Table()
	if t.Len() == 0 {
		return nil
	}
	return t
}

// indicateAddresses looks up both ends of a new flow.
func (c *conversation) indicateAddresses() {
	t := c.w.indicators()
	if t == nil {
		return
	}
	for _, end := range [...]struct {
		addr  netip.Addr
		where string
	}{{c.f.Server.Addr(), "flow.dest_ip"}, {c.f.Client.Addr(), "flow.src_ip"}} {
		i, ok := t.Address(end.addr, c.f.Last)
		if ok {
			c.indicate(i, hit{where: end.where, value: end.addr.String()})
		}
	}
}

// DNS types whose data are addresses (RFC 1035 §3.2.2, RFC 3596 §2.1).
const (
	typeA    = 1
	typeAAAA = 28
)

func (c *conversation) indicateDNS(dir flow.Direction, m *dns.Message, tx uint64) {
	t := c.w.indicators()
	if t == nil {
		return
	}
	for n := range m.Queries {
		name := m.Queries[n].Name
		i, ok := t.Domain(name, c.f.Last)
		if ok {
			c.indicate(i, hit{dir: dir, where: "dns.query", value: string(name), tx: tx, hasTx: true, dns: m})
		}
	}
	for n := range m.Answers {
		a := &m.Answers[n]
		if a.Type != typeA && a.Type != typeAAAA {
			continue
		}
		addr, err := netip.ParseAddr(string(a.Data))
		if err != nil {
			continue
		}
		i, ok := t.Address(addr, c.f.Last)
		if ok {
			c.indicate(i, hit{dir: dir, where: "dns.answer", value: addr.String(), tx: tx, hasTx: true, dns: m})
		}
	}
}

func (c *conversation) indicateTLS() {
	t := c.w.indicators()
	if t == nil {
		return
	}
	look := func(k ioc.Kind, where, text string, key []byte) {
		i, ok := t.Key(k, key, c.f.Last)
		if ok {
			c.indicate(i, hit{where: where, value: text, isTLS: true})
		}
	}
	if h := c.tls.Client; h != nil {
		if h.SNI != nil {
			i, ok := t.Domain(h.SNI, c.f.Last)
			if ok {
				c.indicate(i, hit{where: "tls.sni", value: string(h.SNI), isTLS: true})
			}
		}
		if t.Has(ioc.KindJA3) {
			_, text := h.JA3()
			look(ioc.KindJA3, "tls.ja3", text, unhex(text))
		}
		if t.Has(ioc.KindJA4) {
			text := h.JA4()
			look(ioc.KindJA4, "tls.ja4", text, []byte(text))
		}
	}
	if s := c.tls.Server; s != nil && t.Has(ioc.KindJA3S) {
		_, text := s.JA3S()
		look(ioc.KindJA3S, "tls.ja3s", text, unhex(text))
	}
}

func (c *conversation) indicateHTTP(tx *http1.Tx) {
	t := c.w.indicators()
	if t == nil {
		return
	}
	name := tx.Request.Get("Host")
	at := hit{tx: tx.ID, hasTx: true, http: tx}
	i, ok := t.URL(name, tx.URI, c.f.Last)
	if ok {
		at.where, at.value = "http.url", string(name)+string(tx.URI)
		c.indicate(i, at)
	}
	i, ok = t.Domain(hostOnly(name), c.f.Last)
	if ok {
		at.where, at.value = "http.host", string(name)
		c.indicate(i, at)
	}
}

func (c *conversation) indicateFile(dir int, tx uint64, f *files.File) {
	t := c.w.indicators()
	if t == nil || !t.Has(ioc.KindMD5) && !t.Has(ioc.KindSHA1) && !t.Has(ioc.KindSHA256) || f.Size == 0 {
		return
	}
	sum5, sum1, sum256, ok := f.Digests()
	if !ok {
		return
	}
	for _, d := range [...]struct {
		kind ioc.Kind
		sum  []byte
	}{{ioc.KindSHA256, sum256[:]}, {ioc.KindSHA1, sum1[:]}, {ioc.KindMD5, sum5[:]}} {
		i, ok := t.Key(d.kind, d.sum, c.f.Last)
		if ok {
			c.indicate(i, hit{dir: flow.Direction(dir), where: "fileinfo." + d.kind.String(), value: i.Value, tx: tx, hasTx: true})
			return
		}
	}
}

// unhex reads a digest that was written by ourselves.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
