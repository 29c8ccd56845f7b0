// Package xmpp reads the beginning of XMPP's connections (RFC 6120 §4 to §6): what
// the server says to a log-in, and whether both go on as TLS, which then gets the
// connection.
//
// Not here: messages, and a record of any stanza.
package xmpp

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/proto"
)

// Words of the server's that settle something, each the beginning of an element.
var (
	proceed = []byte("<proceed")
	success = []byte("<success")
	failure = []byte("<failure")
	spaceOf = []byte("xmpp-sasl")
)

const (
	// maxAhead is how far into a first element its name space is looked for.
	maxAhead = 512
	// maxElement is how much of an element of the server's is read; what is
	// searched of a longer one overlaps by the longest word.
	maxElement = 4 << 10
	// maxBefore bounds what the server says before it is settled, in bytes.
	maxBefore = 256 << 10
)

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host proto.Host
	buf  []byte
	read int
	over bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells XMPP by the opening of its stream, which either side may send
// first: "<stream:stream" of a name space "jabber:client" or "jabber:server".
func Probe(_ int, b []byte, _ proto.Hint) (yes, more bool) {
	const xml, stream, space = "<?xml", "<stream:stream", "jabber:"
	if len(b) == 0 || b[0] != '<' {
		return false, len(b) == 0
	}
	if !alike(b, xml) && !alike(b, stream) {
		return false, false
	}
	head := b[:min(len(b), maxAhead)]
	at := bytes.Index(head, []byte(stream))
	return at >= 0 && bytes.Contains(head[at:], []byte(space)), len(b) < maxAhead && (at < 0 || bytes.IndexByte(head[at:], '>') < 0)
}

// alike reports whether one is the beginning of the other.
func alike(b []byte, word string) bool {
	n := min(len(b), len(word))
	return string(b[:n]) == word[:n]
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if c.over || dir != proto.ToClient {
		return nil
	}
	c.read += len(b)
	c.buf = append(c.buf, b...)
	for !c.over {
		at := bytes.IndexByte(c.buf, '<')
		if at < 0 {
			c.buf = nil
			break
		}
		c.buf = c.buf[at:]
		end := bytes.IndexByte(c.buf, '>')
		if end < 0 {
			if len(c.buf) > maxElement {
				c.end()
			}
			break
		}
		c.element(c.buf[:end])
		if !c.over {
			c.buf = c.buf[end+1:]
		}
	}
	if c.read > maxBefore {
		c.end()
	}
	return nil
}

// element takes the opening of an element of the server's.
func (c *Conn) element(b []byte) {
	switch {
	case bytes.HasPrefix(b, proceed):
		c.end()
		c.host.Upgrade()
	case bytes.HasPrefix(b, success):
		c.end()
		c.host.LogIn("", false)
	case bytes.HasPrefix(b, failure) && bytes.Contains(b, spaceOf):
		c.host.LogIn("", true)
	}
}

func (c *Conn) end() { c.over, c.buf = true, nil }

// Gap implements proto.Parser: the element it fell into is lost.
func (c *Conn) Gap(dir, _ int) {
	if dir == proto.ToClient {
		c.buf = nil
	}
}

// Close implements proto.Parser.
func (c *Conn) Close() { c.end() }
