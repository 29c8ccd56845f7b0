package rules

import (
	"strconv"
	"strings"
)

// escape reads what follows a backslash outside a class.
func (p *regexParser) escape() (*node, error) {
	if !p.more() {
		return nil, errPattern
	}
	c := p.in[p.pos]
	switch c {
	case 'b':
		p.pos++
		return &node{kind: nodeAssert, number: assertWord}, nil
	case 'B':
		p.pos++
		return &node{kind: nodeAssert, number: assertNotWord}, nil
	case 'A':
		p.pos++
		return &node{kind: nodeAssert, number: assertStart}, nil
	case 'z':
		p.pos++
		return &node{kind: nodeAssert, number: assertEnd}, nil
	case 'Z':
		p.pos++
		return &node{kind: nodeAssert, number: assertLastLine}, nil
	case 'Q':
		return p.quoted()
	case 'g', 'k':
		p.pos++
		return p.groupEscape()
	}
	if c >= '1' && c <= '9' {
		n := 1
		for n < 2 && p.pos+n < len(p.in) && p.in[p.pos+n] >= '0' && p.in[p.pos+n] <= '9' {
			n++
		}
		number, err := strconv.Atoi(p.in[p.pos : p.pos+n])
		if err != nil {
			return nil, errPattern
		}
		if number <= p.groups || number < 10 {
			p.pos += n
			return p.reference(number)
		}
	}
	set, err := p.escapeSet()
	if err != nil {
		return nil, err
	}
	return p.setNode(set), nil
}

// quoted reads \Q…\E.
func (p *regexParser) quoted() (*node, error) {
	p.pos++
	text, _, _ := strings.Cut(p.in[p.pos:], `\E`)
	p.pos = min(p.pos+len(text)+2, len(p.in))
	cat := &node{kind: nodeCat}
	for i := range len(text) {
		cat.subs = append(cat.subs, p.literal(text[i]))
	}
	return cat, nil
}

// groupEscape reads \g1, \g{1}, \g{-1}, \g{name}, \k<name>, \k{name} and
// \k'name'.
func (p *regexParser) groupEscape() (*node, error) {
	name, ok := "", false
	switch {
	case p.take("{"):
		name, ok = p.until('}')
	case p.take("<"):
		name, ok = p.until('>')
	case p.take("'"):
		name, ok = p.until('\'')
	case p.more():
		name, ok = p.in[p.pos:p.pos+1], true
		p.pos++
	}
	number, err := strconv.Atoi(name)
	if err != nil {
		return p.named(name, ok)
	}
	if number < 0 {
		number += p.groups + 1
	}
	return p.reference(number)
}

// escapeSet reads an escape that stands for one byte or a set of them, inside
// and outside classes. The backslash has been read.
func (p *regexParser) escapeSet() (byteSet, error) {
	var s byteSet
	c := p.in[p.pos]
	p.pos++
	switch c {
	case 'd', 'D', 'w', 'W', 's', 'S', 'h', 'H', 'v', 'V':
		s = namedSet(c | 0x20)
		if c < 'a' {
			s = s.inverse()
		}
	case 'N':
		s.add('\n')
		s = s.inverse()
	case 'R':
		s.addRange('\n', '\r')
	case 'n':
		s.add('\n')
	case 'r':
		s.add('\r')
	case 't':
		s.add('\t')
	case 'f':
		s.add('\f')
	case 'a':
		s.add(7)
	case 'e':
		s.add(0x1b)
	case 'b':
		s.add(8)
	case 'x':
		value, err := p.hex()
		if err != nil {
			return s, err
		}
		s.add(value)
	case 'c':
		if !p.more() {
			return s, errPattern
		}
		s.add(p.in[p.pos]&^0x20 ^ 0x40)
		p.pos++
	case '0', '1', '2', '3', '4', '5', '6', '7':
		p.pos--
		s.add(p.octal())
	default:
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '8' || c == '9' {
			return s, errPatternEsc
		}
		s.add(c)
	}
	return s, nil
}

func (p *regexParser) hex() (byte, error) {
	digits := p.in[p.pos:min(p.pos+2, len(p.in))]
	if p.take("{") {
		text, ok := p.until('}')
		if !ok {
			return 0, errPattern
		}
		v, err := strconv.ParseUint(text, 16, 8)
		if err != nil {
			return 0, errPattern
		}
		return byte(v), nil
	}
	n := 0
	for n < len(digits) && strings.IndexByte("0123456789abcdefABCDEF", digits[n]) >= 0 {
		n++
	}
	p.pos += n
	if n == 0 {
		return 0, nil
	}
	v, err := strconv.ParseUint(digits[:n], 16, 8)
	if err != nil {
		return 0, errPattern
	}
	return byte(v), nil
}

func (p *regexParser) octal() byte {
	v := 0
	for n := 0; n < 3 && p.more() && p.in[p.pos] >= '0' && p.in[p.pos] <= '7'; n++ {
		v = v*8 + int(p.in[p.pos]-'0')
		p.pos++
	}
	return byte(v)
}

// namedSet is \d, \w, \s, \h or \v.
func namedSet(c byte) byteSet {
	var s byteSet
	switch c {
	case 'd':
		s.addRange('0', '9')
	case 'w':
		s.addRange('0', '9')
		s.addRange('a', 'z')
		s.addRange('A', 'Z')
		s.add('_')
	case 's':
		s.addRange('\t', '\r')
		s.add(' ')
	case 'h':
		s.add('\t')
		s.add(' ')
		s.add(0xa0)
	case 'v':
		s.addRange('\n', '\r')
		s.add(0x85)
	}
	return s
}

// class reads a character class; its opening bracket has been read.
func (p *regexParser) class() (*node, error) {
	var s byteSet
	negated := p.take("^")
	for first := true; ; first = false {
		if !p.more() {
			return nil, errPattern
		}
		if p.in[p.pos] == ']' && !first {
			p.pos++
			break
		}
		err := p.classItem(&s)
		if err != nil {
			return nil, err
		}
	}
	if p.flags.nocase {
		s = s.folded()
	}
	if negated {
		s = s.inverse()
	}
	return &node{kind: nodeSet, set: s}, nil
}

func (p *regexParser) classItem(s *byteSet) error {
	if p.take("[:") {
		name, ok := p.until(']')
		if !ok {
			return errPattern
		}
		posix, ok := posixSet(strings.TrimSuffix(name, ":"))
		if !ok {
			return errPattern
		}
		s.join(posix)
		return nil
	}
	low, single, err := p.classByte(s)
	if err != nil || !single {
		return err
	}
	rest := p.in[p.pos:]
	if len(rest) < 2 || rest[0] != '-' || rest[1] == ']' {
		s.add(low)
		return nil
	}
	p.pos++
	high, single, err := p.classByte(s)
	switch {
	case err != nil:
		return err
	case !single:
		s.add(low)
		s.add('-')
		return nil
	case high < low:
		return errPattern
	}
	s.addRange(low, high)
	return nil
}

// classByte reads one byte of a class; a set such as \d goes into s.
func (p *regexParser) classByte(s *byteSet) (c byte, single bool, err error) {
	c = p.in[p.pos]
	p.pos++
	if c != '\\' {
		return c, true, nil
	}
	if !p.more() {
		return 0, false, errPattern
	}
	set, err := p.escapeSet()
	if err != nil {
		return 0, false, err
	}
	count := 0
	for i := range 256 {
		if set.has(byte(i)) {
			c = byte(i)
			count++
		}
	}
	if count == 1 {
		return c, true, nil
	}
	s.join(set)
	return 0, false, nil
}

func posixSet(name string) (byteSet, bool) {
	name, negated := strings.CutPrefix(name, "^")
	var s byteSet
	switch name {
	case "alpha":
		s.addRange('a', 'z')
		s.addRange('A', 'Z')
	case "digit":
		s = namedSet('d')
	case "alnum":
		s.addRange('a', 'z')
		s.addRange('A', 'Z')
		s.addRange('0', '9')
	case "upper":
		s.addRange('A', 'Z')
	case "lower":
		s.addRange('a', 'z')
	case "space":
		s = namedSet('s')
	case "blank":
		s.add(' ')
		s.add('\t')
	case "word":
		s = namedSet('w')
	case "xdigit":
		s.addRange('0', '9')
		s.addRange('a', 'f')
		s.addRange('A', 'F')
	case "punct":
		s.addRange('!', '/')
		s.addRange(':', '@')
		s.addRange('[', '`')
		s.addRange('{', '~')
	case "print":
		s.addRange(' ', '~')
	case "graph":
		s.addRange('!', '~')
	case "cntrl":
		s.addRange(0, 31)
		s.add(127)
	case "ascii":
		s.addRange(0, 127)
	default:
		return s, false
	}
	if negated {
		s = s.inverse()
	}
	return s, true
}
