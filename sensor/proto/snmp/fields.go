package snmp

import (
	"slices"

	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (m *message) Fields(_ int, b *rules.Buffers) {
	b.AddNumber(rules.BufferSNMPVersion, uint64(m.version))
	b.AddText(rules.BufferSNMPCommunity, m.community)
	b.AddText(rules.BufferSNMPUser, m.user)
	kind := slices.Index(pduNames[:], m.pdu)
	if kind >= 0 {
		b.AddNumber(rules.BufferSNMPPDUType, uint64(kind))
	}
}
