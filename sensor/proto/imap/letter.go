package imap

import (
	"bytes"
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/mail"
	"github.com/antin-gov/antin/sensor/proto"
)

// letter is a message in transfer.
type letter struct {
	mail *mail.Message
	dir  int
	// about is the command that appends or fetches it; number is that of the
	// message in the mailbox.
	about  *command
	number uint64
	// at and next are where a piece begins and where the one after it does, whole
	// is false of pieces; last is true of the last piece.
	at, next    int64
	whole, last bool
}

// appended is the message that the client is about to send, or nil: a literal
// of APPEND after the name of the mailbox (RFC 9051 §6.3.12, RFC 3502).
func (c *Conn) appended() *letter {
	s := &c.sides[proto.ToServer]
	if s.about == nil {
		const tag, name, mailbox = 0, 1, 2
		list := words(s.text)
		if len(list) <= mailbox || !strings.EqualFold(list[name], "APPEND") || strings.EqualFold(list[len(list)-1], "TEXT") {
			return nil
		}
		s.about = c.request(s.text, s.length)
	}
	return &letter{mail: mail.New(c.host.FileStore()), about: s.about, whole: true}
}

// fetched is the message of n bytes that the server is about to send, or nil:
// BODY[], RFC822, or a piece of BODY[] (RFC 9051 §7.5.2). tail is what stands
// before it.
func (c *Conn) fetched(tail []byte, n int64) *letter {
	head, end := bytes.Fields(c.sides[proto.ToClient].text[:min(len(c.sides[proto.ToClient].text), maxTail)]), bytes.Fields(tail)
	if len(head) < 4 || len(end) == 0 || string(head[0]) != "*" || !bytes.EqualFold(head[2], []byte("FETCH")) {
		return nil
	}
	seq, ok := number(head[1])
	if !ok {
		return nil
	}
	m := &letter{dir: proto.ToClient, about: c.fetching(), number: uint64(seq), whole: true}
	item := string(bytes.ToUpper(bytes.TrimLeft(end[len(end)-1], "(")))
	switch item {
	case "BODY[]", "RFC822", "BINARY[]":
		m.mail = mail.New(c.host.FileStore())
		return m
	}
	at, ok := strings.CutPrefix(item, "BODY[]<")
	if !ok {
		return nil
	}
	m.at, ok = number([]byte(strings.TrimSuffix(at, ">")))
	if !ok {
		return nil
	}
	m.whole, m.next = false, m.at+n
	m.last = n < m.about.piece
	return c.piece(m)
}

// fetching is the command that asks for messages.
func (c *Conn) fetching() *command {
	for _, cmd := range c.open {
		if cmd.name == "FETCH" || cmd.name == "UID FETCH" {
			return cmd
		}
	}
	// The server sends of its own accord, or the command was lost.
	return &command{}
}

// piece joins a piece to the message that it goes on with. Pieces out of order
// are passed over.
func (c *Conn) piece(m *letter) *letter {
	if p := c.partial; p != nil && p.number == m.number && p.next == m.at {
		p.next, p.last = m.next, m.last
		return p
	}
	c.endPartial()
	if m.at != 0 {
		return nil
	}
	m.mail = mail.New(c.host.FileStore())
	c.partial = m
	return m
}

// endPartial tells of a message whose last piece has not come.
func (c *Conn) endPartial() {
	if p := c.partial; p != nil {
		c.partial = nil
		c.tellLetter(p)
	}
}

// letterEnds takes the end of a literal that was a message or a piece of one.
func (c *Conn) letterEnds(m *letter) {
	if !m.whole && !m.last {
		return
	}
	if c.partial == m {
		c.partial = nil
	}
	m.mail.End()
	c.tellLetter(m)
}

// tellLetter records a message and its attachments.
func (c *Conn) tellLetter(m *letter) {
	if c.partial == m {
		c.partial = nil
	}
	number := c.next
	c.next++
	m.mail.Close()
	for _, name := range m.mail.Troubles() {
		c.host.Notice(m.dir, number, name)
	}
	m.about.messages++
	bodies := []encode.Body{&letterBody{m}, m.mail}
	for _, f := range m.mail.Files() {
		c.host.File(m.dir, number, f, bodies...)
	}
	c.host.Record(proto.Event{Kind: "imap", Dir: m.dir, Tx: number, HasTx: true, Bodies: bodies, OneSided: true, From: m.dir})
}

// letterBody is the imap object of a message. It implements encode.Body.
type letterBody struct{ *letter }

// Encode writes the imap object.
func (m *letterBody) Encode(e *encode.Encoder) {
	e.Open("imap")
	m.about.encode(e)
	e.Open("message")
	if m.number > 0 {
		e.Uint("sequence", m.number)
	}
	e.String("mailbox", m.about.place)
	e.Close()
	e.Close()
}
