package http1

import (
	"bytes"
	"errors"
	"io"

	"github.com/andybalholm/brotli"

	"github.com/antin-gov/antin/sensor/scratch"
)

const (
	// maxDecoded bounds a body after decompression, against bombs: five times
	// MaxBody, the usual ratio of text.
	maxDecoded = 5 * MaxBody
	// maxCodings bounds the codings that lie over one another.
	maxCodings = 4
)

// coding is a content coding that is read here.
type coding uint8

const (
	codingGzip coding = 1 + iota
	codingDeflate
	codingBrotli
	// codingLZMA is not undone; only what it asks for is looked at.
	codingLZMA
)

// Decoded is the message's body without its content codings (RFC 9110
// §8.4.1), as far as it was kept and can be read. A coding not known here
// leaves the body as it is.
func (m *Message) Decoded() []byte { return m.decode(m.Body, maxDecoded) }

// codings are the codings in the order in which they were applied, read as
// leniently as browsers do: a word that is not known counts for nothing.
func (m *Message) codings() []coding {
	var out []coding
	for word := range bytes.FieldsFuncSeq(m.All("Content-Encoding"), notWord) {
		word = bytes.TrimPrefix(bytes.ToLower(word), []byte("x-"))
		switch string(word) {
		case "gzip":
			out = append(out, codingGzip)
		case "deflate":
			out = append(out, codingDeflate)
		case "br":
			out = append(out, codingBrotli)
		case "lzma":
			out = append(out, codingLZMA)
		}
		if len(out) == maxCodings {
			break
		}
	}
	return out
}

func notWord(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
}

// decode undoes the content codings of a body, the last one first.
func (m *Message) decode(body []byte, limit int64) []byte {
	if len(body) == 0 {
		return nil
	}
	list := m.codings()
	for i := len(list) - 1; i >= 0; i-- {
		out, trouble := undo(m.memory, list[i], body, limit)
		m.trouble |= trouble
		body = out
	}
	return body
}

// Trouble is what was wrong with a body.
type Trouble uint8

// The troubles, as a set.
const (
	// TroubleDecompression means that a coding could not be undone at all.
	TroubleDecompression Trouble = 1 << iota
	// TroubleBomb means that a body grew over bombRatio and to the limit.
	TroubleBomb
	// TroubleWindow means that a body asked for more memory than is given.
	TroubleWindow
)

// bombRatio is how many times larger a body must become to be called a bomb: a
// thousand is near what deflate can do, ordinary text becomes ten times as
// large.
const bombRatio = 500

// Trouble lists what was wrong when the body was decoded.
func (m *Message) Trouble() []Trouble {
	var out []Trouble
	for _, t := range [...]Trouble{TroubleDecompression, TroubleBomb, TroubleWindow} {
		if m.trouble&t != 0 {
			out = append(out, t)
		}
	}
	return out
}

// undo takes one coding off, or returns the body when it does not have it.
func undo(memory *scratch.Memory, c coding, body []byte, limit int64) ([]byte, Trouble) {
	var r io.Reader
	switch c {
	case codingGzip, codingDeflate:
		contentOf := zlibContent
		if c == codingGzip {
			contentOf = gzipContent
		}
		content := contentOf(body)
		if content == nil {
			return body, TroubleDecompression
		}
		z := memory.Inflate(content)
		defer memory.Done(z)
		r = z
	case codingLZMA:
		if windowTooLarge(body) {
			return body, TroubleWindow
		}
		return body, 0
	case codingBrotli:
		r = brotli.NewReader(bytes.NewReader(body))
	}
	// A body that was cut ends in an error; what came before it counts.
	out, err := io.ReadAll(io.LimitReader(r, limit))
	var trouble Trouble
	switch {
	case err != nil && len(out) == 0 && !errors.Is(err, io.ErrUnexpectedEOF):
		trouble = TroubleDecompression
	case int64(len(out)) == limit && len(out) > bombRatio*len(body):
		trouble = TroubleBomb
	}
	if len(out) == 0 {
		return body, trouble
	}
	return out, trouble
}

// zlibContent is what follows the head of a zlib stream (RFC 1950 §2.2), or all
// of it: servers send bare deflate under that name too. Its checksum is not
// looked at, as clients do not either.
func zlibContent(b []byte) []byte {
	const (
		method     = 0x0f
		deflate    = 8
		mostWindow = 7 << 4
		dictionary = 1 << 5
	)
	if len(b) < 2 || b[0]&method != deflate || b[0]&^method > mostWindow || (uint(b[0])<<8|uint(b[1]))%31 != 0 || b[1]&dictionary != 0 {
		return b
	}
	return b[2:]
}

// gzipContent is what follows the head of a gzip member (RFC 1952 §2.3), nil
// when there is none. Its checksum is not looked at, as clients do not either.
func gzipContent(b []byte) []byte {
	const (
		headCRC = 1 << 1
		extra   = 1 << 2
		name    = 1 << 3
		comment = 1 << 4
	)
	if len(b) < 10 || b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 {
		return nil
	}
	flags, rest := b[3], b[10:]
	if flags&extra != 0 {
		if len(rest) < 2 {
			return nil
		}
		n := 2 + int(rest[0]) + int(rest[1])<<8
		rest = rest[min(n, len(rest)):]
	}
	for _, text := range [...]byte{name, comment} {
		if flags&text != 0 {
			_, rest, _ = bytes.Cut(rest, []byte{0})
		}
	}
	if flags&headCRC != 0 {
		rest = rest[min(2, len(rest)):]
	}
	return rest
}
