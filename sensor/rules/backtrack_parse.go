package rules

import (
	"errors"
	"strconv"
	"strings"
)

// The part of PCRE's syntax that RE2 does not have is parsed here into a tree
// and run by the bounded backtracking machine of backtrack.go.

type nodeKind uint8

const (
	nodeEmpty nodeKind = iota
	nodeSet
	nodeCat
	nodeAlt
	nodeRepeat
	nodeCapture
	nodeAssert
	nodeRef
	nodeLook
	nodeAtomic
)

// node is a part of a pattern.
type node struct {
	kind nodeKind
	set  byteSet
	subs []*node
	// min, max and lazy are a repeat's; max is -1 without limit.
	min, max int
	lazy     bool
	// number is a capture's, the reference's or the assertion's kind.
	number int
	// negated and behind are look-around's; nocase a reference's.
	negated, behind, nocase bool
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *byteSet) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

func (s *byteSet) addRange(lo, hi byte) {
	for c := int(lo); c <= int(hi); c++ {
		s.add(byte(c))
	}
}

func (s *byteSet) join(o byteSet) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s byteSet) inverse() byteSet {
	for i := range s {
		s[i] = ^s[i]
	}
	return s
}

// folded adds the other case of each ASCII letter.
func (s byteSet) folded() byteSet {
	for c := byte('a'); c <= 'z'; c++ {
		up := c - 'a' + 'A'
		if s.has(c) || s.has(up) {
			s.add(c)
			s.add(up)
		}
	}
	return s
}

// Limits of a pattern's tree.
const (
	maxGroupDepth = 64
	maxGroups     = 99
	maxRepeat     = 65535
)

var (
	errPattern      = errors.New("pattern cannot be read")
	errPatternDepth = errors.New("groups nested too deeply")
	errRecursion    = errors.New("conditional and recursive groups are not supported")
	errBehind       = errors.New("look-behind of variable length")
	errGroupUnknown = errors.New("reference to a group that is not there")
	errPatternEsc   = errors.New("unknown escape")
)

// regexFlags are the modifiers that may change inside a pattern.
type regexFlags struct {
	nocase, multi, dotAll, extended, ungreedy bool
}

// regexParser reads a pattern, bytes without UTF as PCRE does by default.
type regexParser struct {
	in      string
	pos     int
	flags   regexFlags
	endOnly bool
	groups  int
	names   map[string]int
	depth   int
}

func (p *regexParser) more() bool { return p.pos < len(p.in) }

func (p *regexParser) take(text string) bool {
	if !strings.HasPrefix(p.in[p.pos:], text) {
		return false
	}
	p.pos += len(text)
	return true
}

// alternatives reads up to the group's end.
func (p *regexParser) alternatives() (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxGroupDepth {
		return nil, errPatternDepth
	}
	flags := p.flags
	defer func() { p.flags = flags }()
	alt := &node{kind: nodeAlt}
	for {
		cat, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, cat)
		if !p.take("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *regexParser) sequence() (*node, error) {
	cat := &node{kind: nodeCat}
	for p.more() && p.in[p.pos] != '|' && p.in[p.pos] != ')' {
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		n, err = p.repeats(n)
		if err != nil {
			return nil, err
		}
		cat.subs = append(cat.subs, n)
	}
	return cat, nil
}

// repeats reads the quantifiers behind an atom.
func (p *regexParser) repeats(n *node) (*node, error) {
	for p.more() {
		lo, hi := 0, -1
		switch c := p.in[p.pos]; {
		case c == '*':
			p.pos++
		case c == '+':
			lo = 1
			p.pos++
		case c == '?':
			hi = 1
			p.pos++
		case c == '{':
			length := repeatLength(p.in[p.pos:])
			if length == 0 {
				return n, nil
			}
			var err error
			lo, hi, err = repeatBounds(p.in[p.pos+1 : p.pos+length-1])
			if err != nil {
				return nil, err
			}
			p.pos += length
		default:
			return n, nil
		}
		r := &node{kind: nodeRepeat, subs: []*node{n}, min: lo, max: hi, lazy: p.flags.ungreedy}
		n = r
		switch {
		case p.take("?"):
			r.lazy = !r.lazy
		case p.take("+"):
			n = &node{kind: nodeAtomic, subs: []*node{r}}
		}
	}
	return n, nil
}

func repeatBounds(s string) (lo, hi int, err error) {
	low, high, comma := strings.Cut(s, ",")
	lo, err = strconv.Atoi(low)
	if err != nil || lo > maxRepeat {
		return 0, 0, errPattern
	}
	switch {
	case !comma:
		return lo, lo, nil
	case high == "":
		return lo, -1, nil
	}
	hi, err = strconv.Atoi(high)
	if err != nil || hi < lo || hi > maxRepeat {
		return 0, 0, errPattern
	}
	return lo, hi, nil
}

// atom reads one element; nil for what matches nothing by itself, such as a
// comment.
func (p *regexParser) atom() (*node, error) {
	c := p.in[p.pos]
	p.pos++
	switch c {
	case '(':
		return p.group()
	case '[':
		return p.class()
	case '\\':
		return p.escape()
	case '.':
		var s byteSet
		if !p.flags.dotAll {
			s.add('\n')
		}
		return &node{kind: nodeSet, set: s.inverse()}, nil
	case '^':
		if p.flags.multi {
			return &node{kind: nodeAssert, number: assertLineStart}, nil
		}
		return &node{kind: nodeAssert, number: assertStart}, nil
	case '$':
		switch {
		case p.flags.multi:
			return &node{kind: nodeAssert, number: assertLineEnd}, nil
		case p.endOnly:
			return &node{kind: nodeAssert, number: assertEnd}, nil
		}
		return &node{kind: nodeAssert, number: assertLastLine}, nil
	case '*', '+', '?':
		return nil, errPattern
	case '#':
		if p.flags.extended {
			for p.more() && p.in[p.pos] != '\n' {
				p.pos++
			}
			return nil, nil
		}
	}
	if p.flags.extended && isSpace(c) {
		return nil, nil
	}
	return p.literal(c), nil
}

func (p *regexParser) literal(c byte) *node {
	var s byteSet
	s.add(c)
	return p.setNode(s)
}

func (p *regexParser) setNode(s byteSet) *node {
	if p.flags.nocase {
		s = s.folded()
	}
	return &node{kind: nodeSet, set: s}
}

// group reads what follows an opening parenthesis.
func (p *regexParser) group() (*node, error) {
	if p.take("*") {
		return nil, errRecursion
	}
	if !p.take("?") {
		return p.capture("")
	}
	switch {
	case p.take("#"):
		end := strings.IndexByte(p.in[p.pos:], ')')
		if end < 0 {
			return nil, errPattern
		}
		p.pos += end + 1
		return nil, nil
	case p.take(":"):
		return p.closed(&node{kind: nodeCat})
	case p.take("|"):
		return nil, errRecursion
	case p.take(">"):
		return p.closed(&node{kind: nodeAtomic})
	case p.take("="):
		return p.closed(&node{kind: nodeLook})
	case p.take("!"):
		return p.closed(&node{kind: nodeLook, negated: true})
	case p.take("<="):
		return p.behind(false)
	case p.take("<!"):
		return p.behind(true)
	case p.take("P="):
		name, ok := p.until(')')
		return p.named(name, ok)
	case p.take("P<"), p.take("<"):
		name, ok := p.until('>')
		if !ok {
			return nil, errPattern
		}
		return p.capture(name)
	case p.take("'"):
		name, ok := p.until('\'')
		if !ok {
			return nil, errPattern
		}
		return p.capture(name)
	}
	return p.flagGroup()
}

// until reads a name up to its closing byte.
func (p *regexParser) until(end byte) (string, bool) {
	n := strings.IndexByte(p.in[p.pos:], end)
	if n <= 0 {
		return "", false
	}
	name := p.in[p.pos : p.pos+n]
	p.pos += n + 1
	return name, true
}

func (p *regexParser) capture(name string) (*node, error) {
	p.groups++
	if p.groups > maxGroups {
		return nil, errPatternDepth
	}
	n := &node{kind: nodeCapture, number: p.groups}
	if name != "" {
		p.names[name] = n.number
	}
	return p.closed(n)
}

// closed reads the inside of a group and its end into n.
func (p *regexParser) closed(n *node) (*node, error) {
	sub, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, errPattern
	}
	n.subs = []*node{sub}
	return n, nil
}

func (p *regexParser) behind(negated bool) (*node, error) {
	n, err := p.closed(&node{kind: nodeLook, negated: negated, behind: true})
	if err != nil {
		return nil, err
	}
	for _, branch := range n.branches() {
		_, ok := branch.width()
		if !ok {
			return nil, errBehind
		}
	}
	return n, nil
}

// branches are the alternatives of a look-behind, each of its own length.
func (n *node) branches() []*node {
	if n.subs[0].kind == nodeAlt {
		return n.subs[0].subs
	}
	return n.subs
}

// width is the number of bytes that a part always takes.
func (n *node) width() (int, bool) {
	switch n.kind {
	case nodeEmpty, nodeAssert, nodeLook:
		return 0, true
	case nodeSet:
		return 1, true
	case nodeRef:
		return 0, false
	case nodeRepeat:
		w, ok := n.subs[0].width()
		return w * n.min, ok && n.min == n.max
	case nodeAlt:
		first, ok := n.subs[0].width()
		for _, s := range n.subs[1:] {
			w, fixed := s.width()
			ok = ok && fixed && w == first
		}
		return first, ok
	}
	total := 0
	for _, s := range n.subs {
		w, ok := s.width()
		if !ok {
			return 0, false
		}
		total += w
	}
	return total, true
}

// flagGroup reads (?i) and (?i:…).
func (p *regexParser) flagGroup() (*node, error) {
	flags, on := p.flags, true
	for p.more() {
		c := p.in[p.pos]
		p.pos++
		switch c {
		case '-':
			on = false
		case 'i':
			flags.nocase = on
		case 'm':
			flags.multi = on
		case 's':
			flags.dotAll = on
		case 'x':
			flags.extended = on
		case 'U':
			flags.ungreedy = on
		case ')':
			p.flags = flags
			return nil, nil
		case ':':
			saved := p.flags
			p.flags = flags
			n, err := p.closed(&node{kind: nodeCat})
			p.flags = saved
			return n, err
		default:
			return nil, errRecursion
		}
	}
	return nil, errPattern
}

func (p *regexParser) named(name string, ok bool) (*node, error) {
	number, known := p.names[name]
	if !ok || !known {
		return nil, errGroupUnknown
	}
	return p.reference(number)
}

func (p *regexParser) reference(number int) (*node, error) {
	if number < 1 || number > p.groups {
		return nil, errGroupUnknown
	}
	return &node{kind: nodeRef, number: number, nocase: p.flags.nocase}, nil
}
