package sensor

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/detect"
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/ldap"
)

// gidDetector is the generator of the detectors' alerts.
const gidDetector = 9002

// lookEvery is how often the detectors see the flows that are still open.
const lookEvery = time.Minute

// look shows the open flows to the detectors.
func (w *worker) look(now time.Time) {
	if w.e.cfg.Detectors == nil || now.Before(w.lookAt) {
		return
	}
	first := w.lookAt.IsZero()
	w.lookAt = now.Add(lookEvery)
	if first {
		return
	}
	saved := w.cur
	w.cur = nil
	w.table.Each(func(f *flow.Flow) {
		c, ok := f.Ext.(*conversation)
		if ok {
			c.behave(false)
		}
	})
	w.cur = saved
}

// behaviour is the flow as the detectors know it.
func (c *conversation) behaviour() *detect.Flow {
	f := c.f
	at := f.Last
	if c.w.cur != nil {
		at = c.w.cur.Time
	}
	return &detect.Flow{
		ID: f.ID, Start: f.Start, Last: at, Client: f.Client, Server: f.Server, Proto: f.Proto, App: c.appName(),
		Packets: [2]uint64{f.Count[0].Packets, f.Count[1].Packets}, Bytes: [2]uint64{f.Count[0].Bytes, f.Count[1].Bytes},
		Flags: f.TCPFlags, Midstream: f.Midstream, Interface: c.w.iface, Judged: c.judged,
	}
}

// behave tells the detectors of the flow: at its end, or what has come since.
func (c *conversation) behave(ended bool) {
	d := c.w.e.cfg.Detectors
	if d == nil {
		return
	}
	f := c.behaviour()
	f.Ended = ended
	for i := range f.Delta {
		// The ends may have been exchanged since.
		f.Delta[i] = f.Bytes[i] - min(c.told[i], f.Bytes[i])
		c.told[i] = f.Bytes[i]
	}
	c.findings(d.Flow(f))
}

func (c *conversation) behaveDNS(m *dns.Message) {
	d := c.w.e.cfg.Detectors
	if d == nil || len(m.Queries) == 0 {
		return
	}
	const nameError = 3 // RFC 1035 §4.1.1
	q := &m.Queries[0]
	c.findings(d.DNS(&detect.Lookup{
		Flow: c.behaviour(), Name: string(q.Name), Type: q.Type, Response: m.Response(), Missing: m.Rcode() == nameError,
	}))
}

func (c *conversation) behaveTLS() {
	d := c.w.e.cfg.Detectors
	if d == nil || len(c.tls.Certificates) == 0 {
		return
	}
	leaf := c.tls.Certificates[0]
	x := &detect.Certificate{
		Flow: c.behaviour(), Subject: leaf.Subject, Issuer: leaf.Issuer, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter,
	}
	if c.tls.Client != nil {
		x.SNI = string(c.tls.Client.SNI)
	}
	for _, cert := range c.tls.Certificates {
		x.Chain = append(x.Chain, cert.Raw)
	}
	c.findings(d.Certificate(x))
}

func (c *conversation) behaveHTTP(tx *http1.Tx) {
	d := c.w.e.cfg.Detectors
	if d == nil || !tx.Request.Seen {
		return
	}
	auth := tx.Request.Get("Authorization")
	path, _, _ := bytes.Cut(tx.URI, []byte("?"))
	const long = 256
	c.findings(d.HTTP(&detect.Request{
		Flow: c.behaviour(), Host: string(tx.Request.Get("Host")), Method: string(tx.Method), Path: string(path[:min(len(path), long)]),
		Status: tx.Status, Authorization: auth != nil, Basic: hasPrefixFold(auth, "basic "),
		Secret: secretForm(&tx.Request), Bytes: uint64(len(tx.Request.Head)) + tx.Request.Length,
	}))
}

// behaveLogIn tells the detectors what a server said to a log-in.
func (c *conversation) behaveLogIn(account string, refused bool) {
	d := c.w.e.cfg.Detectors
	if d == nil {
		return
	}
	c.judged = true
	c.findings(d.LogIn(&detect.LogIn{Flow: c.behaviour(), Account: account, Refused: refused}))
}

func hasPrefixFold(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], []byte(prefix))
}

// secretForm reports whether a form with a filled field of a password is sent.
func secretForm(m *http1.Message) bool {
	if !hasPrefixFold(m.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return false
	}
	for field := range bytes.SplitSeq(m.Body, []byte("&")) {
		name, value, _ := bytes.Cut(field, []byte("="))
		if len(value) == 0 {
			continue
		}
		for _, word := range [...]string{"password", "passwd", "pwd", "pass", "matkhau", "mat_khau"} {
			if bytes.EqualFold(name, []byte(word)) {
				return true
			}
		}
	}
	return false
}

// secrets looks for passwords in the first words of the client's lines, in
// the protocols that have them in clear.
func (c *conversation) secrets(b []byte) {
	method := ""
	switch {
	case c.app == appOther && c.otherName == "ftp" && hasPrefixFold(b, "pass "):
		method = "FTP PASS"
	case c.app == appOther && c.otherName == "smtp" && (hasPrefixFold(b, "auth plain ") || hasPrefixFold(b, "auth login")):
		method = "SMTP AUTH"
	case c.app == appOther && c.otherName == "pop3" && hasPrefixFold(b, "pass "):
		method = "POP3 PASS"
	case c.app == appUnknown && len(b) > 0 && b[0] == '0', c.app == appOther && c.otherName == "ldap":
		// A bind is often the first that is said.
		method = ldap.ClearPassword(b)
	case c.app == appOther && c.otherName == "imap":
		method = imapLogin(b)
	}
	if method == "" {
		return
	}
	c.findings(c.w.e.cfg.Detectors.Password(c.behaviour(), method, ""))
}

// imapLogin finds "TAG LOGIN" and "TAG AUTHENTICATE" with a mechanism that
// shows the password (RFC 9051 §6.2.2, §6.2.3).
func imapLogin(b []byte) string {
	at := bytes.IndexByte(b, ' ')
	if at <= 0 || at >= 32 {
		return ""
	}
	switch b = b[at+1:]; {
	case hasPrefixFold(b, "login "):
		return "IMAP LOGIN"
	case hasPrefixFold(b, "authenticate plain"), hasPrefixFold(b, "authenticate login"):
		return "IMAP AUTHENTICATE"
	}
	return ""
}

// findings records what the detectors found, as alerts.
func (c *conversation) findings(list []detect.Finding) {
	for i := range list {
		x := &list[i]
		w := c.w
		w.packets.alerts++
		h := c.header(kindAlert, flow.ToServer)
		if x.Src.Addr().IsValid() {
			h.Src, h.Dst = x.Src, x.Dst
		}
		if x.Proto == decode.ProtoICMP || x.Proto == decode.ProtoICMPv6 {
			h.Src, h.Dst = netip.AddrPortFrom(h.Src.Addr(), 0), netip.AddrPortFrom(h.Dst.Addr(), 0)
		}
		a := eve.Alert{
			GID: gidDetector, SID: uint64(x.Kind.SID), Rev: 1, Severity: x.Kind.Severity, Category: x.Kind.Category,
			Signature: x.Kind.Vi + " / " + x.Kind.En,
			Metadata: []eve.Metadata{
				{Key: "mitre_technique_id", Values: []string{x.Kind.Technique}},
				{Key: "detector", Values: []string{x.Kind.Name}},
			},
			More: []encode.Body{x},
		}
		if x.FlowID != 0 {
			a.Flow = c.f
			h.AppProto = c.ruleApp()
		}
		w.emit(h.Type, w.eve.Alert(&h, &a))
	}
}
