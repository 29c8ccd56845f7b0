// Package pgsql reads the beginning of PostgreSQL's connections (PostgreSQL
// documentation, "Frontend/Backend Protocol"): who logs in, what the server says
// to it, and whether both go on as TLS, which then gets the connection.
//
// Not here: queries, what they return, and a record of either.
package pgsql

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/proto"
)

// Codes of the client's first message, in the place of a version.
const (
	versionThree = 3 << 16
	askTLS       = 80877103
	askGSS       = 80877104
	cancel       = 80877102

	// maxStartup is the server's own bound (MAX_STARTUP_PACKET_LENGTH);
	// maxAnswer bounds what is read of an answer, in bytes.
	maxStartup = 10000
	maxAnswer  = 8 << 10
	// maxSteps bounds the answers up to the log-in's end.
	maxSteps = 256
)

// ErrMalformed means that a direction is not PostgreSQL.
var ErrMalformed = errors.New("pgsql: malformed")

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host proto.Host
	buf  [2][]byte
	// asked is the code of the last request whose answer is one letter.
	asked uint32
	user  string
	// started is true when the start was seen, over when the log-in is done.
	started, over bool
	steps         int
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells PostgreSQL by the client's first message.
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	const head = 8
	if dir != proto.ToServer {
		return false, false
	}
	if len(b) < head {
		return false, bytes.HasPrefix([]byte{0, 0}, b[:min(len(b), 2)])
	}
	size := binary.BigEndian.Uint32(b)
	switch binary.BigEndian.Uint32(b[4:]) {
	case askTLS, askGSS:
		return size == head && len(b) == head, false
	case versionThree:
		// The name of the first parameter follows.
		return size > head && size <= maxStartup && len(b) > head && b[head] >= 'a' && b[head] <= 'z', len(b) == head
	}
	return false, false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if c.over {
		return nil
	}
	if dir == proto.ToServer && c.started {
		// Passwords and their kin are not looked at.
		return nil
	}
	c.buf[dir] = append(c.buf[dir], b...)
	for len(c.buf[dir]) > 0 && !c.over {
		n, err := c.message(dir, c.buf[dir])
		if err != nil {
			c.end()
			return err
		}
		if n == 0 {
			break
		}
		if !c.over {
			c.buf[dir] = c.buf[dir][n:]
		}
	}
	return nil
}

// end stops reading.
func (c *Conn) end() { c.over, c.buf = true, [2][]byte{} }

// message takes what comes next and returns its length, 0 when it is not whole.
func (c *Conn) message(dir int, b []byte) (int, error) {
	if dir == proto.ToServer {
		return c.start(b)
	}
	if c.asked != 0 {
		return 1, c.letter(b[0])
	}
	return c.answer(b)
}

// start takes a first message: "StartupMessage", "SSLRequest" and their kin.
func (c *Conn) start(b []byte) (int, error) {
	if c.started || len(b) < 8 {
		return 0, nil
	}
	size := binary.BigEndian.Uint32(b)
	if size < 8 || size > maxStartup {
		return 0, ErrMalformed
	}
	if len(b) < int(size) {
		return 0, nil
	}
	switch code := binary.BigEndian.Uint32(b[4:]); code {
	case askTLS, askGSS:
		c.asked = code
	case cancel:
		c.end()
	default:
		if code>>16 != 3 {
			return 0, ErrMalformed
		}
		c.started = true
		c.user = parameter(b[8:size], "user")
	}
	return int(size), nil
}

// parameter finds the value of a name among pairs of texts that end with zero.
func parameter(b []byte, name string) string {
	for len(b) > 1 {
		key, rest, _ := bytes.Cut(b, []byte{0})
		value, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return ""
		}
		if string(key) == name {
			return string(value)
		}
		b = after
	}
	return ""
}

// letter takes the answer to the wish for encryption.
func (c *Conn) letter(x byte) error {
	asked := c.asked
	c.asked = 0
	switch {
	case x == 'N', x == 'E':
		// As before, in clear; E is an error of servers that do not know the wish.
		return nil
	case asked == askTLS && x == 'S':
		c.end()
		c.host.Upgrade()
	case asked == askGSS && x == 'G':
		c.end()
	default:
		return ErrMalformed
	}
	return nil
}

// answer takes a message of the server's: a letter, the length, the content.
func (c *Conn) answer(b []byte) (int, error) {
	if len(b) < 5 {
		return 0, nil
	}
	size := binary.BigEndian.Uint32(b[1:])
	if size < 4 || size > maxAnswer {
		return 0, ErrMalformed
	}
	if len(b) < 1+int(size) {
		return 0, nil
	}
	c.steps++
	switch content := b[5 : 1+size]; b[0] {
	case 'R':
		// AuthenticationOk is 0, the rest asks for something.
		if len(content) >= 4 && binary.BigEndian.Uint32(content) == 0 {
			c.host.LogIn(c.user, false)
			c.end()
		}
	case 'E':
		// Class 28 of SQLSTATE is a wrong name or password.
		if bytes.HasPrefix(field(content, 'C'), []byte("28")) {
			c.host.LogIn(c.user, true)
		}
		c.end()
	case 'N', 'v':
	default:
		return 0, ErrMalformed
	}
	if c.steps == maxSteps {
		c.end()
	}
	return 1 + int(size), nil
}

// field finds a field of an error by its letter.
func field(b []byte, letter byte) []byte {
	for len(b) > 0 && b[0] != 0 {
		value, rest, _ := bytes.Cut(b[1:], []byte{0})
		if b[0] == letter {
			return value
		}
		b = rest
	}
	return nil
}

// Gap implements proto.Parser: what comes after one cannot be told apart.
func (c *Conn) Gap(int, int) { c.end() }

// Close implements proto.Parser.
func (c *Conn) Close() { c.end() }
