package sensor

import (
	"bytes"
	"encoding/hex"
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/proto/tls"
	"github.com/antin-gov/antin/sensor/rules"
)

// evidence is what an alert shows of the traffic it was found in.
type evidence struct {
	payload []byte
	stream  bool
	dns     *dns.Message
	http    *http1.Tx
	tls     *tls.Conn
	bodies  []encode.Body
	tx      uint64
	hasTx   bool
}

// fillTLS gives the rules the fields of one side of a handshake.
func fillTLS(b *rules.Buffers, c *tls.Conn, dir flow.Direction) {
	if dir == flow.ToServer {
		h := c.Client
		b.AddNumber(rules.BufferSSLState, rules.SSLClientHello)
		b.AddNumber(rules.BufferSSLVersion, uint64(h.Version))
		if h.SNI != nil {
			b.Add(rules.BufferTLSSNI, h.SNI)
		}
		text, hash := h.JA3()
		b.Add(rules.BufferJA3String, []byte(text))
		b.Add(rules.BufferJA3Hash, []byte(hash))
		b.Add(rules.BufferJA4Hash, []byte(h.JA4()))
		fillRandom(b, h.Random)
		for _, name := range h.ALPN {
			b.AddText(rules.BufferTLSALPN, name)
		}
		return
	}
	if c.Client != nil {
		b.AddNumber(rules.BufferSSLState, rules.SSLClientHello)
	}
	if s := c.Server; s != nil {
		b.AddNumber(rules.BufferSSLState, rules.SSLServerHello)
		b.AddNumber(rules.BufferSSLVersion, uint64(s.Selected()))
		text, hash := s.JA3S()
		b.Add(rules.BufferJA3SString, []byte(text))
		b.Add(rules.BufferJA3SHash, []byte(hash))
		b.Add(rules.BufferTLSVersion, []byte(ruleVersion(s.Selected())))
		fillRandom(b, s.Random)
		for _, name := range s.ALPN {
			b.AddText(rules.BufferTLSALPN, name)
		}
	}
	if len(c.Certificates) > 0 {
		b.AddNumber(rules.BufferTLSCertChainLen, uint64(len(c.Certificates)))
		for _, name := range c.Certificates[0].Names {
			b.AddText(rules.BufferTLSSubjectAltName, []byte(name))
		}
	}
	for i, cert := range c.Certificates {
		b.Add(rules.BufferTLSCerts, cert.Raw)
		if i > 0 {
			continue
		}
		b.Add(rules.BufferTLSCertSubject, []byte(cert.Subject))
		b.Add(rules.BufferTLSCertIssuer, []byte(cert.Issuer))
		b.Add(rules.BufferTLSCertSerial, colons(cert.Serial, "0123456789ABCDEF"))
		b.Add(rules.BufferTLSCertFingerprint, colons(cert.Fingerprint[:], "0123456789abcdef"))
	}
}

// fillRandom adds a hello's random value, whose first four bytes once were a
// time (RFC 5246 §7.4.1.2).
func fillRandom(b *rules.Buffers, random []byte) {
	if len(random) < 32 {
		return
	}
	b.Add(rules.BufferTLSRandom, random)
	b.Add(rules.BufferTLSRandomTime, random[:4])
	b.Add(rules.BufferTLSRandomBytes, random[4:])
}

// ruleVersion is the version as tls.version rules write it: "1.2".
func ruleVersion(v uint16) string {
	if v < tls.VersionTLS10 {
		return hex.EncodeToString([]byte{byte(v >> 8), byte(v)})
	}
	return "1." + strconv.Itoa(int(v&0xff)-1)
}

func colons(v []byte, digits string) []byte {
	out := make([]byte, 0, 3*len(v))
	for i, c := range v {
		if i > 0 {
			out = append(out, ':')
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return out
}

// field pairs a header field with its buffer.
type field struct {
	name string
	buf  rules.Buffer
}

var requestFields = [...]field{
	{"User-Agent", rules.BufferHTTPUserAgent}, {"Cookie", rules.BufferHTTPCookie},
	{"Referer", rules.BufferHTTPReferer}, {"Accept", rules.BufferHTTPAccept},
	{"Accept-Encoding", rules.BufferHTTPAcceptEnc}, {"Accept-Language", rules.BufferHTTPAcceptLang},
}

var responseFields = [...]field{
	{"Location", rules.BufferHTTPLocation}, {"Server", rules.BufferHTTPServer},
	{"Set-Cookie", rules.BufferHTTPCookie},
}

var bothFields = [...]field{
	{"Content-Type", rules.BufferHTTPContentType}, {"Content-Length", rules.BufferHTTPContentLen},
	{"Connection", rules.BufferHTTPConnection},
}

// fillHTTP gives the rules the fields of one half of a transaction.
func fillHTTP(b *rules.Buffers, tx *http1.Tx, m *http1.Message, dir flow.Direction) {
	side := requestFields[:]
	if dir == flow.ToServer {
		b.Add(rules.BufferHTTPMethod, tx.Method)
		b.Add(rules.BufferHTTPURI, tx.NormalURI())
		b.Add(rules.BufferHTTPURIRaw, tx.URI)
		b.Add(rules.BufferHTTPRequestLine, m.Line)
		host, _ := tx.Host()
		if len(host) > 0 {
			b.Add(rules.BufferHTTPHost, host)
			b.Add(rules.BufferHTTPHostRaw, m.Get("Host"))
		}
		b.AddText(rules.BufferHTTPRequestBody, m.Decoded())
	} else {
		side = responseFields[:]
		b.Add(rules.BufferHTTPStatCode, tx.StatusCode)
		b.Add(rules.BufferHTTPStatMsg, tx.StatusMessage)
		b.Add(rules.BufferHTTPResponseLine, m.Line)
		body := m.Decoded()
		if len(body) > 0 {
			b.Add(rules.BufferHTTPResponseBody, body)
		}
	}
	b.Add(rules.BufferHTTPProtocol, m.Protocol)
	b.Add(rules.BufferHTTPStart, m.Head)
	fillHeaders(b, m, dir)
	for _, list := range [...][]field{side, bothFields[:]} {
		for _, f := range list {
			if v := m.Get(f.name); v != nil {
				b.Add(f.buf, v)
			}
		}
	}
}

// fillBody gives the rules a body that was not followed as a file.
func fillBody(b *rules.Buffers, m *http1.Message, dir flow.Direction) {
	if dir == flow.ToServer {
		b.AddText(rules.BufferFileData, m.Body)
		return
	}
	for _, body := range b.Get(rules.BufferHTTPResponseBody) {
		b.Add(rules.BufferFileData, body)
	}
}

// fillHeaders builds the buffers over all headers: "Name: value" lines, which
// leave out cookies as they have a buffer of their own, and the names alone.
func fillHeaders(b *rules.Buffers, m *http1.Message, dir flow.Direction) {
	each := rules.BufferHTTPRequestHeader
	if dir == flow.ToClient {
		each = rules.BufferHTTPResponseHeader
	}
	for i := range m.Headers {
		h := &m.Headers[i]
		b.Add(each, b.Made(func(line []byte) []byte { return append(append(append(line, h.Name...), ": "...), h.Value...) }))
	}
	lines := b.Made(func(lines []byte) []byte {
		for i := range m.Headers {
			h := &m.Headers[i]
			if !isCookie(h.Name) {
				lines = append(append(lines, h.Name...), ": "...)
				lines = append(append(lines, h.Value...), "\r\n"...)
			}
		}
		return lines
	})
	names := b.Made(func(names []byte) []byte {
		names = append(names, "\r\n"...)
		for i := range m.Headers {
			names = append(append(names, m.Headers[i].Name...), "\r\n"...)
		}
		return append(names, "\r\n"...)
	})
	raw := m.Head[min(len(m.Line)+1, len(m.Head)):]
	if len(raw) > 0 && raw[0] == '\n' {
		raw = raw[1:]
	}
	b.Add(rules.BufferHTTPHeader, lines)
	b.Add(rules.BufferHTTPHeaderRaw, raw)
	b.Add(rules.BufferHTTPHeaderNames, names)
}

func isCookie(name []byte) bool {
	return bytes.EqualFold(name, []byte("Cookie")) || bytes.EqualFold(name, []byte("Set-Cookie"))
}
