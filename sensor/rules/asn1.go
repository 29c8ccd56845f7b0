package rules

import (
	"errors"
	"fmt"
	"strings"
)

// asn1Test is "asn1": it looks for encodings (X.690) that overflowed known
// decoders.
type asn1Test struct {
	bitString, double bool
	// oversize is the length beyond which an element is suspicious, 0 for no
	// such test.
	oversize int
	offset   int
	relative bool
}

// Limits of the walk: Suricata's default of 256 elements.
const (
	maxASN1Elements = 256
	maxASN1Depth    = 16
	// maxDouble is the longest text of a REAL that the known decoders took.
	maxDouble = 256
)

func (b *builder) addASN1(value string) error {
	t := &asn1Test{}
	for _, p := range splitTrim(value) {
		name, arg, _ := strings.Cut(p, " ")
		var err error
		switch name {
		case "bitstring_overflow":
			t.bitString = true
		case "double_overflow":
			t.double = true
		case "oversize_length":
			t.oversize, err = parseInt(arg, 1, 1<<31-1)
		case "absolute_offset":
			t.offset, err = parseInt(arg, 0, 65535)
		case "relative_offset":
			t.relative = true
			t.offset, err = parseInt(arg, -65535, 65535)
		default:
			err = fmt.Errorf("unknown part %q", clip(p))
		}
		if err != nil {
			return err
		}
	}
	if !t.bitString && !t.double && t.oversize == 0 {
		return errors.New("names nothing to look for")
	}
	return b.add(b.buf, b.trans, item{kind: itemASN1, asn1: t})
}

func (t *asn1Test) holds(buf []byte, pos int) bool {
	at := t.offset
	if t.relative {
		at += pos
	}
	if at < 0 || at >= len(buf) {
		return false
	}
	left := maxASN1Elements
	return t.walk(buf[at:], 0, &left)
}

// walk looks at the elements one after another and into the constructed ones.
func (t *asn1Test) walk(buf []byte, depth int, left *int) bool {
	for len(buf) >= 2 && *left > 0 && depth < maxASN1Depth {
		*left--
		tag, head, length, ok := asn1Header(buf)
		if !ok {
			return false
		}
		body := buf[head:]
		if t.suspicious(tag, length, body) {
			return true
		}
		body = body[:min(length, len(body))]
		if tag&0x20 != 0 && t.walk(body, depth+1, left) {
			return true
		}
		buf = buf[head+len(body):]
	}
	return false
}

func (t *asn1Test) suspicious(tag byte, length int, body []byte) bool {
	const (
		bitString = 3
		float     = 9
	)
	switch {
	case t.oversize > 0 && length > t.oversize:
		return true
	case t.bitString && tag == bitString && length > 0 && len(body) > 0:
		// More unused bits than there are bits (X.690 §8.6.2.2).
		return int(body[0])/8 > length
	case t.double && tag == float && length > 0 && len(body) > 0:
		// Decimal encoding (X.690 §8.5.8) longer than a decoder's buffer.
		return body[0]&0xc0 == 0 && length > maxDouble
	}
	return false
}

// asn1Header reads identifier and length octets (X.690 §8.1.2, §8.1.3). The
// tag of the long form comes back as 31. An indefinite length is the rest.
func asn1Header(buf []byte) (tag byte, head, length int, ok bool) {
	tag = buf[0]
	head = 1
	if tag&0x1f == 0x1f {
		for head < len(buf) && buf[head]&0x80 != 0 {
			head++
		}
		head++
	}
	if head >= len(buf) {
		return 0, 0, 0, false
	}
	first := buf[head]
	head++
	switch {
	case first == 0x80:
		return tag, head, len(buf) - head, true
	case first < 0x80:
		return tag, head, int(first), true
	}
	n := int(first & 0x7f)
	if n > 4 || head+n > len(buf) {
		return 0, 0, 0, false
	}
	for _, c := range buf[head : head+n] {
		length = length<<8 | int(c)
	}
	return tag, head + n, length, true
}
