package trust

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// maxPathCertificates bounds what is handed to the path builder: a
	// hostile document may carry thousands of look-alike certificates.
	maxPathCertificates = 256
	// minRSABits is the least RSA modulus of TT 15/2025/TT-BKHCN.
	minRSABits = 2048
)

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
)

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
	PathTooMany      PathReason = "too_many"           // limits of the builder
	PathInterrupted  PathReason = "interrupted"        // the context ended
	PathUndetermined PathReason = "undetermined"       // anything else crypto/x509 refuses
)

// PathError tells why a path was refused, and for which certificate when that
// is known.
type PathError struct {
	Reason      PathReason
	Certificate *x509.Certificate
	// Otherwise is set with PathExpired and PathNotYetValid when the same
	// path would stand at a time inside the leaf's validity: trust is then a
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
}

// Path is an accepted certification path, leaf first, anchor last.
type Path struct {
	Certificates []*x509.Certificate
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
// at req.At (RFC 5280 §6.1). The error is a *PathError. Revocation is judged
// apart, by CheckRevocation.
func (s *Store) ValidatePath(ctx context.Context, leaf *x509.Certificate, req Request) (*Path, error) {
	if ctx.Err() != nil {
		return nil, &PathError{Reason: PathInterrupted, Err: ctx.Err()}
	}
	if req.At.IsZero() {
		return nil, &PathError{Reason: PathUndetermined, Err: errors.New("no time given")}
	}
	err := CheckPurpose(leaf, req.Purpose)
	if err != nil {
		return nil, err
	}
	err = s.checkValidity(ctx, leaf, req)
	if err != nil {
		return nil, err
	}
	return s.build(leaf, req)
}

// checkValidity looks at the leaf's own validity before a path is built, so
// that time is told apart from trust.
func (s *Store) checkValidity(ctx context.Context, leaf *x509.Certificate, req Request) error {
	failure := &PathError{Certificate: leaf}
	switch {
	case req.At.Before(leaf.NotBefore):
		failure.Reason = PathNotYetValid
	case req.At.After(leaf.NotAfter):
		failure.Reason = PathExpired
	default:
		return nil
	}
	inside := req
	inside.At = leaf.NotAfter
	if ctx.Err() == nil {
		path, err := s.build(leaf, inside)
		if err != nil {
			// Not even then: the trust fails first.
			return err
		}
		failure.Otherwise = path
	}
	return failure
}

func (s *Store) build(leaf *x509.Certificate, req Request) (*Path, error) {
	pool := x509.NewCertPool()
	count := 0
	for _, list := range [][]*x509.Certificate{s.intermediates, req.Intermediates, req.Evidence.Certificates} {
		for _, cert := range list {
			// Only authorities can stand in the middle of a path; the
			// cheap test keeps a flood of leaves out of the search.
			if cert.Equal(leaf) || !cert.IsCA {
				continue
			}
			pool.AddCert(cert)
			count++
		}
	}
	if count > maxPathCertificates+len(s.intermediates) {
		return nil, &PathError{Reason: PathTooMany, Err: fmt.Errorf("%d candidate certificates", count)}
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         s.pool,
		Intermediates: pool,
		CurrentTime:   req.At,
		// The zero value would ask for serverAuth, which no signer has.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return nil, pathError(leaf, err)
	}
	best := chains[0]
	for _, chain := range chains[1:] {
		if len(chain) < len(best) {
			best = chain
		}
	}
	for _, cert := range best {
		err = CheckKeyStrength(cert)
		if err != nil {
			return nil, &PathError{Reason: PathWeak, Certificate: cert, Err: err}
		}
	}
	return &Path{Certificates: best}, nil
}

// CheckKeyStrength refuses keys that are too short to be believed.
func CheckKeyStrength(cert *x509.Certificate) error {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if ok && key.N.BitLen() < minRSABits {
		return fmt.Errorf("RSA key of %d bits, at least %d are asked for", key.N.BitLen(), minRSABits)
	}
	return nil
}

func pathError(leaf *x509.Certificate, err error) *PathError {
	failure := &PathError{Reason: PathUndetermined, Certificate: leaf, Err: err}
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var critical x509.UnhandledCriticalExtension
	var insecure x509.InsecureAlgorithmError
	var constraint x509.ConstraintViolationError
	switch {
	case errors.As(err, &invalid):
		failure.Certificate = invalid.Cert
		switch invalid.Reason {
		case x509.Expired:
			failure.Reason = PathExpired
		case x509.IncompatibleUsage:
			failure.Reason = PathKeyUsage
		default:
			failure.Reason = PathConstraint
		}
	case errors.As(err, &unknown):
		failure.Reason = PathNoAnchor
		if unknown.Cert != nil {
			failure.Certificate = unknown.Cert
		}
		if weakSignature(unknown.Cert) {
			failure.Reason = PathWeak
		}
	case errors.As(err, &critical):
		failure.Reason = PathCritical
	case errors.As(err, &insecure):
		failure.Reason = PathWeak
	case errors.As(err, &constraint):
		failure.Reason = PathConstraint
	}
	return failure
}

// weakSignature is needed because crypto/x509 folds a SHA-1 signature on a
// certificate into "unknown authority" and keeps the cause to itself.
func weakSignature(cert *x509.Certificate) bool {
	if cert == nil || SelfIssued(cert) {
		return false
	}
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return true
	}
	return false
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
	}
	return refuse("unknown purpose")
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
