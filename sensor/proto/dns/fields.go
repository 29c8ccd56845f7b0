package dns

import "github.com/antin-gov/antin/sensor/rules"

// Fields gives the rules the fields of a message.
func (m *Message) Fields(b *rules.Buffers) {
	for i := range m.Queries {
		q := &m.Queries[i]
		b.Add(rules.BufferDNSQuery, q.Name)
		b.Add(rules.BufferDNSQueries, q.Name)
		b.AddNumber(rules.BufferDNSRRType, uint64(q.Type))
	}
	b.AddNumber(rules.BufferDNSOpcode, uint64(m.Opcode()))
	b.AddNumber(rules.BufferDNSRcode, uint64(m.Rcode()))
	if m.Response() {
		for i := range m.Queries {
			b.Add(rules.BufferDNSResponse, m.Queries[i].Name)
		}
	}
	for i, list := range [...][]Record{m.Answers, m.Authorities, m.Additionals} {
		buf := [...]rules.Buffer{rules.BufferDNSAnswers, rules.BufferDNSAuthorities, rules.BufferDNSAdditionals}[i]
		for j := range list {
			b.Add(buf, list[j].Name)
			if !m.Response() {
				continue
			}
			b.Add(rules.BufferDNSResponse, list[j].Name)
			b.AddText(rules.BufferDNSResponse, list[j].DataName())
		}
	}
}
