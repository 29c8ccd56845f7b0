package rules

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync/atomic"
)

// pcreTest is one "pcre", translated to RE2. The translated pattern reads
// bytes as Latin-1 characters, so that "." is one byte and \xFF is the byte
// FF, as in PCRE without UTF. What RE2 cannot hold runs in a backtracker.
type pcreTest struct {
	// text is the translated pattern, empty where back runs; re is made of it
	// when it is first needed: of thousands of expressions few ever are.
	text     string
	re       atomic.Pointer[regexp.Regexp]
	back     *backtracker
	negated  bool
	relative bool
	// anchored patterns match only where they start; they are not retried.
	anchored bool
}

// maxPCREBytes bounds a pattern; the longest of the public sets has 1.2 KB.
const maxPCREBytes = 4096

// pcreBuffers are the modifiers that choose a buffer, from before sticky
// buffers.
var pcreBuffers = map[byte]Buffer{
	'U': BufferHTTPURI, 'I': BufferHTTPURIRaw, 'M': BufferHTTPMethod, 'W': BufferHTTPHost,
	'Z': BufferHTTPHostRaw, 'V': BufferHTTPUserAgent, 'H': BufferHTTPHeader, 'D': BufferHTTPHeaderRaw,
	'P': BufferHTTPRequestBody, 'Q': BufferFileData, 'C': BufferHTTPCookie, 'S': BufferHTTPStatCode,
	'Y': BufferHTTPStatMsg,
}

func (b *builder) addPCRE(value string) error {
	t := &pcreTest{}
	value, t.negated = strings.CutPrefix(strings.TrimSpace(value), "!")
	value = unquote(strings.TrimSpace(value))
	end := strings.LastIndexByte(value, '/')
	if len(value) < 2 || value[0] != '/' || end == 0 {
		return errors.New("not /pattern/modifiers")
	}
	pattern, modifiers := value[1:end], value[end+1:]
	if len(pattern) > maxPCREBytes {
		return fmt.Errorf("longer than %d bytes", maxPCREBytes)
	}
	buf, trans := b.buf, b.trans
	flags := ""
	tr := translator{in: pattern}
	for i := range len(modifiers) {
		c := modifiers[i]
		switch c {
		case 'i', 's':
			flags += string(c)
		case 'm':
			flags += "m"
			tr.multi = true
		case 'x':
			flags += "x"
			tr.extended = true
		case 'G':
			flags += "U"
		case 'A':
			tr.anchor = true
		case 'E':
			tr.endOnly = true
		case 'R':
			t.relative = true
		case 'O', 'B':
			// O lifts PCRE's match limits, B asks for raw bytes: RE2 has no
			// limits and bytes are always raw here.
		default:
			legacy, ok := pcreBuffers[c]
			if !ok {
				return fmt.Errorf("unknown modifier %q", string(c))
			}
			buf, trans = legacy, nil
		}
	}
	err := t.compile(pattern, flags, &tr)
	if err != nil {
		return err
	}
	t.anchored = tr.anchor || !tr.multi && strings.HasPrefix(pattern, "^")
	return b.add(buf, trans, item{kind: itemPCRE, pcre: t})
}

// regex is the compiled expression. Compile does not fail on what Parse reads.
func (t *pcreTest) regex() *regexp.Regexp {
	re := t.re.Load()
	if re == nil {
		re = regexp.MustCompile(t.text)
		t.re.Store(re)
	}
	return re
}

// compile prefers RE2, whose time is linear.
func (t *pcreTest) compile(pattern, flags string, tr *translator) error {
	text, err := tr.translate()
	if err == nil {
		if flags != "" {
			text = "(?" + flags + ")" + text
		}
		_, err = syntax.Parse(text, syntax.Perl)
	}
	if err == nil {
		t.text = text
		return nil
	}
	f := regexFlags{
		nocase: strings.Contains(flags, "i"), dotAll: strings.Contains(flags, "s"),
		multi: tr.multi, ungreedy: strings.Contains(flags, "U"), extended: strings.Contains(flags, "x"),
	}
	t.back, err = newBacktracker(pattern, f, tr.anchor, tr.endOnly)
	return err
}

// translator rewrites the parts of PCRE's syntax that RE2 spells otherwise
// and refuses those that it does not have.
type translator struct {
	in                     string
	out                    strings.Builder
	pos                    int
	multi, endOnly, anchor bool
	// extended patterns hold white space and comments, which RE2 does not
	// have.
	extended   bool
	inClass    bool
	classStart int
	quantified bool
}

var (
	errLookAround    = errors.New("RE2 has no look-around")
	errBackReference = errors.New("RE2 has no back-references")
	errAtomic        = errors.New("RE2 has no atomic groups or possessive repeats")
	errConditional   = errors.New("RE2 has no conditional or recursive groups")
	errEscape        = errors.New("escape that RE2 does not have")
)

func (t *translator) translate() (string, error) {
	if t.extended {
		return "", errEscape
	}
	if t.anchor {
		t.out.WriteString(`\A(?:`)
	}
	for t.pos < len(t.in) {
		c := t.in[t.pos]
		var err error
		switch {
		case c == '\\':
			err = t.escape()
		case c >= 0x80:
			fmt.Fprintf(&t.out, `\x{%02x}`, c)
			t.pos++
			t.quantified = false
		case t.inClass:
			t.class(c)
		default:
			err = t.outside(c)
		}
		if err != nil {
			return "", err
		}
	}
	if t.anchor {
		t.out.WriteByte(')')
	}
	return t.out.String(), nil
}

// class copies one byte of a character class.
func (t *translator) class(c byte) {
	first := t.pos == t.classStart
	switch {
	case c == ']' && !first:
		t.inClass = false
		t.out.WriteByte(c)
	case c == '[' && !strings.HasPrefix(t.in[t.pos:], "[:"):
		t.out.WriteString(`\[`)
	default:
		t.out.WriteByte(c)
	}
	t.pos++
}

func (t *translator) outside(c byte) error {
	rest := t.in[t.pos:]
	repeat := false
	switch c {
	case '[':
		t.inClass = true
		t.out.WriteByte('[')
		t.pos++
		if strings.HasPrefix(t.in[t.pos:], "^") {
			t.out.WriteByte('^')
			t.pos++
		}
		t.classStart = t.pos
		t.quantified = false
		return nil
	case '$':
		switch {
		case t.multi:
			t.out.WriteByte('$')
		case t.endOnly:
			t.out.WriteString(`\z`)
		default:
			t.out.WriteString(`(?:\n?\z)`)
		}
	case '(':
		n, err := groupPrefix(rest)
		if err != nil {
			return err
		}
		if strings.HasPrefix(rest, "(?#") {
			t.pos += n
			return nil
		}
		t.out.WriteString(rest[:n])
		t.pos += n
		t.quantified = false
		return nil
	case '+', '*', '?':
		if t.quantified && c == '+' {
			return errAtomic
		}
		// A question mark after a repeat makes it lazy, and nothing more may
		// follow.
		repeat = !t.quantified
		t.out.WriteByte(c)
	case '{':
		n := repeatLength(rest)
		if n == 0 {
			t.out.WriteString(`\{`)
			break
		}
		t.out.WriteString(rest[:n])
		t.pos += n
		t.quantified = true
		return nil
	default:
		t.out.WriteByte(c)
	}
	t.pos++
	t.quantified = repeat
	return nil
}

// repeatLength is the length of {n}, {n,} or {n,m}, or 0: then the brace is a
// literal.
func repeatLength(s string) int {
	end := strings.IndexByte(s, '}')
	if end < 2 || s[1] < '0' || s[1] > '9' {
		return 0
	}
	commas := 0
	for _, c := range s[1:end] {
		if c == ',' {
			commas++
			continue
		}
		if c < '0' || c > '9' {
			return 0
		}
	}
	if commas > 1 {
		return 0
	}
	return end + 1
}

// groupPrefix is the length of the group's opening, "(" or "(?…".
func groupPrefix(s string) (int, error) {
	if !strings.HasPrefix(s, "(?") {
		if strings.HasPrefix(s, "(*") {
			return 0, errConditional
		}
		return 1, nil
	}
	for _, p := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(s, p) {
			return 0, errLookAround
		}
	}
	if len(s) < 3 {
		return 0, errConditional
	}
	switch c := s[2]; {
	case c == '>':
		return 0, errAtomic
	case c == '#':
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return 0, errConditional
		}
		return end + 1, nil
	case c == 'P' && strings.HasPrefix(s, "(?P="):
		return 0, errBackReference
	case c == '(' || c == '|' || c == 'R' || c == '&' || c >= '0' && c <= '9' || c == 'x':
		return 0, errConditional
	}
	return 2, nil
}

// escape rewrites one backslash and what follows.
func (t *translator) escape() error {
	t.quantified = false
	if t.pos+1 >= len(t.in) {
		return errEscape
	}
	c := t.in[t.pos+1]
	n := 2
	switch c {
	case 'x':
		return t.hexEscape()
	case 's':
		t.pick(`[\s\x0b]`, `\s\x0b`)
	case 'S':
		t.pick(`[^\s\x0b]`, `\S`)
	case 'h':
		t.pick(`[\t \xa0]`, `\t \xa0`)
	case 'v':
		t.pick(`[\n-\r\x85]`, `\n-\r\x85`)
	case 'R':
		t.pick(`(?:\r\n|[\n-\r\x85])`, `R`)
	case 'N':
		t.pick(`[^\n]`, `N`)
	case 'e':
		t.out.WriteString(`\x1b`)
	case 'Z':
		t.pick(`(?:\n?\z)`, `Z`)
	case 'C':
		t.pick(`(?s:.)`, `C`)
	case 'b':
		t.pick(`\b`, `\x08`)
	case 'B', 'A', 'z':
		t.pick(`\`+string(c), string(c))
	case 'd', 'D', 'w', 'W', 'a', 'f', 'n', 'r', 't':
		t.out.WriteByte('\\')
		t.out.WriteByte(c)
	case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return t.octal()
	case 'K', 'G', 'Q', 'E', 'c', 'p', 'P', 'X', 'g', 'k', 'o', 'u', 'U', 'l', 'L', 'H', 'V':
		return fmt.Errorf("%w: \\%c", errEscape, c)
	default:
		if c >= 0x80 {
			fmt.Fprintf(&t.out, `\x{%02x}`, c)
			break
		}
		t.out.WriteString(regexp.QuoteMeta(string(c)))
		if t.inClass && strings.IndexByte(`-&~`, c) >= 0 {
			// QuoteMeta leaves what is special only in a class.
			s := t.out.String()
			t.out.Reset()
			t.out.WriteString(s[:len(s)-1] + `\` + string(c))
		}
	}
	t.pos += n
	return nil
}

// pick writes one of two forms: outside and inside a class.
func (t *translator) pick(outside, inside string) {
	if t.inClass {
		t.out.WriteString(inside)
		return
	}
	t.out.WriteString(outside)
}

func (t *translator) hexEscape() error {
	s := t.in[t.pos+2:]
	if strings.HasPrefix(s, "{") {
		end := strings.IndexByte(s, '}')
		if end < 2 || end > 3 {
			return errEscape
		}
		t.out.WriteString(`\x` + s[:end+1])
		t.pos += 2 + end + 1
		return nil
	}
	n := 0
	for n < 2 && n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[n]) >= 0 {
		n++
	}
	if n == 0 {
		t.out.WriteString(`\x00`)
	} else {
		t.out.WriteString(`\x{` + s[:n] + `}`)
	}
	t.pos += 2 + n
	return nil
}

// octal reads \0… and, in a class, \n…; elsewhere a digit is a back-reference.
func (t *translator) octal() error {
	s := t.in[t.pos+1:]
	if s[0] != '0' && !t.inClass {
		return errBackReference
	}
	n, value := 0, 0
	for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
		value = value*8 + int(s[n]-'0')
		n++
	}
	if n == 0 || value > 255 {
		return errEscape
	}
	fmt.Fprintf(&t.out, `\x{%02x}`, value)
	t.pos += 1 + n
	return nil
}
