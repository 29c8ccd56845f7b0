package trust

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // identifiers of names and keys only
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// maxOCSP bounds one response: some kilobytes in practice, with the
	// responder's chain at most some tens.
	maxOCSP = 1 << 20
	// maxSingleResponses bounds the answers in one response; pre-produced
	// ones hold a handful.
	maxSingleResponses = 1024
	// maxOCSPCertificates bounds the certificates sent along.
	maxOCSPCertificates = 16
	// maxNonce is RFC 9654 §2.1's upper limit.
	maxNonce = 128
)

// ErrOCSPMalformed is returned for what is not the DER of an OCSP response.
var ErrOCSPMalformed = errors.New("OCSP response malformed")

// OCSPStatusError is a response without an answer (RFC 6960 §4.2.1): the
// responder could not or would not.
type OCSPStatusError struct{ Status int }

// Error implements error.
func (e *OCSPStatusError) Error() string {
	names := map[int]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
	return fmt.Sprintf("OCSP responder answers %d (%s)", e.Status, names[e.Status])
}

// OCSPResponse is a parsed basic response. Nothing in it is verified yet.
type OCSPResponse struct {
	Raw           []byte
	ResponderName []byte // DER of the name, or
	ResponderKey  []byte // SHA-1 of the responder's public key bits
	ProducedAt    time.Time
	Responses     []SingleResponse
	Nonce         []byte // nil when absent
	Certificates  []*x509.Certificate

	// criticalUnknown names a critical response extension that is not
	// understood here.
	criticalUnknown asn1.ObjectIdentifier
	tbs             []byte
	algorithm       x509.SignatureAlgorithm
	signature       []byte
}

// SingleResponse is the answer for one certificate.
type SingleResponse struct {
	Hash           crypto.Hash // of the CertID; 0 when not known here
	IssuerNameHash []byte
	IssuerKeyHash  []byte
	Serial         []byte // content octets of the INTEGER
	Status         RevocationStatus
	RevokedAt      time.Time
	Reason         int // CRLReason; -1 when not given
	ThisUpdate     time.Time
	NextUpdate     time.Time // zero when not given
	// ArchiveCutoff is set when the responder keeps revocation information
	// of certificates that expired after it (RFC 6960 §4.4.4).
	ArchiveCutoff time.Time

	criticalUnknown asn1.ObjectIdentifier
}

func ocspMalformed(where string) error { return fmt.Errorf("%w: %s", ErrOCSPMalformed, where) }

// ParseOCSP reads an OCSPResponse (RFC 6960 §4.2.1). The error is an
// *OCSPStatusError when the responder refused, else ErrOCSPMalformed.
func ParseOCSP(der []byte) (*OCSPResponse, error) {
	if len(der) > maxOCSP {
		return nil, ocspMalformed("too large")
	}
	in := cryptobyte.String(der)
	var outer cryptobyte.String
	var status int
	if !in.ReadASN1(&outer, casn1.SEQUENCE) || !in.Empty() || !outer.ReadASN1Enum(&status) {
		return nil, ocspMalformed("responseStatus")
	}
	switch status {
	case 0:
	case 1, 2, 3, 5, 6:
		if !outer.Empty() {
			return nil, ocspMalformed("refusal with a response")
		}
		return nil, &OCSPStatusError{Status: status}
	default:
		return nil, ocspMalformed("responseStatus out of range")
	}
	var wrapped, body, basic cryptobyte.String
	var oid asn1.ObjectIdentifier
	ok := outer.ReadASN1(&wrapped, ctx(0)) && outer.Empty() && wrapped.ReadASN1(&body, casn1.SEQUENCE) && wrapped.Empty() &&
		body.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidOCSPBasic) &&
		body.ReadASN1(&basic, casn1.OCTET_STRING) && body.Empty()
	if !ok {
		return nil, ocspMalformed("responseBytes")
	}
	r := &OCSPResponse{Raw: der}
	err := r.readBasic(basic)
	if err != nil {
		return nil, err
	}
	return r, nil
}

func ctx(n uint8) casn1.Tag { return casn1.Tag(n).Constructed().ContextSpecific() }

func (r *OCSPResponse) readBasic(in cryptobyte.String) error {
	var basic, tbs, algorithm cryptobyte.String
	if !in.ReadASN1(&basic, casn1.SEQUENCE) || !in.Empty() || !basic.ReadASN1Element(&tbs, casn1.SEQUENCE) {
		return ocspMalformed("BasicOCSPResponse")
	}
	r.tbs = tbs
	if !basic.ReadASN1Element(&algorithm, casn1.SEQUENCE) || !basic.ReadASN1BitStringAsBytes(&r.signature) {
		return ocspMalformed("signature")
	}
	r.algorithm = signatureAlgorithm(algorithm)
	var wrapped, certs cryptobyte.String
	var present bool
	if !basic.ReadOptionalASN1(&wrapped, &present, ctx(0)) || !basic.Empty() {
		return ocspMalformed("certs")
	}
	if present && (!wrapped.ReadASN1(&certs, casn1.SEQUENCE) || !wrapped.Empty()) {
		return ocspMalformed("certs")
	}
	for !certs.Empty() {
		var element cryptobyte.String
		if len(r.Certificates) == maxOCSPCertificates || !certs.ReadASN1Element(&element, casn1.SEQUENCE) {
			return ocspMalformed("certs")
		}
		cert, err := ParseCertificate(element)
		if err != nil {
			// One that cannot be read cannot be the responder's.
			continue
		}
		r.Certificates = append(r.Certificates, cert)
	}
	return r.readData(tbs)
}

func (r *OCSPResponse) readData(tbs cryptobyte.String) error {
	var data, version cryptobyte.String
	var present bool
	if !tbs.ReadASN1(&data, casn1.SEQUENCE) || !data.ReadOptionalASN1(&version, &present, ctx(0)) {
		return ocspMalformed("ResponseData")
	}
	if present {
		var v int
		// v1 is the default and does not belong in DER, but is seen.
		if !version.ReadASN1Integer(&v) || !version.Empty() || v != 0 {
			return ocspMalformed("version")
		}
	}
	err := r.readResponder(&data)
	if err != nil {
		return err
	}
	if !data.ReadASN1GeneralizedTime(&r.ProducedAt) {
		return ocspMalformed("producedAt")
	}
	var responses cryptobyte.String
	if !data.ReadASN1(&responses, casn1.SEQUENCE) {
		return ocspMalformed("responses")
	}
	for !responses.Empty() {
		if len(r.Responses) == maxSingleResponses {
			return ocspMalformed("too many responses")
		}
		single, err := readSingle(&responses)
		if err != nil {
			return err
		}
		r.Responses = append(r.Responses, single)
	}
	var extensions cryptobyte.String
	if !data.ReadOptionalASN1(&extensions, &present, ctx(1)) || !data.Empty() {
		return ocspMalformed("responseExtensions")
	}
	if !present {
		return nil
	}
	return readExtensions(extensions, func(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
		switch {
		case oid.Equal(oidOCSPNonce):
			nonce, err := readNonce(value)
			if err != nil {
				return err
			}
			r.Nonce = nonce
		case oid.Equal(oidOCSPExtRevoked):
			// Says that "revoked" may also mean "never issued".
		case critical:
			r.criticalUnknown = oid
		}
		return nil
	})
}

// readNonce takes the OCTET STRING of RFC 9654 and, from old responders, the
// bare octets of RFC 2560.
func readNonce(value cryptobyte.String) ([]byte, error) {
	raw := value
	var nonce cryptobyte.String
	if !value.ReadASN1(&nonce, casn1.OCTET_STRING) || !value.Empty() {
		nonce = raw
	}
	if len(nonce) == 0 || len(nonce) > maxNonce {
		return nil, ocspMalformed("nonce length")
	}
	return nonce, nil
}

func (r *OCSPResponse) readResponder(data *cryptobyte.String) error {
	var wrapped, inner cryptobyte.String
	if data.PeekASN1Tag(ctx(1)) {
		if !data.ReadASN1(&wrapped, ctx(1)) || !wrapped.ReadASN1Element(&inner, casn1.SEQUENCE) || !wrapped.Empty() {
			return ocspMalformed("responderID by name")
		}
		r.ResponderName = inner
		return nil
	}
	if !data.ReadASN1(&wrapped, ctx(2)) || !wrapped.ReadASN1(&inner, casn1.OCTET_STRING) || !wrapped.Empty() || len(inner) != crypto.SHA1.Size() {
		return ocspMalformed("responderID by key")
	}
	r.ResponderKey = inner
	return nil
}

func readSingle(in *cryptobyte.String) (SingleResponse, error) {
	s := SingleResponse{Reason: -1}
	var body, id, algorithm, name, key, serial cryptobyte.String
	var oid asn1.ObjectIdentifier
	ok := in.ReadASN1(&body, casn1.SEQUENCE) && body.ReadASN1(&id, casn1.SEQUENCE) &&
		id.ReadASN1(&algorithm, casn1.SEQUENCE) && algorithm.ReadASN1ObjectIdentifier(&oid) &&
		id.ReadASN1(&name, casn1.OCTET_STRING) && id.ReadASN1(&key, casn1.OCTET_STRING) &&
		// The serial is compared octet by octet: a certificate with an
		// unlucky encoding still has one.
		id.ReadASN1(&serial, casn1.INTEGER) && id.Empty() && len(serial) > 0
	if !ok {
		return s, ocspMalformed("CertID")
	}
	s.IssuerNameHash, s.IssuerKeyHash, s.Serial = name, key, serial
	s.Hash = hashByOID(oid)
	err := s.readStatus(&body)
	if err != nil {
		return s, err
	}
	if !body.ReadASN1GeneralizedTime(&s.ThisUpdate) {
		return s, ocspMalformed("thisUpdate")
	}
	var next, extensions cryptobyte.String
	var present bool
	if !body.ReadOptionalASN1(&next, &present, ctx(0)) {
		return s, ocspMalformed("nextUpdate")
	}
	if present && (!next.ReadASN1GeneralizedTime(&s.NextUpdate) || !next.Empty()) {
		return s, ocspMalformed("nextUpdate")
	}
	if !body.ReadOptionalASN1(&extensions, &present, ctx(1)) || !body.Empty() {
		return s, ocspMalformed("singleExtensions")
	}
	if !present {
		return s, nil
	}
	err = readExtensions(extensions, s.readExtension)
	return s, err
}

func (s *SingleResponse) readExtension(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error {
	switch {
	case oid.Equal(oidOCSPArchiveCutoff):
		if !value.ReadASN1GeneralizedTime(&s.ArchiveCutoff) || !value.Empty() {
			return ocspMalformed("archiveCutoff")
		}
	case oid.Equal(oidReasonCode), oid.Equal(oidInvalidityDate), oid.Equal(oidOCSPCrlID), oid.Equal(oidSCTList):
		// Understood: they say nothing about good or revoked.
	case critical:
		s.criticalUnknown = oid
	}
	return nil
}

// readStatus reads CertStatus: good [0] NULL, revoked [1] RevokedInfo, unknown
// [2] NULL.
func (s *SingleResponse) readStatus(body *cryptobyte.String) error {
	var value cryptobyte.String
	var tag casn1.Tag
	if !body.ReadAnyASN1(&value, &tag) {
		return ocspMalformed("certStatus")
	}
	switch tag {
	case casn1.Tag(0).ContextSpecific():
		s.Status = RevocationGood
	case casn1.Tag(2).ContextSpecific():
		s.Status = RevocationUnknown
	case ctx(1):
		s.Status = RevocationRevoked
		if !value.ReadASN1GeneralizedTime(&s.RevokedAt) {
			return ocspMalformed("revocationTime")
		}
		var reason cryptobyte.String
		var present bool
		if !value.ReadOptionalASN1(&reason, &present, ctx(0)) || !value.Empty() {
			return ocspMalformed("revocationReason")
		}
		if present && (!reason.ReadASN1Enum(&s.Reason) || !reason.Empty()) {
			return ocspMalformed("revocationReason")
		}
		return nil
	default:
		return ocspMalformed("certStatus")
	}
	if !value.Empty() {
		return ocspMalformed("certStatus")
	}
	return nil
}

// readExtensions reads Extensions (RFC 5280 §4.1) and refuses doubles.
func readExtensions(in cryptobyte.String, visit func(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) error) error {
	var list cryptobyte.String
	if !in.ReadASN1(&list, casn1.SEQUENCE) || !in.Empty() {
		return ocspMalformed("extensions")
	}
	seen := make(map[string]bool)
	for !list.Empty() {
		var ext, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var critical bool
		ok := len(seen) < maxExtensions && list.ReadASN1(&ext, casn1.SEQUENCE) && ext.ReadASN1ObjectIdentifier(&oid) &&
			(!ext.PeekASN1Tag(casn1.BOOLEAN) || ext.ReadASN1Boolean(&critical)) &&
			ext.ReadASN1(&value, casn1.OCTET_STRING) && ext.Empty() && !seen[oid.String()]
		if !ok {
			return ocspMalformed("extension")
		}
		seen[oid.String()] = true
		err := visit(oid, critical, value)
		if err != nil {
			return err
		}
	}
	return nil
}

func hashByOID(oid asn1.ObjectIdentifier) crypto.Hash {
	switch {
	case oid.Equal(oidSHA1):
		return crypto.SHA1
	case oid.Equal(oidSHA256):
		return crypto.SHA256
	case oid.Equal(oidSHA384):
		return crypto.SHA384
	case oid.Equal(oidSHA512):
		return crypto.SHA512
	}
	return 0
}

// matches tells whether the answer is for this certificate of this issuer.
func (s *SingleResponse) matches(cert, issuer *x509.Certificate) bool {
	if s.Hash == 0 {
		return false
	}
	name, key, err := issuerHashes(issuer, s.Hash)
	if err != nil {
		return false
	}
	return bytes.Equal(s.IssuerNameHash, name) && bytes.Equal(s.IssuerKeyHash, key) &&
		bytes.Equal(s.Serial, serialOctets(cert))
}

// issuerHashes returns the two hashes of a CertID: over the issuer's name and
// over the bits of its public key (RFC 6960 §4.1.1).
func issuerHashes(issuer *x509.Certificate, h crypto.Hash) (name, key []byte, err error) {
	bits, err := publicKeyBits(issuer)
	if err != nil {
		return nil, nil, err
	}
	hn := h.New()
	hn.Write(issuer.RawSubject)
	hk := h.New()
	hk.Write(bits)
	return hn.Sum(nil), hk.Sum(nil), nil
}

func publicKeyBits(cert *x509.Certificate) ([]byte, error) {
	in := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var spki, algorithm cryptobyte.String
	var bits []byte
	if !in.ReadASN1(&spki, casn1.SEQUENCE) || !spki.ReadASN1(&algorithm, casn1.SEQUENCE) || !spki.ReadASN1BitStringAsBytes(&bits) {
		return nil, errors.New("subjectPublicKeyInfo malformed")
	}
	return bits, nil
}

// serialOctets returns the content octets of the certificate's serialNumber as
// they stand in it.
func serialOctets(cert *x509.Certificate) []byte {
	in := cryptobyte.String(cert.RawTBSCertificate)
	var tbs, version, serial cryptobyte.String
	var present bool
	if !in.ReadASN1(&tbs, casn1.SEQUENCE) || !tbs.ReadOptionalASN1(&version, &present, ctx(0)) || !tbs.ReadASN1(&serial, casn1.INTEGER) {
		return nil
	}
	return serial
}
