package dnp3

import "github.com/antin-gov/antin/sensor/rules"

// Fields implements proto.Fields.
func (m *message) Fields(_ int, b *rules.Buffers) {
	b.AddNumber(rules.BufferDNP3Function, uint64(m.function))
	if m.response() {
		b.AddNumber(rules.BufferDNP3Indications, uint64(m.indications))
	}
	for i := range m.objects {
		o := &m.objects[i]
		b.AddNumber(rules.BufferDNP3Object, uint64(o.group)<<8|uint64(o.variation))
	}
	b.Add(rules.BufferDNP3Data, m.data)
}
