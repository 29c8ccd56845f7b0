package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// parts are the elements of a container as received, to be put together
// again.
type parts struct {
	version                   int
	digests, content          []byte
	certificates, revocations [][]byte
}

// Addition is unsigned material for a container.
type Addition struct {
	Certificates []*x509.Certificate
	OCSPs, CRLs  [][]byte
	Attributes   [][]byte // DER of unsigned attributes
}

// Extend returns the container of a single signer with more material. Every
// element that was there stays, byte by byte, so that signature and archive
// time-stamps hold; what is there already is not added again.
func (s *SignedData) Extend(a Addition) ([]byte, error) {
	all, err := parseAll(s.Raw, formAnyContent(s))
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, ErrSignerCount
	}
	certificates, revocations := copied(s.parts.certificates), copied(s.parts.revocations)
	for _, cert := range a.Certificates {
		certificates = addNew(certificates, cert.Raw)
	}
	for _, crl := range a.CRLs {
		revocations = addNew(revocations, crl)
	}
	version := s.parts.version
	for _, der := range a.OCSPs {
		other, err := otherRevocation(der)
		if err != nil {
			return nil, err
		}
		revocations = addNew(revocations, other)
		version = 5 // RFC 5652 §5.1: other revocation information
	}
	unsigned := copied(s.Signer.unsigned)
	for _, attribute := range a.Attributes {
		unsigned = addNew(unsigned, attribute)
	}
	sortSet(certificates)
	sortSet(revocations)
	return s.rebuild(version, certificates, revocations, unsigned)
}

// formAnyContent is the form under which a container may be read again.
func formAnyContent(s *SignedData) form {
	if s.ContentType.Equal(oidTSTInfo) {
		return formToken
	}
	return formAny
}

func copied(list [][]byte) [][]byte { return append([][]byte(nil), list...) }

func addNew(list [][]byte, der []byte) [][]byte {
	for _, have := range list {
		if bytes.Equal(have, der) {
			return list
		}
	}
	return append(list, der)
}

// otherRevocation wraps an OCSP response as RFC 5940 §2 has it.
func otherRevocation(der []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(explicit(1), func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidOCSPRevocation)
		b.AddBytes(der)
	})
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode revocation data: %w", err)
	}
	return out, nil
}

func (s *SignedData) rebuild(version int, certificates, revocations, unsigned [][]byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(int64(version))
				b.AddBytes(s.parts.digests)
				b.AddBytes(s.parts.content)
				if len(certificates) != 0 {
					addSet(b, explicit(0), certificates)
				}
				if len(revocations) != 0 {
					addSet(b, explicit(1), revocations)
				}
				b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddBytes(s.Signer.raw)
						if len(unsigned) != 0 {
							// In the order of time: archive time-stamps are
							// told apart by their own hash index.
							addSet(b, explicit(1), unsigned)
						}
					})
				})
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode signature: %w", err)
	}
	return der, nil
}

// ArchiveAttribute is the archive-time-stamp-v3 attribute around a token.
func ArchiveAttribute(token []byte) ([]byte, error) {
	return encodeAttribute(oidArchiveTimeStampV3, func(b *cryptobyte.Builder) { b.AddBytes(token) })
}

// TimestampAttribute is the signature-time-stamp attribute around a token
// (RFC 3161 appendix A).
func TimestampAttribute(token []byte) ([]byte, error) {
	return encodeAttribute(oidSignatureTimeStamp, func(b *cryptobyte.Builder) { b.AddBytes(token) })
}

// attributeValues gives the type and the values of one attribute, as encoded.
func attributeValues(attribute []byte) (oid asn1.ObjectIdentifier, typ []byte, values [][]byte, err error) {
	in := cryptobyte.String(attribute)
	var body, set, typeDER cryptobyte.String
	if !in.ReadASN1(&body, casn1.SEQUENCE) {
		return nil, nil, nil, malformed("attribute")
	}
	copyOf := body
	if !copyOf.ReadASN1Element(&typeDER, casn1.OBJECT_IDENTIFIER) || !body.ReadASN1ObjectIdentifier(&oid) || !body.ReadASN1(&set, casn1.SET) {
		return nil, nil, nil, malformed("attribute")
	}
	for !set.Empty() {
		var value cryptobyte.String
		var tag casn1.Tag
		if !set.ReadAnyASN1Element(&value, &tag) {
			return nil, nil, nil, malformed("attribute value")
		}
		values = append(values, value)
	}
	return oid, typeDER, values, nil
}
