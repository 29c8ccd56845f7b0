package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	step "github.com/smallstep/certificates/authority"
	"github.com/smallstep/certificates/authority/provisioner"

	"github.com/antin-gov/antin/ca/profile"
)

// Names of the authorities. Files and addresses carry them, so they stay.
const (
	RootName     = "g1" // the root's generation
	OfficialName = "official"
	ServiceName  = "service"
	TSAName      = "tsa"
	tsaUnitName  = "unit1"
)

// Kinds of what stands in the token with a certificate.
const (
	kindRoot   = "root"
	kindIssuer = "issuer"
	kindOCSP   = "ocsp"
	kindTSA    = "tsa"
)

// authority is a certification authority with its key at hand.
type authority struct {
	name   string
	kind   string
	serial string
	cert   *x509.Certificate // nil for a root that is being made
	signer crypto.Signer
	// dummy is a throw-away key of the same kind, for lint copies.
	dummy crypto.Signer
	// self is the content of a root that is being made: its own issuer.
	self *x509.Certificate
	step *step.Authority
}

// newAuthority prepares an authority from its certificate and its key.
func newAuthority(name, kind string, cert *x509.Certificate, signer crypto.Signer) (*authority, error) {
	if !samePublicKey(signer.Public(), cert.PublicKey) {
		return nil, fmt.Errorf("%w: authority %s", ErrKey, name)
	}
	dummy, err := profile.DummyKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", name, err)
	}
	return &authority{name: name, kind: kind, cert: cert, signer: signer, dummy: dummy}, nil
}

// parent is the issuer as certificates name it.
func (a *authority) parent() *x509.Certificate {
	if a.self != nil {
		return a.self
	}
	return a.cert
}

// limit is the end of what the authority may certify.
func (a *authority) limit() time.Time {
	if a.cert == nil {
		return time.Time{}
	}
	return a.cert.NotAfter
}

// embed starts smallstep's authority over the signing service.
func (a *authority) embed(root *x509.Certificate, service *signingService, r records) error {
	embedded, err := step.NewEmbedded(
		step.WithQuietInit(),
		step.WithX509RootCerts(root),
		step.WithX509IntermediateCerts(a.cert),
		step.WithX509CAService(service),
		step.WithDatabase(&authDB{records: r, issuer: a.name}),
	)
	if err != nil {
		return fmt.Errorf("start authority %s: %w", a.name, err)
	}
	a.step = embedded
	return nil
}

// issue takes an order through smallstep's pipeline, which checks the proof of
// possession and the authority's constraints and then asks the signing service.
func (a *authority) issue(ctx context.Context, service *signingService, csr *x509.CertificateRequest, o order) (*Certificate, error) {
	p := &pending{ctx: ctx, order: o}
	service.prepare(csr, p)
	defer service.redeem(csr)
	// smallstep takes subject and extensions from the request; the profile's
	// content replaces all of it.
	replace := provisioner.CertificateModifierFunc(func(cert *x509.Certificate, _ provisioner.SignOptions) error {
		*cert = *o.template
		return nil
	})
	_, err := a.step.SignWithContext(ctx, csr, provisioner.SignOptions{}, replace)
	if p.err != nil {
		// the cause itself, without smallstep's HTTP wrapping
		return nil, p.err
	}
	if err != nil {
		return nil, fmt.Errorf("issue by %s: %w", a.name, err)
	}
	if p.result == nil {
		return nil, errors.Join(ErrNotPrepared, fmt.Errorf("issue by %s: no result", a.name))
	}
	return p.result, nil
}
