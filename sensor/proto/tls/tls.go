// Package tls reads the clear part of a TLS connection (RFC 8446, RFC 5246 and
// older) for the record: both hellos, the server's certificate up to TLS 1.2,
// and the fingerprints JA3, JA3S and JA4 (the TLS client one, BSD 3-Clause).
//
// Nothing is verified: the sensor tells what was said, not whether it is
// true. Not here: decryption, DTLS, QUIC, SSLv2 hellos, and the other JA4+
// fingerprints, whose licence does not allow them.
package tls

import (
	"errors"
	"strconv"
)

// Limits of what is read of one direction.
const (
	// maxRecord is RFC 5246 §6.2.3's 2^14+2048; older stacks stay below.
	maxRecord = 1<<14 + 2048
	// maxHandshake bounds one handshake message; long certificate chains of
	// real servers are under 20 KiB, and with many names 64 KiB.
	maxHandshake = 256 << 10
	// maxCertificates bounds the chain that is kept.
	maxCertificates = 16
)

// ErrMalformed means that the bytes are not TLS or break its form.
var ErrMalformed = errors.New("tls: malformed")

// Content types (RFC 8446 §5.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplication      = 23
	recordHeartbeat        = 24
)

// Handshake types (RFC 8446 §4).
const (
	handshakeClientHello = 1
	handshakeServerHello = 2
	handshakeCertificate = 11
	handshakeServerDone  = 14
)

// Versions.
const (
	VersionSSL30 = 0x0300
	VersionTLS10 = 0x0301
	VersionTLS11 = 0x0302
	VersionTLS12 = 0x0303
	VersionTLS13 = 0x0304
)

// Seen says what a piece of the connection completed.
type Seen uint8

// What Feed reports, as a set.
const (
	SeenClientHello Seen = 1 << iota
	SeenServerHello
	SeenCertificate
	// SeenReady means that all that the record holds is known.
	SeenReady
	// SeenEncrypted means that the direction says nothing more in clear.
	SeenEncrypted
)

// Conn reads both directions of one connection. The zero value is a new one.
type Conn struct {
	// From is the protocol that asked for TLS, empty when the connection began
	// with it.
	From         string
	Client       *ClientHello
	Server       *ServerHello
	Certificates []*Certificate
	// Resumed is true when the server took up an earlier session and so sent
	// no certificate.
	Resumed bool
	// Odd is what was noticed and not taken yet.
	Odd []string

	side  [2]side
	ready bool
}

type side struct {
	record    []byte
	handshake []byte
	done      bool
}

// Probe reports whether a direction's first bytes are a TLS handshake record:
// yes, no, or more bytes are needed.
func Probe(b []byte) (yes, more bool) {
	check := [...]func(byte) bool{
		func(c byte) bool { return c == recordHandshake },
		func(c byte) bool { return c == 3 },
		func(c byte) bool { return c <= 4 },
		func(c byte) bool { return c <= maxRecord>>8 },
		func(byte) bool { return true },
		func(c byte) bool { return c == handshakeClientHello || c == handshakeServerHello },
	}
	for i, ok := range check {
		if i >= len(b) {
			return false, true
		}
		if !ok(b[i]) {
			return false, false
		}
	}
	return true, false
}

// Feed adds bytes of a direction (0 client, 1 server) and reports what they
// completed.
func (c *Conn) Feed(dir int, b []byte) (Seen, error) {
	s := &c.side[dir]
	if s.done {
		return 0, nil
	}
	s.record = append(s.record, b...)
	var seen Seen
	at := 0
	for !s.done && len(s.record)-at >= 5 {
		head := s.record[at:]
		n := int(head[3])<<8 | int(head[4])
		if head[1] != 3 || n > maxRecord || head[0] < recordChangeCipherSpec || head[0] > recordHeartbeat {
			s.done = true
			return seen, ErrMalformed
		}
		if len(head) < 5+n {
			break
		}
		got, err := c.take(dir, head[0], uint16(head[1])<<8|uint16(head[2]), head[5:5+n])
		seen |= got
		if err != nil {
			s.done = true
			return seen, err
		}
		at += 5 + n
	}
	s.record = append(s.record[:0], s.record[at:]...)
	if s.done {
		s.record, s.handshake = nil, nil
	}
	return seen, nil
}

// Gap tells that bytes of a direction are missing; it cannot be read further.
func (c *Conn) Gap(dir int) {
	c.side[dir] = side{done: true}
}

// Rest lets go of the certificates' own bytes; what was read of them stays.
func (c *Conn) Rest() {
	for _, x := range c.Certificates {
		x.Raw = nil
	}
}

// take reads one record.
func (c *Conn) take(dir int, kind byte, version uint16, body []byte) (Seen, error) {
	s := &c.side[dir]
	switch kind {
	case recordHandshake:
		if len(s.handshake)+len(body) > maxHandshake+maxRecord {
			return 0, ErrMalformed
		}
		s.handshake = append(s.handshake, body...)
		return c.messages(dir, version)
	case recordChangeCipherSpec:
		// TLS 1.3 sends it for the sake of middleboxes only (RFC 8446 §D.4),
		// and after a HelloRetryRequest more clear text follows.
		if c.Server != nil && c.Server.Selected() < VersionTLS13 {
			return c.encrypted(dir), nil
		}
	case recordApplication:
		return c.encrypted(dir), nil
	}
	return 0, nil
}

func (c *Conn) encrypted(dir int) Seen {
	c.side[dir].done = true
	if dir == 1 && !c.ready {
		c.ready = true
		c.Resumed = c.Server != nil && len(c.Certificates) == 0 && c.Server.Selected() < VersionTLS13
		return SeenReady | SeenEncrypted
	}
	return SeenEncrypted
}

// messages reads the complete handshake messages.
func (c *Conn) messages(dir int, version uint16) (Seen, error) {
	s := &c.side[dir]
	var seen Seen
	at := 0
	for len(s.handshake)-at >= 4 {
		head := s.handshake[at:]
		n := int(head[1])<<16 | int(head[2])<<8 | int(head[3])
		if n > maxHandshake {
			c.odd(OddHandshake)
			c.odd(OddMessage)
			return seen, ErrMalformed
		}
		if len(head) < 4+n {
			break
		}
		got, err := c.message(head[0], version, head[4:4+n])
		seen |= got
		if err != nil {
			c.odd(OddMessage)
			return seen, err
		}
		at += 4 + n
	}
	s.handshake = append(s.handshake[:0], s.handshake[at:]...)
	return seen, nil
}

func (c *Conn) message(kind byte, version uint16, body []byte) (Seen, error) {
	switch kind {
	case handshakeClientHello:
		if c.Client != nil {
			return 0, nil
		}
		hello, err := parseClientHello(body)
		if err != nil {
			c.odd(OddHandshake)
			return 0, err
		}
		for _, name := range hello.Odd {
			c.odd(name)
		}
		hello.RecordVersion = version
		c.Client = hello
		return SeenClientHello, nil
	case handshakeServerHello:
		if c.Server != nil {
			return 0, nil
		}
		hello, err := parseServerHello(body)
		if err != nil {
			c.odd(OddHandshake)
		}
		if err != nil || hello == nil {
			return 0, err
		}
		c.Server = hello
		if hello.Selected() >= VersionTLS13 && !c.ready {
			c.ready = true
			return SeenServerHello | SeenReady, nil
		}
		return SeenServerHello, nil
	case handshakeCertificate:
		if len(c.Certificates) > 0 {
			return 0, nil
		}
		chain, err := parseChain(body)
		if err != nil {
			c.odd(OddCertificate)
			return 0, err
		}
		if len(chain) > 0 {
			name := judge(chain[0].Raw)
			if name != "" {
				c.odd(name)
			}
		}
		c.Certificates = chain
		if c.ready || len(chain) == 0 {
			return SeenCertificate, nil
		}
		c.ready = true
		return SeenCertificate | SeenReady, nil
	case handshakeServerDone:
		if !c.ready {
			c.ready = true
			return SeenReady, nil
		}
	}
	return 0, nil
}

// VersionName is the version as EVE's tls.version names it.
func VersionName(v uint16) string {
	switch v {
	case VersionSSL30:
		return "SSLv3"
	case VersionTLS10:
		return "TLSv1"
	case VersionTLS11:
		return "TLS 1.1"
	case VersionTLS12:
		return "TLS 1.2"
	case VersionTLS13:
		return "TLS 1.3"
	}
	if v>>8 == 0x7f {
		return "TLS 1.3 draft-" + strconv.Itoa(int(v&0xff))
	}
	return "UNDETERMINED"
}
