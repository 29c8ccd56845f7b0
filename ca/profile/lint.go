package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// ErrLint says that the content breaks a standard; nothing was signed.
var ErrLint = errors.New("profile: lint refuses the certificate")

// LintError names the lints that refused.
type LintError struct {
	// Failed are the names of the lints, sorted.
	Failed []string
}

// Error lists the lints.
func (e *LintError) Error() string {
	return ErrLint.Error() + ": " + strings.Join(e.Failed, ", ")
}

// Unwrap returns ErrLint.
func (e *LintError) Unwrap() error { return ErrLint }

// Linter judges the content of a certificate. It is safe for concurrent use.
type Linter struct {
	registry lint.Registry
}

// NewLinter takes the lints of the Internet standards and of ETSI. The rules
// of the browsers (CA/Browser Forum, Mozilla, Apple, Chrome) are for the
// public web and are left out.
func NewLinter() (*Linter, error) {
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{IncludeSources: lint.SourceList{
		lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6960, lint.RFC8813, lint.Community, lint.EtsiEsi,
	}})
	if err != nil {
		return nil, fmt.Errorf("select lints: %w", err)
	}
	return &Linter{registry: registry}, nil
}

// Check lints a certificate as DER and returns the names of the lints that
// warn. A *LintError says which lints refuse.
func (l *Linter) Check(der []byte) (warnings []string, err error) {
	cert, err := zx509.ParseCertificate(der)
	if err != nil {
		return nil, &LintError{Failed: []string{"not parsed: " + err.Error()}}
	}
	result := zlint.LintCertificateEx(cert, l.registry)
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(result.Results)) {
		switch result.Results[name].Status {
		case lint.Error, lint.Fatal:
			failed = append(failed, name)
		case lint.Warn:
			warnings = append(warnings, name)
		}
	}
	if len(failed) > 0 {
		return warnings, &LintError{Failed: failed}
	}
	return warnings, nil
}

// DummyKey makes a throw-away key of the kind of pub, for lint copies.
func DummyKey(pub crypto.PublicKey) (crypto.Signer, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(k.Curve, rand.Reader)
	case *rsa.PublicKey:
		return rsa.GenerateKey(rand.Reader, k.N.BitLen())
	default:
		return nil, fmt.Errorf("%w: %T", ErrKey, pub)
	}
}

// LintCopy signs the template with a throw-away key in the issuer's name. Its
// TBSCertificate has the bytes that the real certificate will have.
func LintCopy(template, issuer *x509.Certificate, dummy crypto.Signer) (*x509.Certificate, error) {
	// Only the name and the key identifier of the issuer enter the content.
	parent := &x509.Certificate{RawSubject: issuer.RawSubject, Subject: issuer.Subject,
		SubjectKeyId: issuer.SubjectKeyId, PublicKey: dummy.Public()}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, template.PublicKey, dummy)
	if err != nil {
		return nil, fmt.Errorf("sign lint copy: %w", err)
	}
	return x509.ParseCertificate(der)
}
