package cms

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/internal/trust"
)

const (
	// maxSize bounds one container. Real ones are 5-60 kB; those with
	// embedded CRLs reach a few megabytes.
	maxSize = 32 << 20
	// maxCertificates and maxAttributes bound the sets in it.
	maxCertificates = 128
	maxAttributes   = 64
	// maxRevocations bounds the embedded CRLs and OCSP responses.
	maxRevocations = 128
	// maxAttached bounds a container with its content inside, which is held in
	// memory as a whole.
	maxAttached = 96 << 20
	// maxSigners bounds the SignerInfos of one container.
	maxSigners = 32
)

// SignedData is one parsed signature container with exactly one signer.
type SignedData struct {
	// Raw is the whole container.
	Raw []byte
	// ContentType names what is signed: id-data or id-ct-TSTInfo.
	ContentType asn1.ObjectIdentifier
	// Content is the attached content, nil when detached.
	Content []byte
	// Certificates are those that crypto/x509 can read.
	Certificates []*x509.Certificate
	// UnreadCertificates counts the others.
	UnreadCertificates int
	// OCSPs and CRLs are revocation data found in the container: in its crls
	// field (RFC 5652 §5.1, RFC 5940) and in adbe-revocationInfoArchival.
	OCSPs, CRLs [][]byte
	// Signer is the SignerInfo that is looked at: the only one, or one of
	// those that ParseAll read.
	Signer SignerInfo

	parts parts
}

// SignerInfo is what the signer said.
type SignerInfo struct {
	// Issuer (DER of the name) and Serial, or SubjectKeyID, identify the
	// signer's certificate.
	Issuer       []byte
	Serial       []byte // big-endian two's complement, as encoded
	SubjectKeyID []byte
	// Digest is the digest algorithm, Algorithm how the signature was made.
	// AlgorithmErr is set, and Algorithm empty, when it is not supported.
	Digest       crypto.Hash
	Algorithm    Algorithm
	AlgorithmErr error
	Signature    []byte
	// HasAttributes tells whether there are signed attributes;
	// MessageDigest is theirs.
	HasAttributes bool
	MessageDigest []byte
	// ClaimedTime is the signing-time attribute: a claim, nothing more.
	ClaimedTime time.Time
	// CertificateID is the signing-certificate(-v2) attribute.
	CertificateID *CertificateID
	// SignaturePolicy tells that a signature policy is named (EPES).
	SignaturePolicy bool
	// Timestamps are the tokens of signature-time-stamp attributes.
	Timestamps [][]byte
	// Archive are the tokens of archive-time-stamp-v3 attributes.
	Archive [][]byte

	raw           []byte // version to signature, as received
	unsigned      [][]byte
	rawAttributes []byte // content octets of signedAttrs as received
}

// CertificateID is the first ESSCertID(v2): the signer's own certificate.
type CertificateID struct {
	Hash   crypto.Hash
	Digest []byte
	V2     bool
}

// form is the shape a container must have.
type form int

const (
	formDetached form = iota
	formLegacyDetached
	formSHA1
	formToken
	formAny
)

// Parse reads a detached signature as PAdES has it: no content, one signer,
// signed attributes with content-type and message-digest.
func Parse(der []byte) (*SignedData, error) { return parse(der, formDetached) }

// ParseLegacy reads adbe.pkcs7.detached as old software writes it: as Parse,
// but signed attributes may be missing.
func ParseLegacy(der []byte) (*SignedData, error) { return parse(der, formLegacyDetached) }

// ParseSHA1 reads adbe.pkcs7.sha1 (ISO 32000-1 §12.8.3.3): the attached
// content is the SHA-1 digest of the byte range.
func ParseSHA1(der []byte) (*SignedData, error) { return parse(der, formSHA1) }

// ParseToken reads the SignedData of a time-stamp token: attached TSTInfo.
func ParseToken(der []byte) (*SignedData, error) { return parse(der, formToken) }

// ParseAll reads a signature as any software writes it (RFC 5652): content
// attached or not, signed attributes perhaps missing, several signers. It
// gives one SignedData for each signer; all share certificates and content.
func ParseAll(der []byte) ([]*SignedData, error) { return parseAll(der, formAny) }

// TrimPadding cuts the zero bytes that fill the reserved room of /Contents
// after the container. What is not a DER element followed by zeros alone is
// refused.
func TrimPadding(contents []byte) ([]byte, error) {
	in := cryptobyte.String(contents)
	var element cryptobyte.String
	if !in.ReadASN1Element(&element, casn1.SEQUENCE) {
		return nil, malformed("not a DER sequence")
	}
	for _, b := range in {
		if b != 0 {
			return nil, malformed("data after the container")
		}
	}
	return element, nil
}

func parse(der []byte, want form) (*SignedData, error) {
	all, err := parseAll(der, want)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, ErrSignerCount
	}
	return all[0], nil
}

func parseAll(der []byte, want form) ([]*SignedData, error) {
	limit := maxSize
	if want == formAny {
		limit = maxAttached
	}
	if len(der) > limit {
		return nil, malformed("too large")
	}
	in := cryptobyte.String(der)
	var info, wrapped, body cryptobyte.String
	var oid asn1.ObjectIdentifier
	ok := in.ReadASN1(&info, casn1.SEQUENCE) && in.Empty() &&
		info.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidSignedData) &&
		info.ReadASN1(&wrapped, explicit(0)) && info.Empty() &&
		wrapped.ReadASN1(&body, casn1.SEQUENCE) && wrapped.Empty()
	if !ok {
		return nil, malformed("ContentInfo")
	}
	s := &SignedData{Raw: der}
	if !body.ReadASN1Integer(&s.parts.version) || s.parts.version < 1 || s.parts.version > 5 {
		return nil, malformed("version")
	}
	var digests cryptobyte.String
	if !body.ReadASN1Element(&digests, casn1.SET) {
		return nil, malformed("digestAlgorithms")
	}
	s.parts.digests = digests
	before := body
	err := s.readContent(&body, want)
	if err != nil {
		return nil, err
	}
	s.parts.content = before[:len(before)-len(body)]
	err = s.readCertificates(&body)
	if err != nil {
		return nil, err
	}
	err = s.readRevocations(&body)
	if err != nil {
		return nil, err
	}
	var signers cryptobyte.String
	if !body.ReadASN1(&signers, casn1.SET) || !body.Empty() {
		return nil, malformed("signerInfos")
	}
	var all []*SignedData
	for !signers.Empty() {
		if len(all) == maxSigners {
			return nil, ErrSignerCount
		}
		one := *s
		// What one signer's attributes add is not the next one's.
		one.OCSPs, one.CRLs = slices.Clip(s.OCSPs), slices.Clip(s.CRLs)
		err = one.readSigner(&signers, want)
		if err != nil {
			return nil, err
		}
		all = append(all, &one)
	}
	if len(all) == 0 {
		return nil, ErrSignerCount
	}
	return all, nil
}

func (s *SignedData) readContent(body *cryptobyte.String, want form) error {
	var encap cryptobyte.String
	if !body.ReadASN1(&encap, casn1.SEQUENCE) || !encap.ReadASN1ObjectIdentifier(&s.ContentType) {
		return malformed("encapContentInfo")
	}
	expected := oidData
	if want == formToken {
		expected = oidTSTInfo
	}
	if !s.ContentType.Equal(expected) {
		return malformed("eContentType")
	}
	attached := !encap.Empty()
	if want != formAny && attached != (want == formToken || want == formSHA1) {
		return ErrContent
	}
	if !attached {
		return nil
	}
	var wrapped, octets cryptobyte.String
	if !encap.ReadASN1(&wrapped, explicit(0)) || !encap.Empty() || !wrapped.ReadASN1(&octets, casn1.OCTET_STRING) || !wrapped.Empty() {
		return malformed("eContent")
	}
	s.Content = octets
	if s.Content == nil {
		s.Content = []byte{}
	}
	return nil
}

func (s *SignedData) readCertificates(body *cryptobyte.String) error {
	var set cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&set, &present, explicit(0)) {
		return malformed("certificates")
	}
	for count := 0; !set.Empty(); count++ {
		var element cryptobyte.String
		var tag casn1.Tag
		if count == maxCertificates || !set.ReadAnyASN1Element(&element, &tag) {
			return malformed("certificates")
		}
		s.parts.certificates = append(s.parts.certificates, element)
		// Attribute certificates and the like are no use here.
		if tag != casn1.SEQUENCE {
			s.UnreadCertificates++
			continue
		}
		cert, err := trust.ParseCertificate(element)
		if err != nil {
			s.UnreadCertificates++
			continue
		}
		s.Certificates = append(s.Certificates, cert)
	}
	return nil
}

func (s *SignedData) readRevocations(body *cryptobyte.String) error {
	var set cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&set, &present, explicit(1)) {
		return malformed("crls")
	}
	for count := 0; !set.Empty(); count++ {
		var element cryptobyte.String
		var tag casn1.Tag
		if count == maxRevocations || !set.ReadAnyASN1Element(&element, &tag) {
			return malformed("crls")
		}
		s.parts.revocations = append(s.parts.revocations, element)
		if tag == casn1.SEQUENCE {
			s.CRLs = append(s.CRLs, element)
			continue
		}
		var other, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !element.ReadASN1(&other, explicit(1)) || !other.ReadASN1ObjectIdentifier(&oid) {
			return malformed("crls")
		}
		if oid.Equal(oidOCSPRevocation) && other.ReadASN1Element(&value, casn1.SEQUENCE) {
			s.OCSPs = append(s.OCSPs, value)
		}
	}
	return nil
}

func (s *SignedData) readSigner(signers *cryptobyte.String, want form) error {
	var in cryptobyte.String
	var version int
	if !signers.ReadASN1(&in, casn1.SEQUENCE) {
		return malformed("SignerInfo")
	}
	whole := in
	if !in.ReadASN1Integer(&version) {
		return malformed("SignerInfo")
	}
	err := s.Signer.readIdentifier(&in, version)
	if err != nil {
		return err
	}
	digest, err := readAlgorithm(&in)
	if err != nil {
		return err
	}
	var attrs cryptobyte.String
	if !in.ReadOptionalASN1(&attrs, &s.Signer.HasAttributes, explicit(0)) {
		return malformed("signedAttrs")
	}
	algorithm, err := readAlgorithm(&in)
	if err != nil {
		return err
	}
	var signature cryptobyte.String
	if !in.ReadASN1(&signature, casn1.OCTET_STRING) {
		return malformed("signature value")
	}
	s.Signer.Signature = signature
	s.Signer.raw = whole[:len(whole)-len(in)]
	s.Signer.resolveAlgorithms(digest, algorithm)
	if !s.Signer.HasAttributes && (want == formDetached || want == formToken) {
		return ErrNoSignedAttributes
	}
	if s.Signer.HasAttributes {
		err = s.readSignedAttributes(attrs)
		if err != nil {
			return err
		}
	}
	var unsigned cryptobyte.String
	var present bool
	if !in.ReadOptionalASN1(&unsigned, &present, explicit(1)) || !in.Empty() {
		return malformed("unsignedAttrs")
	}
	if present {
		return s.readUnsignedAttributes(unsigned)
	}
	return nil
}

func (i *SignerInfo) resolveAlgorithms(digest, signature algorithmIdentifier) {
	// SHA-2 identifiers may come with NULL or without (RFC 5754 §2).
	if len(digest.params) != 0 && !isNull(digest.params) {
		i.AlgorithmErr = ErrAlgorithm
		return
	}
	i.Digest, i.AlgorithmErr = HashByOID(digest.oid)
	if i.AlgorithmErr != nil {
		return
	}
	i.Algorithm, i.AlgorithmErr = parseSignatureAlgorithm(signature, i.Digest)
}

func (i *SignerInfo) readIdentifier(in *cryptobyte.String, version int) error {
	if in.PeekASN1Tag(casn1.SEQUENCE) {
		var sid, issuer, serial cryptobyte.String
		ok := in.ReadASN1(&sid, casn1.SEQUENCE) && sid.ReadASN1Element(&issuer, casn1.SEQUENCE) &&
			sid.ReadASN1(&serial, casn1.INTEGER) && sid.Empty()
		if !ok || version != 1 {
			return malformed("issuerAndSerialNumber")
		}
		i.Issuer, i.Serial = issuer, serial
		return nil
	}
	var keyID cryptobyte.String
	if version != 3 || !in.ReadASN1(&keyID, casn1.Tag(0).ContextSpecific()) || len(keyID) == 0 {
		return malformed("signer identifier")
	}
	i.SubjectKeyID = keyID
	return nil
}
