package ocsp

import (
	"crypto"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

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
}

// errorResponse is an answer without content.
func errorResponse(code Code) []byte {
	// SEQUENCE { ENUMERATED code }
	return []byte{0x30, 0x03, 0x0a, 0x01, byte(code)}
}

// tbs writes what is signed.
func (r *basic) tbs() ([]byte, error) {
	data := cryptobyte.NewBuilder(make([]byte, 0, 256))
	data.AddASN1(cbasn1.SEQUENCE, r.responseData)
	tbs, err := data.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write ResponseData: %w", err)
	}
	return tbs, nil
}

// sign writes and signs the whole OCSPResponse.
func (r *basic) sign(signer crypto.Signer) ([]byte, error) {
	tbs, err := r.tbs()
	if err != nil {
		return nil, err
	}
	signature, err := r.algorithm.Sign(signer, tbs)
	if err != nil {
		return nil, fmt.Errorf("sign OCSP answer: %w", err)
	}
	return r.der(tbs, signature)
}

// der writes the whole OCSPResponse over a signature that was made.
func (r *basic) der(tbs, signature []byte) ([]byte, error) {
	size := len(tbs) + len(signature) + 128
	for _, c := range r.certificates {
		size += len(c)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, size))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(Successful))
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}) // id-pkix-ocsp-basic
				b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(tbs)
						r.algorithm.AddTo(b)
						b.AddASN1BitString(signature)
						b.AddASN1(tag(0), func(b *cryptobyte.Builder) {
							b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
								for _, c := range r.certificates {
									b.AddBytes(c)
								}
							})
						})
					})
				})
			})
		})
	})
	return b.Bytes()
}

func (r *basic) responseData(b *cryptobyte.Builder) {
	// version is DEFAULT v1 and therefore left out.
	b.AddASN1(tag(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.keyHash) }) // byKey
	b.AddASN1GeneralizedTime(r.produced)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for i := range r.singles {
			r.single(b, &r.singles[i])
		}
	})
	if len(r.nonce) > 0 {
		b.AddASN1(tag(1), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				extension(b, oidNonce(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(r.nonce) })
			})
		})
	}
}

func (r *basic) single(b *cryptobyte.Builder, s *single) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(s.id.raw)
		switch s.status.State {
		case Good:
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
		case Revoked:
			b.AddASN1(tag(1), func(b *cryptobyte.Builder) {
				b.AddASN1GeneralizedTime(s.status.RevokedAt.UTC().Truncate(time.Second))
				if s.status.Reason != 0 {
					b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.status.Reason)) })
				}
			})
		default:
			b.AddASN1(cbasn1.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
		}
		b.AddASN1GeneralizedTime(r.this)
		b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(r.next) })
		if s.cutoff.IsZero() || s.status.State == Unknown {
			return
		}
		b.AddASN1(tag(1), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				extension(b, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}, func(b *cryptobyte.Builder) {
					b.AddASN1GeneralizedTime(s.cutoff.UTC().Truncate(time.Second))
				})
			})
		})
	})
}

func extension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}
