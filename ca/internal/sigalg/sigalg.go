// Package sigalg chooses the signature algorithm that goes with a key and
// signs with it. RSA signs with PKCS#1 v1.5 here, because clients of OCSP and
// time-stamps in the field read nothing newer; R14 allows it.
package sigalg

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrKey says that no algorithm fits the key.
var ErrKey = errors.New("no signature algorithm for the key")

// Algorithm is a signature algorithm with its digest.
type Algorithm struct {
	Hash crypto.Hash
	OID  asn1.ObjectIdentifier
	// null says that the parameters are NULL rather than absent (RFC 4055 §5
	// for RSA, RFC 5758 §3.2 for ECDSA).
	null bool
}

// For returns the algorithm for the public key.
func For(pub crypto.PublicKey) (Algorithm, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return Algorithm{crypto.SHA256, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, false}, nil
		case elliptic.P384():
			return Algorithm{crypto.SHA384, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, false}, nil
		case elliptic.P521():
			return Algorithm{crypto.SHA512, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, false}, nil
		}
	case *rsa.PublicKey:
		return Algorithm{crypto.SHA256, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, true}, nil
	}
	return Algorithm{}, fmt.Errorf("%w: %T", ErrKey, pub)
}

// AddTo writes the AlgorithmIdentifier.
func (a Algorithm) AddTo(b *cryptobyte.Builder) { Identifier(b, a.OID, a.null) }

// Identifier writes an AlgorithmIdentifier, with NULL parameters or none.
func Identifier(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}

// Sign signs the message.
func (a Algorithm) Sign(key crypto.Signer, message []byte) ([]byte, error) {
	h := a.Hash.New()
	h.Write(message)
	return key.Sign(rand.Reader, h.Sum(nil), a.Hash)
}
