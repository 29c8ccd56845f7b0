// Package ntp reads NTP versions 3 and 4 (RFC 5905): the head of each packet.
//
// Not here: control and private modes (6 and 7), extension fields.
package ntp

import (
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	headLength = 48
	port       = 123
)

// ErrMalformed means that a datagram is not NTP.
var ErrMalformed = errors.New("ntp: malformed")

// Conn reads the packets of one flow. It implements proto.Parser.
type Conn struct {
	host proto.Host
	next uint64
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells NTP by its head, whose few bits need the port beside them.
func Probe(_ int, b []byte, h proto.Hint) bool {
	return (h.Ports[0] == port || h.Ports[1] == port) && valid(b)
}

func valid(b []byte) bool {
	if len(b) < headLength {
		return false
	}
	version, mode := b[0]>>3&7, b[0]&7
	return (version == 3 || version == 4) && mode >= 1 && mode <= 5
}

type packet struct {
	version, mode, stratum uint8
	reference              [4]byte
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if !valid(b) {
		c.host.Notice(dir, c.next, "malformed_data")
		c.next++
		return ErrMalformed
	}
	p := packet{version: b[0] >> 3 & 7, mode: b[0] & 7, stratum: b[1], reference: [4]byte(b[12:16])}
	c.host.Record(proto.Event{Kind: "ntp", Tx: c.next, HasTx: true, From: dir, OneSided: true, Bodies: []encode.Body{p}})
	c.next++
	return nil
}

// Gap implements proto.Parser.
func (c *Conn) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Conn) Close() {}

// Encode writes the ntp object.
func (p packet) Encode(e *encode.Encoder) {
	e.Open("ntp")
	e.Uint("version", uint64(p.version))
	e.Uint("mode", uint64(p.mode))
	e.Uint("stratum", uint64(p.stratum))
	e.Colons("reference_id", p.reference[:], encode.LowerDigits)
	e.Close()
}
