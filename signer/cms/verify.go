package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SignerCertificate finds the signer's certificate among those in the
// container and further candidates, by the signer identifier, and checks the
// signing-certificate attribute against it.
func (s *SignedData) SignerCertificate(candidates ...*x509.Certificate) (*x509.Certificate, error) {
	var misnamed *x509.Certificate
	for _, list := range [][]*x509.Certificate{s.Certificates, candidates} {
		for _, cert := range list {
			if !s.Signer.identifies(cert) {
				continue
			}
			if s.Signer.CertificateID.matches(cert) {
				return cert, nil
			}
			misnamed = cert
		}
	}
	if misnamed != nil {
		return misnamed, ErrSigningCertificate
	}
	return nil, ErrNoSigningCertificate
}

func (i *SignerInfo) identifies(cert *x509.Certificate) bool {
	if i.SubjectKeyID != nil {
		return bytes.Equal(cert.SubjectKeyId, i.SubjectKeyID)
	}
	if !bytes.Equal(cert.RawIssuer, i.Issuer) {
		return false
	}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1BigInt(cert.SerialNumber)
	der, err := b.Bytes()
	if err != nil {
		return false
	}
	in := cryptobyte.String(der)
	var serial cryptobyte.String
	return in.ReadASN1(&serial, casn1.INTEGER) && bytes.Equal(serial, i.Serial)
}

// matches tells whether the attribute names this certificate; a signature
// without the attribute names none and contradicts none.
func (id *CertificateID) matches(cert *x509.Certificate) bool {
	if id == nil {
		return true
	}
	h := id.Hash.New()
	h.Write(cert.Raw)
	return bytes.Equal(h.Sum(nil), id.Digest)
}

// Verify checks the signature of a detached container over a content with the
// given digest (computed with Signer.Digest), by the key of cert. It says
// nothing about whether cert may be believed. Errors: ErrAlgorithm, ErrDigest,
// ErrSignature.
func (s *SignedData) Verify(cert *x509.Certificate, digest []byte) error {
	if s.Signer.AlgorithmErr != nil {
		return s.Signer.AlgorithmErr
	}
	if !s.Signer.HasAttributes {
		if s.Signer.Algorithm.Scheme == SchemeEd25519 {
			return fmt.Errorf("%w: Ed25519 without signed attributes", ErrAlgorithm)
		}
		return verifyDigest(cert.PublicKey, s.Signer.Algorithm, digest, s.Signer.Signature)
	}
	if !bytes.Equal(digest, s.Signer.MessageDigest) {
		return ErrDigest
	}
	return s.verifyAttributes(cert)
}

// VerifyContent is Verify for attached content, whose digest it computes.
func (s *SignedData) VerifyContent(cert *x509.Certificate) error {
	if s.Signer.AlgorithmErr != nil {
		return s.Signer.AlgorithmErr
	}
	h := s.Signer.Digest.New()
	h.Write(s.Content)
	return s.Verify(cert, h.Sum(nil))
}

// verifyAttributes verifies over the attributes as they were received, with
// the tag of SET OF (RFC 5652 §5.4); they are never re-sorted, so a signer
// that ordered them wrongly but signed what it wrote still verifies, and what
// was signed is what is read.
func (s *SignedData) verifyAttributes(cert *x509.Certificate) error {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(s.Signer.rawAttributes) })
	encoded, err := b.Bytes()
	if err != nil {
		return malformed("signed attributes")
	}
	if s.Signer.Algorithm.Scheme == SchemeEd25519 {
		key, ok := cert.PublicKey.(ed25519.PublicKey)
		if !ok || !ed25519.Verify(key, encoded, s.Signer.Signature) {
			return ErrSignature
		}
		return nil
	}
	h := s.Signer.Algorithm.Hash.New()
	h.Write(encoded)
	return verifyDigest(cert.PublicKey, s.Signer.Algorithm, h.Sum(nil), s.Signer.Signature)
}

// leastRSABits is what crypto/rsa verifies at all.
const leastRSABits = 1024

func verifyDigest(public crypto.PublicKey, algorithm Algorithm, digest, signature []byte) error {
	if len(digest) != algorithm.Hash.Size() {
		return fmt.Errorf("%w: digest length", ErrDigest)
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		// crypto/rsa does not take such keys; that says nothing about the
		// signature.
		if key.N.BitLen() < leastRSABits || key.E > math.MaxInt32 {
			return fmt.Errorf("%w: RSA key of %d bits with exponent %d", ErrAlgorithm, key.N.BitLen(), key.E)
		}
		var err error
		switch algorithm.Scheme {
		case SchemeRSA:
			err = rsa.VerifyPKCS1v15(key, algorithm.Hash, digest, signature)
		case SchemePSS:
			err = rsa.VerifyPSS(key, algorithm.Hash, digest, signature, &rsa.PSSOptions{SaltLength: algorithm.SaltLength})
		default:
			return fmt.Errorf("%w: %s by an RSA key", ErrSignature, algorithm.Scheme)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrSignature, err)
		}
		return nil
	case *ecdsa.PublicKey:
		if algorithm.Scheme != SchemeECDSA || !ecdsa.VerifyASN1(key, digest, signature) {
			return ErrSignature
		}
		return nil
	}
	return fmt.Errorf("%w: key type %T", ErrAlgorithm, public)
}

// VerifyDigest checks a signature value over a digest that was computed with
// the algorithm's hash. ECDSA values are in DER. Errors: ErrAlgorithm,
// ErrDigest, ErrSignature.
func VerifyDigest(public crypto.PublicKey, algorithm Algorithm, digest, signature []byte) error {
	return verifyDigest(public, algorithm, digest, signature)
}
