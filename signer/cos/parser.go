package cos

import (
	"fmt"
	"math"
	"strconv"
)

// maxNumberDigits keeps an integer inside int64; longer ones become reals.
const maxNumberDigits = 18

// maxObjectDigits is the length of an object number, generation or offset
// (ISO 32000-2, 7.5.4 gives offsets ten digits; files above 10 GB are read too).
const maxObjectDigits = 15

// parser reads objects (ISO 32000-2, 7.3).
type parser struct {
	s     *scanner
	depth int
	stop  int64   // no object may reach beyond this byte
	named *uint32 // the highest object number referred to so far
	twice bool    // a dictionary stated a key twice, with different values
}

func (f *File) parser(pos, end int64) *parser {
	return &parser{s: newScanner(f.r, pos, end), depth: f.limits.Depth, stop: pos + f.limits.Object, named: &f.named}
}

func (p *parser) fail(format string, args ...any) error {
	if p.s.err != nil {
		return fmt.Errorf("cos: read at byte %d: %w", p.s.pos, p.s.err)
	}
	return &SyntaxError{Offset: p.s.pos, What: fmt.Sprintf(format, args...)}
}

// object reads the next object.
func (p *parser) object() (Object, error) { return p.value(0) }

func (p *parser) value(depth int) (Object, error) {
	if depth > p.depth {
		return nil, fmt.Errorf("nesting at byte %d: %w", p.s.pos, ErrLimit)
	}
	if p.s.pos > p.stop {
		return nil, fmt.Errorf("object size at byte %d: %w", p.s.pos, ErrLimit)
	}
	p.s.skip()
	c := p.s.peek()
	switch {
	case c == eof:
		return nil, p.fail("unexpected end")
	case c == '/':
		p.s.pos++
		return p.name()
	case c == '(':
		p.s.pos++
		return p.literalString()
	case c == '[':
		p.s.pos++
		return p.array(depth)
	case c == '<':
		p.s.pos++
		if p.s.peek() == '<' {
			p.s.pos++
			return p.dict(depth)
		}
		return p.hexString()
	case c >= '0' && c <= '9':
		return p.numberOrRef()
	case c == '+' || c == '-' || c == '.':
		return p.number()
	}
	switch {
	case p.s.keyword("true"):
		return true, nil
	case p.s.keyword("false"):
		return false, nil
	case p.s.keyword("null"):
		return nil, nil
	}
	return nil, p.fail("unexpected %q", rune(c))
}

func (p *parser) array(depth int) (Object, error) {
	out := Array{}
	for {
		p.s.skip()
		if p.s.peek() == ']' {
			p.s.pos++
			return out, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
}

func (p *parser) dict(depth int) (Object, error) {
	out := Dict{}
	for {
		p.s.skip()
		switch p.s.peek() {
		case '>':
			p.s.pos++
			if p.s.next() != '>' {
				return nil, p.fail("dictionary not closed")
			}
			return out, nil
		case '/':
			p.s.pos++
		default:
			return nil, p.fail("dictionary key expected")
		}
		k, err := p.name()
		if err != nil {
			return nil, err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		// Equal keys are forbidden (ISO 32000-2, 7.3.7) and readers differ:
		// the last one counts here, as with most. Null is an absent key. Types
		// follow from the place; real time-stamps state two.
		first, stated := out[k]
		p.twice = p.twice || stated && k != "Type" && !Equal(first, v)
		delete(out, k)
		if v != nil {
			out[k] = v
		}
	}
}

func (p *parser) name() (Name, error) {
	var b []byte
	for isRegular(p.s.peek()) {
		if p.s.pos > p.stop {
			return "", fmt.Errorf("name at byte %d: %w", p.s.pos, ErrLimit)
		}
		c := p.s.next()
		if c == '#' {
			at := p.s.pos
			hi, lo := unhex(p.s.next()), unhex(p.s.next())
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				continue
			}
			p.s.pos = at
		}
		b = append(b, byte(c))
	}
	return Name(b), nil
}

func (p *parser) hexString() (Object, error) {
	out := String{}
	half := -1
	for {
		c := p.s.next()
		switch {
		case c == '>':
			if half >= 0 {
				out = append(out, byte(half<<4))
			}
			return out, nil
		case isSpace(c):
		default:
			v := unhex(c)
			if v < 0 {
				return nil, p.fail("hexadecimal string")
			}
			if half < 0 {
				half = v
			} else {
				out = append(out, byte(half<<4|v))
				half = -1
			}
			if p.s.pos > p.stop {
				return nil, fmt.Errorf("string at byte %d: %w", p.s.pos, ErrLimit)
			}
		}
	}
}

func (p *parser) literalString() (Object, error) {
	out := String{}
	open := 1
	for {
		if p.s.pos > p.stop {
			return nil, fmt.Errorf("string at byte %d: %w", p.s.pos, ErrLimit)
		}
		c := p.s.next()
		switch c {
		case eof:
			return nil, p.fail("string not closed")
		case '(':
			open++
		case ')':
			open--
			if open == 0 {
				return out, nil
			}
		case '\r':
			if p.s.peek() == '\n' {
				p.s.pos++
			}
			c = '\n'
		case '\\':
			var skip bool
			c, skip = p.escape()
			if skip {
				continue
			}
		}
		if c == eof {
			return nil, p.fail("string not closed")
		}
		out = append(out, byte(c))
	}
}

// escape reads what follows a backslash (ISO 32000-2, table 3); skip says that
// it stands for nothing.
func (p *parser) escape() (c int, skip bool) {
	c = p.s.next()
	switch c {
	case 'n':
		return '\n', false
	case 'r':
		return '\r', false
	case 't':
		return '\t', false
	case 'b':
		return '\b', false
	case 'f':
		return '\f', false
	case '\n':
		return 0, true
	case '\r':
		if p.s.peek() == '\n' {
			p.s.pos++
		}
		return 0, true
	}
	if c < '0' || c > '7' {
		return c, false
	}
	v := c - '0'
	for range 2 {
		d := p.s.peek()
		if d < '0' || d > '7' {
			break
		}
		v = v<<3 | (d - '0')
		p.s.pos++
	}
	return v & 0xff, false
}

// numberOrRef reads a number, or a reference if two integers and R follow.
func (p *parser) numberOrRef() (Object, error) {
	at := p.s.pos
	num, ok := p.s.unsigned(maxObjectDigits)
	if ok && isSpace(p.s.peek()) {
		after := p.s.pos
		p.s.skip()
		gen, ok := p.s.unsigned(maxObjectDigits)
		if ok && isSpace(p.s.peek()) {
			p.s.skip()
			if p.s.keyword("R") {
				if num > math.MaxInt32 || gen > math.MaxUint16 {
					return nil, p.fail("reference out of range")
				}
				*p.named = max(*p.named, uint32(num))
				return Ref{Num: uint32(num), Gen: uint32(gen)}, nil
			}
		}
		p.s.pos = after
		return num, nil
	}
	p.s.pos = at
	return p.number()
}

// number reads an integer or a real, forgiving what readers commonly forgive
// (doubled signs, a sign inside).
func (p *parser) number() (Object, error) {
	var b []byte
	real := false
	for {
		c := p.s.peek()
		if !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.') {
			break
		}
		p.s.pos++
		switch c {
		case '+', '-':
			if len(b) > 0 || c == '+' {
				continue
			}
		case '.':
			if real {
				continue
			}
			real = true
		}
		b = append(b, byte(c))
		if len(b) > 512 {
			return nil, p.fail("number too long")
		}
	}
	if isRegular(p.s.peek()) {
		return nil, p.fail("number runs into %q", rune(p.s.peek()))
	}
	text := string(b)
	if !real && len(text) <= maxNumberDigits {
		v, err := strconv.ParseInt(text, 10, 64)
		if err == nil {
			return v, nil
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return int64(0), nil
	}
	return v, nil
}

func unhex(c int) int {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return -1
}
