package krb5

import "github.com/antin-gov/antin/sensor/rules"

// Fields implements proto.Fields.
func (m *message) Fields(_ int, b *rules.Buffers) {
	b.AddNumber(rules.BufferKRB5MsgType, uint64(m.kind))
	if m.kind == typeError {
		b.AddNumber(rules.BufferKRB5ErrCode, uint64(m.code))
	}
	b.AddText(rules.BufferKRB5CName, m.cname)
	b.AddText(rules.BufferKRB5SName, m.sname)
}
