package content

import (
	"errors"
	"io"
	"unicode/utf16"

	"github.com/antin-gov/antin/signer/cos"
)

// cmap maps codes to letters (ToUnicode) or to the numbers of glyphs
// (Encoding), after Adobe Technical Notes 5014 and 5411.
type cmap struct {
	codes   []codeRange // how long codes are
	letters map[uint32]string
	cids    map[uint32]uint32
	spans   []cidSpan
}

type codeRange struct {
	length    int
	low, high uint32
}

// cidSpan maps codes in a row to glyph numbers in a row.
type cidSpan struct{ low, high, first uint32 }

// readCMap reads what it understands and leaves the rest.
func readCMap(data []byte) *cmap {
	m := &cmap{letters: map[uint32]string{}, cids: map[uint32]uint32{}}
	c := cos.NewCMap(data)
	for {
		op, operands, err := c.Next()
		if errors.Is(err, io.EOF) {
			return m
		}
		if err != nil {
			return m
		}
		switch op {
		case "endcodespacerange":
			m.ranges(operands)
		case "endbfchar":
			m.pairs(operands)
		case "endbfrange":
			m.rows(operands)
		case "endcidchar":
			m.glyphs(operands)
		case "endcidrange":
			m.spansOf(operands)
		}
	}
}

func (m *cmap) full() bool { return len(m.letters)+len(m.cids)+len(m.spans) >= maxMappings }

func (m *cmap) ranges(o []cos.Object) {
	for ; len(o) >= 2 && len(m.codes) < 256; o = o[2:] {
		low, ok := o[0].(cos.String)
		high, ok2 := o[1].(cos.String)
		if ok && ok2 && len(low) > 0 && len(low) <= 4 {
			m.codes = append(m.codes, codeRange{len(low), big(low), big(high)})
		}
	}
}

// pairs reads bfchar: code and letters.
func (m *cmap) pairs(o []cos.Object) {
	for ; len(o) >= 2 && !m.full(); o = o[2:] {
		code, ok := o[0].(cos.String)
		letters, ok2 := o[1].(cos.String)
		if ok && ok2 {
			m.letters[big(code)] = utf16Text(letters)
		}
	}
}

// rows reads bfrange: first and last code, and the letters of the first or a
// list of all.
func (m *cmap) rows(o []cos.Object) {
	for ; len(o) >= 3; o = o[3:] {
		low, ok := o[0].(cos.String)
		high, ok2 := o[1].(cos.String)
		if !ok || !ok2 {
			continue
		}
		first, last := big(low), big(high)
		switch to := o[2].(type) {
		case cos.Array:
			for i, item := range to {
				letters, ok := item.(cos.String)
				if ok && uint32(i) <= last-first && !m.full() {
					m.letters[first+uint32(i)] = utf16Text(letters)
				}
			}
		case cos.String:
			if len(to) < 2 {
				continue
			}
			for code := first; code <= last && !m.full(); code++ {
				next := append(cos.String{}, to...)
				end := len(next) - 2
				v := uint32(next[end])<<8 | uint32(next[end+1])
				v += code - first
				next[end], next[end+1] = byte(v>>8), byte(v)
				m.letters[code] = utf16Text(next)
				if code == ^uint32(0) {
					break
				}
			}
		}
	}
}

func (m *cmap) glyphs(o []cos.Object) {
	for ; len(o) >= 2 && !m.full(); o = o[2:] {
		code, ok := o[0].(cos.String)
		cid, ok2 := o[1].(int64)
		if ok && ok2 {
			m.cids[big(code)] = uint32(cid)
		}
	}
}

func (m *cmap) spansOf(o []cos.Object) {
	for ; len(o) >= 3 && !m.full(); o = o[3:] {
		low, ok := o[0].(cos.String)
		high, ok2 := o[1].(cos.String)
		first, ok3 := o[2].(int64)
		if ok && ok2 && ok3 {
			m.spans = append(m.spans, cidSpan{big(low), big(high), uint32(first)})
		}
	}
}

// length is that of the code that a string begins with, 0 when the table does
// not say.
func (m *cmap) length(codes []byte) int {
	for _, c := range m.codes {
		if len(codes) < c.length {
			continue
		}
		v := big(codes[:c.length])
		if v >= c.low && v <= c.high {
			return c.length
		}
	}
	return 0
}

func (m *cmap) cid(code uint32) uint32 {
	cid, ok := m.cids[code]
	if ok {
		return cid
	}
	for _, s := range m.spans {
		if code >= s.low && code <= s.high {
			return s.first + code - s.low
		}
	}
	return code
}

func (m *cmap) text(code uint32) (string, bool) {
	s, ok := m.letters[code]
	return s, ok && s != ""
}

func utf16Text(b cos.String) string {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, uint16(b[i])<<8|uint16(b[i+1]))
	}
	if len(b) == 1 {
		units = append(units, uint16(b[0]))
	}
	return string(utf16.Decode(units))
}
