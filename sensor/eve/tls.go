package eve

import (
	"time"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto/tls"
)

const (
	// certTime is the form of a certificate's times: no zone, it is UTC.
	certTime = "2006-01-02T15:04:05"
)

// TLS writes a tls record of one connection.
func (w *Writer) TLS(h *Header, c *tls.Conn) []byte {
	e := w.begin(h)
	e.tls(c)
	return w.finish()
}

func (e *encoder) tls(c *tls.Conn) {
	e.Open("tls")
	if c.From != "" {
		e.String("from_proto", c.From)
	}
	if len(c.Certificates) > 0 {
		e.certificate(c.Certificates[0])
	}
	if c.Resumed {
		e.Bool("session_resumed", true)
	}
	if c.Client != nil {
		e.Text("sni", c.Client.SNI)
	}
	switch {
	case c.Server != nil:
		e.String("version", tls.VersionName(c.Server.WireVersion()))
	default:
		e.String("version", "UNDETERMINED")
	}
	if c.Client != nil {
		text, hash := c.Client.JA3()
		e.fingerprint("ja3", text, hash)
		e.String("ja4", c.Client.JA4())
		e.Texts("client_alpns", c.Client.ALPN)
	}
	if c.Server != nil {
		text, hash := c.Server.JA3S()
		e.fingerprint("ja3s", text, hash)
		e.Texts("server_alpns", c.Server.ALPN)
	}
	e.Close()
	if c.Client == nil {
		return
	}
	// Suricata has no such field, so it does not stand in the tls object.
	if name := c.Client.HiddenName(); name != "" {
		e.Open("antin")
		e.String("hidden_name", name)
		e.Close()
	}
}

func (e *encoder) certificate(c *tls.Certificate) {
	if c.Subject != "" {
		e.String("subject", c.Subject)
	}
	if c.Issuer != "" {
		e.String("issuerdn", c.Issuer)
	}
	if len(c.Serial) > 0 {
		e.Colons("serial", c.Serial, encode.UpperDigits)
	}
	e.Colons("fingerprint", c.Fingerprint[:], encode.LowerDigits)
	e.certTime("notbefore", c.NotBefore)
	e.certTime("notafter", c.NotAfter)
	if len(c.Names) > 0 {
		e.Array("subjectaltname")
		for _, n := range c.Names {
			e.String("", n)
		}
		e.End()
	}
}

func (e *encoder) certTime(name string, t time.Time) {
	if !t.IsZero() {
		e.String(name, t.Format(certTime))
	}
}

func (e *encoder) fingerprint(name, text, hash string) {
	e.Open(name)
	e.String("hash", hash)
	e.String("string", text)
	e.Close()
}
