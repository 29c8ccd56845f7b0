package eve

import "github.com/antin-gov/antin/sensor/proto/dns"

// DNS writes a dns record (version 3) of one message.
func (w *Writer) DNS(h *Header, m *dns.Message) []byte {
	e := w.begin(h)
	m.Encode(&e.Encoder, h.TxID)
	return w.finish()
}
