package ldap

// reader takes the elements of BER as LDAP restricts it: lengths in the
// definite form, which need not be the shortest (RFC 4511 §5.1). What runs
// short or has the wrong tag makes it bad, and it gives nothing from then on.
type reader struct {
	b   []byte
	bad bool
}

// Tags (X.690 §8.1.2) that LDAP uses.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagEnum        = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31
	tagControls    = 0xa0
	classMask      = 0xe0
	classApp       = 0x40
	classContext   = 0x80
	constructed    = 0x20
	numberMask     = 0x1f
	longForm       = 0x80
	maxLengthBytes = 4
)

// head reads the tag and the length of the element at the front of b. With
// more set there are too few bytes to say.
func head(b []byte) (tag byte, at, size int, ok, more bool) {
	if len(b) < 2 {
		return 0, 0, 0, false, true
	}
	tag = b[0]
	if tag&numberMask == numberMask {
		// Numbers above 30 are not in LDAP.
		return 0, 0, 0, false, false
	}
	if b[1] < longForm {
		return tag, 2, int(b[1]), true, false
	}
	n := int(b[1] &^ longForm)
	if n == 0 || n > maxLengthBytes {
		return 0, 0, 0, false, false
	}
	if len(b) < 2+n {
		return 0, 0, 0, false, true
	}
	for _, c := range b[2 : 2+n] {
		size = size<<8 | int(c)
	}
	return tag, 2 + n, size, true, false
}

func (r *reader) empty() bool { return len(r.b) == 0 }

// peek is the tag of the next element, 0 at the end.
func (r *reader) peek() byte {
	if len(r.b) == 0 {
		return 0
	}
	return r.b[0]
}

// next takes an element.
func (r *reader) next() (tag byte, body []byte) {
	tag, at, size, ok, _ := head(r.b)
	if !ok || size > len(r.b)-at {
		r.bad, r.b = true, nil
		return 0, nil
	}
	body = r.b[at : at+size]
	r.b = r.b[at+size:]
	return tag, body
}

// take takes an element of a tag.
func (r *reader) take(tag byte) []byte {
	got, body := r.next()
	if got != tag {
		r.bad, r.b = true, nil
		return nil
	}
	return body
}

// inside takes an element of a tag to read what it holds.
func (r *reader) inside(tag byte) reader {
	body := r.take(tag)
	return reader{b: body, bad: r.bad}
}

// optional takes an element if it has the tag.
func (r *reader) optional(tag byte) (body []byte, has bool) {
	if r.peek() != tag {
		return nil, false
	}
	body = r.take(tag)
	return body, !r.bad
}

// number takes an integer that is not negative (RFC 4511 §4.1.1: maxInt).
func (r *reader) number(tag byte) uint64 {
	return r.toNumber(r.take(tag))
}

func (r *reader) toNumber(body []byte) uint64 {
	for len(body) > 1 && body[0] == 0 {
		body = body[1:]
	}
	if len(body) == 0 || len(body) > 4 {
		r.bad, r.b = true, nil
		return 0
	}
	n := uint64(0)
	for _, c := range body {
		n = n<<8 | uint64(c)
	}
	return n
}

// truth takes a boolean: anything but zero is true (X.690 §8.2.2).
func (r *reader) truth(tag byte) bool {
	body := r.take(tag)
	return len(body) == 1 && body[0] != 0
}
