package ldap

import (
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/rules"
)

// Fields implements proto.Fields: the request's belong to the client's
// direction, those of the answers to the server's.
func (tx *transaction) Fields(dir int, b *rules.Buffers) {
	if dir == proto.ToServer {
		if tx.request != nil {
			tx.request.requestFields(b)
		}
		return
	}
	b.AddNumber(rules.BufferLDAPResponsesCount, tx.count)
	for _, m := range tx.responses {
		m.responseFields(b)
	}
}

func (m *message) requestFields(b *rules.Buffers) {
	b.AddNumber(rules.BufferLDAPRequestOperation, uint64(m.op))
	switch m.op {
	case opUnbind, opAbandon, opExtended:
	default:
		b.Add(rules.BufferLDAPRequestDN, m.dn)
	}
	for i := range m.attributes {
		b.Add(rules.BufferLDAPRequestAttributeType, m.attributes[i].name)
	}
}

// responseFields gives each answer its place in every list: one without a
// name, words or a code has them empty.
func (m *message) responseFields(b *rules.Buffers) {
	b.AddNumber(rules.BufferLDAPResponsesOperation, uint64(m.op))
	b.Add(rules.BufferLDAPResponsesDN, m.dn)
	b.Add(rules.BufferLDAPResponsesMessage, m.text)
	if m.op.final() && !m.cut {
		b.AddNumber(rules.BufferLDAPResponsesResultCode, m.result)
	} else {
		b.Add(rules.BufferLDAPResponsesResultCode, nil)
	}
	for i := range m.attributes {
		b.Add(rules.BufferLDAPResponsesAttributeType, m.attributes[i].name)
	}
}
