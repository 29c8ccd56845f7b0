package cms

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// HashIndex is the DER of an ATSHashIndexV3 over everything unsigned that the
// container holds now (EN 319 122-1 §5.5.2): certificates, revocation data and
// each value of the unsigned attributes.
func (s *SignedData) HashIndex(h crypto.Hash) ([]byte, error) {
	oid, err := HashOID(h)
	if err != nil {
		return nil, err
	}
	attributes, err := s.attributeHashes(h)
	if err != nil {
		return nil, err
	}
	lists := [][][]byte{hashes(h, s.parts.certificates), hashes(h, s.parts.revocations), attributes}
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, oid, false)
		for _, list := range lists {
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, sum := range list {
					b.AddASN1OctetString(sum)
				}
			})
		}
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encode hash index: %w", err)
	}
	return der, nil
}

func hashes(h crypto.Hash, list [][]byte) [][]byte {
	var out [][]byte
	for _, der := range list {
		out = append(out, sum(h, der))
	}
	return out
}

// attributeHashes hashes attrType and each attrValue together.
func (s *SignedData) attributeHashes(h crypto.Hash) ([][]byte, error) {
	var out [][]byte
	for _, attribute := range s.Signer.unsigned {
		_, typ, values, err := attributeValues(attribute)
		if err != nil {
			return nil, err
		}
		for _, value := range values {
			out = append(out, sum(h, typ, value))
		}
	}
	return out, nil
}

func sum(h crypto.Hash, pieces ...[]byte) []byte {
	digest := h.New()
	for _, piece := range pieces {
		digest.Write(piece)
	}
	return digest.Sum(nil)
}

// ArchiveImprint is what an archive-time-stamp-v3 is over (EN 319 122-1
// §5.5.3): the content's type and digest, the signer's fields and a hash index.
// content is the digest, by h, of the signed content.
func (s *SignedData) ArchiveImprint(h crypto.Hash, content, index []byte) ([]byte, error) {
	in := cryptobyte.String(s.parts.content)
	var encap, contentType cryptobyte.String
	if !in.ReadASN1(&encap, casn1.SEQUENCE) || !encap.ReadASN1Element(&contentType, casn1.OBJECT_IDENTIFIER) {
		return nil, malformed("encapContentInfo")
	}
	return sum(h, contentType, content, s.Signer.raw, index), nil
}

// AddHashIndex puts a hash index into the unsigned attributes of an archive
// time-stamp token.
func AddHashIndex(token, index []byte) ([]byte, error) {
	signed, err := ParseToken(token)
	if err != nil {
		return nil, err
	}
	attribute, err := encodeAttribute(oidHashIndexV3, func(b *cryptobyte.Builder) { b.AddBytes(index) })
	if err != nil {
		return nil, fmt.Errorf("encode hash index: %w", err)
	}
	return signed.Extend(Addition{Attributes: [][]byte{attribute}})
}

// ArchiveIndex finds the hash index of an archive time-stamp token and checks
// that everything it names stands in the container. Errors: ErrMalformed when
// there is none, ErrDigest when something it names is gone or changed.
func (s *SignedData) ArchiveIndex(token *SignedData) ([]byte, error) {
	var index []byte
	for _, attribute := range token.Signer.unsigned {
		oid, _, values, err := attributeValues(attribute)
		if err != nil {
			return nil, err
		}
		if !oid.Equal(oidHashIndexV3) {
			continue
		}
		if len(values) != 1 || index != nil {
			return nil, malformed("ats-hash-index-v3")
		}
		index = values[0]
	}
	if index == nil {
		return nil, malformed("ats-hash-index-v3 is missing")
	}
	return index, s.checkIndex(index)
}

func (s *SignedData) checkIndex(index []byte) error {
	in := cryptobyte.String(index)
	var body cryptobyte.String
	if !in.ReadASN1(&body, casn1.SEQUENCE) || !in.Empty() {
		return malformed("ats-hash-index-v3")
	}
	algorithm, err := readAlgorithm(&body)
	if err != nil {
		return err
	}
	h, err := HashByOID(algorithm.oid)
	if err != nil {
		return err
	}
	if WeakHash(h) {
		return fmt.Errorf("%w: hash index by %v", ErrAlgorithm, h)
	}
	attributes, err := s.attributeHashes(h)
	if err != nil {
		return err
	}
	for _, have := range [][][]byte{hashes(h, s.parts.certificates), hashes(h, s.parts.revocations), attributes} {
		var list cryptobyte.String
		if !body.ReadASN1(&list, casn1.SEQUENCE) {
			return malformed("ats-hash-index-v3")
		}
		err = allThere(list, have)
		if err != nil {
			return err
		}
	}
	if !body.Empty() {
		return malformed("ats-hash-index-v3")
	}
	return nil
}

func allThere(list cryptobyte.String, have [][]byte) error {
	for count := 0; !list.Empty(); count++ {
		var want cryptobyte.String
		if count > maxCertificates+maxRevocations || !list.ReadASN1(&want, casn1.OCTET_STRING) {
			return malformed("ats-hash-index-v3")
		}
		found := false
		for _, one := range have {
			found = found || bytes.Equal(one, want)
		}
		if !found {
			return fmt.Errorf("%w: something under an archive time-stamp is gone", ErrDigest)
		}
	}
	return nil
}

// IsSignedData tells whether a DER or BER text begins as a ContentInfo of
// SignedData does. It looks at the first bytes only.
func IsSignedData(head []byte) bool {
	if len(head) == 0 || head[0] != 0x30 {
		return false
	}
	oid, err := asn1.Marshal(oidSignedData)
	if err != nil {
		return false
	}
	at := bytes.Index(head, oid)
	return at >= 2 && at <= 2+maxLengthOctets
}
