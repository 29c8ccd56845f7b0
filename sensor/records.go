package sensor

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
)

// maxAsked bounds the questions that wait for their answer in one flow.
const maxAsked = 64

// dnsAsked pairs answers with questions.
type dnsAsked struct {
	id uint16
	tx uint64
}

// dnsMessage records one DNS message and shows it to the rules.
func (c *conversation) dnsMessage(dir int, b []byte) {
	m, err := dns.Parse(b)
	if err != nil {
		c.appEvent(flow.Direction(dir), "dns.malformed_data")
		c.parsed("dns", err)
		return
	}
	tx := c.dnsTx(m)
	c.transactions = max(c.transactions, tx+1)
	if c.w.wanted.writes(nameDNS) {
		h := c.header(nameDNS, flow.Direction(dir))
		h.TxID, h.HasTx = tx, true
		c.w.emit(h.Type, c.w.eve.DNS(&h, m))
	}
	c.inspectDNS(flow.Direction(dir), m, tx, b)
	c.indicateDNS(flow.Direction(dir), m, tx)
	c.behaveDNS(m)
}

// lookedUp takes a message of DNS that HTTP carries.
func (c *conversation) lookedUp(dir flow.Direction, tx uint64, m *dns.Message) {
	for _, name := range dnsEvents(nil, m, dir) {
		c.appEventOf(dir, tx, true, name)
	}
	c.indicateDNS(dir, m, tx)
	c.behaveDNS(m)
}

// lookupHTTP takes the message of DNS that a half of an HTTP/1 transaction
// carries (RFC 8484). It has a record of its own, and rules for DNS see it.
func (c *conversation) lookupHTTP(dir flow.Direction, tx *http1.Tx) {
	m := tx.Lookup(int(dir))
	if m == nil {
		return
	}
	if c.w.wanted.writes(nameDNS) {
		h := c.header(nameDNS, dir)
		h.TxID, h.HasTx = tx.ID, true
		c.w.emit(h.Type, c.w.eve.Object(&h, dns.Body{Message: m, Tx: tx.ID}, eve.HTTPBody{Tx: tx}))
	}
	c.inspectDNS(dir, m, tx.ID, nil)
	c.indicateDNS(dir, m, tx.ID)
	c.behaveDNS(m)
}

// dnsTx numbers the transaction of a message: an answer has its question's.
func (c *conversation) dnsTx(m *dns.Message) uint64 {
	if m.Response() {
		for i, a := range c.asked {
			if a.id == m.ID {
				c.asked = append(c.asked[:i], c.asked[i+1:]...)
				return a.tx
			}
		}
	}
	tx := c.tx
	c.tx++
	if !m.Response() {
		if len(c.asked) == maxAsked {
			c.asked = append(c.asked[:0], c.asked[1:]...)
		}
		c.asked = append(c.asked, dnsAsked{id: m.ID, tx: tx})
	}
	return tx
}

// feedTLS reads the handshake.
func (c *conversation) feedTLS(dir int, b []byte) {
	if c.tlsQuiet[dir] {
		return
	}
	c.noticed = false
	if c.w.wants.App || !c.w.e.cfg.NoAnomalies {
		c.watchRecords(dir, b)
	}
	seen, err := c.tls.Feed(dir, b)
	for _, name := range c.tls.TakeOdd() {
		c.appEvent(flow.Direction(dir), "tls."+name)
	}
	if err != nil {
		c.tlsQuiet[dir] = true
		c.parsed("tls", err)
	}
	if seen&tls.SeenClientHello != 0 {
		c.inspectTLS(flow.ToServer)
	}
	if seen&tls.SeenReady != 0 {
		c.inspectTLS(flow.ToClient)
		c.recordTLS()
	}
	if seen&tls.SeenEncrypted != 0 {
		c.tlsQuiet[dir] = true
	}
}

// recordTLS writes the connection's record once: when all is known, or at the
// end with what is.
func (c *conversation) recordTLS() {
	if c.tls == nil || c.tlsDone || c.tls.Client == nil && c.tls.Server == nil {
		return
	}
	c.tlsDone = true
	c.transactions = max(c.transactions, 1)
	if c.w.wanted.writes(nameTLS) {
		h := c.header(nameTLS, flow.ToServer)
		c.w.emit(h.Type, c.w.eve.TLS(&h, c.tls))
	}
	c.indicateTLS()
	c.behaveTLS()
}

// Request implements http1.Handler.
func (c *conversation) Request(tx *http1.Tx) {
	c.inspectHTTP(flow.ToServer, tx)
	c.indicateHTTP(tx)
	c.lookupHTTP(flow.ToServer, tx)
}

// Response implements http1.Handler.
func (c *conversation) Response(tx *http1.Tx) {
	c.inspectHTTP(flow.ToClient, tx)
	c.lookupHTTP(flow.ToClient, tx)
}

// End implements http1.Handler.
func (c *conversation) End(tx *http1.Tx) {
	if tx.Status == 101 && bytes.EqualFold(tx.Response.Get("Upgrade"), []byte("h2c")) {
		c.http.becomes, c.http.asked = "http2", tx
	}
	c.transactions = max(c.transactions, tx.ID+1)
	if c.w.wanted.writes(nameHTTP) {
		h := c.header(nameHTTP, flow.ToServer)
		h.TxID, h.HasTx = tx.ID, true
		c.w.emit(h.Type, c.w.eve.HTTP(&h, tx))
	}
	c.behaveHTTP(tx)
}

// File implements http1.Handler.
func (c *conversation) File(tx *http1.Tx, dir int, f *files.File) {
	if !tx.Told(dir) {
		// It is judged, and then recorded, with its message.
		c.http.files[dir] = append(c.http.files[dir], f)
		return
	}
	c.httpFile(flow.Direction(dir), tx, f)
	c.recordFile(dir, tx.ID, f, eve.HTTPBody{Tx: tx})
}

// Tunnel implements http1.Handler: what follows CONNECT or an upgrade is a
// conversation of its own, found by its content.
func (c *conversation) Tunnel(dir int, b []byte) {
	if c.app == appHTTP {
		c.app, c.orig = appUnknown, nameHTTP
		c.failed = [2]bool{}
		c.finding = finding{expect: c.http.becomes}
	}
	c.feed(dir, b)
}
