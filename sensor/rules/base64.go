package rules

import (
	"errors"
	"fmt"
	"strings"
)

// base64Test is base64_decode: what it decodes is tested by the contents after
// base64_data.
type base64Test struct {
	// most is the number of encoded bytes to read, 0 for all.
	most, offset int
	relative     bool
	// data is what the rule asks of the decoded bytes; nil asks nothing.
	data *bufferList
}

// maxBase64 bounds what one base64_decode reads.
const maxBase64 = 64 << 10

// addBase64 reads "bytes 300, offset 0, relative".
func (b *builder) addBase64(value string) error {
	if b.base64 != nil {
		return errors.New("given twice")
	}
	t := &base64Test{}
	for _, p := range splitTrim(value) {
		name, arg, _ := strings.Cut(p, " ")
		var err error
		switch name {
		case "":
		case "bytes":
			t.most, err = parseInt(arg, 1, maxBase64)
		case "offset":
			t.offset, err = parseInt(arg, 0, maxBase64)
		case "relative":
			t.relative = true
		default:
			err = fmt.Errorf("unknown part %q", clip(p))
		}
		if err != nil {
			return err
		}
	}
	b.base64 = t
	return b.add(b.buf, b.trans, item{kind: itemBase64, base64: t})
}

// settleBase64 hangs the tests of base64_data into their decode.
func (b *builder) settleBase64() error {
	kept := b.rule.lists[:0]
	for _, l := range b.rule.lists {
		if l.buf != BufferBase64Data {
			kept = append(kept, l)
			continue
		}
		if b.base64 == nil {
			return errors.New("base64_data without base64_decode before it")
		}
		if len(l.trans) > 0 || b.base64.data != nil {
			return errors.New("base64_data takes no transform")
		}
		for i := range l.items {
			if l.items[i].kind == itemBase64 {
				return errors.New("base64_decode of decoded bytes")
			}
		}
		b.base64.data = &l
	}
	b.rule.lists = kept
	if b.base64 == nil || b.base64.data == nil {
		return nil
	}
	return b.base64.data.compile()
}

func (ctx *Context) base64Holds(t *base64Test, rest []item, s *subject, pos int) bool {
	at := t.offset
	if t.relative {
		at += pos
	}
	if at < 0 || at >= len(s.raw) {
		return false
	}
	text := s.raw[at:]
	if t.most > 0 {
		text = text[:min(t.most, len(text))]
	}
	text = text[:min(len(text), maxBase64)]
	ctx.steps -= 1 + len(text)/stepBytes
	d := &ctx.decoded
	d.own = appendBase64(d.own[:0], text)
	d.raw, d.isFolded = d.own, false
	if len(d.raw) == 0 {
		return false
	}
	if t.data != nil && !ctx.instanceHolds(t.data, d) {
		return false
	}
	return ctx.chainHolds(rest, s, pos)
}

// appendBase64 decodes up to the first byte that is not of the alphabet (RFC
// 4648 §4), passing over white space as RFC 2045 §6.8 asks. Full groups and a
// last one that is cut short are decoded.
func appendBase64(out, text []byte) []byte {
	var group uint32
	n := 0
	for _, c := range text {
		v, ok := base64Value(c)
		if !ok {
			if isSpace(c) {
				continue
			}
			break
		}
		group = group<<6 | uint32(v)
		n++
		if n == 4 {
			out = append(out, byte(group>>16), byte(group>>8), byte(group))
			group, n = 0, 0
		}
	}
	switch n {
	case 2:
		out = append(out, byte(group>>4))
	case 3:
		out = append(out, byte(group>>10), byte(group>>2))
	}
	return out
}

func base64Value(c byte) (byte, bool) {
	switch {
	case c >= 'A' && c <= 'Z':
		return c - 'A', true
	case c >= 'a' && c <= 'z':
		return c - 'a' + 26, true
	case c >= '0' && c <= '9':
		return c - '0' + 52, true
	case c == '+':
		return 62, true
	case c == '/':
		return 63, true
	}
	return 0, false
}
