package rules

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// byteTest is byte_test and byte_jump: a number read from the buffer,
// compared with a value or used to move the position.
type byteTest struct {
	count    int
	offset   int
	relative bool
	// The variables that stand in place of count, offset and value, and the
	// one that byte_extract and byte_math write.
	countRef, offsetRef, valueRef, result varRef
	// math and alignTo are byte_math's and byte_extract's.
	math    *byteMath
	alignTo int
	little  bool
	// base is 0 for binary, else the base of a text number.
	base int
	mask uint64

	op      string
	negated bool
	value   uint64

	multiplier int
	align      bool
	from       byte // 'b' beginning, 'e' end, 0 from the number
	post       int
}

// Limits of Suricata: eight binary bytes, 23 octal digits.
const (
	maxBinaryBytes = 8
	maxTextBytes   = 23
)

func (b *builder) addBytes(kind itemKind, value string) error {
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	t := &byteTest{multiplier: 1}
	fixed := 2
	if kind == itemByteTest {
		fixed = 4
	}
	if len(parts) < fixed {
		return errors.New("too few parts")
	}
	var err error
	t.count, t.countRef, err = b.numberOrVar(parts[0], 0, maxTextBytes)
	if err != nil {
		return err
	}
	if kind == itemByteTest {
		err = t.comparison(b, parts[1], parts[2])
		if err != nil {
			return err
		}
	}
	t.offset, t.offsetRef, err = b.numberOrVar(parts[fixed-1], -65535, 65535)
	if err != nil {
		return err
	}
	for _, p := range parts[fixed:] {
		err = t.option(p)
		if err != nil {
			return err
		}
	}
	err = t.check()
	if err != nil {
		return err
	}
	if t.countRef == 0 && t.count == 0 && kind == itemByteTest && t.base == 0 {
		return errors.New("no bytes to test")
	}
	return b.add(b.buf, b.trans, item{kind: kind, bytes: t})
}

func (t *byteTest) check() error {
	if t.base == 0 && t.count > maxBinaryBytes {
		return fmt.Errorf("more than %d binary bytes", maxBinaryBytes)
	}
	return nil
}

func (t *byteTest) comparison(b *builder, op, value string) error {
	t.op, t.negated = strings.CutPrefix(op, "!")
	if t.negated && t.op == "" {
		t.op = "="
	}
	switch t.op {
	case "<", ">", "=", "<=", ">=", "&", "^":
	default:
		return fmt.Errorf("unknown operator %q", clip(op))
	}
	var err error
	t.value, t.valueRef, err = b.wordOrVar(value, 64)
	return err
}

func (t *byteTest) option(p string) error {
	name, arg, _ := strings.Cut(p, " ")
	arg = strings.TrimSpace(arg)
	var err error
	switch name {
	case "relative":
		t.relative = true
	case "little", "dce":
		// The byte order of DCE RPC is stated in each message; all that is
		// met on networks is little endian.
		t.little = true
	case "big":
		t.little = false
	case "string":
		if t.base == 0 {
			t.base = 10
		}
	case "hex":
		t.base = 16
	case "dec":
		t.base = 10
	case "oct":
		t.base = 8
	case "align":
		t.align = true
	case "from_beginning":
		t.from = 'b'
	case "from_end":
		t.from = 'e'
	case "multiplier":
		t.multiplier, err = parseInt(arg, 1, 65535)
	case "post_offset":
		t.post, err = parseInt(arg, -65535, 65535)
	case "bitmask":
		t.mask, err = strconv.ParseUint(arg, 0, 64)
		if err != nil {
			err = errNotNumber
		}
	default:
		err = fmt.Errorf("unknown part %q", clip(p))
	}
	return err
}

// read returns the number and the position behind it.
func (t *byteTest) read(buf []byte, pos int) (n uint64, end int, ok bool) {
	at := t.offset
	if t.relative {
		at += pos
	}
	if at < 0 || at+t.count > len(buf) {
		return 0, 0, false
	}
	raw := buf[at : at+t.count]
	if t.base != 0 {
		if t.count == 0 {
			// No count means all digits that follow, as in Suricata's
			// ByteExtractString.
			raw = buf[at:min(at+maxTextBytes, len(buf))]
		}
		n, ok = textNumber(raw, uint64(t.base))
		return n, at + t.count, ok
	}
	for i := range raw {
		c := raw[i]
		if t.little {
			c = raw[len(raw)-1-i]
		}
		n = n<<8 | uint64(c)
	}
	if t.mask != 0 {
		n &= t.mask
		for m := t.mask; m&1 == 0; m >>= 1 {
			n >>= 1
		}
	}
	return n, at + t.count, true
}

func (t *byteTest) holds(buf []byte, pos int) bool {
	n, _, ok := t.read(buf, pos)
	if !ok {
		return false
	}
	var is bool
	switch t.op {
	case "<":
		is = n < t.value
	case ">":
		is = n > t.value
	case "=":
		is = n == t.value
	case "<=":
		is = n <= t.value
	case ">=":
		is = n >= t.value
	case "&":
		is = n&t.value != 0
	case "^":
		is = n^t.value != 0
	}
	return is != t.negated
}

// jump returns the position that the number leads to.
func (t *byteTest) jump(buf []byte, pos int) (int, bool) {
	n, end, ok := t.read(buf, pos)
	if !ok || n > maxOffset {
		return 0, false
	}
	step := int(n) * t.multiplier
	if t.align {
		step = (step + 3) &^ 3
	}
	switch t.from {
	case 'b':
		end = 0
	case 'e':
		end = len(buf)
	}
	end += step + t.post
	return end, end >= 0 && end <= len(buf)
}

// textNumber reads as C's strtoull: white space, an optional 0x for base 16,
// then digits up to the first other byte.
func textNumber(raw []byte, base uint64) (n uint64, ok bool) {
	for len(raw) > 0 && isSpace(raw[0]) {
		raw = raw[1:]
	}
	if base == 16 && len(raw) > 2 && raw[0] == '0' && fold[raw[1]] == 'x' {
		raw = raw[2:]
	}
	for _, c := range raw {
		d := uint64(fold[c]) - '0'
		if c > '9' {
			d = uint64(fold[c]) - 'a' + 10
		}
		if d >= base {
			break
		}
		n, ok = n*base+d, true
	}
	return n, ok
}
