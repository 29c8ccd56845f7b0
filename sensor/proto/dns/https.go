package dns

import (
	"encoding/base64"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
)

// IsMedia reports whether a content type is that of a message in wire form
// (RFC 8484 §6).
func IsMedia(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/dns-message")
}

// FromPath reads the question that a request's path carries as the variable dns
// (RFC 8484 §4.1.1); nil when it carries none.
func FromPath(path string) *Message {
	_, query, ok := strings.Cut(path, "?")
	if !ok || len(query) > 2*MaxMessage {
		return nil
	}
	for part := range strings.SplitSeq(query, "&") {
		text, ok := strings.CutPrefix(part, "dns=")
		if !ok {
			continue
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return nil
		}
		m, err := Parse(raw)
		if err != nil || m.Response() || len(m.Queries) == 0 {
			// The variable of another service.
			return nil
		}
		return m
	}
	return nil
}

// Body is the dns object of a message in transaction Tx. It implements
// encode.Body.
type Body struct {
	*Message
	Tx uint64
}

// Encode writes the dns object.
func (b Body) Encode(e *encode.Encoder) { b.Message.Encode(e, b.Tx) }
