// Package mysql reads the beginning of MySQL's connections (MySQL internals,
// "Connection Phase"; MariaDB is the same up to there): who logs in, what the
// server says to it, and whether both go on as TLS, which then gets the
// connection.
//
// Not here: commands, what they return, and a record of either.
package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// headLength is that of a packet: three bytes of length, one of order.
	headLength = 4
	// greeting is the version of the protocol that servers greet with.
	greeting = 10
	// fixed are the client's capabilities, sizes and character set; the request
	// for TLS is nothing more.
	fixed = 32
	// Capabilities of the client (CLIENT_PROTOCOL_41, CLIENT_SSL).
	protocol41 = 1 << 9
	wantsTLS   = 1 << 11

	// maxPacket bounds a packet of this phase in bytes, maxName a name, maxSteps
	// the packets.
	maxPacket = 16 << 10
	maxName   = 256
	maxSteps  = 64
)

// First bytes of the server's answers.
const (
	answerOK    = 0x00
	answerMore  = 0x01
	answerOther = 0xfe
	answerError = 0xff
)

// Errors that speak of the account or its password
// (ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR,
// ER_ACCOUNT_HAS_BEEN_LOCKED).
const (
	accessDenied     = 1045
	accessNoPassword = 1698
	accountLocked    = 3118
)

// ErrMalformed means that a direction is not MySQL.
var ErrMalformed = errors.New("mysql: malformed")

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host proto.Host
	buf  [2][]byte
	user string
	// greeted and asked are true when the server and the client have begun, over
	// when the log-in is done.
	greeted, asked, over bool
	steps                int
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells MySQL by the server's greeting: the first packet, its version, and
// a text that names the server.
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	const least, most = 32, 512
	if dir != proto.ToClient {
		return false, false
	}
	if len(b) <= headLength {
		return false, len(b) < headLength || b[3] == 0
	}
	size := length(b)
	if b[3] != 0 || b[4] != greeting || size < least || size > most || len(b) > headLength+size {
		return false, false
	}
	name := b[headLength+1:]
	end := bytes.IndexByte(name, 0)
	if end < 0 {
		return false, len(name) < maxName && printable(name)
	}
	return end > 0 && printable(name[:end]), false
}

func printable(b []byte) bool {
	for _, x := range b {
		if x < ' ' || x > '~' {
			return false
		}
	}
	return true
}

func length(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if c.over || dir == proto.ToServer && c.asked {
		// The rest of the client's are passwords and their kin.
		return nil
	}
	c.buf[dir] = append(c.buf[dir], b...)
	for len(c.buf[dir]) >= headLength && !c.over {
		buf := c.buf[dir]
		size := length(buf)
		c.steps++
		if size == 0 || size > maxPacket || c.steps > maxSteps {
			c.end()
			return ErrMalformed
		}
		if len(buf) < headLength+size {
			c.steps--
			return nil
		}
		err := c.packet(dir, buf[headLength:headLength+size])
		if err != nil {
			c.end()
			return err
		}
		if !c.over {
			c.buf[dir] = buf[headLength+size:]
		}
	}
	return nil
}

// end stops reading.
func (c *Conn) end() { c.over, c.buf = true, [2][]byte{} }

func (c *Conn) packet(dir int, b []byte) error {
	switch {
	case dir == proto.ToServer && !c.asked:
		return c.request(b)
	case dir == proto.ToServer:
		return nil
	case !c.greeted:
		c.greeted = true
		if b[0] == answerError {
			// The server wants none of this client.
			c.end()
			return nil
		}
		if b[0] != greeting {
			return ErrMalformed
		}
		return nil
	}
	return c.answer(b)
}

// request takes the client's answer to the greeting
// ("Protocol::HandshakeResponse41", "Protocol::SSLRequest").
func (c *Conn) request(b []byte) error {
	if len(b) < fixed {
		return ErrMalformed
	}
	flags := binary.LittleEndian.Uint32(b)
	if flags&protocol41 == 0 {
		// Clients older than MySQL 4.1.
		c.end()
		return nil
	}
	c.asked = true
	if len(b) == fixed && flags&wantsTLS != 0 {
		c.end()
		c.host.Upgrade()
		return nil
	}
	name, _, ok := bytes.Cut(b[fixed:], []byte{0})
	if !ok {
		return ErrMalformed
	}
	c.user = string(name[:min(len(name), maxName)])
	return nil
}

// answer takes what the server says to the log-in.
func (c *Conn) answer(b []byte) error {
	switch b[0] {
	case answerOK:
		c.host.LogIn(c.user, false)
		c.end()
	case answerError:
		if len(b) >= 3 {
			switch binary.LittleEndian.Uint16(b[1:]) {
			case accessDenied, accessNoPassword, accountLocked:
				c.host.LogIn(c.user, true)
			}
		}
		c.end()
	case answerMore, answerOther:
	default:
		return ErrMalformed
	}
	return nil
}

// Gap implements proto.Parser: what comes after one cannot be told apart.
func (c *Conn) Gap(int, int) { c.end() }

// Close implements proto.Parser.
func (c *Conn) Close() { c.end() }
