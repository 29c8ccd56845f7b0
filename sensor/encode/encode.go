// Package encode appends JSON: no reflection, no maps, no allocation for a
// record once its buffer has grown. Its output is valid UTF-8 JSON for any
// bytes. It decides nothing; keys must be plain ASCII.
package encode

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// TimeLayout is EVE's form of a time.
const (
	TimeLayout   = secondLayout + ".000000-0700"
	secondLayout = "2006-01-02T15:04:05"
)

// Body writes whole members of an object.
type Body interface{ Encode(*Encoder) }

// Encoder appends one JSON object to B.
type Encoder struct {
	B []byte
	// second is the second of the time written last, stamp how it is written:
	// records come in order, and most share it with the one before.
	second int64
	stamp  []byte
}

// Digits of hexadecimal numbers.
const (
	LowerDigits = "0123456789abcdef"
	UpperDigits = "0123456789ABCDEF"
)

// Key starts a member; in an array the name is empty and left out.
func (e *Encoder) Key(name string) {
	if n := len(e.B); n > 0 && e.B[n-1] != '{' && e.B[n-1] != '[' {
		e.B = append(e.B, ',')
	}
	if name == "" {
		return
	}
	e.B = append(e.B, '"')
	e.B = append(e.B, name...)
	e.B = append(e.B, '"', ':')
}

// TextKey starts a member whose name is not the program's own: it is written like
// any text.
func (e *Encoder) TextKey(name string) {
	e.Key("")
	e.B = append(AppendText(e.B, name), ':')
}

// Value writes the number of the member that TextKey started.
func (e *Encoder) Value(v uint64) { e.B = strconv.AppendUint(e.B, v, 10) }

func (e *Encoder) Open(name string)  { e.Key(name); e.B = append(e.B, '{') }
func (e *Encoder) Array(name string) { e.Key(name); e.B = append(e.B, '[') }

// Close ends an object, End a list. A member with nothing in it is left out.
func (e *Encoder) Close() { e.close('{', '}') }
func (e *Encoder) End()   { e.close('[', ']') }

func (e *Encoder) close(open, end byte) {
	last := len(e.B) - 1
	if last < 1 || e.B[last] != open || e.B[last-1] != ':' {
		e.B = append(e.B, end)
		return
	}
	// Back to before the name, which has no quotes in it, and its comma.
	at := bytes.LastIndexByte(e.B[:last-2], '"')
	if at > 0 && e.B[at-1] == ',' {
		at--
	}
	e.B = e.B[:at]
}

// EndAny ends a list, also one with nothing in it.
func (e *Encoder) EndAny() { e.B = append(e.B, ']') }

func (e *Encoder) Uint(name string, v uint64) {
	e.Key(name)
	e.B = strconv.AppendUint(e.B, v, 10)
}

func (e *Encoder) Int(name string, v int64) {
	e.Key(name)
	e.B = strconv.AppendInt(e.B, v, 10)
}

func (e *Encoder) Bool(name string, v bool) {
	e.Key(name)
	e.B = strconv.AppendBool(e.B, v)
}

func (e *Encoder) Time(name string, t time.Time) {
	e.Key(name)
	if s := t.Unix(); s != e.second || len(e.stamp) == 0 {
		e.second, e.stamp = s, t.UTC().AppendFormat(e.stamp[:0], secondLayout)
	}
	e.B = append(e.B, '"')
	e.B = append(e.B, e.stamp...)
	micro := uint32(t.Nanosecond() / 1000)
	e.B = append(e.B, '.', digit(micro/100000), digit(micro/10000), digit(micro/1000), digit(micro/100), digit(micro/10), digit(micro))
	e.B = append(e.B, `+0000"`...)
}

func digit(v uint32) byte { return byte('0' + v%10) }

// Addr writes an address as Suricata does: IPv6 in full, nothing left out.
func (e *Encoder) Addr(name string, a netip.Addr) {
	if !a.IsValid() {
		return
	}
	e.Key(name)
	e.B = append(e.B, '"')
	e.B = AppendAddr(e.B, a)
	e.B = append(e.B, '"')
}

// AppendAddr appends the address in that form, without quotes.
func AppendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		return a.AppendTo(b)
	}
	for i, c := range a.As16() {
		if i > 0 && i%2 == 0 {
			b = append(b, ':')
		}
		b = append(b, LowerDigits[c>>4], LowerDigits[c&15])
	}
	return b
}

func (e *Encoder) Base64(name string, v []byte) {
	e.Key(name)
	e.B = append(e.B, '"')
	e.B = base64.StdEncoding.AppendEncode(e.B, v)
	e.B = append(e.B, '"')
}

func (e *Encoder) Bytes(name string, v []byte) {
	e.Key(name)
	e.B = AppendText(e.B, v)
}

func (e *Encoder) String(name, v string) {
	e.Key(name)
	e.B = AppendText(e.B, v)
}

// Text writes the member only when it has a value.
func (e *Encoder) Text(name string, v []byte) {
	if len(v) > 0 {
		e.Bytes(name, v)
	}
}

// AppendText appends a JSON string (RFC 8259 §7). A byte that is not part of
// valid UTF-8 becomes the four characters \xNN, as Suricata writes it.
func AppendText[T []byte | string](b []byte, v T) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(v); {
		c := v[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := decodeRune(v[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, v[from:i]...)
		b = escape(b, c)
		i++
		from = i
	}
	b = append(b, v[from:]...)
	return append(b, '"')
}

func decodeRune[T []byte | string](v T) (rune, int) {
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], v)
	return utf8.DecodeRune(buf[:n])
}

func escape(b []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(b, '\\', c)
	case c == '\n':
		return append(b, '\\', 'n')
	case c == '\r':
		return append(b, '\\', 'r')
	case c == '\t':
		return append(b, '\\', 't')
	case c < utf8.RuneSelf:
		return append(b, '\\', 'u', '0', '0', LowerDigits[c>>4], LowerDigits[c&15])
	}
	return append(b, '\\', '\\', 'x', LowerDigits[c>>4], LowerDigits[c&15])
}

// Colons writes bytes as hexadecimal pairs joined by colons.
func (e *Encoder) Colons(name string, v []byte, digits string) {
	e.Key(name)
	e.B = append(e.B, '"')
	for i, c := range v {
		if i > 0 {
			e.B = append(e.B, ':')
		}
		e.B = append(e.B, digits[c>>4], digits[c&15])
	}
	e.B = append(e.B, '"')
}

// Hex writes bytes as lower-case hexadecimal digits.
func (e *Encoder) Hex(name string, v []byte) {
	e.Key(name)
	e.B = append(e.B, '"')
	for _, c := range v {
		e.B = append(e.B, LowerDigits[c>>4], LowerDigits[c&15])
	}
	e.B = append(e.B, '"')
}

// Texts writes a list of texts as bytes, when there are any.
func (e *Encoder) Texts(name string, list [][]byte) {
	if len(list) == 0 {
		return
	}
	e.Array(name)
	for _, v := range list {
		e.Bytes("", v)
	}
	e.End()
}

// Strings writes a list of texts, when there are any.
func (e *Encoder) Strings(name string, list []string) {
	if len(list) == 0 {
		return
	}
	e.Array(name)
	for _, s := range list {
		e.String("", s)
	}
	e.End()
}
