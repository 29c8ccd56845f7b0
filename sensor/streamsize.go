package sensor

import "github.com/antin-gov/antin/sensor/decode"

// sequence follows how far one side's sequence numbers have come.
type sequence struct {
	first, next uint32
	known       bool
}

// observe takes a segment of the side. A side joined midstream is taken to
// have sent its SYN just before.
func (s *sequence) observe(p *decode.Packet) {
	if !s.known || p.Flags&decode.SYN != 0 && p.Seq != s.first {
		*s = sequence{first: p.Seq, next: p.Seq, known: true}
		if p.Flags&decode.SYN == 0 {
			s.first--
		}
	}
	end := p.Seq + uint32(len(p.Payload))
	if p.Flags&decode.SYN != 0 {
		end++
	}
	if p.Flags&decode.FIN != 0 {
		end++
	}
	if int32(end-s.next) > 0 {
		s.next = end
	}
}

// size is what the side has sent, SYN and FIN counted as a byte each.
func (s *sequence) size() uint32 { return s.next - s.first }
