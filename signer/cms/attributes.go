package cms

import (
	"crypto"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// forEachAttribute walks a set of attributes.
func forEachAttribute(set cryptobyte.String, visit func(oid asn1.ObjectIdentifier, values cryptobyte.String) error) error {
	for count := 0; !set.Empty(); count++ {
		var attr, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		ok := count < maxAttributes && set.ReadASN1(&attr, casn1.SEQUENCE) && attr.ReadASN1ObjectIdentifier(&oid) &&
			attr.ReadASN1(&values, casn1.SET) && attr.Empty()
		if !ok {
			return malformed("attributes")
		}
		err := visit(oid, values)
		if err != nil {
			return err
		}
	}
	return nil
}

// readSignedAttributes reads what the signer signed. An attribute may stand
// once only (RFC 5652 §5.3), and those read here hold one value.
func (s *SignedData) readSignedAttributes(set cryptobyte.String) error {
	info := &s.Signer
	info.rawAttributes = set
	seen := make(map[string]bool)
	var contentType asn1.ObjectIdentifier
	err := forEachAttribute(set, func(oid asn1.ObjectIdentifier, values cryptobyte.String) error {
		if seen[oid.String()] {
			return malformed("attribute " + oid.String() + " twice")
		}
		seen[oid.String()] = true
		switch {
		case oid.Equal(oidContentType):
			if !values.ReadASN1ObjectIdentifier(&contentType) || !values.Empty() {
				return malformed("content-type")
			}
		case oid.Equal(oidMessageDigest):
			var digest cryptobyte.String
			if !values.ReadASN1(&digest, casn1.OCTET_STRING) || !values.Empty() || len(digest) == 0 {
				return malformed("message-digest")
			}
			info.MessageDigest = digest
		case oid.Equal(oidSigningTime):
			claimed, ok := readTime(&values)
			if !ok || !values.Empty() {
				return malformed("signing-time")
			}
			info.ClaimedTime = claimed
		case oid.Equal(oidSigningCertificateV2):
			id, err := readCertificateID(values, true)
			if err != nil {
				return err
			}
			info.CertificateID = id
		case oid.Equal(oidSigningCertificate):
			id, err := readCertificateID(values, false)
			if err != nil {
				return err
			}
			// The stronger one decides when both stand there.
			if info.CertificateID == nil {
				info.CertificateID = id
			}
		case oid.Equal(oidSignaturePolicy):
			info.SignaturePolicy = true
		case oid.Equal(oidAdobeRevocation):
			return s.readAdobeRevocation(values)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if contentType == nil || !contentType.Equal(s.ContentType) {
		return ErrContentType
	}
	if info.MessageDigest == nil {
		return ErrNoMessageDigest
	}
	return nil
}

func (s *SignedData) readUnsignedAttributes(set cryptobyte.String) error {
	for rest := set; !rest.Empty(); {
		var element cryptobyte.String
		if len(s.Signer.unsigned) == maxAttributes || !rest.ReadASN1Element(&element, casn1.SEQUENCE) {
			return malformed("unsigned attributes")
		}
		s.Signer.unsigned = append(s.Signer.unsigned, element)
	}
	return forEachAttribute(set, func(oid asn1.ObjectIdentifier, values cryptobyte.String) error {
		switch {
		case oid.Equal(oidSignatureTimeStamp):
			return readTokens(&s.Signer.Timestamps, values)
		case oid.Equal(oidArchiveTimeStampV3):
			return readTokens(&s.Signer.Archive, values)
		case oid.Equal(oidAdobeRevocation):
			return s.readAdobeRevocation(values)
		}
		return nil
	})
}

func readTokens(list *[][]byte, values cryptobyte.String) error {
	for !values.Empty() {
		var token cryptobyte.String
		if len(*list) == maxAttributes || !values.ReadASN1Element(&token, casn1.SEQUENCE) {
			return malformed("time-stamp attribute")
		}
		*list = append(*list, token)
	}
	return nil
}

func readTime(in *cryptobyte.String) (time.Time, bool) {
	var t time.Time
	if in.PeekASN1Tag(casn1.UTCTime) {
		ok := in.ReadASN1UTCTime(&t)
		return t.UTC(), ok
	}
	ok := in.ReadASN1GeneralizedTime(&t)
	return t.UTC(), ok
}

// readCertificateID reads the first ESSCertID (RFC 2634 §5.4) or ESSCertIDv2
// (RFC 5035 §3): the one of the signer.
func readCertificateID(values cryptobyte.String, v2 bool) (*CertificateID, error) {
	var attr, certs, first, digest cryptobyte.String
	ok := values.ReadASN1(&attr, casn1.SEQUENCE) && values.Empty() && attr.ReadASN1(&certs, casn1.SEQUENCE) &&
		certs.ReadASN1(&first, casn1.SEQUENCE)
	if !ok {
		return nil, malformed("signing-certificate")
	}
	id := &CertificateID{Hash: crypto.SHA1, V2: v2}
	if v2 {
		id.Hash = crypto.SHA256
		if first.PeekASN1Tag(casn1.SEQUENCE) {
			algorithm, err := readAlgorithm(&first)
			if err != nil {
				return nil, err
			}
			id.Hash, err = HashByOID(algorithm.oid)
			if err != nil {
				return nil, err
			}
		}
	}
	if !first.ReadASN1(&digest, casn1.OCTET_STRING) || len(digest) != id.Hash.Size() {
		return nil, fmt.Errorf("%w: signing-certificate digest", ErrMalformed)
	}
	id.Digest = digest
	return id, nil
}

// readAdobeRevocation reads adbe-revocationInfoArchival (ISO 32000-1
// §12.8.3.3.2): crl [0] SEQUENCE OF, ocsp [1] SEQUENCE OF. A damaged one is
// passed over: it is additional evidence, nothing depends on it.
func (s *SignedData) readAdobeRevocation(values cryptobyte.String) error {
	var archival cryptobyte.String
	if !values.ReadASN1(&archival, casn1.SEQUENCE) {
		return nil
	}
	for n, list := range []*[][]byte{&s.CRLs, &s.OCSPs} {
		var wrapped, items cryptobyte.String
		var present bool
		if !archival.ReadOptionalASN1(&wrapped, &present, explicit(uint8(n))) {
			return nil
		}
		if !present || !wrapped.ReadASN1(&items, casn1.SEQUENCE) {
			continue
		}
		for !items.Empty() && len(*list) < maxRevocations {
			var item cryptobyte.String
			if !items.ReadASN1Element(&item, casn1.SEQUENCE) {
				return nil
			}
			*list = append(*list, item)
		}
	}
	return nil
}
