// Package http1 reads HTTP/1.0 and HTTP/1.1 (RFC 9112) from the two byte
// streams of a connection: requests, responses, which belongs to which, and
// the beginning of each body, decoded.
//
// It is lenient, as servers are: bare line feeds, unknown methods, missing
// headers. Bodies are kept to a limit and gzip and deflate are undone to a
// limit. Not here: HTTP/2 and 3, brotli, multipart, HTTP/0.9.
package http1

import (
	"bytes"
	"errors"
	"slices"

	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/scratch"
)

// Limits of one message.
const (
	// maxHead bounds start line and headers: the common servers refuse more
	// than 8 to 64 KiB.
	maxHead    = 64 << 10
	maxHeaders = 256
	// MaxBody is how much of a body is kept, as Suricata's request-body-limit.
	MaxBody = 100 << 10
	// maxPending bounds pipelined requests without an answer.
	maxPending = 64
	// maxLine bounds a chunk-size line with its extensions.
	maxLine = 4 << 10
)

// ErrMalformed means that a direction is not HTTP/1 any more.
var ErrMalformed = errors.New("http1: malformed")

// Header is one field. Name and value are as sent, the value trimmed.
type Header struct {
	Name, Value []byte
}

// Message is one half of a transaction.
type Message struct {
	// Line is the start line without its end, Head all of it and the headers
	// up to the blank line.
	Line, Head []byte
	Protocol   []byte
	Headers    []Header
	// Body is the beginning of the body with the chunking taken off, Length
	// its full size on the wire.
	Body   []byte
	Length uint64
	// Seen and Done say whether the head and the whole message came.
	Seen, Done bool

	// kept is how much of the body was taken into Body, or would have been if
	// anybody looked into it.
	kept int
	file *files.File
	// joining is set when the file is a part of another.
	joining *Joining
	// encoded is a body whose coding is undone when it ends.
	encoded []byte
	coded   bool
	trouble Trouble
	// carries is true of a body that is a message of DNS.
	carries bool
	// formTold is true after the files of a form have been told.
	formTold bool
	// memory is what is borrowed from to decode.
	memory *scratch.Memory
}

// Get returns the first field of that name.
func (m *Message) Get(name string) []byte {
	for i := range m.Headers {
		if len(m.Headers[i].Name) == len(name) && bytes.EqualFold(m.Headers[i].Name, []byte(name)) {
			return m.Headers[i].Value
		}
	}
	return nil
}

// All returns the values of all fields of that name, joined by commas (RFC 9110
// §5.3), for what decides how the message is read: bytes of zero, which some
// clients pass over, are left out of names and values.
func (m *Message) All(name string) []byte {
	var out []byte
	for i := range m.Headers {
		h := &m.Headers[i]
		if len(h.Name) < len(name) || !bytes.EqualFold(bytes.TrimSpace(withoutZeros(h.Name)), []byte(name)) {
			continue
		}
		if len(out) > 0 {
			out = append(out, ',', ' ')
		}
		out = append(out, withoutZeros(h.Value)...)
	}
	return out
}

func withoutZeros(b []byte) []byte {
	if bytes.IndexByte(b, 0) < 0 {
		return b
	}
	return bytes.ReplaceAll(b, []byte{0}, nil)
}

// Tx is a request and its response.
type Tx struct {
	// ID numbers the transactions of a connection from 0.
	ID          uint64
	Method, URI []byte
	Request     Message
	// Status is 0 when StatusCode, as it was sent, is no number.
	Status                    int
	StatusCode, StatusMessage []byte
	Response                  Message

	requestTold, responseTold, ended bool
	// continued is true after a 100 (Continue).
	continued bool
}

// Told reports whether the handler has been told the message of a direction.
func (tx *Tx) Told(dir int) bool {
	if dir == 0 {
		return tx.requestTold
	}
	return tx.responseTold
}

// Handler is told what happens. Each is called at most once for a transaction:
// Request and Response when that half is complete, or as much of it came as is
// kept, or the connection ended; End after both.
type Handler interface {
	Request(*Tx)
	Response(*Tx)
	End(*Tx)
	// FileStore keeps the files whose content is to be kept; it may be nil.
	FileStore() *files.Store
	// Join begins a part of a file that comes in several messages: the range of
	// what a host has under a URI. The parts make a file of that name. It may
	// return nil.
	Join(host, uri, name []byte, at files.Range) *files.Part
	// File tells a file that ended, before the End of its transaction.
	File(tx *Tx, dir int, f *files.File)
	// Odd tells something wrong as soon as it is seen; tx is nil when it belongs
	// to none.
	Odd(tx *Tx, dir int, o Oddity)
	// Tunnel takes the bytes after CONNECT or an upgrade.
	Tunnel(dir int, b []byte)
}

// Conn reads both directions of one connection.
type Conn struct {
	h       Handler
	side    [2]parser
	pending []*Tx
	next    uint64
	tunnel  bool
	// last is the request that ended last.
	last *Tx
	// named says that what ended the reading has been told.
	named bool
}

// New returns a reader that tells h.
func New(h Handler) *Conn { return &Conn{h: h} }

// Feed adds bytes of a direction (0 client, 1 server).
func (c *Conn) Feed(dir int, b []byte) error {
	for len(b) > 0 {
		if c.tunnel {
			c.h.Tunnel(dir, b)
			return nil
		}
		n, err := c.step(dir, b)
		if err != nil {
			p := &c.side[dir]
			if !c.named {
				c.odd(dir, p.tx, OddUnknown)
			}
			p.state = stateDead
			return err
		}
		b = b[n:]
	}
	return nil
}

// Rest lets go of what only more bytes would need; none come any more.
func (c *Conn) Rest() {
	c.last = nil
	for i := range c.side {
		if len(c.side[i].buf) == 0 {
			c.side[i].buf = nil
		}
	}
}

// Gap tells that n bytes of a direction are missing.
func (c *Conn) Gap(dir int, n int) {
	p := &c.side[dir]
	switch p.state {
	case stateLength, stateChunk:
		if uint64(n) <= p.left {
			p.left -= uint64(n)
			p.message.Length += uint64(n)
			p.message.fileGap(n)
			if p.left == 0 {
				c.bodyPart(dir)
			}
			return
		}
	case stateUntilClose:
		p.message.Length += uint64(n)
		p.message.fileGap(n)
		return
	case stateDead:
		return
	}
	p.state = stateLost
	p.buf = nil
}

// Close ends the connection: what is open is told as it is.
func (c *Conn) Close() {
	if q := &c.side[0]; q.state == stateHead && len(q.buf) > 0 && bytes.IndexByte(q.buf, '\n') < 0 {
		c.odd(0, nil, OddLine)
	}
	p := &c.side[1]
	if p.state == stateUntilClose && p.message != nil {
		p.message.Done = true
	}
	for _, tx := range c.pending {
		c.tell(tx)
	}
	c.pending = nil
}

// tell reports what was not reported yet of a transaction, and ends it.
func (c *Conn) tell(tx *Tx) {
	c.fileEnd(0, tx, &tx.Request, tx.Request.Done)
	c.fileEnd(1, tx, &tx.Response, tx.Response.Done)
	if !tx.requestTold && tx.Request.Seen {
		tx.requestTold = true
		c.h.Request(tx)
	}
	if !tx.responseTold && tx.Response.Seen {
		tx.responseTold = true
		c.h.Response(tx)
	}
	if !tx.ended && (tx.Request.Seen || tx.Response.Seen) {
		tx.ended = true
		c.h.End(tx)
	}
}

// opened adds a transaction for a request whose head is read.
func (c *Conn) opened() *Tx {
	tx := &Tx{ID: c.next}
	c.next++
	c.pending = append(c.pending, tx)
	if len(c.pending) > maxPending {
		c.tell(c.pending[0])
		c.pending = c.pending[1:]
	}
	return tx
}

// answered finds the transaction that a response belongs to: the first whose
// response has not been read.
func (c *Conn) answered() *Tx {
	for _, tx := range c.pending {
		if !tx.Response.Done {
			return tx
		}
	}
	return c.opened()
}

// finished is called when a message is complete.
func (c *Conn) finished(dir int) {
	p := &c.side[dir]
	tx := p.tx
	p.message.Done = true
	p.state, p.message, p.tx = stateHead, nil, nil
	if dir == 0 {
		c.last = tx
		c.fileEnd(0, tx, &tx.Request, true)
		if !tx.requestTold {
			tx.requestTold = true
			c.h.Request(tx)
		}
		return
	}
	if tx.Status/100 == 1 && tx.Status != 101 {
		// An interim response; the real one follows (RFC 9110 §15.2).
		if tx.Status == 100 {
			if tx.continued {
				c.odd(1, tx, OddContinue)
			}
			tx.continued = true
		}
		tx.Response = Message{}
		return
	}
	c.tell(tx)
	c.pending = slices.DeleteFunc(c.pending, func(x *Tx) bool { return x == tx })
	if tx.Status == 101 || tx.Status/100 == 2 && string(tx.Method) == "CONNECT" {
		c.tunnel = true
		if len(c.pending) > 0 {
			c.odd(1, tx, OddUpgrade)
		}
	}
}
