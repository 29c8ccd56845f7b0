package ocsp

import (
	"crypto"
	"fmt"
	"slices"
	"time"

	"github.com/antin-gov/antin/ca/internal/sigalg"
)

// Code is an OCSPResponseStatus (RFC 6960 §4.2.1).
type Code int

// The codes; 4 is not used by the standard.
const (
	Successful       Code = 0
	MalformedRequest Code = 1
	InternalError    Code = 2
	TryLater         Code = 3
	SigRequired      Code = 5
	Unauthorized     Code = 6
)

// State is what is known of a certificate.
type State int

// States of a certificate.
const (
	Unknown State = iota
	Good
	Revoked
)

// String names the state as RFC 6960 does.
func (s State) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	default:
		return "unknown"
	}
}

// Status is the state of one certificate.
type Status struct {
	State     State
	RevokedAt time.Time
	// Reason is the CRLReason of RFC 5280 §5.3.1; 0 is left out of the answer.
	Reason int
}

// single is one SingleResponse to be.
type single struct {
	id     CertID
	status Status
	cutoff time.Time // archiveCutoff, RFC 6960 §4.4.4; zero to leave out
}

// basic is a BasicOCSPResponse to be.
type basic struct {
	keyHash              []byte
	produced, this, next time.Time
	singles              []single
	nonce                []byte
	certificates         [][]byte
	algorithm            sigalg.Algorithm
	algorithmDER         []byte // its AlgorithmIdentifier
}

// errorResponse is an answer without content.
func errorResponse(code Code) []byte {
	// SEQUENCE { ENUMERATED code }
	return []byte{0x30, 0x03, 0x0a, 0x01, byte(code)}
}

// tbs writes what is signed, ResponseData.
func (r *basic) tbs() []byte {
	w := newWriter(256 + 160*len(r.singles) + len(r.nonce))
	r.responseData(w)
	return w.bytes()
}

// sign writes and signs the whole OCSPResponse.
func (r *basic) sign(signer crypto.Signer) ([]byte, error) {
	tbs := r.tbs()
	signature, err := r.algorithm.Sign(signer, tbs)
	if err != nil {
		return nil, fmt.Errorf("sign OCSP answer: %w", err)
	}
	return r.der(tbs, signature), nil
}

// der writes the whole OCSPResponse over a signature that was made.
func (r *basic) der(tbs, signature []byte) []byte {
	size := len(tbs) + len(signature) + 128
	for _, c := range r.certificates {
		size += len(c)
	}
	w := newWriter(size)
	for _, c := range slices.Backward(r.certificates) {
		w.raw(c)
	}
	w.head(tagSequence, 0)
	w.head(tagged, 0)
	end := w.end()
	w.raw(signature)
	w.raw([]byte{0}) // no unused bits
	w.head(tagBits, end)
	w.raw(r.algorithmDER)
	w.raw(tbs)
	w.head(tagSequence, 0)
	w.head(tagOctets, 0)
	w.raw([]byte{0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01}) // id-pkix-ocsp-basic
	w.head(tagSequence, 0)
	w.head(tagged, 0)
	w.value(tagEnum, []byte{byte(Successful)})
	w.head(tagSequence, 0)
	return w.bytes()
}

// responseData writes, from its end: version is DEFAULT v1 and therefore left
// out.
func (r *basic) responseData(w *writer) {
	if len(r.nonce) > 0 {
		end := w.end()
		w.value(tagOctets, r.nonce)
		w.head(tagOctets, end)
		w.raw([]byte{0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02}) // id-pkix-ocsp-nonce
		w.head(tagSequence, end)
		w.head(tagSequence, end)
		w.head(tagged|1, end)
	}
	end := w.end()
	for i := range slices.Backward(r.singles) {
		r.single(w, &r.singles[i])
	}
	w.head(tagSequence, end)
	w.time(r.produced)
	end = w.end()
	w.value(tagOctets, r.keyHash)
	w.head(tagged|2, end) // byKey
	w.head(tagSequence, 0)
}

func (r *basic) single(w *writer, s *single) {
	whole := w.end()
	if !s.cutoff.IsZero() && s.status.State != Unknown {
		w.time(s.cutoff.Truncate(time.Second))
		w.head(tagOctets, whole)
		w.raw([]byte{0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x06}) // id-pkix-ocsp-archive-cutoff
		w.head(tagSequence, whole)
		w.head(tagSequence, whole)
		w.head(tagged|1, whole)
	}
	end := w.end()
	w.time(r.next)
	w.head(tagged, end)
	w.time(r.this)
	switch s.status.State {
	case Good:
		w.value(taggedPrimitive, nil)
	case Revoked:
		end := w.end()
		if s.status.Reason != 0 {
			w.value(tagEnum, []byte{byte(s.status.Reason)})
			w.head(tagged, end)
		}
		w.time(s.status.RevokedAt.Truncate(time.Second))
		w.head(tagged|1, end)
	default:
		w.value(taggedPrimitive|2, nil)
	}
	w.raw(s.id.raw)
	w.head(tagSequence, whole)
}
