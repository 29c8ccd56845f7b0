package trust

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// minRSABits is the least RSA modulus of TT 15/2025/TT-BKHCN.
const minRSABits = 2048

// Purpose is what a certificate is to be believed for.
type Purpose int

// The purposes known here.
const (
	// PurposeAny asks for a path only.
	PurposeAny Purpose = iota
	// PurposeSignature is for signing documents: keyUsage, where present,
	// must hold digitalSignature or contentCommitment (RFC 5280 §4.2.1.3).
	PurposeSignature
	// PurposeTimestamp is for time-stamping: extendedKeyUsage must be
	// critical and hold id-kp-timeStamping alone (RFC 3161 §2.3).
	PurposeTimestamp
	// PurposeOCSP is for a delegated responder: id-kp-OCSPSigning (RFC 6960
	// §4.2.2.2).
	PurposeOCSP
	// PurposeServer and PurposeClient are the two sides of TLS: serverAuth
	// and clientAuth in extendedKeyUsage, where that is present, of the leaf
	// and of every authority above it.
	PurposeServer
	PurposeClient
)

// usage is the extendedKeyUsage that authorities, too, must cover.
func (p Purpose) usage() string {
	switch p {
	case PurposeServer:
		return usageServerAuth
	case PurposeClient:
		return usageClientAuth
	}
	return ""
}

// PathReason says why no path was accepted.
type PathReason string

// The reasons a path is refused.
const (
	PathNoAnchor     PathReason = "no_anchor"          // no chain leads to a trust anchor
	PathExpired      PathReason = "expired"            // a certificate had expired
	PathNotYetValid  PathReason = "not_yet_valid"      // a certificate was not valid yet
	PathConstraint   PathReason = "constraint"         // basic or name constraints, path length
	PathKeyUsage     PathReason = "key_usage"          // not for this purpose
	PathCritical     PathReason = "critical_extension" // a critical extension nobody here understands
	PathWeak         PathReason = "weak_algorithm"     // SHA-1, MD5 or a short key in the path
	PathPolicy       PathReason = "policy"             // no acceptable certificate policy
	PathMalformed    PathReason = "malformed"          // the certificate cannot be read
	PathName         PathReason = "name"               // not for the host that was asked for
	PathRevoked      PathReason = "revoked"            // a certificate is revoked
	PathNoStatus     PathReason = "no_status"          // revocation not known, and that is not enough
	PathRefused      PathReason = "refused"            // by the caller's own rule
	PathTooMany      PathReason = "too_many"           // limits of the builder
	PathInterrupted  PathReason = "interrupted"        // the context ended
	PathUndetermined PathReason = "undetermined"       // anything else
)

// PathError tells why a path was refused, and for which certificate when that
// is known.
type PathError struct {
	Reason      PathReason
	Certificate *x509.Certificate
	// Otherwise is set with PathExpired and PathNotYetValid when the same
	// path would stand at the edge of the leaf's validity: trust is then a
	// question of time, not of the issuer.
	Otherwise *Path
	Err       error
}

// Error implements error.
func (e *PathError) Error() string {
	subject := ""
	if e.Certificate != nil {
		subject = fmt.Sprintf(" (certificate %s)", SerialText(e.Certificate))
	}
	if e.Err == nil {
		return fmt.Sprintf("certification path: %s%s", e.Reason, subject)
	}
	return fmt.Sprintf("certification path: %s%s: %v", e.Reason, subject, e.Err)
}

// Unwrap returns the cause.
func (e *PathError) Unwrap() error { return e.Err }

// Request says when, what for and with which material a path is validated.
type Request struct {
	At            time.Time
	Purpose       Purpose
	Intermediates []*x509.Certificate
	Evidence      Evidence
	// Policies are the policy inputs; zero takes any.
	Policies Policies
	// Strength is the rule on algorithms; zero is the strict one.
	Strength Strength
	// Accept is asked about every path that stands otherwise, and may refuse
	// it, say for a revoked certificate in it: the next path is then tried.
	// It must not keep the path. Nil accepts.
	Accept func(ctx context.Context, path *Path) error

	// under is an anchor that may end the path whatever the purpose: that of the
	// certificate on whose state the leaf speaks.
	under *x509.Certificate
}

// Path is an accepted certification path, leaf first, anchor last.
type Path struct {
	Certificates []*x509.Certificate
	// Policies are the certificate policies the path stands under, dotted, in
	// the words of the anchor's domain; empty when it stands under none.
	Policies []string
}

// Leaf returns the first certificate.
func (p *Path) Leaf() *x509.Certificate { return p.Certificates[0] }

// Anchor returns the last certificate.
func (p *Path) Anchor() *x509.Certificate { return p.Certificates[len(p.Certificates)-1] }

// Issuer returns the issuer of the i-th certificate; the anchor's is itself.
func (p *Path) Issuer(i int) *x509.Certificate {
	if i+1 < len(p.Certificates) {
		return p.Certificates[i+1]
	}
	return p.Certificates[i]
}

// ValidatePath builds and validates a path from leaf to an anchor of the store
// at req.At (RFC 5280 §6.1, RFC 9618). Of several paths the first that stands
// is returned. The error is a *PathError. Revocation is judged apart, by
// CheckRevocation, or path by path in req.Accept.
func (s *Store) ValidatePath(ctx context.Context, leaf *x509.Certificate, req Request) (*Path, error) {
	if ctx.Err() != nil {
		return nil, &PathError{Reason: PathInterrupted, Err: ctx.Err()}
	}
	if req.At.IsZero() {
		return nil, &PathError{Reason: PathUndetermined, Err: errors.New("no time given")}
	}
	v, err := newView(leaf)
	if err != nil {
		return nil, &PathError{Reason: PathMalformed, Certificate: leaf, Err: err}
	}
	err = CheckPurpose(leaf, req.Purpose)
	if err != nil {
		return nil, err
	}
	run, failure := s.newSearch(ctx, leaf, req)
	if failure != nil {
		return nil, failure
	}
	failure = run.checkTime(v)
	if failure != nil {
		return nil, s.explainTime(ctx, v, req, failure)
	}
	path, failure := run.run(v)
	if failure != nil {
		return nil, failure
	}
	return path, nil
}

// explainTime tells time apart from trust: a leaf outside its validity is
// refused for that only when it had a path inside.
func (s *Store) explainTime(ctx context.Context, v *view, req Request, failure *PathError) error {
	req.At = v.cert.NotAfter
	if failure.Reason == PathNotYetValid {
		req.At = v.cert.NotBefore
	}
	run, other := s.newSearch(ctx, v.cert, req)
	if other != nil {
		return other
	}
	path, other := run.run(v)
	if other != nil && (other.Reason == PathExpired || other.Reason == PathNotYetValid) {
		return failure
	}
	if other != nil {
		// Not even then: the trust fails first.
		return other
	}
	failure.Otherwise = path
	return failure
}

// CheckPurpose says whether a certificate's own extensions allow a purpose. The
// error is a *PathError.
func CheckPurpose(cert *x509.Certificate, purpose Purpose) error {
	refuse := func(why string) error {
		return &PathError{Reason: PathKeyUsage, Certificate: cert, Err: errors.New(why)}
	}
	switch purpose {
	case PurposeAny:
		return nil
	case PurposeSignature:
		const signing = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
		if cert.KeyUsage != 0 && cert.KeyUsage&signing == 0 {
			return refuse("keyUsage allows neither digitalSignature nor contentCommitment")
		}
		return nil
	case PurposeTimestamp:
		only := len(cert.ExtKeyUsage) == 1 && cert.ExtKeyUsage[0] == x509.ExtKeyUsageTimeStamping && len(cert.UnknownExtKeyUsage) == 0
		if !only || !criticalExtension(cert, oidExtKeyUsage) {
			return refuse("extendedKeyUsage is not critical with timeStamping alone")
		}
		return nil
	case PurposeOCSP:
		for _, usage := range cert.ExtKeyUsage {
			if usage == x509.ExtKeyUsageOCSPSigning {
				return nil
			}
		}
		return refuse("extendedKeyUsage lacks OCSPSigning")
	case PurposeServer:
		const serving = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
		if cert.KeyUsage != 0 && cert.KeyUsage&serving == 0 {
			return refuse("keyUsage does not fit a TLS server")
		}
		return checkTLSUsage(cert, x509.ExtKeyUsageServerAuth)
	case PurposeClient:
		if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
			return refuse("keyUsage does not fit a TLS client")
		}
		return checkTLSUsage(cert, x509.ExtKeyUsageClientAuth)
	}
	return refuse("unknown purpose")
}

func checkTLSUsage(cert *x509.Certificate, usage x509.ExtKeyUsage) error {
	if len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 0 {
		return nil
	}
	for _, have := range cert.ExtKeyUsage {
		if have == usage || have == x509.ExtKeyUsageAny {
			return nil
		}
	}
	return &PathError{Reason: PathKeyUsage, Certificate: cert, Err: errors.New("extendedKeyUsage does not cover this side of TLS")}
}

func criticalExtension(cert *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(oid) {
			return ext.Critical
		}
	}
	return false
}

// FormatSerial writes a serial number as 32 hexadecimal digits or more, in lower
// case: the form in which the register of certificates, the records of acts and
// the ledger name it, so that one can be searched for in the other.
func FormatSerial(serial *big.Int) string { return fmt.Sprintf("%032x", serial) }

// SerialText is FormatSerial of the certificate's serial number.
func SerialText(cert *x509.Certificate) string {
	if cert.SerialNumber == nil {
		return "?"
	}
	return FormatSerial(cert.SerialNumber)
}
