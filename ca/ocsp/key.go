package ocsp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/ca/internal/sigalg"
)

// Key is a responder's key with the certificate that the issuer made for it.
type Key struct {
	Certificate *x509.Certificate
	Signer      crypto.Signer
}

// Issuer is an authority, one generation of it, with its responder.
type Issuer struct {
	Name        string
	Certificate *x509.Certificate
	// Ahead signs answers in advance, Live those with a nonce or for several
	// certificates. Without a Live key the other one signs those too.
	Ahead, Live Key
}

// responderKey is a Key ready to sign.
type responderKey struct {
	Key
	hash      []byte // responderID byKey
	algorithm sigalg.Algorithm
	// algorithmDER is its AlgorithmIdentifier, written once.
	algorithmDER []byte
	width        int // longest signature, bytes
}

// issuerKey is an issuer with the digests by which CertIDs name it.
type issuerKey struct {
	Issuer
	name, key   map[crypto.Hash][]byte
	ahead, live responderKey
	// memory holds the answers made in advance.
	memory *memory
}

// newIssuerKey checks that the responder's certificates are fit to answer for
// the issuer (RFC 6960 §4.2.2.2).
func newIssuerKey(i Issuer, now time.Time) (*issuerKey, error) {
	if i.Name == "" || i.Certificate == nil {
		return nil, errors.New("name or certificate is missing")
	}
	bits, err := keyBits(i.Certificate)
	if err != nil {
		return nil, err
	}
	k := &issuerKey{Issuer: i, name: make(map[crypto.Hash][]byte), key: make(map[crypto.Hash][]byte)}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		k.name[h], k.key[h] = digest(h, i.Certificate.RawSubject), digest(h, bits)
	}
	k.ahead, err = newResponderKey(i.Ahead, i.Certificate, now)
	if err != nil {
		return nil, err
	}
	k.live = k.ahead
	if i.Live.Certificate != nil {
		k.live, err = newResponderKey(i.Live, i.Certificate, now)
		if err != nil {
			return nil, fmt.Errorf("live key: %w", err)
		}
	}
	return k, nil
}

func newResponderKey(k Key, issuer *x509.Certificate, now time.Time) (responderKey, error) {
	if k.Certificate == nil || k.Signer == nil {
		return responderKey{}, errors.New("the responder's key or certificate is missing")
	}
	err := k.check(issuer, now)
	if err != nil {
		return responderKey{}, err
	}
	algorithm, err := sigalg.For(k.Signer.Public())
	if err != nil {
		return responderKey{}, err
	}
	bits, err := keyBits(k.Certificate)
	if err != nil {
		return responderKey{}, err
	}
	var b cryptobyte.Builder
	algorithm.AddTo(&b)
	identifier, err := b.Bytes()
	if err != nil {
		return responderKey{}, err
	}
	// RFC 6960 §4.2.1: KeyHash is SHA-1 by definition
	return responderKey{Key: k, hash: digest(crypto.SHA1, bits), algorithm: algorithm, algorithmDER: identifier, width: signatureWidth(k.Signer.Public())}, nil
}

func (k Key) check(issuer *x509.Certificate, now time.Time) error {
	own, ok := k.Signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !own.Equal(k.Certificate.PublicKey) {
		return errors.New("the responder certificate is of another key")
	}
	err := k.Certificate.CheckSignatureFrom(issuer)
	if err != nil {
		return fmt.Errorf("the responder certificate is not the issuer's: %w", err)
	}
	purpose, noCheck := false, false
	for _, u := range k.Certificate.ExtKeyUsage {
		purpose = purpose || u == x509.ExtKeyUsageOCSPSigning
	}
	for _, e := range k.Certificate.Extensions {
		noCheck = noCheck || e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5})
	}
	switch {
	case !purpose || !noCheck:
		return errors.New("the responder certificate lacks ocspSigning or ocsp-nocheck")
	case now.After(k.Certificate.NotAfter) || now.Before(k.Certificate.NotBefore):
		return fmt.Errorf("the responder certificate is not valid at %s", now.Format(time.RFC3339))
	}
	return nil
}

// expired says that the key may not answer any more.
func (k *responderKey) expired(now time.Time) bool { return now.After(k.Certificate.NotAfter) }

// verify says whether the signature over the message is the key's.
func (k *responderKey) verify(message, signature []byte) bool {
	var algorithm x509.SignatureAlgorithm
	switch pub := k.Certificate.PublicKey.(type) {
	case *ecdsa.PublicKey:
		h := k.algorithm.Hash.New()
		h.Write(message)
		return ecdsa.VerifyASN1(pub, h.Sum(nil), signature)
	case *rsa.PublicKey:
		algorithm = x509.SHA256WithRSA
	default:
		return false
	}
	return k.Certificate.CheckSignature(algorithm, message, signature) == nil
}

// signatureWidth is the longest signature of the key in bytes: for ECDSA two
// INTEGERs of the curve's size in a SEQUENCE.
func signatureWidth(pub crypto.PublicKey) int {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return 72
		case elliptic.P384():
			return 104
		default:
			return 139
		}
	case *rsa.PublicKey:
		return k.Size()
	default:
		return 0
	}
}

func digest(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// keyBits are the bits of the subject public key, without tag and length.
func keyBits(c *x509.Certificate) ([]byte, error) {
	input := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var spki, key cryptobyte.String
	var unused uint8
	if !input.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.SkipASN1(cbasn1.SEQUENCE) ||
		!spki.ReadASN1(&key, cbasn1.BIT_STRING) || !key.ReadUint8(&unused) || unused != 0 {
		return nil, errors.New("public key of an unknown form")
	}
	return key, nil
}

// names says whether the CertID names the issuer.
func (k *issuerKey) names(id CertID) bool {
	name, known := k.name[id.Hash]
	return known && bytes.Equal(name, id.NameHash) && bytes.Equal(k.key[id.Hash], id.KeyHash)
}
