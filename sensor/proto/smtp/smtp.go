// Package smtp reads SMTP (RFC 5321) with pipelining (RFC 2920), chunking
// (RFC 3030) and STARTTLS (RFC 3207): envelopes, and of each message its
// header fields, attachments and links.
//
// Not here: SMTPUTF8 rules of addresses, message/partial, S/MIME and PGP.
package smtp

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/mail"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	port = 25
	// maxLine bounds a command or reply line: RFC 5321 §4.5.3.1 allows 512,
	// extensions more.
	maxLine = 8 << 10
	// maxQueue bounds commands that wait for their reply.
	maxQueue = 128
	// maxRecipients bounds those kept of an envelope.
	maxRecipients = 128
	// maxHeld bounds what a client sends before DATA is answered.
	maxHeld = 64 << 10
)

// ErrMalformed means that a direction is not SMTP.
var ErrMalformed = errors.New("smtp: malformed")

// mode is how the client's bytes are read.
type mode uint8

const (
	modeCommand mode = iota
	// modeHeld waits for the reply to DATA.
	modeHeld
	modeData
	modeChunk
	modeQuiet
)

// envelope is one mail transaction. It implements encode.Body.
type envelope struct {
	number  uint64
	helo    []byte
	from    []byte
	hasFrom bool
	to      [][]byte
	begun   bool
	// over is true when all of it was sent, or RSET after it: what follows
	// without waiting for the reply is another.
	over    bool
	message *mail.Message
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host  proto.Host
	mode  mode
	lines [2][]byte
	held  []byte
	// data is the last line of a message in work.
	chunk    int
	queue    []command
	auth     bool
	helo     []byte
	cur      *envelope
	told     int
	next     uint64
	upgraded bool

	// greeted is true after the server's first reply, welcomed after what was
	// sent before it has been told; pipelining is that the server offers it.
	greeted, welcomed, pipelining bool
	// long is true of a line that is over its limit, size how long it is.
	size [2]int
	// chunkOpen says that a chunk ended within a line.
	chunkOpen bool
}

// command is what was asked and not answered yet.
type command struct {
	name string
	arg  []byte
	// about is the envelope that it belongs to; last is true of a last chunk.
	about *envelope
	last  bool
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells SMTP by the client's greeting.
func Probe(dir int, b []byte, h proto.Hint) (yes, more bool) {
	if dir == proto.ToClient {
		return false, len(b) < 4 && bytes.HasPrefix([]byte("220 "), b)
	}
	if h.Ports[1] == port && bytes.EqualFold(b[:min(len(b), 6)], []byte("QUIT\r\n")) {
		// A client that thought better of it.
		return true, false
	}
	if len(b) < 4 {
		return false, hasPrefixFold([]byte("EHLO"), b) || hasPrefixFold([]byte("HELO"), b)
	}
	if !hasPrefixFold(b, []byte("EHLO")) && !hasPrefixFold(b, []byte("HELO")) {
		return false, false
	}
	return len(b) > 4 && (b[4] == ' ' || b[4] == '\r' || b[4] == '\n'), len(b) == 4
}

func hasPrefixFold(b, prefix []byte) bool {
	return len(b) >= len(prefix) && bytes.EqualFold(b[:len(prefix)], prefix)
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	if dir == proto.ToClient {
		return c.server(b)
	}
	return c.client(b)
}

func (c *Conn) client(b []byte) error {
	for len(b) > 0 {
		switch c.mode {
		case modeQuiet:
			return nil
		case modeHeld:
			if len(c.held) == 0 {
				// DATA must be the last of what is sent together (RFC 2920 §3.1).
				c.host.Notice(0, c.number(), "invalid_pipelined_sequence")
			}
			room := maxHeld - len(c.held)
			c.held = append(c.held, b[:min(room, len(b))]...)
			if len(b) < room {
				return nil
			}
			// The reply is not coming: what was sent is the message.
			return c.begin(b[room:])
		case modeChunk:
			n := min(c.chunk, len(b))
			c.chunk -= n
			if c.chunk == 0 {
				c.mode, c.chunkOpen = modeCommand, n > 0 && b[n-1] != '\n'
			}
			b = b[n:]
			continue
		}
		line, rest, ok := c.line(0, b)
		if !ok {
			return c.tooLong(0)
		}
		b = rest
		if c.mode == modeData {
			c.content(line)
			continue
		}
		c.command(bytes.TrimRight(line, "\r\n"))
	}
	return nil
}

// line collects one line with its end.
func (c *Conn) line(dir int, b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		c.measure(dir, len(b))
		c.lines[dir] = append(c.lines[dir], b[:min(len(b), max(0, maxLine+1-len(c.lines[dir])))]...)
		return nil, nil, false
	}
	line = b[:i+1]
	c.measure(dir, len(line))
	c.size[dir] = 0
	if len(c.lines[dir]) > 0 {
		line = append(c.lines[dir], line...)
		c.lines[dir] = nil
	}
	return line, b[i+1:], true
}

// tooLong gives up on a direction whose line has no end.
func (c *Conn) tooLong(dir int) error {
	if len(c.lines[dir]) <= maxLine {
		return nil
	}
	if dir == 0 && c.mode == modeData {
		c.content(c.lines[0])
		c.lines[0] = nil
		return nil
	}
	c.lines[dir] = nil
	if dir == 1 {
		// A server that talks is passed over.
		return nil
	}
	c.mode = modeQuiet
	return ErrMalformed
}

// begin starts the message with what was held.
func (c *Conn) begin(rest []byte) error {
	c.mode = modeData
	c.current().message = mail.New(c.host.FileStore())
	held := c.held
	c.held = nil
	err := c.client(held)
	if err != nil {
		return err
	}
	return c.client(rest)
}

// content takes a line of the message (RFC 5321 §4.5.2).
func (c *Conn) content(line []byte) {
	e := c.current()
	if e.message == nil {
		// The envelope was ended by a reply that came out of turn.
		e.message = mail.New(c.host.FileStore())
	}
	m := e.message
	if string(bytes.TrimRight(line, "\r\n")) == "." {
		c.mode = modeCommand
		m.End()
		e.over = true
		c.ask(command{name: ".", about: e})
		return
	}
	if line[0] == '.' {
		line = line[1:]
	}
	m.Write(line)
}

func (c *Conn) current() *envelope {
	if c.cur == nil {
		c.cur = &envelope{number: c.next, helo: c.helo}
		c.next++
	}
	return c.cur
}

func (c *Conn) ask(cmd command) {
	if len(c.queue) == maxQueue {
		c.queue = c.queue[1:]
	}
	c.queue = append(c.queue, cmd)
}

// command takes a command line.
func (c *Conn) command(line []byte) {
	if c.auth {
		// A step of the log-in, not a command (RFC 4954 §4).
		return
	}
	name, arg, _ := bytes.Cut(line, []byte{' '})
	cmd := command{name: string(bytes.ToUpper(name[:min(len(name), 16)])), arg: bytes.Clone(bytes.TrimSpace(arg))}
	if cmd.name == "" {
		return
	}
	e := c.current()
	c.judgeCommand(cmd, e)
	switch cmd.name {
	case "EHLO", "HELO":
		if c.helo == nil {
			c.helo, e.helo = cmd.arg, cmd.arg
		}
	case "RSET":
		e.over = e.begun
	case "MAIL":
		if e.over {
			c.tell()
			e = c.current()
		}
		if !e.hasFrom {
			e.from, e.hasFrom = address(cmd.arg), true
		}
		e.begun = true
	case "RCPT":
		e.begun = true
		if len(e.to) < maxRecipients {
			e.to = append(e.to, address(cmd.arg))
		}
	case "DATA":
		e.begun = true
		c.mode = modeHeld
	case "BDAT":
		e.begun = true
		cmd.last = c.bdat(cmd.arg)
		e.over = cmd.last
	}
	cmd.about = e
	c.ask(cmd)
}

// address cuts "FROM:" or "TO:" and the parameters off.
func address(arg []byte) []byte {
	_, v, ok := bytes.Cut(arg, []byte{':'})
	if !ok {
		return bytes.TrimSpace(arg)
	}
	v = bytes.TrimSpace(v)
	if i := bytes.IndexByte(v, '>'); i >= 0 {
		return v[:i+1]
	}
	v, _, _ = bytes.Cut(v, []byte{' '})
	return v
}

// bdat passes over a chunk (RFC 3030 §2), and says whether it is the last.
func (c *Conn) bdat(arg []byte) bool {
	size, last, _ := bytes.Cut(arg, []byte{' '})
	n, err := strconv.ParseInt(string(size), 10, 32)
	if err != nil || n < 0 {
		c.host.Notice(0, c.number(), "invalid_bdat")
	}
	if err == nil && n > 0 {
		c.mode, c.chunk = modeChunk, int(n)
	}
	return bytes.EqualFold(bytes.TrimSpace(last), []byte("LAST"))
}

// tell records the envelope in work, and its attachments.
func (c *Conn) tell() {
	e := c.cur
	c.cur = nil
	if e == nil {
		return
	}
	c.told++
	bodies := []encode.Body{e}
	if e.message != nil {
		e.message.Close()
		for _, name := range e.message.Troubles() {
			c.host.Notice(0, e.number, name)
		}
		bodies = append(bodies, e.message)
		for _, f := range e.message.Files() {
			c.host.File(proto.ToServer, e.number, f, bodies...)
		}
	}
	c.host.Record(proto.Event{Kind: "smtp", Tx: e.number, HasTx: true, Bodies: bodies})
}

// Encode writes the smtp object, none of an envelope on which nothing stands.
func (e *envelope) Encode(w *encode.Encoder) {
	if e.helo == nil && !e.hasFrom && len(e.to) == 0 {
		return
	}
	w.Open("smtp")
	if e.helo != nil {
		w.Bytes("helo", e.helo)
	}
	if e.hasFrom {
		w.Bytes("mail_from", e.from)
	}
	if len(e.to) > 0 {
		w.Array("rcpt_to")
		for _, t := range e.to {
			w.Bytes("", t)
		}
		w.End()
	}
	w.Close()
}

// Gap implements proto.Parser. A gap in a message cuts it; between commands
// the next line is waited for.
func (c *Conn) Gap(dir int, n int) {
	c.lines[dir] = nil
	if dir == 0 && c.mode == modeData && c.cur != nil && c.cur.message != nil {
		c.cur.message.Gap(n)
	}
	if dir == 0 && c.mode == modeChunk {
		c.chunk = max(0, c.chunk-n)
	}
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	if c.mode == modeHeld && len(c.held) > 0 {
		// The end of a connection that was not captured whole.
		_ = c.begin(nil)
	}
	if c.cur != nil && (c.cur.begun || c.told == 0) {
		c.tell()
	}
}
