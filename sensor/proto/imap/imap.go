// Package imap reads IMAP (RFC 9051, RFC 3501) with literals (RFC 7888) and
// STARTTLS: commands with their answers, and of the messages that are fetched
// or appended their header fields, attachments and links. What proves who
// somebody is, passwords and tokens, is passed over.
//
// Not here: what follows COMPRESS (RFC 4978), single parts of messages, CATENATE
// (RFC 4469), the texts of ENVELOPE and BODYSTRUCTURE.
package imap

import (
	"bytes"
	"errors"

	"github.com/antin-gov/antin/sensor/proto"
)

const (
	// maxLine is how much of a command or an answer is kept, its literals
	// included; RFC 7162 §4 asks servers to take lines of 8192.
	maxLine = 8 << 10
	// maxTail is how much of a line's end is kept, for the mark of a literal and
	// the word before it.
	maxTail = 64
	// maxOddLines is how many lines in a row may be none of IMAP's.
	maxOddLines = 32
	// maxOpen bounds the commands that wait for their answer.
	maxOpen = 64
	// maxLiteral is the longest literal that is followed (RFC 9051 §4.3 has 63
	// bits).
	maxLiteral = 1 << 40
)

// ErrMalformed means that a direction is not IMAP.
var ErrMalformed = errors.New("imap: malformed")

// side is a direction: the line in work and the literal within it.
type side struct {
	// text is the line with its literals as quoted words, except those that are
	// messages; length is that of the line as sent, without literals.
	text   []byte
	length int
	// tail is how the piece of the line after its last literal ends.
	tail []byte
	// left is what is still to come of a literal; message takes it.
	left    int64
	message *letter
	// waits is true of a literal that the server has yet to ask for.
	waits bool
	// about is the APPEND whose line goes on after its message.
	about *command
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host  proto.Host
	sides [2]side
	open  []*command
	next  uint64
	// greeted is true after the server's first line; quiet when the connection
	// goes on as something else.
	greeted, quiet bool
	// odd counts the server's lines in a row that are none of IMAP's.
	odd int
	// login is the AUTHENTICATE whose steps follow.
	login *command
	// lost is true after a gap of the client's: its next line may be a secret.
	lost bool
	// user has logged in, mailbox is selected.
	user, mailbox string
	// partial is a message that is fetched piece by piece.
	partial *letter
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells IMAP by the server's greeting (RFC 9051 §7.1).
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	if dir != proto.ToClient {
		return false, false
	}
	for _, mark := range [...]string{"* OK ", "* PREAUTH ", "* BYE "} {
		if len(b) >= len(mark) && string(b[:len(mark)]) == mark {
			return true, false
		}
		more = more || len(b) < len(mark) && mark[:len(b)] == string(b)
	}
	return false, more
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	s := &c.sides[dir]
	for len(b) > 0 && !c.quiet {
		if s.left > 0 {
			b = c.literal(dir, b)
			continue
		}
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.add(b)
			return nil
		}
		s.add(b[:i+1])
		b = b[i+1:]
		if c.begins(dir) {
			continue
		}
		line, length, about := bytes.TrimRight(s.text, "\r\n"), s.length, s.about
		*s = side{}
		if dir == proto.ToServer {
			if about == nil {
				c.request(line, length)
			}
			continue
		}
		err := c.answer(line)
		if err != nil {
			c.quiet = true
			return err
		}
	}
	return nil
}

// add keeps a piece of a line.
func (s *side) add(b []byte) {
	s.length += len(b)
	s.keep(b)
	s.tail = append(s.tail, b[max(0, len(b)-maxTail):]...)
	if over := len(s.tail) - maxTail; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
}

func (s *side) keep(b []byte) {
	s.text = append(s.text, b[:min(len(b), maxLine-len(s.text))]...)
}

// begins looks for a literal at the line's end: "{n}", "{n+}", "~{n}".
func (c *Conn) begins(dir int) bool {
	s := &c.sides[dir]
	if c.login != nil && dir == proto.ToServer {
		return false
	}
	n, wait, at := literalSize(bytes.TrimRight(s.tail, "\r\n"))
	if at < 0 {
		return false
	}
	if len(s.text) < maxLine {
		s.text = s.text[:max(0, len(s.text)-len(s.tail)+at)]
	}
	s.left, s.waits = n, wait && dir == proto.ToServer
	if dir == proto.ToServer {
		s.message = c.appended()
	} else {
		s.message = c.fetched(s.tail[:at], n)
	}
	s.tail = nil
	if s.message == nil {
		s.keep([]byte{'"'})
	}
	if n == 0 {
		c.filled(dir)
	}
	return true
}

// literalSize reads the mark of a literal that ends a line; at is where it
// begins, below zero when there is none.
func literalSize(line []byte) (n int64, wait bool, at int) {
	at = bytes.LastIndexByte(line, '{')
	if at < 0 || line[len(line)-1] != '}' {
		return 0, false, -1
	}
	digits, plus := bytes.CutSuffix(line[at+1:len(line)-1], []byte{'+'})
	n, ok := number(digits)
	if !ok {
		return 0, false, -1
	}
	if at > 0 && line[at-1] == '~' {
		at--
	}
	return n, !plus, at
}

// number reads digits, up to maxLiteral.
func number(b []byte) (int64, bool) {
	n := int64(0)
	for _, d := range b {
		if d < '0' || d > '9' || n > maxLiteral/10 {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, len(b) > 0
}

// literal takes what has come of a literal, and returns what follows it.
func (c *Conn) literal(dir int, b []byte) []byte {
	s := &c.sides[dir]
	s.waits = false
	n := int(min(s.left, int64(len(b))))
	if s.message != nil {
		s.message.mail.Write(b[:n])
	} else {
		s.quote(b[:n])
	}
	s.left -= int64(n)
	if s.left == 0 {
		c.filled(dir)
	}
	return b[n:]
}

// quote keeps a part of a literal as that of a quoted word.
func (s *side) quote(b []byte) {
	for _, x := range b {
		if len(s.text) >= maxLine {
			return
		}
		switch x {
		case '\r', '\n', 0:
			x = ' '
		case '"', '\\':
			s.keep([]byte{'\\'})
		}
		s.keep([]byte{x})
	}
}

// filled ends a literal; the line goes on.
func (c *Conn) filled(dir int) {
	s := &c.sides[dir]
	s.waits = false
	m := s.message
	if m == nil {
		s.keep([]byte{'"'})
		return
	}
	s.message = nil
	c.letterEnds(m)
}

// Gap implements proto.Parser. A literal knows its length, and so its end; a
// line is lost.
func (c *Conn) Gap(dir int, n int) {
	s := &c.sides[dir]
	if dir == proto.ToServer {
		c.lost = true
	}
	if m := s.message; m != nil {
		m.mail.Gap(n)
	}
	if int64(n) < s.left {
		s.left -= int64(n)
		return
	}
	if m := s.message; m != nil && c.partial != m {
		c.tellLetter(m)
	}
	*s = side{}
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	for i := range c.sides {
		if m := c.sides[i].message; m != nil {
			c.sides[i].message = nil
			c.tellLetter(m)
		}
	}
	c.endPartial()
	for len(c.open) > 0 {
		c.tell(c.open[0])
	}
}
