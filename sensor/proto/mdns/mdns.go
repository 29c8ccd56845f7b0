// Package mdns reads multicast DNS (RFC 6762): questions and answers on UDP port
// 5353, whose messages have the form of DNS.
//
// Not here: who owns a name, and answers that are pieced together from several
// messages.
package mdns

import (
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/dns"
)

// Port is the port of multicast DNS (RFC 6762 §3).
const Port = 5353

// maxOpcode is the highest opcode that is assigned (IANA "DNS Parameters").
const maxOpcode = 6

// Conn reads the messages of one flow. It implements proto.Parser.
type Conn struct {
	host proto.Host
	next uint64
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells multicast DNS by a message that says something and parses, on its
// port: elsewhere it is DNS.
func Probe(_ int, b []byte, h proto.Hint) bool {
	if h.Ports[0] != Port && h.Ports[1] != Port {
		return false
	}
	m, err := dns.Parse(b)
	return err == nil && m.Opcode() <= maxOpcode && len(m.Queries)+len(m.Answers)+len(m.Authorities)+len(m.Additionals) > 0
}

// message is a message of DNS as mdns records and rules see it.
type message struct{ *dns.Message }

var oddities = [...]struct {
	odd  dns.Oddity
	name string
}{
	{dns.OddName, "name_too_long"}, {dns.OddLoop, "infinite_loop"}, {dns.OddLabels, "too_many_labels"},
	{dns.OddAuthorities, "invalid_authorities"}, {dns.OddAdditionals, "invalid_additionals"},
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	m, err := dns.Parse(b)
	if err != nil {
		c.host.Notice(dir, c.next, "malformed_data")
		c.next++
		return err
	}
	if m.Zero() {
		c.host.Notice(dir, c.next, "z_flag_set")
	}
	if m.Opcode() > maxOpcode {
		c.host.Notice(dir, c.next, "invalid_opcode")
	}
	for _, o := range oddities {
		if m.Odd&o.odd != 0 {
			c.host.Notice(dir, c.next, o.name)
		}
	}
	c.host.Record(proto.Event{
		Kind: "mdns", Dir: dir, Tx: c.next, HasTx: true, OneSided: true, From: dir, Bodies: []encode.Body{message{m}},
	})
	c.next++
	return nil
}

// Gap implements proto.Parser.
func (c *Conn) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Conn) Close() {}
