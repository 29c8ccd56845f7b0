// Package tsa is a time-stamping authority: RFC 3161 with the profile of
// EN 319 422 (SHA-2 imprints, signing-certificate-v2 by RFC 5816), under
// several policies that differ in digests, accuracy and ordering. The tokens
// are written here as CMS (RFC 5652). It refuses to stamp while its clock is
// not trusted (ClockWatch).
//
// It does not do extensions of requests and other transports than HTTP
// (RFC 3161 §3.4).
package tsa

import (
	"bytes"
	"crypto"
	_ "crypto/sha256"
	_ "crypto/sha3"
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of a request.
const (
	// MaxRequest holds every request without extensions many times over.
	MaxRequest = 8 << 10
	// maxNonce is far above the 64 bits that clients send.
	maxNonce = 64
)

// FailureInfo is a bit of PKIFailureInfo (RFC 3161 §2.4.2).
type FailureInfo int

// The failures that this authority tells.
const (
	BadAlg              FailureInfo = 0
	BadRequest          FailureInfo = 2
	BadDataFormat       FailureInfo = 5
	TimeNotAvailable    FailureInfo = 14
	UnacceptedPolicy    FailureInfo = 15
	UnacceptedExtension FailureInfo = 16
	AddInfoNotAvailable FailureInfo = 17
	SystemFailure       FailureInfo = 25
)

// Failure is a refusal that the client is told.
type Failure struct {
	Info FailureInfo
	Text string
	// Err is what happened inside; it is logged and not told.
	Err error
}

// Error says why the request was refused.
func (f *Failure) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("time-stamp refused: %s: %v", f.Text, f.Err)
	}
	return "time-stamp refused: " + f.Text
}

// Unwrap returns what happened inside.
func (f *Failure) Unwrap() error { return f.Err }

func fail(info FailureInfo, text string) *Failure { return &Failure{Info: info, Text: text} }

// Request is a TimeStampReq.
type Request struct {
	Hash    crypto.Hash
	Imprint []byte
	// Policy is nil when the client leaves it to the authority.
	Policy asn1.ObjectIdentifier
	// Nonce is nil when there is none.
	Nonce   *big.Int
	CertReq bool
	imprint []byte // MessageImprint as it came, echoed in the token
}

// ParseRequest reads a request as DER. Its error is a *Failure.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, fail(BadDataFormat, "request too large")
	}
	input := cryptobyte.String(der)
	var body, raw, imprint, algorithm, digest cryptobyte.String
	var version int
	if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() || !body.ReadASN1Integer(&version) ||
		!body.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
		return nil, fail(BadDataFormat, "not a TimeStampReq")
	}
	if version != 1 {
		return nil, fail(BadRequest, "version other than 1")
	}
	r := &Request{imprint: bytes.Clone(raw)}
	var oid asn1.ObjectIdentifier
	if !raw.ReadASN1(&imprint, cbasn1.SEQUENCE) || !imprint.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) || !imprint.ReadASN1(&digest, cbasn1.OCTET_STRING) || !imprint.Empty() {
		return nil, fail(BadDataFormat, "messageImprint")
	}
	if !algorithm.Empty() && (!algorithm.SkipASN1(cbasn1.NULL) || !algorithm.Empty()) {
		return nil, fail(BadAlg, "parameters of the digest")
	}
	r.Hash = hashOf(oid)
	if r.Hash == 0 {
		return nil, fail(BadAlg, "digest other than those of SHA-2 and SHA-3")
	}
	if len(digest) != r.Hash.Size() {
		return nil, fail(BadDataFormat, "length of the digest")
	}
	r.Imprint = bytes.Clone(digest)
	err := r.readOptions(&body)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// readOptions reads what follows the imprint.
func (r *Request) readOptions(body *cryptobyte.String) error {
	if body.PeekASN1Tag(cbasn1.OBJECT_IDENTIFIER) && !body.ReadASN1ObjectIdentifier(&r.Policy) {
		return fail(BadDataFormat, "reqPolicy")
	}
	if body.PeekASN1Tag(cbasn1.INTEGER) {
		var number cryptobyte.String
		r.Nonce = new(big.Int)
		if !body.ReadASN1Element(&number, cbasn1.INTEGER) || len(number) > maxNonce || !number.ReadASN1Integer(r.Nonce) {
			return fail(BadDataFormat, "nonce")
		}
	}
	if body.PeekASN1Tag(cbasn1.BOOLEAN) && !body.ReadASN1Boolean(&r.CertReq) {
		return fail(BadDataFormat, "certReq")
	}
	if body.PeekASN1Tag(cbasn1.Tag(0).ContextSpecific().Constructed()) {
		return fail(UnacceptedExtension, "no extension is known")
	}
	if !body.Empty() {
		return fail(BadDataFormat, "data after the request")
	}
	return nil
}

func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	switch oid.String() {
	case "2.16.840.1.101.3.4.2.1":
		return crypto.SHA256
	case "2.16.840.1.101.3.4.2.2":
		return crypto.SHA384
	case "2.16.840.1.101.3.4.2.3":
		return crypto.SHA512
	case "2.16.840.1.101.3.4.2.8":
		return crypto.SHA3_256
	case "2.16.840.1.101.3.4.2.9":
		return crypto.SHA3_384
	case "2.16.840.1.101.3.4.2.10":
		return crypto.SHA3_512
	default:
		return 0
	}
}
