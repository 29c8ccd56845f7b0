package dhcp

import (
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (m *message) Fields(_ int, b *rules.Buffers) {
	for _, f := range [...]struct {
		option byte
		buf    rules.Buffer
	}{
		{optLease, rules.BufferDHCPLeaseTime}, {optRenewal, rules.BufferDHCPRenewalTime},
		{optRebinding, rules.BufferDHCPRebindingTime},
	} {
		v := m.options[f.option]
		if len(v) == 4 {
			b.AddNumber(f.buf, uint64(binary.BigEndian.Uint32(v)))
		}
	}
}
