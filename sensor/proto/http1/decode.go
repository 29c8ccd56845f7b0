package http1

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
)

// maxDecoded bounds a body after decompression, against bombs: five times
// MaxBody, the usual ratio of text.
const maxDecoded = 5 * MaxBody

// Decoded is the message's body without its content coding (RFC 9110 §8.4.1),
// as far as it was kept and can be read. A coding not known here leaves the
// body as it is.
func (m *Message) Decoded() []byte { return m.decode(m.Body, maxDecoded) }

// decode undoes the content coding of a body.
func (m *Message) decode(body []byte, limit int64) []byte {
	coding := bytes.TrimSpace(m.Get("Content-Encoding"))
	var r io.Reader
	var err error
	src := bytes.NewReader(body)
	switch {
	case len(body) == 0:
		return nil
	case bytes.EqualFold(coding, []byte("gzip")), bytes.EqualFold(coding, []byte("x-gzip")):
		r, err = gzip.NewReader(src)
	case bytes.EqualFold(coding, []byte("deflate")):
		// Servers send both the zlib form of the standard and bare deflate.
		r, err = zlib.NewReader(src)
		if err != nil {
			src.Reset(body)
			r, err = flate.NewReader(src), nil
		}
	default:
		return body
	}
	if err != nil {
		return body
	}
	// A body that was cut ends in an error; what came before it counts.
	out, _ := io.ReadAll(io.LimitReader(r, limit))
	if len(out) == 0 {
		return body
	}
	return out
}
