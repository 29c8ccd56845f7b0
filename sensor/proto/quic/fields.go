package quic

import (
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (r *record) Fields(dir int, b *rules.Buffers) {
	b.Add(rules.BufferQUICVersion, binary.BigEndian.AppendUint32(nil, r.number))
	if c := r.client; c != nil {
		b.AddText(rules.BufferQUICSNI, c.SNI)
		b.AddText(rules.BufferTLSSNI, c.SNI)
		text, hash := c.JA3()
		b.AddText(rules.BufferJA3String, []byte(text))
		b.AddText(rules.BufferJA3Hash, []byte(hash))
		b.AddText(rules.BufferJA4Hash, []byte(c.JA4QUIC()))
	}
	if s := r.server; s != nil && dir == proto.ToClient {
		text, hash := s.JA3S()
		b.AddText(rules.BufferJA3SString, []byte(text))
		b.AddText(rules.BufferJA3SHash, []byte(hash))
	}
}
