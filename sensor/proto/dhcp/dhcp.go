// Package dhcp reads DHCP for IPv4 (RFC 2131, options of RFC 2132): who asks
// for an address, and what it is given.
//
// Not here: BOOTP without DHCP's options, DHCPv6.
package dhcp

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

const (
	// headLength is the fixed part up to the magic cookie.
	headLength = 236
	cookie     = 0x63825363
	maxList    = 64
)

// Options (RFC 2132).
const (
	optPad           = 0
	optSubnet        = 1
	optRouter        = 3
	optDNS           = 6
	optHost          = 12
	optRequested     = 50
	optLease         = 51
	optType          = 53
	optParams        = 55
	optRenewal       = 58
	optRebinding     = 59
	optVendor        = 60
	optClient        = 61
	optEnd           = 255
	opRequest, opAck = 1, 2
)

// ErrMalformed means that a datagram is not DHCP.
var ErrMalformed = errors.New("dhcp: malformed")

var typeNames = [...]string{"", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform"}

var paramNames = map[byte]string{
	1: "subnet_mask", 2: "time_offset", 3: "router", 4: "time_server", 6: "dns_server", 12: "hostname", 15: "domain",
	28: "broadcast", 42: "ntp_server", 51: "lease_time", 54: "server_id", 58: "renewal_time", 59: "rebinding_time",
}

// Conn reads the messages of one flow. It implements proto.Parser.
type Conn struct {
	host proto.Host
	next uint64
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells DHCP by its magic cookie.
func Probe(_ int, b []byte, _ proto.Hint) bool {
	return len(b) > headLength+4 && (b[0] == opRequest || b[0] == opAck) && binary.BigEndian.Uint32(b[headLength:]) == cookie
}

type message struct {
	op      uint8
	id      uint32
	mac     []byte
	addrs   [4]netip.Addr
	options map[byte][]byte
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if !Probe(dir, b, proto.Hint{}) {
		return ErrMalformed
	}
	r := wire.Reader{B: b}
	m := &message{op: r.U8(), options: map[byte][]byte{}}
	r.U8()
	length := min(int(r.U8()), 16)
	r.U8()
	m.id = r.U32()
	r.U32()
	for i := range m.addrs {
		m.addrs[i] = netip.AddrFrom4([4]byte(r.Take(4)))
	}
	m.mac = append([]byte(nil), r.Take(16)[:length]...)
	r = wire.Reader{B: b[headLength+4:]}
	ended := false
	for len(r.B) > 0 {
		code := r.U8()
		if code == optEnd {
			ended = true
			break
		}
		if code == optPad {
			continue
		}
		size := int(r.U8())
		if size == 0 && mustHold(code) {
			c.host.Notice(dir, c.next, "malformed_options")
		}
		v := r.Take(size)
		if r.Short {
			break
		}
		// An option in pieces is joined (RFC 3396 §5).
		m.options[code] = append(m.options[code], v...)
	}
	switch {
	case r.Short:
		c.host.Notice(dir, c.next, "malformed_options")
	case !ended:
		c.host.Notice(dir, c.next, "truncated_options")
	}
	c.host.Record(proto.Event{Kind: "dhcp", Tx: c.next, HasTx: true, From: dir, OneSided: true, Bodies: []encode.Body{m}})
	c.next++
	return nil
}

// mustHold are the options that are read here and cannot be empty (RFC 2132).
func mustHold(code byte) bool {
	switch code {
	case optSubnet, optRouter, optDNS, optRequested, optLease, optType, optRenewal, optRebinding, optClient:
		return true
	}
	return false
}

// Gap implements proto.Parser.
func (c *Conn) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Conn) Close() {}

// Encode writes the dhcp object.
func (m *message) Encode(e *encode.Encoder) {
	e.Open("dhcp")
	if m.op == opRequest {
		e.String("type", "request")
	} else {
		e.String("type", "reply")
	}
	e.Uint("id", uint64(m.id))
	e.Colons("client_mac", m.mac, encode.LowerDigits)
	for i, name := range [...]string{"client_ip", "assigned_ip", "next_server_ip", "relay_ip"} {
		e.Addr(name, m.addrs[i])
	}
	if v := m.options[optType]; len(v) == 1 && int(v[0]) < len(typeNames) && v[0] > 0 {
		e.String("dhcp_type", typeNames[v[0]])
	}
	if v := m.options[optClient]; len(v) > 1 {
		e.Colons("client_id", v[1:], encode.LowerDigits)
	}
	e.Text("hostname", m.options[optHost])
	e.Text("vendor_class_identifier", m.options[optVendor])
	m.list(e, "dns_servers", optDNS)
	m.list(e, "routers", optRouter)
	m.addr(e, "subnet_mask", optSubnet)
	m.addr(e, "requested_ip", optRequested)
	m.number(e, "lease_time", optLease)
	m.number(e, "renewal_time", optRenewal)
	m.number(e, "rebinding_time", optRebinding)
	e.Strings("params", m.params())
	e.Close()
}

// params names the options that are asked for, of those that have a name here.
func (m *message) params() []string {
	var out []string
	v := m.options[optParams]
	for _, p := range v[:min(len(v), maxList)] {
		if name, ok := paramNames[p]; ok {
			out = append(out, name)
		}
	}
	return out
}

func (m *message) addr(e *encode.Encoder, name string, option byte) {
	if v := m.options[option]; len(v) == 4 {
		e.Addr(name, netip.AddrFrom4([4]byte(v)))
	}
}

func (m *message) number(e *encode.Encoder, name string, option byte) {
	if v := m.options[option]; len(v) == 4 {
		e.Uint(name, uint64(binary.BigEndian.Uint32(v)))
	}
}

func (m *message) list(e *encode.Encoder, name string, option byte) {
	v := m.options[option]
	if len(v) < 4 {
		return
	}
	e.Array(name)
	for i := 0; i+4 <= len(v) && i < 4*maxList; i += 4 {
		e.Addr("", netip.AddrFrom4([4]byte(v[i:i+4])))
	}
	e.End()
}
