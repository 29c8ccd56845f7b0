package krb5

import "github.com/antin-gov/antin/sensor/rules"

// Fields implements proto.Fields.
func (m *message) Fields(_ int, b *rules.Buffers) {
	b.AddNumber(rules.BufferKRB5MsgType, uint64(m.kind))
	if m.kind == typeError {
		b.AddNumber(rules.BufferKRB5ErrCode, uint64(m.code))
	}
	if m.kind == typeASReq || m.kind == typeTGSReq {
		// The names are judged in the answers, as in Suricata.
		return
	}
	b.AddText(rules.BufferKRB5CName, m.cname)
	b.AddText(rules.BufferKRB5SName, m.sname)
}
