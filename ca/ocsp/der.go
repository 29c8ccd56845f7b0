package ocsp

import "time"

// writer writes DER from the end to the beginning, so that a length is known
// when it is written and nothing is moved: answers leave by the ten thousand a
// second. The content of a value is written before its head.
type writer struct {
	buf []byte
	at  int // where what is written begins
}

func newWriter(size int) *writer { return &writer{buf: make([]byte, size), at: size} }

// bytes is what is written.
func (w *writer) bytes() []byte { return w.buf[w.at:] }

// room makes room for n more bytes.
func (w *writer) room(n int) {
	if w.at >= n {
		return
	}
	written := len(w.buf) - w.at
	grown := make([]byte, 2*len(w.buf)+n)
	copy(grown[len(grown)-written:], w.buf[w.at:])
	w.buf, w.at = grown, len(grown)-written
}

// raw puts bytes in front.
func (w *writer) raw(b []byte) {
	w.room(len(b))
	w.at -= len(b)
	copy(w.buf[w.at:], b)
}

// end marks the end of a value whose content is written next.
func (w *writer) end() int { return len(w.buf) - w.at }

// head puts tag and length in front of the content written since end.
func (w *writer) head(tag byte, end int) {
	n := w.end() - end
	w.room(6)
	switch {
	case n < 0x80:
		w.at--
		w.buf[w.at] = byte(n)
	default:
		octets := byte(0)
		for ; n > 0; n >>= 8 {
			w.at--
			w.buf[w.at] = byte(n)
			octets++
		}
		w.at--
		w.buf[w.at] = 0x80 | octets
	}
	w.at--
	w.buf[w.at] = tag
}

// value puts a whole value in front.
func (w *writer) value(tag byte, content []byte) {
	end := w.end()
	w.raw(content)
	w.head(tag, end)
}

// time puts a GeneralizedTime in front, whole seconds as RFC 5280 §4.1.2.5.2.
func (w *writer) time(t time.Time) {
	var text [16]byte
	w.value(tagGeneralizedTime, t.UTC().AppendFormat(text[:0], "20060102150405Z"))
}

// Tags that are written.
const (
	tagOctets          = 0x04
	tagEnum            = 0x0a
	tagBits            = 0x03
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
	tagged             = 0xa0 // constructed; the number is added
	taggedPrimitive    = 0x80
)
