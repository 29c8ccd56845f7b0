package ssh

import "github.com/antin-gov/antin/sensor/rules"

// Fields implements proto.Fields.
func (c *Conn) Fields(dir int, b *rules.Buffers) {
	h := &c.half[dir]
	if !h.banner {
		return
	}
	b.AddText(rules.BufferSSHProto, h.Proto)
	b.AddText(rules.BufferSSHSoftware, h.Software)
	hash, text := rules.BufferSSHHassh, rules.BufferSSHHasshText
	if dir == 1 {
		hash, text = rules.BufferSSHHasshServer, rules.BufferSSHHasshServerText
	}
	b.AddText(hash, []byte(h.Hassh))
	b.AddText(text, []byte(h.HasshText))
}
