// Package socks reads what a client and a SOCKS proxy say before they carry
// another protocol: version 4 with names (SOCKS 4A) and version 5 (RFC 1928) with
// names and passwords (RFC 1929). What is carried is then read as any other
// connection.
//
// Not here: connections that the proxy waits for, UDP, log-in by GSS-API.
package socks

import (
	"bytes"
	"errors"

	"github.com/antin-gov/antin/sensor/proto"
)

const (
	versionFour = 4
	versionFive = 5

	// Methods of log-in (RFC 1928 §3).
	methodNone     = 0
	methodPassword = 2

	commandConnect = 1
	// granted is version 4's word for yes.
	granted = 0x5a

	// maxName bounds a name of version 4, which ends with zero.
	maxName = 256
)

// ErrMalformed means that a direction is not SOCKS.
var ErrMalformed = errors.New("socks: malformed")

// step is what is said next.
type step uint8

const (
	stepHello step = iota
	stepMethod
	stepPassword
	stepVerdict
	stepRequest
	stepReply
	stepFour
	stepOver
)

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host    proto.Host
	buf     [2][]byte
	step    step
	user    string
	connect bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells SOCKS by the client's first message, which must be whole and the
// only one.
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	if dir != proto.ToServer || len(b) == 0 {
		return false, dir == proto.ToServer
	}
	switch b[0] {
	case versionFive:
		if len(b) < 2 {
			return false, true
		}
		n := int(b[1])
		return n > 0 && n <= 8 && len(b) == 2+n && (bytes.IndexByte(b[2:], methodNone) >= 0 || bytes.IndexByte(b[2:], methodPassword) >= 0), len(b) < 2+n && n <= 8
	case versionFour:
		if len(b) < 9 {
			return false, len(b) < 2 || b[1] == 1 || b[1] == 2
		}
		n := four(b)
		return n == len(b) && (b[1] == 1 || b[1] == 2) && printable(b[8:n]), n == 0 && len(b) < maxName && printable(b[8:])
	}
	return false, false
}

// printable reports whether b is text and zeros.
func printable(b []byte) bool {
	for _, x := range b {
		if x != 0 && (x < ' ' || x > '~') {
			return false
		}
	}
	return true
}

// four is the length of a request of version 4, 0 when it is not whole: version,
// command, port, address, a name, and for addresses 0.0.0.x another.
func four(b []byte) int {
	const fixed = 8
	if len(b) < fixed {
		return 0
	}
	i := bytes.IndexByte(b[fixed:], 0)
	if i < 0 {
		return 0
	}
	n := fixed + i + 1
	if b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] != 0 {
		i = bytes.IndexByte(b[n:], 0)
		if i < 0 {
			return 0
		}
		n += i + 1
	}
	return n
}

// sides are the directions in which each step is said.
var sides = [...]int{
	stepHello: proto.ToServer, stepMethod: proto.ToClient, stepPassword: proto.ToServer, stepVerdict: proto.ToClient, stepRequest: proto.ToServer,
	stepReply: proto.ToClient, stepFour: proto.ToClient,
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if c.step == stepOver {
		return nil
	}
	// Nothing of it is longer than this.
	const most = 1024
	if len(c.buf[dir])+len(b) > most {
		c.end()
		return ErrMalformed
	}
	c.buf[dir] = append(c.buf[dir], b...)
	for c.step != stepOver {
		side := sides[c.step]
		n, err := c.take(c.buf[side])
		if err != nil {
			c.end()
			return err
		}
		if n == 0 {
			return nil
		}
		if c.step != stepOver {
			c.buf[side] = c.buf[side][n:]
		}
	}
	return nil
}

func (c *Conn) end() { c.step, c.buf = stepOver, [2][]byte{} }

// take reads the next message and returns its length, 0 when it is not whole.
func (c *Conn) take(b []byte) (int, error) {
	if len(b) < 2 {
		return 0, nil
	}
	switch c.step {
	case stepHello:
		return c.hello(b)
	case stepMethod:
		return c.method(b)
	case stepPassword:
		return c.password(b)
	case stepVerdict:
		c.host.LogIn(c.user, b[1] != 0)
		c.step = stepRequest
		if b[1] != 0 {
			c.end()
		}
		return 2, nil
	case stepRequest:
		c.connect = b[1] == commandConnect
		n, err := address(b)
		if n > 0 {
			c.step = stepReply
		}
		return n, err
	case stepReply:
		n, err := address(b)
		if n > 0 {
			c.answered(b[1] == 0)
		}
		return n, err
	case stepFour:
		const size = 8
		if b[0] != 0 {
			return 0, ErrMalformed
		}
		if len(b) < size {
			return 0, nil
		}
		c.answered(b[1] == granted)
		return size, nil
	}
	return 0, nil
}

func (c *Conn) hello(b []byte) (int, error) {
	switch b[0] {
	case versionFive:
		n := 2 + int(b[1])
		if len(b) < n {
			return 0, nil
		}
		c.step = stepMethod
		return n, nil
	case versionFour:
		n := four(b)
		if n > 0 {
			c.connect, c.step = b[1] == commandConnect, stepFour
		}
		return n, nil
	}
	return 0, ErrMalformed
}

// method takes the proxy's choice.
func (c *Conn) method(b []byte) (int, error) {
	if b[0] != versionFive {
		return 0, ErrMalformed
	}
	switch b[1] {
	case methodNone:
		c.step = stepRequest
	case methodPassword:
		c.step = stepPassword
	default:
		// A method that is not read, or none that suits.
		c.end()
	}
	return 2, nil
}

// password takes the name; the password is not kept (RFC 1929 §2).
func (c *Conn) password(b []byte) (int, error) {
	at := 2 + int(b[1])
	if b[0] != 1 {
		return 0, ErrMalformed
	}
	if len(b) <= at || len(b) < at+1+int(b[at]) {
		return 0, nil
	}
	c.user, c.step = string(b[2:at]), stepVerdict
	return at + 1 + int(b[at]), nil
}

// address is the length of a request or a reply of version 5 (RFC 1928 §4, §6).
func address(b []byte) (int, error) {
	const fixed, port = 4, 2
	if b[0] != versionFive {
		return 0, ErrMalformed
	}
	if len(b) <= fixed {
		return 0, nil
	}
	n := fixed + port
	switch b[3] {
	case 1:
		n += 4
	case 3:
		n += 1 + int(b[fixed])
	case 4:
		n += 16
	default:
		return 0, ErrMalformed
	}
	if len(b) < n {
		return 0, nil
	}
	return n, nil
}

// answered takes the proxy's word: what follows is another protocol.
func (c *Conn) answered(yes bool) {
	c.end()
	if yes && c.connect {
		c.host.Carry()
	}
}

// Gap implements proto.Parser: what comes after one cannot be told apart.
func (c *Conn) Gap(int, int) { c.end() }

// Close implements proto.Parser.
func (c *Conn) Close() { c.end() }
