package hsm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha3"   // and those of SHA-3
	_ "crypto/sha512" // crypto.SHA384 and crypto.SHA512 are named on the wire
	"encoding/asn1"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/miekg/pkcs11"
)

// scheme is a signature algorithm without its hash.
type scheme string

const (
	schemePKCS1 scheme = "rsa-pkcs1" // RFC 8017 §8.2
	schemePSS   scheme = "rsa-pss"   // RFC 8017 §8.1
	schemeECDSA scheme = "ecdsa"     // FIPS 186-5 §6
	schemeEdDSA scheme = "ed25519"   // RFC 8032 §5.1; signs the message, not a digest
)

// hashSpec is what the worker knows about a hash.
type hashSpec struct {
	hash crypto.Hash
	mech uint // CKM_… of the hash
	mgf  uint // CKG_MGF1_…
	// prefix is the DER of DigestInfo before the digest (RFC 8017 §9.2 note 1).
	prefix []byte
}

// hashByName finds a hash. SHA-1 is left out: nothing here may be signed over it.
func hashByName(name string) (hashSpec, error) {
	switch name {
	case "SHA-256":
		return hashSpec{crypto.SHA256, pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256,
			[]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}}, nil
	case "SHA-384":
		return hashSpec{crypto.SHA384, pkcs11.CKM_SHA384, pkcs11.CKG_MGF1_SHA384,
			[]byte{0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30}}, nil
	case "SHA-512":
		return hashSpec{crypto.SHA512, pkcs11.CKM_SHA512, pkcs11.CKG_MGF1_SHA512,
			[]byte{0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40}}, nil
	case "SHA3-256":
		return hashSpec{crypto.SHA3_256, ckmSHA3_256, ckgMGF1SHA3_256,
			[]byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x08, 0x05, 0x00, 0x04, 0x20}}, nil
	case "SHA3-384":
		return hashSpec{crypto.SHA3_384, ckmSHA3_384, ckgMGF1SHA3_384,
			[]byte{0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x09, 0x05, 0x00, 0x04, 0x30}}, nil
	case "SHA3-512":
		return hashSpec{crypto.SHA3_512, ckmSHA3_512, ckgMGF1SHA3_512,
			[]byte{0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x0a, 0x05, 0x00, 0x04, 0x40}}, nil
	default:
		return hashSpec{}, fmt.Errorf("%w: hash %q", ErrUnsupported, name)
	}
}

// curveSpec is an elliptic curve by name and by CKA_EC_PARAMS.
type curveSpec struct {
	name  string
	curve elliptic.Curve
	oid   asn1.ObjectIdentifier // RFC 5480 §2.1.1.1
}

func curveSpecs() []curveSpec {
	return []curveSpec{
		{"EC-P256", elliptic.P256(), asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}},
		{"EC-P384", elliptic.P384(), asn1.ObjectIdentifier{1, 3, 132, 0, 34}},
		{"EC-P521", elliptic.P521(), asn1.ObjectIdentifier{1, 3, 132, 0, 35}},
	}
}

// algorithmEd25519 is Ed25519 by name.
const algorithmEd25519 = "Ed25519"

// oidEd25519 is id-Ed25519 (RFC 8410 §3).
func oidEd25519() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 101, 112} }

// Algorithms are the names of algorithms that Generate may know; whether a
// token does, Probe tells.
func Algorithms() []string {
	return []string{"RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384", "EC-P521", algorithmEd25519}
}

// rsaBits tells the modulus length of an algorithm name such as "RSA-3072".
func rsaBits(algorithm string) (int, bool) {
	rest, ok := strings.CutPrefix(algorithm, "RSA-")
	if !ok {
		return 0, false
	}
	bits, err := strconv.Atoi(rest)
	if err != nil {
		return 0, false
	}
	// 2048 is the least that TCVN 7635 and NIST SP 800-131A still allow; more
	// than 4096 costs seconds a signature in a token.
	return bits, bits == 2048 || bits == 3072 || bits == 4096
}

// AlgorithmOf names a public key as Generate names algorithms; empty when this
// package does not know it.
func AlgorithmOf(pub crypto.PublicKey) string {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		for _, c := range curveSpecs() {
			if c.curve == k.Curve {
				return c.name
			}
		}
	case *rsa.PublicKey:
		return "RSA-" + strconv.Itoa(k.N.BitLen())
	case ed25519.PublicKey:
		return algorithmEd25519
	}
	return ""
}

// ecPublicKey reads CKA_EC_PARAMS and CKA_EC_POINT. Tokens give the point
// either raw or inside an OCTET STRING (PKCS#11 v2.40 §2.3.3 asks for the
// latter).
func ecPublicKey(params, point []byte) (*ecdsa.PublicKey, error) {
	var oid asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(params, &oid)
	if err != nil || len(rest) != 0 {
		return nil, fmt.Errorf("%w: EC parameters are not a named curve", ErrUnsupported)
	}
	for _, c := range curveSpecs() {
		if !c.oid.Equal(oid) {
			continue
		}
		want := 1 + 2*((c.curve.Params().BitSize+7)/8)
		if len(point) != want {
			var inner []byte
			rest, err := asn1.Unmarshal(point, &inner)
			if err != nil || len(rest) != 0 {
				return nil, fmt.Errorf("%w: EC point of %d bytes", ErrUnsupported, len(point))
			}
			point = inner
		}
		key, err := ecdsa.ParseUncompressedPublicKey(c.curve, point)
		if err != nil {
			return nil, fmt.Errorf("%w: EC point: %w", ErrUnsupported, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: curve %s", ErrUnsupported, oid)
}

// edPublicKey reads CKA_EC_PARAMS and CKA_EC_POINT of an Edwards curve: the
// parameters are the OID or the curve's name (PKCS#11 v3.0 §2.3.5), the point
// stands raw, in an OCTET STRING or in a BIT STRING.
func edPublicKey(params, point []byte) (ed25519.PublicKey, error) {
	var oid asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(params, &oid)
	named := err == nil && len(rest) == 0 && oid.Equal(oidEd25519())
	if !named {
		var name string
		rest, err := asn1.Unmarshal(params, &name)
		if err != nil || len(rest) != 0 || name != "edwards25519" {
			return nil, fmt.Errorf("%w: parameters of an Edwards curve", ErrUnsupported)
		}
	}
	if len(point) != ed25519.PublicKeySize {
		var octets []byte
		rest, err := asn1.Unmarshal(point, &octets)
		if err != nil || len(rest) != 0 {
			var bits asn1.BitString
			rest, err := asn1.Unmarshal(point, &bits)
			if err != nil || len(rest) != 0 || bits.BitLength != 8*ed25519.PublicKeySize {
				return nil, fmt.Errorf("%w: Edwards point of %d bytes", ErrUnsupported, len(point))
			}
			octets = bits.Bytes
		}
		point = octets
	}
	if len(point) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: Edwards point of %d bytes", ErrUnsupported, len(point))
	}
	return ed25519.PublicKey(bytes.Clone(point)), nil
}

// rsaPublicKey reads CKA_MODULUS and CKA_PUBLIC_EXPONENT.
func rsaPublicKey(modulus, exponent []byte) (*rsa.PublicKey, error) {
	n := new(big.Int).SetBytes(modulus)
	e := new(big.Int).SetBytes(exponent)
	if n.BitLen() < 2048 || n.BitLen() > 8192 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 {
		return nil, fmt.Errorf("%w: RSA key of %d bits", ErrUnsupported, n.BitLen())
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// signPlan is a checked request to sign, ready for C_SignInit and C_Sign.
type signPlan struct {
	pub    crypto.PublicKey
	scheme scheme
	hash   hashSpec
	salt   int
	// digest is the whole message for Ed25519.
	digest []byte
}

// planSignature checks that scheme, hash, salt and digest fit the key.
func planSignature(pub crypto.PublicKey, s scheme, hash string, salt int, digest []byte) (signPlan, error) {
	if _, ok := pub.(ed25519.PublicKey); ok || s == schemeEdDSA {
		if !ok || s != schemeEdDSA || hash != "" || len(digest) > maxMessage {
			return signPlan{}, fmt.Errorf("%w: %q over %d bytes hashed with %q, with a key of %s", ErrUnsupported, s, len(digest), hash, AlgorithmOf(pub))
		}
		return signPlan{pub: pub, scheme: s, digest: digest}, nil
	}
	spec, err := hashByName(hash)
	if err != nil {
		return signPlan{}, err
	}
	if len(digest) != spec.hash.Size() {
		return signPlan{}, fmt.Errorf("%w: digest of %d bytes for %s", ErrBadRequest, len(digest), hash)
	}
	plan := signPlan{pub: pub, scheme: s, hash: spec, salt: salt, digest: digest}
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if s == schemeECDSA {
			return plan, nil
		}
	case *rsa.PublicKey:
		if s == schemePKCS1 {
			return plan, nil
		}
		if s == schemePSS {
			// RFC 8017 §9.1.1: emLen ≥ hLen + sLen + 2.
			if salt < 0 || salt > k.Size()-spec.hash.Size()-2 {
				return signPlan{}, fmt.Errorf("%w: salt of %d bytes", ErrBadRequest, salt)
			}
			return plan, nil
		}
	}
	return signPlan{}, fmt.Errorf("%w: %q with a key of %s", ErrUnsupported, s, AlgorithmOf(pub))
}

// hashName names the hash; empty for Ed25519.
func (p signPlan) hashName() string {
	if p.hash.hash == 0 {
		return ""
	}
	return p.hash.hash.String()
}

// provingPlan is a signature that says nothing, to see whether a key works.
func provingPlan(pub crypto.PublicKey) (signPlan, error) {
	digest := sha256.Sum256([]byte("antin: proof of possession"))
	if _, ok := pub.(ed25519.PublicKey); ok {
		return planSignature(pub, schemeEdDSA, "", 0, digest[:])
	}
	s := schemePKCS1
	if _, ok := pub.(*ecdsa.PublicKey); ok {
		s = schemeECDSA
	}
	return planSignature(pub, s, crypto.SHA256.String(), 0, digest[:])
}

// mechanism gives the mechanism and the data for C_Sign.
func (p signPlan) mechanism() (mechanism, []byte) {
	switch p.scheme {
	case schemePSS:
		return mechanism{pkcs11.CKM_RSA_PKCS_PSS, p.hash.mech, p.hash.mgf, uint(p.salt)}, p.digest
	case schemePKCS1:
		return mechanism{mech: pkcs11.CKM_RSA_PKCS}, append(bytes.Clone(p.hash.prefix), p.digest...)
	case schemeEdDSA:
		return mechanism{mech: ckmEdDSA}, p.digest
	default:
		// CKM_ECDSA takes at most the length of the group order; the leftmost
		// bits count (FIPS 186-5 §6.4.1), which are whole bytes for our curves
		// except P-521, where no hash is long enough to be cut.
		data := p.digest
		key, ok := p.pub.(*ecdsa.PublicKey)
		if ok && len(data) > (key.Curve.Params().BitSize+7)/8 {
			data = data[:(key.Curve.Params().BitSize+7)/8]
		}
		return mechanism{mech: pkcs11.CKM_ECDSA}, data
	}
}

// finish turns what the token returned into what crypto.Signer promises.
func (p signPlan) finish(raw []byte) ([]byte, error) {
	if p.scheme != schemeECDSA {
		return raw, nil
	}
	if len(raw) == 0 || len(raw)%2 != 0 {
		return nil, fmt.Errorf("%w: ECDSA signature of %d bytes", ErrWorkerFailed, len(raw))
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// verify says whether sig is a signature of the plan's key.
func (p signPlan) verify(sig []byte) bool {
	switch k := p.pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, p.digest, sig)
	case *rsa.PublicKey:
		if p.scheme == schemePSS {
			return rsa.VerifyPSS(k, p.hash.hash, p.digest, sig, &rsa.PSSOptions{SaltLength: p.salt, Hash: p.hash.hash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, p.hash.hash, p.digest, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, p.digest, sig)
	default:
		return false
	}
}

// checkLabel refuses labels that would not survive a log line or a listing.
func checkLabel(label string) error {
	if label == "" || len(label) > maxLabel || !utf8.ValidString(label) {
		return fmt.Errorf("%w: label of %d bytes", ErrBadRequest, len(label))
	}
	for _, r := range label {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w: label holds a character that cannot be printed", ErrBadRequest)
		}
	}
	return nil
}
