package cos

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
)

// writer serialises objects (ISO 32000-2, 7.3), keys in byte order so that the
// same objects always give the same bytes.
type writer struct {
	buf      bytes.Buffer
	base     int64 // absolute offset of the first byte of buf
	reserved map[string]Span
	strings  func(String) (String, error) // encrypts; nil leaves strings alone
}

// Span is a place in the written file.
type Span struct {
	Offset int64
	Width  int
}

func (w *writer) value(o Object, depth int) error {
	if depth > defaultDepth {
		return fmt.Errorf("write object: nesting: %w", ErrLimit)
	}
	switch t := o.(type) {
	case nil:
		w.buf.WriteString("null")
	case bool:
		w.buf.WriteString(strconv.FormatBool(t))
	case int64:
		w.buf.WriteString(strconv.FormatInt(t, 10))
	case int:
		w.buf.WriteString(strconv.Itoa(t))
	case float64:
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return &SyntaxError{What: "a real is not finite"}
		}
		w.buf.WriteString(strconv.FormatFloat(t, 'f', -1, 64))
	case Name:
		w.name(t)
	case String:
		return w.string(t)
	case Ref:
		w.buf.WriteString(t.String())
	case Array:
		return w.array(t, depth)
	case Dict:
		return w.dict(t, depth)
	case Reserved:
		w.reserved[t.ID] = Span{Offset: w.base + int64(w.buf.Len()), Width: t.Width}
		w.buf.Write(bytes.Repeat([]byte{' '}, t.Width))
	default:
		return &SyntaxError{What: fmt.Sprintf("a %T cannot be written here", o)}
	}
	return nil
}

func (w *writer) array(a Array, depth int) error {
	w.buf.WriteByte('[')
	for i, v := range a {
		if i > 0 {
			w.buf.WriteByte(' ')
		}
		err := w.value(v, depth+1)
		if err != nil {
			return err
		}
	}
	w.buf.WriteByte(']')
	return nil
}

func (w *writer) dict(d Dict, depth int) error {
	w.buf.WriteString("<<")
	for _, k := range d.Keys() {
		v := d[k]
		if v == nil {
			continue
		}
		w.name(k)
		w.buf.WriteByte(' ')
		err := w.value(v, depth+1)
		if err != nil {
			return fmt.Errorf("/%s: %w", string(k), err)
		}
	}
	w.buf.WriteString(">>")
	return nil
}

const hexDigits = "0123456789ABCDEF"

func (w *writer) name(n Name) {
	w.buf.WriteByte('/')
	for i := 0; i < len(n); i++ {
		c := n[i]
		if c <= ' ' || c >= 0x7f || c == '#' || isDelimiter(int(c)) {
			w.buf.WriteByte('#')
			w.buf.WriteByte(hexDigits[c>>4])
			w.buf.WriteByte(hexDigits[c&15])
			continue
		}
		w.buf.WriteByte(c)
	}
}

func (w *writer) string(s String) error {
	if w.strings != nil {
		sealed, err := w.strings(s)
		if err != nil {
			return err
		}
		s = sealed
	}
	for _, c := range s {
		if c < ' ' || c >= 0x7f {
			w.hex(s)
			return nil
		}
	}
	w.buf.WriteByte('(')
	for _, c := range s {
		if c == '(' || c == ')' || c == '\\' {
			w.buf.WriteByte('\\')
		}
		w.buf.WriteByte(c)
	}
	w.buf.WriteByte(')')
	return nil
}

func (w *writer) hex(s String) {
	w.buf.WriteByte('<')
	for _, c := range s {
		w.buf.WriteByte(hexDigits[c>>4])
		w.buf.WriteByte(hexDigits[c&15])
	}
	w.buf.WriteByte('>')
}
