package pop3

import (
	"bytes"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/mail"
	"github.com/antin-gov/antin/sensor/proto"
)

// letter is a message in transfer, of which nothing but a line's first bytes is
// kept here.
type letter struct {
	mail *mail.Message
	// part is true of TOP, which gives a message's beginning (RFC 1939 §7).
	part bool
	// within is true inside a line; held is a line's beginning that may be the
	// end of the message.
	within bool
	held   []byte
}

// begins starts the message that an answer holds, if it does.
func (c *Conn) begins(tx *transaction) {
	if tx.command == "RETR" || tx.command == "TOP" {
		tx.letter = &letter{mail: mail.New(c.host.FileStore()), part: tx.command == "TOP"}
	}
}

// content takes a line of a message, or what has come of it, and returns what
// follows. A line that begins with a dot has lost one (RFC 1939 §3).
func (c *Conn) content(tx *transaction, b []byte) []byte {
	l := tx.letter
	i := bytes.IndexByte(b, '\n')
	line, rest := b, []byte(nil)
	if i >= 0 {
		line, rest = b[:i+1], b[i+1:]
	}
	if !l.within {
		line = append(l.held, line...)
		l.held = nil
		switch string(line) {
		case ".", ".\r":
			l.held = bytes.Clone(line)
			return rest
		case ".\r\n", ".\n":
			if !l.part {
				l.mail.End()
			}
			c.list = nil
			c.tell(tx)
			return rest
		}
		line = bytes.TrimPrefix(line, []byte{'.'})
	}
	l.mail.Write(line)
	l.within = i < 0
	return rest
}

// gap tells that n bytes of the message are missing; where it goes on, no line
// begins.
func (l *letter) gap(n int) {
	l.mail.Gap(n)
	l.within, l.held = true, nil
}

// close reads a message that ended and tells of its attachments. It returns the
// bodies of the record.
func (c *Conn) close(tx *transaction) []encode.Body {
	l := tx.letter
	if l == nil {
		return []encode.Body{tx}
	}
	l.mail.Close()
	for _, name := range l.mail.Troubles() {
		c.host.Notice(proto.ToClient, tx.number, name)
	}
	bodies := []encode.Body{tx, l.mail}
	for _, f := range l.mail.Files() {
		if l.missing(f) {
			continue
		}
		c.host.File(proto.ToClient, tx.number, f, bodies...)
	}
	return bodies
}

// missing is true of an attachment of which only the name came.
func (l *letter) missing(f *files.File) bool { return l.part && f.Size == 0 }
