package mail

import (
	"encoding/hex"
	"strings"

	"github.com/antin-gov/antin/sensor/rules"
)

// Fields gives the rules the header fields, links and the body's digest, in
// whichever direction the message travels. It implements proto.Fields.
func (m *Message) Fields(_ int, b *rules.Buffers) {
	for _, f := range [...]struct {
		name string
		buf  rules.Buffer
	}{
		{"From", rules.BufferEmailFrom}, {"To", rules.BufferEmailTo}, {"Cc", rules.BufferEmailCc},
		{"Subject", rules.BufferEmailSubject}, {"Date", rules.BufferEmailDate},
		{"Message-Id", rules.BufferEmailMessageID}, {"X-Mailer", rules.BufferEmailXMailer},
	} {
		b.AddText(f.buf, m.get(f.name))
	}
	for i := range m.headers {
		if strings.EqualFold(string(m.headers[i].name), "Received") {
			b.AddText(rules.BufferEmailReceived, m.headers[i].value)
		}
	}
	for _, link := range m.links {
		b.AddText(rules.BufferEmailURL, []byte(link))
	}
	if m.read && m.whole() {
		b.Add(rules.BufferEmailBodyMD5, hex.AppendEncode(nil, m.bodySum[:]))
	}
}
