package cos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxOperands bounds what may stand before one operator; ISO 32000-2 annex C
// knows no operator with more than 33.
const maxOperands = 64

// inlineImage is the operator under which Content gives an inline image.
const inlineImage = "BI"

// Content reads the operators of a content stream one by one (ISO 32000-2,
// 7.8.2). It never fails on what it does not understand: a byte that begins no
// object and no operator is passed over, as readers do.
type Content struct {
	p     parser
	named uint32
	most  int // operands of one operator
}

// NewContent begins to read decoded bytes of a content stream.
func NewContent(data []byte) *Content {
	c := &Content{most: maxOperands}
	c.p = parser{s: newScanner(bytes.NewReader(data), 0, int64(len(data))), depth: defaultDepth, stop: math.MaxInt64, named: &c.named}
	return c
}

// maxMappings bounds what one block of a CMap may hold; Adobe Technical Note
// 5014 says 100, some producers write all of a font's in one.
const maxMappings = 3 * 65_536

// NewCMap begins to read a CMap (ISO 32000-2, 9.7.5), which is written like
// content but puts many operands before one operator.
func NewCMap(data []byte) *Content {
	c := NewContent(data)
	c.most = maxMappings
	return c
}

// Next gives the next operator with its operands; io.EOF at the end. An inline
// image is one operator BI whose operand is its dictionary.
func (c *Content) Next() (string, []Object, error) {
	var operands []Object
	s := c.p.s
	for {
		s.skip()
		at := s.pos
		switch b := s.peek(); {
		case b == eof:
			return "", nil, io.EOF
		case b == '/' || b == '(' || b == '[' || b == '<' || b == '+' || b == '-' || b == '.' || b >= '0' && b <= '9':
			o, err := c.operand(b)
			if errors.Is(err, ErrLimit) {
				return "", nil, err
			}
			if err != nil {
				s.pos = at + 1
				continue
			}
			if len(operands) == c.most {
				return "", nil, fmt.Errorf("operands: %w", ErrLimit)
			}
			operands = append(operands, o)
		case !isRegular(b):
			s.pos++
		default:
			word := c.word()
			switch word {
			case "true", "false":
				operands = append(operands, word == "true")
				continue
			case "null":
				operands = append(operands, nil)
				continue
			case inlineImage:
				return inlineImage, []Object{c.inline()}, nil
			}
			return word, operands, nil
		}
	}
}

// operand reads one object; content streams hold no references, so two
// integers are two integers.
func (c *Content) operand(b int) (Object, error) {
	if b >= '0' && b <= '9' {
		return c.p.number()
	}
	return c.p.object()
}

func (c *Content) word() string {
	var b []byte
	for isRegular(c.p.s.peek()) && len(b) < 128 {
		b = append(b, byte(c.p.s.next()))
	}
	return string(b)
}

// inline reads the dictionary of an inline image and passes its data: up to an
// EI that stands alone (ISO 32000-2, 8.9.7).
func (c *Content) inline() Dict {
	d := Dict{}
	s := c.p.s
	for {
		s.skip()
		if s.peek() != '/' {
			break
		}
		s.pos++
		key, err := c.p.name()
		if err != nil {
			return d
		}
		value, err := c.p.object()
		if err != nil {
			break
		}
		d[key] = value
	}
	if !s.keyword("ID") {
		return d
	}
	for {
		b := s.next()
		if b == eof {
			return d
		}
		if isSpace(b) && s.keyword("EI") {
			return d
		}
	}
}
