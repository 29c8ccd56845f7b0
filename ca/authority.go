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

// Lines of authorities: each is a row of generations, of which one issues.
// RootName is the first root. The first generation of an issuing line has the
// line's name, later ones "official-g2"; roots are "g1", "g2". Files and
// addresses carry the names, so they stay.
const (
	RootName     = "g1"
	OfficialName = "official"
	ServiceName  = "service"
	TSAName      = "tsa"
	lineRoot     = "root"
	lineOutside  = "outside"
)

// Kinds of what stands in the token with a certificate.
const (
	kindRoot   = "root"
	kindIssuer = "issuer"
	kindOCSP   = "ocsp"
	kindLive   = "ocsp-live"
	kindTSA    = "tsa"
)

// Custody says where the key of an authority is.
type Custody string

// The custodies.
const (
	CustodyToken   Custody = "token"   // in the token of this system
	CustodyAway    Custody = "away"    // in a token that is kept apart: signs what is brought to it
	CustodyOutside Custody = "outside" // with somebody else
)

// AuthorityState is what a generation of an authority does.
type AuthorityState string

// The states of an authority. Each but the first answers for what it issued.
const (
	AuthorityWaiting AuthorityState = "waiting" // key made, certificate outstanding
	AuthorityNext    AuthorityState = "next"    // serves already, does not issue yet
	AuthorityActive  AuthorityState = "active"  // issues
	AuthorityFormer  AuthorityState = "former"  // issues no more, serves until its end
)

// authority is a certification authority, with its key at hand when that lies
// in the token.
type authority struct {
	name       string
	kind       string
	line       string
	generation int64
	state      AuthorityState
	custody    Custody
	label      string
	serial     string            // in the own register, or empty
	cert       *x509.Certificate // nil for a root that is being made
	// above are the certificates from its issuer up to a trust anchor; empty
	// for a root.
	above []*x509.Certificate
	// signer is nil when the key is elsewhere, and after the end of validity.
	signer crypto.Signer
	// dummy is a throw-away key of the same kind, for lint copies.
	dummy crypto.Signer
	// self is the content of a root that is being made: its own issuer.
	self *x509.Certificate
	step *step.Authority
}

// newAuthority prepares an authority from its row, its certificate and its
// key; without a key it can be named and shown, but signs nothing.
func newAuthority(row authorityRow, cert *x509.Certificate, signer crypto.Signer) (*authority, error) {
	a := &authority{name: row.Name, kind: row.Kind, line: row.Line, generation: row.Generation, state: row.State,
		custody: row.Custody, label: row.KeyLabel, serial: row.Serial, cert: cert}
	if signer == nil {
		return a, nil
	}
	if !samePublicKey(signer.Public(), cert.PublicKey) {
		return nil, fmt.Errorf("%w: authority %s", ErrKey, row.Name)
	}
	dummy, err := profile.DummyKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", row.Name, err)
	}
	a.signer, a.dummy = signer, dummy
	return a, nil
}

// signs says whether the authority answers for its certificates from here.
func (a *authority) signs() bool { return a != nil && a.signer != nil }

// anchor is the root above, or the authority itself.
func (a *authority) anchor() *x509.Certificate {
	if len(a.above) == 0 {
		return a.cert
	}
	return a.above[len(a.above)-1]
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
func (a *authority) embed(service *signingService, r records) error {
	embedded, err := step.NewEmbedded(
		step.WithQuietInit(),
		step.WithX509RootCerts(a.anchor()),
		step.WithX509IntermediateCerts(a.cert),
		step.WithX509CAService(service),
		step.WithDatabase(&authDB{records: r, issuer: a.name, service: service}),
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
