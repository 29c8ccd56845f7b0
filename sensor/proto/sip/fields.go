package sip

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/rules"
)

// fieldNames are header fields with their short forms (RFC 3261 §7.3.3).
var fieldNames = [...]struct {
	long, short string
	buf         rules.Buffer
}{
	{"From", "f", rules.BufferSIPFrom}, {"To", "t", rules.BufferSIPTo}, {"Via", "v", rules.BufferSIPVia},
	{"User-Agent", "", rules.BufferSIPUserAgent}, {"Content-Type", "c", rules.BufferSIPContentType},
	{"Content-Length", "l", rules.BufferSIPContentLength},
}

// Fields implements proto.Fields.
func (m *message) Fields(_ int, b *rules.Buffers) {
	b.AddText(rules.BufferSIPProtocol, m.version)
	if m.method != nil {
		b.AddText(rules.BufferSIPMethod, m.method)
		b.AddText(rules.BufferSIPURI, m.uri)
		b.AddText(rules.BufferSIPRequestLine, m.line)
	} else {
		b.AddText(rules.BufferSIPStatCode, m.code)
		b.AddText(rules.BufferSIPStatMsg, m.reason)
		b.AddText(rules.BufferSIPResponseLine, m.line)
	}
	for line := range bytes.Lines(m.head) {
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
		name = bytes.TrimSpace(name)
		for i := range fieldNames {
			f := &fieldNames[i]
			if equalFold(name, f.long) || f.short != "" && equalFold(name, f.short) {
				b.AddText(f.buf, bytes.TrimSpace(value))
			}
		}
	}
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && bytes.EqualFold(b, []byte(s)) }
