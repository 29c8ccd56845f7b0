package eve

import (
	"time"

	"github.com/antin-gov/antin/sensor/proto/tls"
)

const (
	upperDigits = "0123456789ABCDEF"
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
	e.open("tls")
	if len(c.Certificates) > 0 {
		e.certificate(c.Certificates[0])
	}
	if c.Resumed {
		e.bool("session_resumed", true)
	}
	if c.Client != nil {
		e.text("sni", c.Client.SNI)
	}
	switch {
	case c.Server != nil:
		e.string("version", tls.VersionName(c.Server.WireVersion()))
	default:
		e.string("version", "UNDETERMINED")
	}
	if c.Client != nil {
		text, hash := c.Client.JA3()
		e.fingerprint("ja3", text, hash)
		e.string("ja4", c.Client.JA4())
		e.protocols("client_alpns", c.Client.ALPN)
	}
	if c.Server != nil {
		text, hash := c.Server.JA3S()
		e.fingerprint("ja3s", text, hash)
		e.protocols("server_alpns", c.Server.ALPN)
	}
	e.close()
}

func (e *encoder) certificate(c *tls.Certificate) {
	if c.Subject != "" {
		e.string("subject", c.Subject)
	}
	if c.Issuer != "" {
		e.string("issuerdn", c.Issuer)
	}
	if len(c.Serial) > 0 {
		e.colons("serial", c.Serial, upperDigits)
	}
	e.colons("fingerprint", c.Fingerprint[:], hexDigits)
	e.certTime("notbefore", c.NotBefore)
	e.certTime("notafter", c.NotAfter)
	if len(c.Names) > 0 {
		e.array("subjectaltname")
		for _, n := range c.Names {
			e.string("", n)
		}
		e.end()
	}
}

func (e *encoder) certTime(name string, t time.Time) {
	if !t.IsZero() {
		e.string(name, t.Format(certTime))
	}
}

func (e *encoder) fingerprint(name, text, hash string) {
	e.open(name)
	e.string("hash", hash)
	e.string("string", text)
	e.close()
}

func (e *encoder) protocols(name string, list [][]byte) {
	if len(list) == 0 {
		return
	}
	e.array(name)
	for _, p := range list {
		e.bytes("", p)
	}
	e.end()
}
