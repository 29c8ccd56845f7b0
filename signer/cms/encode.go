package cms

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"sort"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// signedAttributes returns the DER of each attribute in the order of DER SET
// OF (X.690 §11.6).
func signedAttributes(digest []byte, cert *x509.Certificate, signingTime time.Time) ([][]byte, error) {
	values := []struct {
		oid   asn1.ObjectIdentifier
		value func(b *cryptobyte.Builder)
	}{
		{oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) }},
		{oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) }},
		{oidSigningCertificateV2, func(b *cryptobyte.Builder) { addSigningCertificateV2(b, cert) }},
	}
	if !signingTime.IsZero() {
		values = append(values, struct {
			oid   asn1.ObjectIdentifier
			value func(b *cryptobyte.Builder)
		}{oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, signingTime.UTC()) }})
	}
	attrs := make([][]byte, 0, len(values))
	for _, v := range values {
		der, err := encodeAttribute(v.oid, v.value)
		if err != nil {
			return nil, err
		}
		attrs = append(attrs, der)
	}
	sortSet(attrs)
	return attrs, nil
}

// addSigningCertificateV2 writes SigningCertificateV2 with one ESSCertIDv2:
// SHA-256, which is the default and therefore left out in DER, and no
// issuerSerial, which the SignerInfo holds already (RFC 5035 §3).
func addSigningCertificateV2(b *cryptobyte.Builder, cert *x509.Certificate) {
	sum := sha256.Sum256(cert.Raw)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString(sum[:])
			})
		})
	})
}

// addTime writes UTCTime until 2049 and GeneralizedTime after (RFC 5652 §11.3).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t.Year() >= 1950 && t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

func encodeAttribute(oid asn1.ObjectIdentifier, value func(b *cryptobyte.Builder)) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(casn1.SET, value)
	})
	return b.Bytes()
}

func sortSet(elements [][]byte) {
	sort.Slice(elements, func(i, j int) bool { return bytes.Compare(elements[i], elements[j]) < 0 })
}

// addSet writes finished elements, in the order given, under a tag.
func addSet(b *cryptobyte.Builder, tag casn1.Tag, elements [][]byte) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, der := range elements {
			b.AddBytes(der)
		}
	})
}

// encodeForSignature is what the signature value is computed over: the
// attributes with the tag of SET OF instead of [0] (RFC 5652 §5.4).
func encodeForSignature(attrs [][]byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	addSet(b, casn1.SET, attrs)
	return b.Bytes()
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, null bool) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	})
}

func addSignatureAlgorithm(b *cryptobyte.Builder, algorithm Algorithm, hashOID asn1.ObjectIdentifier) error {
	switch algorithm.Scheme {
	case SchemeRSA:
		addAlgorithm(b, oidRSA, true) // RFC 3370 §3.2
	case SchemeEd25519:
		addAlgorithm(b, oidEd25519, false) // RFC 8419 §3.1
	case SchemeECDSA:
		oid, err := ecdsaOID(algorithm.Hash)
		if err != nil {
			return err
		}
		addAlgorithm(b, oid, false) // RFC 5754 §3.3: parameters absent
	case SchemePSS:
		// RFC 4056 §3: all parameters explicit, one hash throughout.
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidRSAPSS)
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { addAlgorithm(b, hashOID, true) })
				b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(oidMGF1)
						addAlgorithm(b, hashOID, true)
					})
				})
				b.AddASN1(explicit(2), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(algorithm.SaltLength)) })
			})
		})
	}
	return nil
}

func ecdsaOID(h crypto.Hash) (asn1.ObjectIdentifier, error) {
	for _, id := range signatureIDs() {
		if id.scheme == SchemeECDSA && id.hash == h {
			return id.oid, nil
		}
	}
	return nil, fmt.Errorf("%w: ECDSA with %v", ErrRefused, h)
}

func assemble(p Params, algorithm Algorithm, attrs [][]byte, signature, token []byte) ([]byte, error) {
	hashOID, err := HashOID(p.Hash)
	if err != nil {
		return nil, err
	}
	certs := make([][]byte, 0, len(p.Chain))
	for _, cert := range p.Chain {
		certs = append(certs, cert.Raw)
	}
	sortSet(certs)
	leaf := p.Chain[0]
	var inner error
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1) // RFC 5652 §5.1: id-data, issuerAndSerialNumber
				b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, hashOID, false) })
				b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidData)
					if p.Attached {
						b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1OctetString(p.Content) })
					}
				})
				addSet(b, explicit(0), certs)
				b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1Int64(1)
						b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(leaf.RawIssuer)
							b.AddASN1BigInt(leaf.SerialNumber)
						})
						addAlgorithm(b, hashOID, false)
						addSet(b, explicit(0), attrs)
						inner = addSignatureAlgorithm(b, algorithm, hashOID)
						b.AddASN1OctetString(signature)
						if len(token) != 0 {
							addTimestamp(b, token)
						}
					})
				})
			})
		})
	})
	if inner != nil {
		return nil, inner
	}
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode signature: %w", err)
	}
	return der, nil
}

func addTimestamp(b *cryptobyte.Builder, token []byte) {
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSignatureTimeStamp)
			b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(token) })
		})
	})
}
