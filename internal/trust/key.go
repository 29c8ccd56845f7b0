package trust

import (
	"crypto"
	//lint:ignore SA1019 old authorities' certificates are read, never made
	"crypto/dsa"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// minCurveBits is the least curve taken: P-256.
const minCurveBits = 256

// Strength says which algorithms may carry belief. The zero value is the
// strict rule of production (TT 15/2025/TT-BKHCN: RSA from 2048 bits, curves
// from P-256, Ed25519, SHA-2); tests of old material loosen it.
type Strength struct {
	// MinRSABits is the least RSA modulus; zero means 2048.
	MinRSABits int
	// AllowSHA1 takes signatures over SHA-1.
	AllowSHA1 bool
	// AllowDSA takes DSA (FIPS 186-4), which no authority uses any more.
	AllowDSA bool
}

var (
	errWeak      = errors.New("weak algorithm")
	errSignature = errors.New("signature does not verify")
	errKey       = errors.New("public key not usable")
)

// checkKey refuses keys that are too short to be believed.
func (s Strength) checkKey(key crypto.PublicKey) error {
	least := s.MinRSABits
	if least == 0 {
		least = minRSABits
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < least {
			return fmt.Errorf("%w: RSA key of %d bits, at least %d are asked for", errWeak, k.N.BitLen(), least)
		}
	case *ecdsa.PublicKey:
		if bits := k.Curve.Params().BitSize; bits < minCurveBits {
			return fmt.Errorf("%w: curve of %d bits, at least %d are asked for", errWeak, bits, minCurveBits)
		}
	case *dsa.PublicKey:
		if !s.AllowDSA {
			return fmt.Errorf("%w: DSA", errWeak)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("%w: %T", errKey, key)
	}
	return nil
}

// checkAlgorithm refuses signature algorithms that are too weak.
func (s Strength) checkAlgorithm(algorithm x509.SignatureAlgorithm) error {
	switch algorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA:
		return fmt.Errorf("%w: %s", errWeak, algorithm)
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1:
		if !s.AllowSHA1 {
			return fmt.Errorf("%w: %s", errWeak, algorithm)
		}
	case x509.DSAWithSHA1, x509.DSAWithSHA256:
		if !s.AllowDSA || algorithm == x509.DSAWithSHA1 && !s.AllowSHA1 {
			return fmt.Errorf("%w: %s", errWeak, algorithm)
		}
	case x509.UnknownSignatureAlgorithm:
		return fmt.Errorf("%w: signature algorithm not known", errKey)
	}
	return nil
}

// verifySignature verifies by a key. The strength is the caller's question.
func verifySignature(key crypto.PublicKey, algorithm x509.SignatureAlgorithm, signed, signature []byte) error {
	old, ok := key.(*dsa.PublicKey)
	if ok {
		return verifyDSA(old, algorithm, signed, signature)
	}
	err := (&x509.Certificate{PublicKey: key}).CheckSignature(algorithm, signed, signature)
	if err != nil {
		return fmt.Errorf("%w: %w", errSignature, err)
	}
	return nil
}

// verifyDSA is FIPS 186-4 §4.7; crypto/x509 dropped it.
func verifyDSA(key *dsa.PublicKey, algorithm x509.SignatureAlgorithm, signed, signature []byte) error {
	var h crypto.Hash
	switch algorithm {
	case x509.DSAWithSHA1:
		h = crypto.SHA1
	case x509.DSAWithSHA256:
		h = crypto.SHA256
	default:
		return errSignature
	}
	in := cryptobyte.String(signature)
	var pair cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !in.ReadASN1(&pair, casn1.SEQUENCE) || !in.Empty() || !pair.ReadASN1Integer(r) || !pair.ReadASN1Integer(s) || !pair.Empty() {
		return errSignature
	}
	if !saneDSA(key) {
		return errKey
	}
	sum := h.New()
	sum.Write(signed)
	digest := sum.Sum(nil)
	if size := (key.Q.BitLen() + 7) / 8; len(digest) > size {
		digest = digest[:size]
	}
	if !dsa.Verify(key, digest, r, s) {
		return errSignature
	}
	return nil
}

// saneDSA bounds the parameters: a hostile key would make the exponentiation
// take minutes.
func saneDSA(key *dsa.PublicKey) bool {
	if key.P == nil || key.Q == nil || key.G == nil || key.Y == nil {
		return false
	}
	p, q := key.P.BitLen(), key.Q.BitLen()
	return p >= 1024 && p <= 3072 && q >= 160 && q <= 256 && key.G.Cmp(key.P) < 0 && key.Y.Cmp(key.P) < 0 && key.Y.Sign() > 0
}

// lacksParameters tells a DSA key that inherits its parameters from its
// issuer's (RFC 3279 §2.3.2).
func lacksParameters(key crypto.PublicKey) bool {
	k, ok := key.(*dsa.PublicKey)
	return ok && k.P == nil
}

// inherit completes a key that lacks parameters (RFC 5280 §6.1.4 d-f).
func inherit(key, from crypto.PublicKey) crypto.PublicKey {
	child, ok := key.(*dsa.PublicKey)
	if !ok || child.P != nil {
		return key
	}
	parent, ok := from.(*dsa.PublicKey)
	if !ok || parent.P == nil {
		return key
	}
	return &dsa.PublicKey{Parameters: parent.Parameters, Y: child.Y}
}

// readPublicKey reads a SubjectPublicKeyInfo, DSA with inherited parameters
// included.
func readPublicKey(spki []byte) (crypto.PublicKey, x509.PublicKeyAlgorithm, error) {
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		key = nil // it may be a typed nil, such as for a point that is not on its curve
	}
	switch key.(type) {
	case *rsa.PublicKey:
		return key, x509.RSA, nil
	case *ecdsa.PublicKey:
		return key, x509.ECDSA, nil
	case ed25519.PublicKey:
		return key, x509.Ed25519, nil
	case *dsa.PublicKey:
		return key, x509.DSA, nil
	}
	in := cryptobyte.String(spki)
	var outer, algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	var bits []byte
	ok := in.ReadASN1(&outer, casn1.SEQUENCE) && outer.ReadASN1(&algorithm, casn1.SEQUENCE) &&
		algorithm.ReadASN1ObjectIdentifier(&oid) && outer.ReadASN1BitStringAsBytes(&bits)
	if !ok {
		return nil, x509.UnknownPublicKeyAlgorithm, fmt.Errorf("%w: subjectPublicKeyInfo", errKey)
	}
	if !oid.Equal(oidDSA) || !algorithm.Empty() {
		return nil, x509.UnknownPublicKeyAlgorithm, fmt.Errorf("%w: %w", errKey, errors.Join(err))
	}
	y := new(big.Int)
	value := cryptobyte.String(bits)
	if !value.ReadASN1Integer(y) || !value.Empty() || y.Sign() <= 0 {
		return nil, x509.UnknownPublicKeyAlgorithm, fmt.Errorf("%w: DSA", errKey)
	}
	return &dsa.PublicKey{Y: y}, x509.DSA, nil
}
