package rules

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Limits of one rule's tests. The public sets stay under 40 items.
const (
	maxItems        = 128
	maxContentBytes = 4096
	maxOffset       = 1 << 20
)

// content is one "content" with its modifiers.
type content struct {
	// pattern is folded to lower case when nocase is set.
	pattern []byte
	nocase  bool
	negated bool
	// offset and depth are counted from the buffer's start, depth from offset;
	// depth is -1 when absent.
	offset, depth int
	// distance and within are counted from the end of the match before.
	relative    bool
	distance    int
	within      int // -1 when absent
	starts      bool
	endswith    bool
	fast        bool
	fastFrom    int
	fastLength  int // 0 for the whole pattern
	hasDistance bool
	// vars, when set, stand in place of numbers.
	vars *contentVars
}

// contentVars are the byte variables of a content's bounds.
type contentVars struct {
	offset, depth, distance, within varRef
}

func (b *builder) contentOption(o option) (bool, error) {
	switch o.name {
	case "content":
		return true, b.addContent(o.value, b.buf, b.trans)
	case "uricontent":
		return true, b.addContent(o.value, BufferHTTPURI, nil)
	}
	buf, ok := contentModifiers[o.name]
	if ok {
		return true, b.moveLast(buf)
	}
	if !isContentModifier(o.name) {
		return false, nil
	}
	if b.last == nil {
		return true, errors.New("no content before it")
	}
	return true, b.last.modify(b, o)
}

func isContentModifier(name string) bool {
	switch name {
	case "nocase", "depth", "offset", "distance", "within", "startswith", "endswith", "rawbytes", "fast_pattern":
		return true
	}
	return false
}

func (b *builder) addContent(value string, buf Buffer, trans []transform) error {
	c := &content{depth: -1, within: -1}
	if strings.HasPrefix(value, "!") {
		c.negated = true
		value = strings.TrimSpace(value[1:])
	}
	var err error
	c.pattern, err = parsePattern(value)
	if err != nil {
		return err
	}
	err = b.add(buf, trans, item{kind: itemContent, content: c})
	b.last = c
	return err
}

// parsePattern reads text with |hex| parts and the escapes \" \; \: \\.
func parsePattern(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return nil, errors.New("not in double quotes")
	}
	s = s[1 : len(s)-1]
	var out []byte
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i == len(s) {
				return nil, errors.New("escape at the end")
			}
			out = append(out, s[i])
		case '|':
			end := strings.IndexByte(s[i+1:], '|')
			if end < 0 {
				return nil, errors.New("hex part not closed")
			}
			raw, err := hex.DecodeString(strings.ReplaceAll(s[i+1:i+1+end], " ", ""))
			if err != nil {
				return nil, fmt.Errorf("hex part: %w", err)
			}
			out = append(out, raw...)
			i += end + 1
		default:
			out = append(out, s[i])
		}
	}
	if len(out) == 0 {
		return nil, errors.New("empty")
	}
	if len(out) > maxContentBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxContentBytes)
	}
	return out, nil
}

func (c *content) modify(b *builder, o option) error {
	var err error
	switch o.name {
	case "nocase":
		c.nocase = true
	case "rawbytes":
		// Payload is never normalised here, so all content is raw.
	case "startswith":
		c.starts = true
	case "endswith":
		c.endswith = true
	case "fast_pattern":
		return c.fastPattern(o.value)
	case "offset":
		c.offset, err = c.bound(b, o.value, 0, func(v *contentVars) *varRef { return &v.offset })
	case "depth":
		c.depth, err = c.bound(b, o.value, 0, func(v *contentVars) *varRef { return &v.depth })
		if c.vars != nil && c.vars.depth != 0 {
			c.depth = maxOffset
		}
	case "distance":
		c.relative, c.hasDistance = true, true
		c.distance, err = c.bound(b, o.value, -maxOffset, func(v *contentVars) *varRef { return &v.distance })
	case "within":
		c.relative = true
		c.within, err = c.bound(b, o.value, -maxOffset, func(v *contentVars) *varRef { return &v.within })
		if c.vars != nil && c.vars.within != 0 {
			c.within = maxOffset
		}
	}
	return err
}

// bound reads a number or a variable's name.
func (c *content) bound(b *builder, value string, lo int, ref func(*contentVars) *varRef) (int, error) {
	n, v, err := b.numberOrVar(value, lo, maxOffset)
	if v != 0 {
		if c.vars == nil {
			c.vars = &contentVars{}
		}
		*ref(c.vars) = v
	}
	return n, err
}

// resolvedContent is the content with its variables' values.
func (ctx *Context) resolvedContent(c *content) content {
	r := *c
	r.vars = nil
	r.offset, r.distance = ctx.value(c.offset, c.vars.offset), ctx.value(c.distance, c.vars.distance)
	r.depth, r.within = ctx.value(c.depth, c.vars.depth), ctx.value(c.within, c.vars.within)
	return r
}

// fastPattern reads "", "only" or "offset,length".
func (c *content) fastPattern(value string) error {
	c.fast = true
	if value == "" || value == "only" {
		return nil
	}
	from, length, ok := strings.Cut(value, ",")
	if !ok {
		return errors.New("neither only nor offset,length")
	}
	var err error
	c.fastFrom, err = parseInt(from, 0, len(c.pattern)-1)
	if err != nil {
		return err
	}
	c.fastLength, err = parseInt(length, 1, len(c.pattern)-c.fastFrom)
	return err
}

func parseInt(s string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, errNotNumber
	}
	if n < lo || n > hi {
		return 0, fmt.Errorf("%d is outside %d to %d", n, lo, hi)
	}
	return n, nil
}

// settle checks the modifiers against each other once all are known, and
// turns startswith into the depth that it stands for.
func (c *content) settle() error {
	n := len(c.pattern)
	if c.starts {
		if c.relative || c.offset > 0 || c.depth >= 0 {
			return errors.New("startswith together with offset, depth, distance or within")
		}
		c.depth = n
	}
	if c.relative && (c.offset > 0 || c.depth >= 0) {
		return errors.New("distance or within together with offset or depth")
	}
	if c.depth >= 0 && c.depth < n {
		return fmt.Errorf("depth %d is shorter than the content (%d)", c.depth, n)
	}
	if c.within >= 0 && c.within < n || c.within < -1 {
		return fmt.Errorf("within %d is shorter than the content (%d)", c.within, n)
	}
	if c.nocase {
		c.pattern = bytes.Clone(c.pattern)
		for i, x := range c.pattern {
			c.pattern[i] = fold[x]
		}
	}
	return nil
}

// fold maps ASCII capitals to lower case; nocase knows no other alphabet.
var fold = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if i >= 'A' && i <= 'Z' {
			t[i] = byte(i) + 'a' - 'A'
		}
	}
	return t
}()
