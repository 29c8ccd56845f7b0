package hsm

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Signatures travel as binary frames, everything else as JSON: a signature is
// asked for ten thousand times a second, the rest by hand. The first byte after
// the length tells them apart, because JSON begins with "{".
//
//	request   kind 1 · id 8 · wait 4 (ms) · scheme 1 · hash 1 · salt 2 · label length 1 · label · digest (the rest)
//	response  kind 1 · id 8 · code length 1 · code · signature, or the text of the error (the rest)
//
// Numbers are big-endian.
const (
	kindSign   = 0x01
	kindSigned = 0x02

	signHead   = 1 + 8 + 4 + 1 + 1 + 2 + 1
	signedHead = 1 + 8 + 1

	// maxSign bounds the frame of a request to sign.
	maxSign = signHead + maxLabel + maxMessage
	// maxErrorText bounds the text of an error in a response.
	maxErrorText = 2 << 10
)

// signRequest is a request to sign. In a frame that was read, label and digest
// point into the buffer of the connection.
type signRequest struct {
	id uint64
	// wait is how long the caller waits.
	wait   time.Duration
	scheme scheme
	hash   string
	salt   int
	label  []byte
	digest []byte
}

// schemeCodes and hashCodes are the names on the wire; the place is the code.
func schemeCodes() [4]scheme {
	return [4]scheme{schemePKCS1, schemePSS, schemeECDSA, schemeEdDSA}
}

func hashCodes() [7]string {
	return [7]string{"", "SHA-256", "SHA-384", "SHA-512", "SHA3-256", "SHA3-384", "SHA3-512"}
}

// appendSign writes a request with its length before it.
func appendSign(b []byte, r signRequest) ([]byte, error) {
	if len(r.label) > maxLabel || len(r.digest) > maxMessage || r.salt < 0 || r.salt > 1<<16-1 {
		return b, fmt.Errorf("%w: label of %d bytes, digest of %d, salt of %d", ErrBadRequest, len(r.label), len(r.digest), r.salt)
	}
	sc, ha := -1, -1
	for i, name := range schemeCodes() {
		if name == r.scheme {
			sc = i
		}
	}
	for i, name := range hashCodes() {
		if name == r.hash {
			ha = i
		}
	}
	if sc < 0 || ha < 0 {
		return b, fmt.Errorf("%w: %q with %q", ErrUnsupported, r.scheme, r.hash)
	}
	wait := min(max(r.wait.Milliseconds(), 0), 1<<32-1)
	b = binary.BigEndian.AppendUint32(b, uint32(signHead+len(r.label)+len(r.digest)))
	b = append(b, kindSign)
	b = binary.BigEndian.AppendUint64(b, r.id)
	b = binary.BigEndian.AppendUint32(b, uint32(wait))
	b = append(b, byte(sc), byte(ha))
	b = binary.BigEndian.AppendUint16(b, uint16(r.salt))
	b = append(b, byte(len(r.label)))
	b = append(b, r.label...)
	return append(b, r.digest...), nil
}

// parseSign reads the body of a request.
func parseSign(body []byte) (signRequest, error) {
	if len(body) < signHead || body[0] != kindSign {
		return signRequest{}, fmt.Errorf("%w: frame of %d bytes", ErrBadRequest, len(body))
	}
	sc, ha, length := int(body[13]), int(body[14]), int(body[17])
	schemes, hashes := schemeCodes(), hashCodes()
	if sc >= len(schemes) || ha >= len(hashes) || length > maxLabel || signHead+length > len(body) || len(body) > maxSign {
		return signRequest{}, fmt.Errorf("%w: scheme %d, hash %d, label of %d bytes", ErrBadRequest, sc, ha, length)
	}
	return signRequest{
		id:     binary.BigEndian.Uint64(body[1:]),
		wait:   time.Duration(binary.BigEndian.Uint32(body[9:])) * time.Millisecond,
		scheme: schemes[sc], hash: hashes[ha],
		salt:  int(binary.BigEndian.Uint16(body[15:])),
		label: body[signHead : signHead+length], digest: body[signHead+length:],
	}, nil
}

// appendSigned writes a response with its length before it: the signature, or
// the error.
func appendSigned(b []byte, id uint64, sig []byte, cause error) []byte {
	var code errorCode
	if cause != nil {
		code = codeOf(cause)
		text := cause.Error()
		sig = []byte(text[:min(len(text), maxErrorText)])
	}
	b = binary.BigEndian.AppendUint32(b, uint32(signedHead+len(code)+len(sig)))
	b = append(b, kindSigned)
	b = binary.BigEndian.AppendUint64(b, id)
	b = append(b, byte(len(code)))
	b = append(b, code...)
	return append(b, sig...)
}

// parseSigned reads the body of a response. The signature is a copy.
func parseSigned(body []byte) (response, error) {
	if len(body) < signedHead || body[0] != kindSigned || signedHead+int(body[9]) > len(body) {
		return response{}, fmt.Errorf("%w: frame of %d bytes", ErrBadRequest, len(body))
	}
	r := response{ID: binary.BigEndian.Uint64(body[1:])}
	rest := body[signedHead:]
	r.Error = errorCode(rest[:body[9]])
	rest = rest[body[9]:]
	if r.Error != "" {
		r.Message = string(rest)
		return r, nil
	}
	r.Signature = append([]byte(nil), rest...)
	return r, nil
}
