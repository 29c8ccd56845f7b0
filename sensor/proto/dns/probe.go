package dns

import "encoding/binary"

// Port is the well-known port; on it the probe is lenient.
const Port = 53

// siblings are ports whose protocols share the message form but are not DNS:
// NetBIOS names (RFC 1002), mDNS (RFC 6762), LLMNR (RFC 4795).
func sibling(port uint16) bool { return port == 137 || port == 5353 || port == 5355 }

// Probe reports whether a datagram is a DNS message, judged by its content. On
// port 53 a sound header and question are enough; elsewhere the message must
// be ordinary in every respect, because other protocols start alike.
func Probe(b []byte, client, server uint16) bool {
	if len(b) < headerSize || sibling(client) || sibling(server) {
		return false
	}
	flags := binary.BigEndian.Uint16(b[2:])
	questions, answers := binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
	opcode := flags >> 11 & 15
	if opcode > 6 || opcode == 3 {
		return false
	}
	if flags&flagQR == 0 && (questions == 0 || flags&15 != 0 && server != Port) {
		return false
	}
	m, err := Parse(b)
	if err != nil {
		return false
	}
	if client == Port || server == Port {
		return true
	}
	if opcode != 0 || flags&flagZ != 0 || questions != 1 || m.Cut || m.Odd != 0 || answers > 64 || !ordinary(m.Queries[0]) {
		return false
	}
	return true
}

// ordinary reports whether a question is one that resolvers ask.
func ordinary(q Question) bool {
	_, known := typeNames[q.Type]
	if !known || q.Class != 1 && q.Class != 255 || len(q.Name) == 0 {
		return false
	}
	for _, c := range q.Name {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// Stream cuts the messages out of one direction of a TCP connection (RFC 7766
// §8).
type Stream struct {
	buf []byte
}

// Feed adds bytes and calls each for every complete message. The message is
// valid during the call.
func (s *Stream) Feed(b []byte, each func(msg []byte)) {
	s.buf = append(s.buf, b...)
	at := 0
	for len(s.buf)-at >= 2 {
		n := int(binary.BigEndian.Uint16(s.buf[at:]))
		if len(s.buf)-at-2 < n {
			break
		}
		each(s.buf[at+2 : at+2+n])
		at += 2 + n
	}
	s.buf = append(s.buf[:0], s.buf[at:]...)
}

// ProbeStream reports whether the first bytes of a connection are DNS: yes,
// no, or more bytes are needed.
func ProbeStream(b []byte, client, server uint16) (yes, more bool) {
	if len(b) < 2 {
		return false, true
	}
	n := int(binary.BigEndian.Uint16(b))
	if n < headerSize {
		return false, false
	}
	if len(b) < 2+headerSize {
		return false, true
	}
	flags := binary.BigEndian.Uint16(b[4:])
	questions := binary.BigEndian.Uint16(b[6:])
	if flags>>11&15 > 6 || questions > 8 || flags&flagQR == 0 && questions == 0 {
		return false, false
	}
	if len(b) < 2+n {
		// A long answer (a zone) comes in many segments; only on the
		// well-known port is it worth waiting for.
		return false, client == Port || server == Port || n < 1024
	}
	return Probe(b[2:2+n], client, server), false
}
