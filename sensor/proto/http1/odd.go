package http1

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// Oddity is something wrong that was noticed while a message was read.
type Oddity uint8

// The oddities. Those of a half that has its own name are told with the
// direction.
const (
	// OddUnknown is what ended the reading without a name of its own.
	OddUnknown Oddity = iota
	// OddChunk is a chunk size that is none (RFC 9112 §7.1).
	OddChunk
	// OddChunkExtension is a chunk with an extension, which no client sends.
	OddChunkExtension
	// OddContinue is a second 100 (Continue) to one request.
	OddContinue
	// OddLine is a request line that the connection's end cut.
	OddLine
	// OddBody is what follows a request and is none, or the length of an answer
	// that has no body.
	OddBody
	// OddDecompression, OddBomb and OddWindow are what Trouble tells of a body
	// when it is decoded.
	OddDecompression
	OddBomb
	OddWindow
	// OddRange is a Content-Range that cannot be read (RFC 9110 §14.4).
	OddRange
	// OddFileName is a file's name over longFileName.
	OddFileName
	// OddUpgrade is a change of protocol while requests wait that were sent
	// before it.
	OddUpgrade
	// OddForm is a form without its end, OddFormHeader a part whose header has no
	// disposition, OddFormData a file in a form that is empty (RFC 7578 §4).
	OddForm
	OddFormHeader
	OddFormData
)

const (
	// longFileName is the longest name of a file, as Suricata has it.
	longFileName = 4096
	// manyHeaders is how many fields a message may have.
	manyHeaders = 1024
	// maxWindow is the memory that LZMA may ask for, Suricata's default.
	maxWindow = 1 << 20
)

// TooManyHeaders reports whether the message has more fields than are read of
// any.
func (m *Message) TooManyHeaders() bool { return bytes.Count(m.Head, []byte{'\n'}) > manyHeaders+2 }

// BadSettings reports whether an HTTP2-Settings field (RFC 7540 §3.2.1) is
// none: base64 of pairs of number and value.
func (m *Message) BadSettings() bool {
	const pair = 6
	v := m.Get("HTTP2-Settings")
	if v == nil {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimRight(v, "=")))
	return err != nil || len(b)%pair != 0
}

// odd tells the handler.
func (c *Conn) odd(dir int, tx *Tx, o Oddity) {
	if o != OddUnknown {
		c.named = true
	}
	c.h.Odd(tx, dir, o)
}

// oddBody tells what was wrong when a body was decoded.
func (c *Conn) oddBody(dir int, tx *Tx, m *Message) {
	for _, t := range m.Trouble() {
		switch t {
		case TroubleDecompression:
			c.odd(dir, tx, OddDecompression)
		case TroubleBomb:
			c.odd(dir, tx, OddBomb)
		case TroubleWindow:
			c.odd(dir, tx, OddWindow)
		}
	}
}

// oddFile tells what is wrong with what a message says of its file.
func (c *Conn) oddFile(dir int, tx *Tx, name []byte) {
	if len(name) > longFileName {
		c.odd(dir, tx, OddFileName)
	}
}

// windowTooLarge reads the dictionary's size in the head of LZMA: one byte of
// properties, four of size, eight of the length.
func windowTooLarge(body []byte) bool {
	const head = 13
	return len(body) >= head && body[0] < 225 && binary.LittleEndian.Uint32(body[1:]) > maxWindow
}

// oddPart tells what is wrong with a part of a form.
func (c *Conn) oddPart(tx *Tx, h *Message, head bool, body []byte) {
	switch {
	case !head || h.Get("Content-Disposition") == nil:
		c.odd(0, tx, OddFormHeader)
	case len(body) == 0 && dispositionName(h.Get("Content-Disposition"), "filename") != nil:
		c.odd(0, tx, OddFormData)
	}
}
