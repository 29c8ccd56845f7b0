package mdns

import (
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields.
func (m message) Fields(_ int, b *rules.Buffers) {
	for i := range m.Queries {
		b.Add(rules.BufferMDNSQueries, m.Queries[i].Name)
	}
	for i, list := range [...][]dns.Record{m.Answers, m.Authorities, m.Additionals} {
		buf := [...]rules.Buffer{rules.BufferMDNSAnswers, rules.BufferMDNSAuthorities, rules.BufferMDNSAdditionals}[i]
		for j := range list {
			r := &list[j]
			b.Add(buf, r.Name)
			if m.Response() {
				b.Add(rules.BufferMDNSResponse, r.Name)
				b.AddText(rules.BufferMDNSResponse, r.DataName())
			}
		}
	}
}
