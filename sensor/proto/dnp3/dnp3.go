// Package dnp3 reads DNP3 (IEEE 1815-2012) over TCP and UDP: the frames of the
// link layer with their checksums, the segments of the transport function, and
// the application layer's fragments with their objects and points.
//
// Not here: TLS around it, what secure authentication proves, and virtual
// terminals.
package dnp3

import (
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

// Port is the well-known port (§13.2.1).
const Port = 20000

const (
	// maxFragment bounds what segments are put together to: as many as their
	// sequence numbers tell apart, of the longest.
	maxFragment = 63 * 255
	// maxObjects and maxPoints bound what is read of a fragment: Suricata's
	// limits as of 8.0.3 (its user guide, "Upgrading to 8.0.3").
	maxObjects = 2048
	maxPoints  = 16384
	// maxUnanswered is how many requests may follow one another without an
	// answer: Suricata's limit as of 8.0.3, from the same place.
	maxUnanswered = 32
	// maxBad and maxNoise bound the wrong heads, and the bytes that belong to no
	// frame, until a direction is given up.
	maxBad   = 64
	maxNoise = 64 << 10
)

// ErrMalformed means that a direction is not DNP3.
var ErrMalformed = errors.New("dnp3: malformed")

// Conn reads one conversation. It implements proto.Parser.
type Conn struct {
	host proto.Host
	// datagrams is true when frames do not go on from one Feed to the next.
	datagrams bool
	side      [2]side
	next      uint64
	// unanswered counts the requests since the last answer.
	unanswered int
}

// side is one direction.
type side struct {
	buf []byte
	// fragment is what the segments have brought so far, open while more are
	// awaited, and sequence that of the last.
	fragment []byte
	open     bool
	sequence uint8
	// bad and noise count wrong heads and bytes outside frames since the last
	// sound frame.
	bad, noise int
}

// New returns a reader of a stream that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// NewPackets returns a reader of datagrams that tells host.
func NewPackets(host proto.Host) *Conn { return &Conn{host: host, datagrams: true} }

// Probe tells DNP3 by the head of a frame with its checksum. Only a station's
// port on the client's side says that the ends were taken for one another.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	if len(b) < headLength {
		n := min(len(b), len(start))
		return false, string(b[:n]) == start[:n]
	}
	if !sound(b) || b[2] < counted {
		return false, false
	}
	reversed := (b[3]&linkMaster != 0) != (dir == proto.ToServer)
	return !reversed || h.Ports[0] != Port || h.Ports[1] == Port, false
}

// ProbePacket tells DNP3 in a datagram.
func ProbePacket(dir int, b []byte, h proto.Hint) bool {
	yes, _ := Probe(dir, b, h)
	return yes
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	s := &c.side[dir]
	s.buf = append(s.buf, b...)
	rest := s.buf
	for {
		n, err := c.frame(dir, rest)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
	}
	if c.datagrams {
		rest = nil
	}
	s.buf = append(s.buf[:0], rest...)
	return nil
}

// frame reads a frame, or passes over what is none; it returns how many bytes it
// took, 0 when more are needed.
func (c *Conn) frame(dir int, b []byte) (int, error) {
	s := &c.side[dir]
	skipped := len(b) - len(seek(b))
	if skipped > 0 {
		s.noise += skipped
		if s.noise > maxNoise {
			return 0, ErrMalformed
		}
		return skipped, nil
	}
	if len(b) < headLength {
		return 0, nil
	}
	if !sound(b) {
		c.host.Notice(dir, c.next, "bad_link_crc")
		s.bad++
		if s.bad > maxBad {
			return 0, ErrMalformed
		}
		return len(start), nil
	}
	if b[2] < counted {
		c.host.Notice(dir, c.next, "len_too_small")
		return headLength, nil
	}
	n := frameLength(int(b[2]))
	if len(b) < n {
		return 0, nil
	}
	s.bad, s.noise = 0, 0
	h := head{control: b[3], dst: binary.LittleEndian.Uint16(b[4:]), src: binary.LittleEndian.Uint16(b[6:])}
	c.user(dir, h, b[headLength:n])
	return n, nil
}

// user takes the blocks of a frame.
func (c *Conn) user(dir int, h head, blocks []byte) {
	kind := h.control & 0x0f
	if h.control&linkPrimary == 0 || kind != linkConfirmed && kind != linkUnconfirmed {
		// The link layer's own: resets, tests, acknowledgements.
		return
	}
	// A segment has the transport's octet and at least one more.
	const least = 2 + sumLength
	if len(blocks) < least {
		c.host.Notice(dir, c.next, "len_too_small")
		return
	}
	var room [256]byte
	segment, ok := strip(room[:0], blocks)
	if !ok {
		c.host.Notice(dir, c.next, "bad_transport_crc")
		return
	}
	c.segment(dir, h, segment[0], segment[1:])
}

// Bits of the transport function's octet (§8.2.1).
const (
	segmentLast   = 0x80
	segmentFirst  = 0x40
	segmentNumber = 0x3f
)

// segment joins a segment to its fragment (§8.2.2); one out of its order ends it.
func (c *Conn) segment(dir int, h head, control uint8, data []byte) {
	s := &c.side[dir]
	number := control & segmentNumber
	if control&segmentFirst != 0 {
		s.fragment, s.open = s.fragment[:0], true
	} else if !s.open || number != (s.sequence+1)&segmentNumber {
		s.open = false
		return
	}
	s.sequence = number
	if len(s.fragment)+len(data) > maxFragment {
		c.host.Notice(dir, c.next, "too_long_reassembly")
		s.fragment, s.open = nil, false
		return
	}
	s.fragment = append(s.fragment, data...)
	if control&segmentLast != 0 {
		s.open = false
		c.message(dir, h, s.fragment)
	}
}

// message reads a fragment of the application layer and tells it.
func (c *Conn) message(dir int, h head, fragment []byte) {
	m, notices := parse(h, fragment)
	for _, name := range notices {
		c.host.Notice(dir, c.next, name)
	}
	if m == nil || m.function == functionConfirm {
		return
	}
	c.count(dir, m)
	c.host.Record(proto.Event{Kind: "dnp3", Tx: c.next, HasTx: true, OneSided: true, From: dir, Bodies: []encode.Body{m}})
	c.next++
}

// count notices a flood of requests that nobody answers.
func (c *Conn) count(dir int, m *message) {
	if m.response() {
		c.unanswered = 0
		return
	}
	if !m.answered() {
		return
	}
	c.unanswered++
	if c.unanswered == maxUnanswered+1 {
		c.host.Notice(dir, c.next, "flooded")
	}
}

// Gap implements proto.Parser: the next frame is sought after it.
func (c *Conn) Gap(dir int, _ int) { c.side[dir] = side{} }

// Close implements proto.Parser.
func (c *Conn) Close() {}
