package cms

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Join puts the signers of another container, over the same attached content,
// beside those of the first one (RFC 5652 §5.1: parallel signatures). Every
// signer's bytes stay as they are, so that signatures and archive time-stamps
// hold; certificates and revocation data are those of both.
func Join(first, other []byte) ([]byte, error) {
	a, err := parseAll(first, formAny)
	if err != nil {
		return nil, err
	}
	b, err := parseAll(other, formAny)
	if err != nil {
		return nil, err
	}
	if a[0].Content == nil || !bytes.Equal(a[0].Content, b[0].Content) {
		return nil, fmt.Errorf("%w: parallel signatures are over one attached content", ErrContent)
	}
	if len(a)+len(b) > maxSigners {
		return nil, ErrSignerCount
	}
	digests, err := setElements(a[0].parts.digests, b[0].parts.digests)
	if err != nil {
		return nil, err
	}
	certificates, revocations := copied(a[0].parts.certificates), copied(a[0].parts.revocations)
	for _, der := range b[0].parts.certificates {
		certificates = addNew(certificates, der)
	}
	for _, der := range b[0].parts.revocations {
		revocations = addNew(revocations, der)
	}
	if len(certificates) > maxCertificates || len(revocations) > maxRevocations {
		return nil, fmt.Errorf("%w: too many certificates or revocation data", ErrRefused)
	}
	sortSet(digests)
	sortSet(certificates)
	sortSet(revocations)
	version := max(a[0].parts.version, b[0].parts.version)
	return joined(version, digests, a[0].parts.content, certificates, revocations, append(slices.Clip(a), b...))
}

func joined(version int, digests [][]byte, content []byte, certificates, revocations [][]byte, signers []*SignedData) ([]byte, error) {
	var infos [][]byte
	for _, s := range signers {
		b := cryptobyte.NewBuilder(nil)
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(s.Signer.raw)
			if len(s.Signer.unsigned) != 0 {
				addSet(b, explicit(1), s.Signer.unsigned)
			}
		})
		der, err := b.Bytes()
		if err != nil {
			return nil, fmt.Errorf("encode signature: %w", err)
		}
		infos = append(infos, der)
	}
	sortSet(infos)
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(int64(version))
				addSet(b, casn1.SET, digests)
				b.AddBytes(content)
				if len(certificates) != 0 {
					addSet(b, explicit(0), certificates)
				}
				if len(revocations) != 0 {
					addSet(b, explicit(1), revocations)
				}
				addSet(b, casn1.SET, infos)
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode signature: %w", err)
	}
	return der, nil
}

// setElements gives the elements of encoded sets, each once.
func setElements(sets ...[]byte) ([][]byte, error) {
	var out [][]byte
	for _, set := range sets {
		in := cryptobyte.String(set)
		var body cryptobyte.String
		if !in.ReadASN1(&body, casn1.SET) {
			return nil, malformed("digestAlgorithms")
		}
		for !body.Empty() {
			var element cryptobyte.String
			var tag casn1.Tag
			if !body.ReadAnyASN1Element(&element, &tag) {
				return nil, malformed("digestAlgorithms")
			}
			out = addNew(out, element)
		}
	}
	return out, nil
}
