package ntp

import "github.com/antin-gov/antin/sensor/rules"

// Fields implements proto.Fields.
func (p packet) Fields(_ int, b *rules.Buffers) {
	b.AddNumber(rules.BufferNTPVersion, uint64(p.version))
	b.AddNumber(rules.BufferNTPMode, uint64(p.mode))
	b.AddNumber(rules.BufferNTPStratum, uint64(p.stratum))
	b.Add(rules.BufferNTPReference, p.reference[:])
}
