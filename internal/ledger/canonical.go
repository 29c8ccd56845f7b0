package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting that Canonical follows; entries have two levels.
const maxDepth = 64

// ErrNotCanonical says that JSON cannot be brought into canonical form: it is
// malformed, nested too deep, names a member twice or holds a number that is
// not a finite double (RFC 7493 §2.3, RFC 8785 §3.2).
var ErrNotCanonical = errors.New("no canonical JSON")

// Canonical gives the JSON Canonicalization Scheme form (RFC 8785) of JSON
// text: no white space, members sorted by their UTF-16 code units, one way to
// write each string and each number.
func Canonical(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrNotCanonical)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	out, err := appendValue(nil, dec, 0)
	if err != nil {
		return nil, err
	}
	_, err = dec.Token()
	if err != io.EOF {
		return nil, fmt.Errorf("%w: data after the value", ErrNotCanonical)
	}
	return out, nil
}

// appendValue reads one value from dec and writes it.
func appendValue(out []byte, dec *json.Decoder, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrNotCanonical, maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCanonical, err)
	}
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' {
			return appendObject(out, dec, depth)
		}
		return appendArray(out, dec, depth)
	case string:
		return appendString(out, v), nil
	case json.Number:
		return appendNumber(out, v)
	case bool:
		return strconv.AppendBool(out, v), nil
	default:
		return append(out, "null"...), nil
	}
}

// appendArray writes an array whose bracket was read.
func appendArray(out []byte, dec *json.Decoder, depth int) ([]byte, error) {
	out = append(out, '[')
	for first := true; dec.More(); first = false {
		if !first {
			out = append(out, ',')
		}
		var err error
		out, err = appendValue(out, dec, depth+1)
		if err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCanonical, err)
	}
	return append(out, ']'), nil
}

// appendObject writes an object whose brace was read, its members sorted.
func appendObject(out []byte, dec *json.Decoder, depth int) ([]byte, error) {
	type member struct {
		name  string
		units []uint16
		value []byte
	}
	var members []member
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotCanonical, err)
		}
		name, ok := tok.(string)
		if !ok {
			return nil, fmt.Errorf("%w: a member without a name", ErrNotCanonical)
		}
		value, err := appendValue(nil, dec, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{name, utf16.Encode([]rune(name)), value})
	}
	_, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCanonical, err)
	}
	slices.SortFunc(members, func(a, b member) int { return slices.Compare(a.units, b.units) })
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			if members[i-1].name == m.name {
				return nil, fmt.Errorf("%w: member %q twice", ErrNotCanonical, m.name)
			}
			out = append(out, ',')
		}
		out = appendString(out, m.name)
		out = append(out, ':')
		out = append(out, m.value...)
	}
	return append(out, '}'), nil
}

// appendString writes a string with the escapes of RFC 8785 §3.2.2.2 only.
func appendString(out []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c >= 0x20:
			out = append(out, c)
		default:
			short := strings.IndexByte("\b\t\n\f\r", c)
			if short >= 0 {
				out = append(out, '\\', "btnfr"[short])
				continue
			}
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
	}
	return append(out, '"')
}

// appendNumber writes a number as ECMAScript does (RFC 8785 §3.2.2.3).
func appendNumber(out []byte, n json.Number) ([]byte, error) {
	f, err := n.Float64()
	if err != nil || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%w: number %.40s", ErrNotCanonical, n)
	}
	if f == 0 {
		return append(out, '0'), nil // also for -0
	}
	abs := math.Abs(f)
	if abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(out, f, 'f', -1, 64), nil
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	// Go writes at least two digits of the exponent, ECMAScript as few as it can.
	exponent = exponent[:1] + strings.TrimLeft(exponent[1:], "0")
	return append(append(append(out, mantissa...), 'e'), exponent...), nil
}
