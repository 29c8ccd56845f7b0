package tsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
)

// What can be wrong with a token.
var (
	// ErrMalformed: not the DER of a time-stamp token.
	ErrMalformed = errors.New("tsp: malformed token")
	// ErrImprint: the token is over something else.
	ErrImprint = errors.New("tsp: token is over another imprint")
	// ErrNonce: the answer is not to this request.
	ErrNonce = errors.New("tsp: nonce differs")
	// ErrPolicy: the token was made under another policy.
	ErrPolicy = errors.New("tsp: policy differs")
)

// maxToken bounds a token: 5-10 kB in practice, more with long chains.
const maxToken = 1 << 20

// Token is a time-stamp token (RFC 3161 §2.4.2).
type Token struct {
	Raw      []byte
	GenTime  time.Time
	Accuracy time.Duration // zero when not stated
	Hash     crypto.Hash   // of the imprint
	Imprint  []byte
	Policy   asn1.ObjectIdentifier
	Serial   *big.Int
	Nonce    *big.Int // nil when absent
	Ordering bool
	// Signer is the authority's certificate when it stands in the token.
	Signer *x509.Certificate
	// Signed is the container, with its other certificates.
	Signed *cms.SignedData
}

// ParseToken reads a token strictly. Nothing is verified yet.
func ParseToken(der []byte) (*Token, error) {
	if len(der) > maxToken {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, maxToken)
	}
	signed, err := cms.ParseToken(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	t := &Token{Raw: der, Signed: signed}
	err = t.readInfo(signed.Content)
	if err != nil {
		return nil, err
	}
	cert, err := signed.SignerCertificate()
	if err == nil {
		t.Signer = cert
	}
	return t, nil
}

// readInfo reads TSTInfo:
//
//	SEQUENCE { version INTEGER (1), policy OID, messageImprint, serialNumber INTEGER,
//	  genTime GeneralizedTime, accuracy SEQUENCE OPTIONAL, ordering BOOLEAN DEFAULT FALSE,
//	  nonce INTEGER OPTIONAL, tsa [0] OPTIONAL, extensions [1] OPTIONAL }
func (t *Token) readInfo(content []byte) error {
	wrong := func(what string) error { return fmt.Errorf("%w: TSTInfo %s", ErrMalformed, what) }
	in := cryptobyte.String(content)
	var info cryptobyte.String
	var version int
	if !in.ReadASN1(&info, casn1.SEQUENCE) || !in.Empty() || !info.ReadASN1Integer(&version) || version != 1 {
		return wrong("version")
	}
	if !info.ReadASN1ObjectIdentifier(&t.Policy) {
		return wrong("policy")
	}
	var imprint, algorithm, digest cryptobyte.String
	var oid asn1.ObjectIdentifier
	ok := info.ReadASN1(&imprint, casn1.SEQUENCE) && imprint.ReadASN1(&algorithm, casn1.SEQUENCE) &&
		algorithm.ReadASN1ObjectIdentifier(&oid) && imprint.ReadASN1(&digest, casn1.OCTET_STRING) && imprint.Empty()
	if !ok {
		return wrong("messageImprint")
	}
	h, err := cms.HashByOID(oid)
	if err != nil {
		return fmt.Errorf("tsp: imprint: %w", err)
	}
	if len(digest) != h.Size() {
		return wrong("messageImprint length")
	}
	t.Hash, t.Imprint = h, digest
	t.Serial = new(big.Int)
	if !info.ReadASN1Integer(t.Serial) {
		return wrong("serialNumber")
	}
	var gen cryptobyte.String
	if !info.ReadASN1(&gen, casn1.GeneralizedTime) {
		return wrong("genTime")
	}
	t.GenTime, err = parseGenTime(string(gen))
	if err != nil {
		return wrong("genTime")
	}
	return t.readOptional(info)
}

func (t *Token) readOptional(info cryptobyte.String) error {
	wrong := func(what string) error { return fmt.Errorf("%w: TSTInfo %s", ErrMalformed, what) }
	if info.PeekASN1Tag(casn1.SEQUENCE) {
		var accuracy cryptobyte.String
		if !info.ReadASN1(&accuracy, casn1.SEQUENCE) || !t.readAccuracy(accuracy) {
			return wrong("accuracy")
		}
	}
	if info.PeekASN1Tag(casn1.BOOLEAN) && !info.ReadASN1Boolean(&t.Ordering) {
		return wrong("ordering")
	}
	if info.PeekASN1Tag(casn1.INTEGER) {
		t.Nonce = new(big.Int)
		if !info.ReadASN1Integer(t.Nonce) {
			return wrong("nonce")
		}
	}
	var tsa, extensions cryptobyte.String
	var present bool
	if !info.ReadOptionalASN1(&tsa, &present, casn1.Tag(0).Constructed().ContextSpecific()) {
		return wrong("tsa")
	}
	if !info.ReadOptionalASN1(&extensions, &present, casn1.Tag(1).Constructed().ContextSpecific()) || !info.Empty() {
		return wrong("extensions")
	}
	for !extensions.Empty() {
		var ext cryptobyte.String
		var oid asn1.ObjectIdentifier
		var critical bool
		if !extensions.ReadASN1(&ext, casn1.SEQUENCE) || !ext.ReadASN1ObjectIdentifier(&oid) ||
			(ext.PeekASN1Tag(casn1.BOOLEAN) && !ext.ReadASN1Boolean(&critical)) {
			return wrong("extension")
		}
		// No extension is understood here, so no critical one is taken.
		if critical {
			return wrong("critical extension " + oid.String())
		}
	}
	return nil
}

// readAccuracy reads SEQUENCE { seconds INTEGER OPTIONAL, millis [0] OPTIONAL,
// micros [1] OPTIONAL }.
func (t *Token) readAccuracy(in cryptobyte.String) bool {
	// An authority that is a day off has said nothing.
	const maxSeconds = 86400
	var seconds int64
	if in.PeekASN1Tag(casn1.INTEGER) && (!in.ReadASN1Integer(&seconds) || seconds < 0 || seconds > maxSeconds) {
		return false
	}
	t.Accuracy = time.Duration(seconds) * time.Second
	for n, unit := range []time.Duration{time.Millisecond, time.Microsecond} {
		tag := casn1.Tag(n).ContextSpecific()
		if !in.PeekASN1Tag(tag) {
			continue
		}
		var value int64
		if !in.ReadASN1Int64WithTag(&value, tag) || value < 0 || value > 999 {
			return false
		}
		t.Accuracy += time.Duration(value) * unit
	}
	return in.Empty()
}

// parseGenTime reads GeneralizedTime in UTC with optional fraction (RFC 3161
// §2.4.2: no trailing zero, no lone point; those are not worth a refusal).
func parseGenTime(s string) (time.Time, error) {
	gen, err := time.Parse("20060102150405Z", s)
	if err != nil {
		// Go's parser takes a fraction after the seconds by itself; what
		// is left is malformed.
		return time.Time{}, err
	}
	return gen.UTC(), nil
}

// VerifyOptions say what a token is expected to be over.
type VerifyOptions struct {
	Hash         crypto.Hash
	Digest       []byte
	Nonce        *big.Int // nil: not asked
	Policy       asn1.ObjectIdentifier
	Certificates []*x509.Certificate // further candidates for the signer
}

// Verify checks imprint, nonce, policy, the token's signature, its
// signing-certificate attribute and that the certificate is for time-stamping
// alone (RFC 3161 §2.3). On success t.Signer is set.
func (t *Token) Verify(o VerifyOptions) error {
	if o.Hash != t.Hash || !bytes.Equal(o.Digest, t.Imprint) {
		return ErrImprint
	}
	if o.Nonce != nil && (t.Nonce == nil || t.Nonce.Cmp(o.Nonce) != 0) {
		return ErrNonce
	}
	if o.Policy != nil && !o.Policy.Equal(t.Policy) {
		return ErrPolicy
	}
	cert, err := t.Signed.SignerCertificate(o.Certificates...)
	if err != nil {
		return fmt.Errorf("tsp: %w", err)
	}
	err = t.Signed.VerifyContent(cert)
	if err != nil {
		return fmt.Errorf("tsp: %w", err)
	}
	err = trust.CheckPurpose(cert, trust.PurposeTimestamp)
	if err != nil {
		return fmt.Errorf("tsp: %w", err)
	}
	t.Signer = cert
	return nil
}

// VerifyTrust says whether the authority's certificate may be believed at a
// time: path to an anchor and, with evidence, revocation. Verify must have
// passed before.
func (t *Token) VerifyTrust(ctx context.Context, store *trust.Store, at time.Time, evidence trust.Evidence) (*trust.Path, error) {
	if t.Signer == nil {
		return nil, fmt.Errorf("tsp: %w", cms.ErrNoSigningCertificate)
	}
	return store.ValidatePath(ctx, t.Signer, trust.Request{
		At: at, Purpose: trust.PurposeTimestamp, Intermediates: t.Signed.Certificates, Evidence: evidence,
	})
}
