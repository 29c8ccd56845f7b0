// Package ocsp answers certificate status requests: RFC 6960, its lightweight
// profile RFC 5019 (GET) and nonces by RFC 9654. The DER is read and written
// here, because golang.org/x/crypto/ocsp knows neither extensions nor more
// than one certificate in a request.
//
// It does not verify signed requests (the signature is ignored, RFC 6960
// §4.1.2 leaves that open), and it delegates nothing to other responders.
package ocsp

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // CertIDs of old clients: RFC 5019 §2.1.1
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of a request.
const (
	// MaxRequest holds maxIDs SHA-512 CertIDs with room for a signature that
	// is then ignored.
	MaxRequest = 32 << 10
	// maxIDs is how many certificates one request may ask for: each costs a
	// database query.
	maxIDs = 64
	// maxSerial is RFC 5280 §4.1.2.2's 20 octets, with some grace for serials
	// that are not ours anyway.
	maxSerial = 32
	// minNonce and maxNonce are RFC 9654 §2.1.
	minNonce = 1
	maxNonce = 128
	// maxExtensions keeps a request from hiding work.
	maxExtensions = 16
)

// ErrMalformed says that the request is not one of RFC 6960.
var ErrMalformed = errors.New("ocsp: malformed request")

// CertID names a certificate by the digests of its issuer's name and key.
type CertID struct {
	Hash              crypto.Hash
	NameHash, KeyHash []byte
	Serial            *big.Int
	raw               []byte // echoed in the answer
	// plain says that the digest has NULL parameters, as RFC 5019 §2.1.1 and
	// nearly all clients write it: such an answer can be made in advance.
	plain bool
}

// Request is a status request.
type Request struct {
	IDs []CertID
	// Nonce is empty when the client sent none.
	Nonce []byte
}

// ParseRequest reads a request as DER.
func ParseRequest(der []byte) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, fmt.Errorf("%w: over %d bytes", ErrMalformed, MaxRequest)
	}
	input := cryptobyte.String(der)
	var outer, tbs, list cryptobyte.String
	if !input.ReadASN1(&outer, cbasn1.SEQUENCE) || !input.Empty() || !outer.ReadASN1(&tbs, cbasn1.SEQUENCE) {
		return nil, fmt.Errorf("%w: OCSPRequest", ErrMalformed)
	}
	// optionalSignature [0]
	if !outer.SkipOptionalASN1(tag(0)) || !outer.Empty() {
		return nil, fmt.Errorf("%w: after TBSRequest", ErrMalformed)
	}
	var version int64
	var hasVersion bool
	var v cryptobyte.String
	if !tbs.ReadOptionalASN1(&v, &hasVersion, tag(0)) {
		return nil, fmt.Errorf("%w: version", ErrMalformed)
	}
	if hasVersion && (!v.ReadASN1Integer(&version) || !v.Empty() || version != 0) {
		return nil, fmt.Errorf("%w: version %d", ErrMalformed, version)
	}
	// requestorName [1]
	if !tbs.SkipOptionalASN1(tag(1)) || !tbs.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil, fmt.Errorf("%w: requestList", ErrMalformed)
	}
	r := new(Request)
	for !list.Empty() {
		if len(r.IDs) == maxIDs {
			return nil, fmt.Errorf("%w: over %d certificates", ErrMalformed, maxIDs)
		}
		id, err := readSingle(&list)
		if err != nil {
			return nil, err
		}
		r.IDs = append(r.IDs, id)
	}
	if len(r.IDs) == 0 {
		return nil, fmt.Errorf("%w: no certificate asked for", ErrMalformed)
	}
	err := readExtensions(&tbs, 2, r)
	if err != nil {
		return nil, err
	}
	if !tbs.Empty() {
		return nil, fmt.Errorf("%w: after requestExtensions", ErrMalformed)
	}
	return r, nil
}

func tag(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

func readSingle(list *cryptobyte.String) (CertID, error) {
	var single, raw, body, algorithm cryptobyte.String
	if !list.ReadASN1(&single, cbasn1.SEQUENCE) || !single.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
		return CertID{}, fmt.Errorf("%w: Request", ErrMalformed)
	}
	id := CertID{raw: bytes.Clone(raw)}
	var oid asn1.ObjectIdentifier
	var name, key, number cryptobyte.String
	if !raw.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&algorithm, cbasn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!body.ReadASN1(&name, cbasn1.OCTET_STRING) || !body.ReadASN1(&key, cbasn1.OCTET_STRING) ||
		!body.ReadASN1Element(&number, cbasn1.INTEGER) || !body.Empty() {
		return CertID{}, fmt.Errorf("%w: CertID", ErrMalformed)
	}
	id.plain = !algorithm.Empty()
	if !algorithm.Empty() && (!algorithm.SkipASN1(cbasn1.NULL) || !algorithm.Empty()) {
		return CertID{}, fmt.Errorf("%w: parameters of the CertID's hash", ErrMalformed)
	}
	if len(number) > maxSerial+2 {
		return CertID{}, fmt.Errorf("%w: serial number over %d bytes", ErrMalformed, maxSerial)
	}
	id.Serial = new(big.Int)
	if !number.ReadASN1Integer(id.Serial) {
		return CertID{}, fmt.Errorf("%w: serial number", ErrMalformed)
	}
	id.Hash, id.NameHash, id.KeyHash = hashOf(oid), bytes.Clone(name), bytes.Clone(key)
	if id.Hash != 0 && (len(name) != id.Hash.Size() || len(key) != id.Hash.Size()) {
		return CertID{}, fmt.Errorf("%w: digest of %d bytes", ErrMalformed, len(name))
	}
	// singleRequestExtensions [0]: none is known here.
	err := readExtensions(&single, 0, nil)
	if err != nil {
		return CertID{}, err
	}
	if !single.Empty() {
		return CertID{}, fmt.Errorf("%w: after singleRequestExtensions", ErrMalformed)
	}
	return id, nil
}

// readExtensions reads [n] EXPLICIT Extensions; the nonce goes to r. A critical
// extension that is not known makes the request one that cannot be answered
// (RFC 6960 §4.4).
func readExtensions(s *cryptobyte.String, n uint8, r *Request) error {
	var wrapped, list cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&wrapped, &present, tag(n)) {
		return fmt.Errorf("%w: extensions", ErrMalformed)
	}
	if !present {
		return nil
	}
	if !wrapped.ReadASN1(&list, cbasn1.SEQUENCE) || !wrapped.Empty() {
		return fmt.Errorf("%w: extensions", ErrMalformed)
	}
	for count := 0; !list.Empty(); count++ {
		var ext, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if count == maxExtensions || !list.ReadASN1(&ext, cbasn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&oid) ||
			!readCritical(&ext, &critical) || !ext.ReadASN1(&value, cbasn1.OCTET_STRING) || !ext.Empty() {
			return fmt.Errorf("%w: extension", ErrMalformed)
		}
		switch {
		case r != nil && oid.Equal(oidNonce()):
			var nonce cryptobyte.String
			if r.Nonce != nil || !value.ReadASN1(&nonce, cbasn1.OCTET_STRING) || !value.Empty() ||
				len(nonce) < minNonce || len(nonce) > maxNonce {
				return fmt.Errorf("%w: nonce", ErrMalformed)
			}
			r.Nonce = bytes.Clone(nonce)
		case critical:
			return fmt.Errorf("%w: critical extension %s is unknown", ErrMalformed, oid)
		}
	}
	return nil
}

// readCritical reads critical BOOLEAN DEFAULT FALSE. An explicit FALSE is not
// DER, but old clients send it.
func readCritical(ext *cryptobyte.String, critical *bool) bool {
	if !ext.PeekASN1Tag(cbasn1.BOOLEAN) {
		return true
	}
	return ext.ReadASN1Boolean(critical)
}

func oidNonce() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
}

// hashOf knows the digests of CertIDs; 0 for others, which match no issuer.
func hashOf(oid asn1.ObjectIdentifier) crypto.Hash {
	switch oid.String() {
	case "1.3.14.3.2.26":
		return crypto.SHA1
	case "2.16.840.1.101.3.4.2.1":
		return crypto.SHA256
	case "2.16.840.1.101.3.4.2.2":
		return crypto.SHA384
	case "2.16.840.1.101.3.4.2.3":
		return crypto.SHA512
	default:
		return 0
	}
}
