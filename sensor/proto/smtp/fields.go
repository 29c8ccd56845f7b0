package smtp

import (
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (e *envelope) Fields(dir int, b *rules.Buffers) {
	if dir != proto.ToServer {
		return
	}
	b.AddText(rules.BufferSMTPHelo, e.helo)
	b.AddText(rules.BufferSMTPMailFrom, e.from)
	for _, to := range e.to {
		b.AddText(rules.BufferSMTPRcptTo, to)
	}
}
