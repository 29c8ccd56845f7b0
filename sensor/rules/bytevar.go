package rules

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Byte variables: byte_extract and byte_math read numbers into names that
// later tests of the rule use in place of a number.

// maxByteVars bounds the names of one rule; the public sets use at most four.
const maxByteVars = 16

// varRef is a variable in place of a number: its index plus one, 0 for none.
type varRef uint8

var (
	errTooManyVars = fmt.Errorf("more than %d byte variables in one rule", maxByteVars)
	errUnknownVar  = errors.New("neither a number nor a variable that was extracted before")
)

// defineVar gives a name its place.
func (b *builder) defineVar(name string) (varRef, error) {
	if !isVarName(name) {
		return 0, errNoValue
	}
	ref, ok := b.vars[name]
	if ok {
		return ref, nil
	}
	if len(b.vars) == maxByteVars {
		return 0, errTooManyVars
	}
	ref = varRef(len(b.vars) + 1)
	b.vars[name] = ref
	return ref, nil
}

func isVarName(s string) bool {
	if s == "" || s[0] != '_' && (fold[s[0]] < 'a' || fold[s[0]] > 'z') {
		return false
	}
	for i := range len(s) {
		if !isWord(s[i]) && s[i] != '-' && s[i] != '.' {
			return false
		}
	}
	return true
}

// numberOrVar reads a number between the bounds, or the name of a variable.
func (b *builder) numberOrVar(s string, lo, hi int) (int, varRef, error) {
	s = strings.TrimSpace(s)
	if isVarName(s) {
		ref, ok := b.vars[s]
		if !ok {
			return 0, 0, errUnknownVar
		}
		return 0, ref, nil
	}
	n, err := parseInt(s, lo, hi)
	return n, 0, err
}

// value is a number or the variable in its place, cut to what an offset may
// be.
func (ctx *Context) value(n int, ref varRef) int {
	if ref == 0 {
		return n
	}
	return int(min(ctx.vars[ref-1], maxStreamOffset))
}

// byteMath is what byte_math does with the number that it reads.
type byteMath struct {
	oper   string
	value  uint64
	valRef varRef
}

// addExtract reads "count,offset,name,options…".
func (b *builder) addExtract(value string) error {
	parts := splitTrim(value)
	if len(parts) < 3 {
		return errors.New("too few parts")
	}
	t := &byteTest{multiplier: 1}
	var err error
	t.count, t.countRef, err = b.numberOrVar(parts[0], 0, maxTextBytes)
	if err != nil {
		return err
	}
	t.offset, t.offsetRef, err = b.numberOrVar(parts[1], -65535, 65535)
	if err != nil {
		return err
	}
	t.result, err = b.defineVar(parts[2])
	if err != nil {
		return err
	}
	for _, p := range parts[3:] {
		name, arg, _ := strings.Cut(p, " ")
		if name == "align" {
			t.alignTo, err = parseInt(arg, 2, 4)
			if err == nil && t.alignTo == 3 {
				err = errors.New("align is neither 2 nor 4")
			}
		} else {
			err = t.option(p)
		}
		if err != nil {
			return err
		}
	}
	err = t.check()
	if err != nil {
		return err
	}
	return b.add(b.buf, b.trans, item{kind: itemExtract, bytes: t})
}

// addMath reads "bytes 4, offset 0, oper +, rvalue 3, result name, …".
func (b *builder) addMath(value string) error {
	t := &byteTest{multiplier: 1, math: &byteMath{}}
	seen := map[string]bool{}
	for _, p := range splitTrim(value) {
		name, arg, _ := strings.Cut(p, " ")
		arg = strings.TrimSpace(arg)
		seen[name] = true
		var err error
		switch name {
		case "bytes":
			t.count, t.countRef, err = b.numberOrVar(arg, 1, maxTextBytes)
		case "offset":
			t.offset, t.offsetRef, err = b.numberOrVar(arg, -65535, 65535)
		case "oper":
			t.math.oper = arg
			if !strings.Contains(" + - * / << >> ", " "+arg+" ") || arg == "" {
				err = fmt.Errorf("unknown operator %q", clip(arg))
			}
		case "rvalue":
			t.math.value, t.math.valRef, err = b.wordOrVar(arg, 32)
		case "result":
			t.result, err = b.defineVar(arg)
		case "endian":
			err = t.option(arg)
		case "string":
			err = t.option("string")
			if err == nil && arg != "" {
				err = t.option(arg)
			}
		default:
			err = t.option(p)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range []string{"bytes", "offset", "oper", "rvalue", "result"} {
		if !seen[name] {
			return fmt.Errorf("needs %s", name)
		}
	}
	err := t.check()
	if err != nil {
		return err
	}
	return b.add(b.buf, b.trans, item{kind: itemExtract, bytes: t})
}

// wordOrVar reads a number of so many bits, in any base of Go, or a variable.
func (b *builder) wordOrVar(s string, bits int) (uint64, varRef, error) {
	if isVarName(s) {
		ref, ok := b.vars[s]
		if !ok {
			return 0, 0, errUnknownVar
		}
		return 0, ref, nil
	}
	n, err := strconv.ParseUint(s, 0, bits)
	if err != nil {
		return 0, 0, errNotNumber
	}
	return n, 0, nil
}

// apply computes; a division by zero or a result below zero fails the test.
func (m *byteMath) apply(ctx *Context, n uint64) (uint64, bool) {
	v := m.value
	if m.valRef != 0 {
		v = ctx.vars[m.valRef-1]
	}
	switch m.oper {
	case "+":
		return n + v, true
	case "-":
		return n - v, n >= v
	case "*":
		return n * v, true
	case "/":
		if v == 0 {
			return 0, false
		}
		return n / v, true
	case "<<":
		return n << min(v, 64), true
	}
	return n >> min(v, 64), true
}

// extractHolds reads the number, remembers it and goes on behind it.
func (ctx *Context) extractHolds(t *byteTest, rest []item, s *subject, pos int) bool {
	if t.usesVars() {
		copied := ctx.resolvedTest(t)
		t = &copied
	}
	n, end, ok := t.read(s.raw, pos)
	if !ok {
		return false
	}
	if t.math != nil {
		n, ok = t.math.apply(ctx, n)
	} else {
		hi, lo := bits.Mul64(n, uint64(t.multiplier))
		ok = hi == 0
		n = lo
		if t.alignTo > 0 {
			a := uint64(t.alignTo)
			n = (n + a - 1) / a * a
		}
	}
	if !ok {
		return false
	}
	ctx.vars[t.result-1] = n
	return ctx.chainHolds(rest, s, end)
}

func (t *byteTest) usesVars() bool { return t.countRef|t.offsetRef|t.valueRef != 0 }

// resolvedTest is the test with its variables' values.
func (ctx *Context) resolvedTest(t *byteTest) byteTest {
	r := *t
	r.count, r.offset = ctx.value(t.count, t.countRef), ctx.value(t.offset, t.offsetRef)
	if t.valueRef != 0 {
		r.value = ctx.vars[t.valueRef-1]
	}
	if r.base == 0 && r.count > maxBinaryBytes || r.count > maxTextBytes {
		// A length that no number has: the read must fail.
		r.offset, r.relative = maxStreamOffset, false
	}
	return r
}

func splitTrim(value string) []string {
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
