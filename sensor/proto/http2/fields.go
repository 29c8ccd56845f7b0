package http2

import (
	"strings"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/http1"
	"github.com/antin-gov/antin/sensor/rules"
)

// buffers pairs fields with their buffers; the side is 2 for both.
var buffers = [...]struct {
	name string
	side int
	buf  rules.Buffer
}{
	{"user-agent", 0, rules.BufferHTTPUserAgent}, {"cookie", 0, rules.BufferHTTPCookie},
	{"referer", 0, rules.BufferHTTPReferer}, {"accept", 0, rules.BufferHTTPAccept},
	{"accept-encoding", 0, rules.BufferHTTPAcceptEnc}, {"accept-language", 0, rules.BufferHTTPAcceptLang},
	{"location", 1, rules.BufferHTTPLocation}, {"server", 1, rules.BufferHTTPServer},
	{"set-cookie", 1, rules.BufferHTTPCookie}, {"content-type", 2, rules.BufferHTTPContentType},
	{"content-length", 2, rules.BufferHTTPContentLen},
}

const protocol = "HTTP/2"

// Fields implements proto.Fields: what HTTP/1 has under the same names, and the
// pseudo fields (RFC 9113 §8.3) among the others.
func (tx *transaction) Fields(dir int, b *rules.Buffers) {
	list := tx.half[dir].fields
	if m := tx.half[dir].lookup; m != nil {
		m.Fields(b)
	}
	if tx.stream == 0 || len(list) == 0 {
		return
	}
	if dir == proto.ToServer {
		tx.requestFields(list, b)
	} else {
		status := value(list, ":status")
		b.AddText(rules.BufferHTTPStatCode, []byte(status))
		b.AddText(rules.BufferHTTPResponseLine, []byte(protocol+" "+status))
		b.AddText(rules.BufferHTTPResponseBody, tx.half[dir].body)
	}
	b.Add(rules.BufferHTTPProtocol, []byte(protocol))
	each := rules.BufferHTTPRequestHeader
	if dir == proto.ToClient {
		each = rules.BufferHTTPResponseHeader
	}
	var lines, raw, names strings.Builder
	names.WriteString("\r\n")
	for _, f := range list {
		line := f.name + ": " + f.value
		b.Add(each, []byte(line))
		names.WriteString(f.name + "\r\n")
		raw.WriteString(line + "\r\n")
		if f.name != "cookie" && f.name != "set-cookie" {
			lines.WriteString(line + "\r\n")
		}
	}
	b.Add(rules.BufferHTTPHeader, []byte(lines.String()))
	b.Add(rules.BufferHTTPHeaderRaw, []byte(raw.String()))
	b.Add(rules.BufferHTTPHeaderNames, []byte(names.String()+"\r\n"))
	for _, f := range buffers {
		if v := value(list, f.name); v != "" && (f.side == dir || f.side == 2) {
			b.Add(f.buf, []byte(v))
		}
	}
}

// requestFields adds those of a request alone.
func (tx *transaction) requestFields(list []field, b *rules.Buffers) {
	method, path := value(list, ":method"), value(list, ":path")
	b.AddText(rules.BufferHTTPMethod, []byte(method))
	if path != "" {
		one := http1.Tx{URI: []byte(path)}
		b.Add(rules.BufferHTTPURI, one.NormalURI())
		b.Add(rules.BufferHTTPURIRaw, []byte(path))
	}
	b.AddText(rules.BufferHTTPRequestLine, []byte(method+" "+path+" "+protocol))
	authority := value(list, ":authority")
	if authority == "" {
		authority = value(list, "host")
	}
	host := authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	b.AddText(rules.BufferHTTPHost, []byte(strings.ToLower(host)))
	b.AddText(rules.BufferHTTPHostRaw, []byte(authority))
	b.AddText(rules.BufferHTTPRequestBody, tx.half[0].body)
}
