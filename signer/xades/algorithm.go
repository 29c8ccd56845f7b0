package xades

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/signer/cms"
)

// errAlgorithm is an algorithm that is not known here.
var errAlgorithm = cms.ErrAlgorithm

const (
	dsigNS  = "http://www.w3.org/2000/09/xmldsig#"
	more01  = "http://www.w3.org/2001/04/xmldsig-more#"
	more21  = "http://www.w3.org/2021/04/xmldsig-more#"
	more07  = "http://www.w3.org/2007/05/xmldsig-more#"
	xmlenc  = "http://www.w3.org/2001/04/xmlenc#"
	base64T = dsigNS + "base64"
	// enveloped is the transform that leaves the signature itself out.
	enveloped = dsigNS + "enveloped-signature"
)

type digestID struct {
	hash crypto.Hash
	uri  string
}

func digestIDs() []digestID {
	return []digestID{
		{crypto.SHA256, xmlenc + "sha256"}, {crypto.SHA384, more01 + "sha384"}, {crypto.SHA512, xmlenc + "sha512"},
		{crypto.SHA3_256, more07 + "sha3-256"}, {crypto.SHA3_384, more07 + "sha3-384"}, {crypto.SHA3_512, more07 + "sha3-512"},
		{crypto.SHA224, more01 + "sha224"}, {crypto.SHA1, dsigNS + "sha1"},
	}
}

// HashByURI is the hash that a DigestMethod names (RFC 9231). The error is
// cms.ErrAlgorithm.
func HashByURI(uri string) (crypto.Hash, error) {
	for _, id := range digestIDs() {
		if id.uri == uri {
			return id.hash, nil
		}
	}
	return 0, fmt.Errorf("%w: digest %q", errAlgorithm, uri)
}

// HashURI is the name of a hash for a DigestMethod.
func HashURI(h crypto.Hash) (string, error) {
	for _, id := range digestIDs() {
		if id.hash == h {
			return id.uri, nil
		}
	}
	return "", fmt.Errorf("%w: hash %d", ErrOptions, uint(h))
}

type signatureID struct {
	algorithm cms.Algorithm
	uri       string
}

// signatureIDs are those of RFC 9231 that are known here. RSASSA-PSS is the
// form with everything implied: MGF1 with the same hash, a salt as long as it.
func signatureIDs() []signatureID {
	ids := []signatureID{
		{cms.Algorithm{Scheme: cms.SchemeRSA, Hash: crypto.SHA1}, dsigNS + "rsa-sha1"},
		{cms.Algorithm{Scheme: cms.SchemeECDSA, Hash: crypto.SHA1}, more01 + "ecdsa-sha1"},
	}
	for _, h := range []struct {
		hash crypto.Hash
		name string
	}{{crypto.SHA256, "sha256"}, {crypto.SHA384, "sha384"}, {crypto.SHA512, "sha512"}, {crypto.SHA224, "sha224"}} {
		ids = append(ids,
			signatureID{cms.Algorithm{Scheme: cms.SchemeRSA, Hash: h.hash}, more01 + "rsa-" + h.name},
			signatureID{cms.Algorithm{Scheme: cms.SchemeECDSA, Hash: h.hash}, more01 + "ecdsa-" + h.name},
			signatureID{cms.Algorithm{Scheme: cms.SchemePSS, Hash: h.hash, SaltLength: h.hash.Size()}, more07 + h.name + "-rsa-MGF1"})
	}
	for _, h := range []struct {
		hash crypto.Hash
		name string
	}{{crypto.SHA3_256, "sha3-256"}, {crypto.SHA3_384, "sha3-384"}, {crypto.SHA3_512, "sha3-512"}} {
		ids = append(ids,
			signatureID{cms.Algorithm{Scheme: cms.SchemeECDSA, Hash: h.hash}, more21 + "ecdsa-" + h.name},
			signatureID{cms.Algorithm{Scheme: cms.SchemePSS, Hash: h.hash, SaltLength: h.hash.Size()}, more07 + h.name + "-rsa-MGF1"})
	}
	return ids
}

func algorithmByURI(uri string) (cms.Algorithm, error) {
	for _, id := range signatureIDs() {
		if id.uri == uri {
			return id.algorithm, nil
		}
	}
	return cms.Algorithm{}, fmt.Errorf("%w: signature %q", errAlgorithm, uri)
}

func algorithmURI(a cms.Algorithm) (string, error) {
	for _, id := range signatureIDs() {
		if id.algorithm == a {
			return id.uri, nil
		}
	}
	return "", fmt.Errorf("%w: no XML signature by %s with %v", ErrOptions, a.Scheme, a.Hash)
}

// verifyValue checks a signature value over a digest.
func verifyValue(cert *x509.Certificate, a cms.Algorithm, digest, value []byte) error {
	if a.Scheme == cms.SchemeECDSA {
		der, err := fromFixed(cert, value)
		if err != nil {
			return err
		}
		value = der
	}
	return cms.VerifyDigest(cert.PublicKey, a, digest, value)
}

// fromFixed turns r and s side by side (RFC 4050, RFC 9231 §2.3.6) into the
// DER that crypto/ecdsa reads.
func fromFixed(cert *x509.Certificate, value []byte) ([]byte, error) {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || len(value) != 2*fieldSize(key) {
		return nil, cms.ErrSignature
	}
	half := len(value) / 2
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(value[:half]))
		b.AddASN1BigInt(new(big.Int).SetBytes(value[half:]))
	})
	return b.Bytes()
}

func fieldSize(key *ecdsa.PublicKey) int { return (key.Curve.Params().BitSize + 7) / 8 }

// toFixed turns an ECDSA signature in DER into r and s side by side.
func toFixed(key *ecdsa.PublicKey, der []byte) ([]byte, error) {
	in := cryptobyte.String(der)
	var body cryptobyte.String
	r, s := new(big.Int), new(big.Int)
	if !in.ReadASN1(&body, casn1.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(r) || !body.ReadASN1Integer(s) || !body.Empty() {
		return nil, cms.ErrSignature
	}
	size := fieldSize(key)
	if r.Sign() <= 0 || s.Sign() <= 0 || r.BitLen() > 8*size || s.BitLen() > 8*size {
		return nil, cms.ErrSignature
	}
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
}
