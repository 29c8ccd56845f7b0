package eve

import "github.com/antin-gov/antin/sensor/capture"

// Packet writes a packet record: a packet that a rule's "tag" asked for after
// its alert.
func (w *Writer) Packet(h *Header, frame []byte, link capture.LinkType) []byte {
	e := w.begin(h)
	e.Base64("packet", frame[:min(len(frame), maxEvidence)])
	e.Open("packet_info")
	e.Uint("linktype", uint64(link))
	if name := link.String(); name != "" {
		e.String("linktype_name", name)
	}
	e.Close()
	return w.finish()
}
