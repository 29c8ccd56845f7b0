package cms

const (
	// maxBERDepth and maxBERElements bound what is re-encoded; a container
	// with embedded revocation lists has some ten thousand elements.
	maxBERDepth    = 64
	maxBERElements = 4_000_000
	// maxLengthOctets is enough for maxSize.
	maxLengthOctets = 4
)

// Normalize takes the value of /Contents, padding and all, and returns the
// container in DER. Documents should hold DER (ISO 32000-2 §12.8.3.3.1), yet
// much software writes BER with indefinite lengths; those lengths, and octet
// strings in pieces, are re-encoded and changed is set. No value is altered,
// and nothing but zeros may follow the container.
func Normalize(contents []byte) (der []byte, changed bool, err error) {
	der, err = TrimPadding(contents)
	if err == nil && definite(der) {
		return der, false, nil
	}
	if len(contents) > maxSize {
		return nil, false, malformed("too large")
	}
	const sequence = 0x30
	if len(contents) == 0 || contents[0] != sequence {
		return nil, false, malformed("not a sequence")
	}
	b := &berReader{}
	der, rest, err := b.element(contents, 0)
	if err != nil {
		return nil, false, err
	}
	for _, octet := range rest {
		if octet != 0 {
			return nil, false, malformed("data after the container")
		}
	}
	return der, true, nil
}

// definite tells whether all elements of what begins like DER have definite
// minimal lengths; it looks without copying.
func definite(der []byte) bool {
	b := &berReader{strict: true}
	_, rest, err := b.element(der, 0)
	return err == nil && len(rest) == 0
}

type berReader struct {
	elements int
	strict   bool // refuse instead of re-encoding
}

// element re-encodes the first element of the text.
func (b *berReader) element(text []byte, depth int) (out, rest []byte, err error) {
	b.elements++
	if depth > maxBERDepth || b.elements > maxBERElements {
		return nil, nil, malformed("BER nested too deep")
	}
	if len(text) < 2 {
		return nil, nil, malformed("BER cut short")
	}
	tag := text[0]
	const highTag, constructedBit = 0x1f, 0x20
	if tag&highTag == highTag {
		return nil, nil, malformed("BER tag")
	}
	constructed := tag&constructedBit != 0
	length, body, indefinite, err := berLength(text[1:], b.strict)
	if err != nil {
		return nil, nil, err
	}
	if indefinite && (!constructed || b.strict) {
		return nil, nil, malformed("BER indefinite length")
	}
	if !indefinite {
		if length > len(body) {
			return nil, nil, malformed("BER cut short")
		}
		body, rest = body[:length], body[length:]
	}
	if !constructed {
		if b.strict {
			return nil, rest, nil
		}
		return appendTLV(tag, body), rest, nil
	}
	content, after, err := b.children(tag, body, indefinite, depth)
	if err != nil {
		return nil, nil, err
	}
	if indefinite {
		rest = after
	}
	const octetString, constructedOctetString = 0x04, 0x24
	if tag == constructedOctetString {
		if b.strict {
			return nil, nil, malformed("octet string in pieces")
		}
		tag = octetString
	}
	if b.strict {
		return nil, rest, nil
	}
	return appendTLV(tag, content), rest, nil
}

// children re-encodes what stands in a constructed element. The pieces of an
// octet string are joined.
func (b *berReader) children(tag byte, body []byte, indefinite bool, depth int) (content, rest []byte, err error) {
	const octetString, constructedOctetString = 0x04, 0x24
	for {
		if len(body) == 0 {
			if indefinite {
				return nil, nil, malformed("BER without end of contents")
			}
			return content, nil, nil
		}
		if indefinite && len(body) >= 2 && body[0] == 0 && body[1] == 0 {
			return content, body[2:], nil
		}
		var child []byte
		child, body, err = b.element(body, depth+1)
		if err != nil {
			return nil, nil, err
		}
		if tag == constructedOctetString && !b.strict {
			if child[0] != octetString {
				return nil, nil, malformed("octet string of other pieces")
			}
			_, piece, _, err := berLength(child[1:], false)
			if err != nil {
				return nil, nil, err
			}
			child = piece
		}
		content = append(content, child...)
	}
}

// berLength reads length octets.
func berLength(text []byte, strict bool) (length int, body []byte, indefinite bool, err error) {
	if len(text) == 0 {
		return 0, nil, false, malformed("BER cut short")
	}
	first := text[0]
	const long = 0x80
	switch {
	case first < long:
		return int(first), text[1:], false, nil
	case first == long:
		return 0, text[1:], true, nil
	}
	n := int(first &^ long)
	if n > maxLengthOctets || len(text) < 1+n {
		return 0, nil, false, malformed("BER length")
	}
	for _, octet := range text[1 : 1+n] {
		length = length<<8 | int(octet)
	}
	if length > maxSize {
		return 0, nil, false, malformed("BER length")
	}
	if strict && (length < long || text[1] == 0) {
		return 0, nil, false, malformed("length not minimal")
	}
	return length, text[1+n:], false, nil
}

// appendTLV writes an element in DER.
func appendTLV(tag byte, content []byte) []byte {
	out := make([]byte, 0, len(content)+6)
	out = append(out, tag)
	n := len(content)
	switch {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 1<<8:
		out = append(out, 0x81, byte(n))
	case n < 1<<16:
		out = append(out, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, content...)
}
