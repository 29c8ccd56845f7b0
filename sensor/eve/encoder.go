// Package eve writes records in Suricata's EVE JSON format
// (docs.suricata.io, "EVE JSON Format", versions 7 and 8): alert, anomaly,
// dns (version 3), http, tls, flow and stats.
//
// The encoder only appends: no reflection, no maps, no allocation for a
// record once its buffer has grown. Its output is valid UTF-8 JSON for any
// bytes. It decides nothing; what to record is the caller's matter.
package eve

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// TimeLayout is EVE's form of a time.
const TimeLayout = "2006-01-02T15:04:05.000000-0700"

// encoder appends one JSON object.
type encoder struct {
	b []byte
}

const hexDigits = "0123456789abcdef"

// key starts a member; in an array the name is empty and left out.
func (e *encoder) key(name string) {
	if n := len(e.b); n > 0 && e.b[n-1] != '{' && e.b[n-1] != '[' {
		e.b = append(e.b, ',')
	}
	if name == "" {
		return
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

func (e *encoder) open(name string)  { e.key(name); e.b = append(e.b, '{') }
func (e *encoder) close()            { e.b = append(e.b, '}') }
func (e *encoder) array(name string) { e.key(name); e.b = append(e.b, '[') }
func (e *encoder) end()              { e.b = append(e.b, ']') }

func (e *encoder) uint(name string, v uint64) {
	e.key(name)
	e.b = strconv.AppendUint(e.b, v, 10)
}

func (e *encoder) int(name string, v int64) {
	e.key(name)
	e.b = strconv.AppendInt(e.b, v, 10)
}

func (e *encoder) bool(name string, v bool) {
	e.key(name)
	e.b = strconv.AppendBool(e.b, v)
}

func (e *encoder) time(name string, t time.Time) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = t.UTC().AppendFormat(e.b, TimeLayout)
	e.b = append(e.b, '"')
}

func (e *encoder) addr(name string, a netip.Addr) {
	if !a.IsValid() {
		return
	}
	e.key(name)
	e.b = append(e.b, '"')
	e.b = a.WithZone("").AppendTo(e.b)
	e.b = append(e.b, '"')
}

func (e *encoder) base64(name string, v []byte) {
	e.key(name)
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, v)
	e.b = append(e.b, '"')
}

func (e *encoder) bytes(name string, v []byte) {
	e.key(name)
	e.b = appendText(e.b, v)
}

func (e *encoder) string(name, v string) {
	e.key(name)
	e.b = appendText(e.b, v)
}

// text writes the member only when it has a value.
func (e *encoder) text(name string, v []byte) {
	if len(v) > 0 {
		e.bytes(name, v)
	}
}

// appendText writes a JSON string (RFC 8259 §7). A byte that is not part of
// valid UTF-8 becomes the four characters \xNN, as Suricata writes it.
func appendText[T []byte | string](b []byte, v T) []byte {
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
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(b, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// colons writes bytes as hexadecimal pairs joined by colons.
func (e *encoder) colons(name string, v []byte, digits string) {
	e.key(name)
	e.b = append(e.b, '"')
	for i, c := range v {
		if i > 0 {
			e.b = append(e.b, ':')
		}
		e.b = append(e.b, digits[c>>4], digits[c&15])
	}
	e.b = append(e.b, '"')
}
