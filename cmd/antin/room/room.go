// Package room wires ceremonies to what they need of the other rooms: profiles and
// the linter of the certification authority, and the signing and judging of PDFs.
// It also makes the throw-away places of rehearsals. It decides nothing.
package room

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/hsm/ceremony"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/validate"
)

// Version of this program, as its build says.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "antin"
	}
	return "antin " + info.Main.Version + " " + info.GoVersion
}

// certificates shows the profiles and the linter to a ceremony.
type certificates struct {
	profiles *profile.Set
	linter   *profile.Linter
	arc      string

	mu sync.Mutex
	// dummies are throw-away keys by kind, guarded by mu: one of RSA-4096 takes
	// seconds to make.
	dummies map[string]crypto.Signer
}

var _ ceremony.Certificates = (*certificates)(nil)

// NewCertificates gives ceremonies the profiles; those of the product when nil.
func NewCertificates(profiles *profile.Set, policyArc string) (ceremony.Certificates, error) {
	if profiles == nil {
		var err error
		profiles, err = profile.Builtin()
		if err != nil {
			return nil, err
		}
	}
	linter, err := profile.NewLinter()
	if err != nil {
		return nil, err
	}
	return &certificates{profiles: profiles, linter: linter, arc: policyArc, dummies: map[string]crypto.Signer{}}, nil
}

// Template is the content of a certificate by its profile.
func (c *certificates) Template(o ceremony.CertificateOrder) (*x509.Certificate, error) {
	p, err := c.profiles.Get(o.Profile)
	if err != nil {
		return nil, err
	}
	if p.Kind != profile.KindAuthority {
		return nil, fmt.Errorf("%w: profile %s is not an authority's; its certificates are requested, approved and issued", ceremony.ErrScript, o.Profile)
	}
	place := profile.Place{NotBefore: o.NotBefore, PolicyArc: c.arc, OCSP: o.Facts.OCSP, IssuerURL: o.Facts.IssuerURL, CRL: o.Facts.CRL}
	if o.Issuer != nil {
		place.NotAfterLimit = o.Issuer.NotAfter
		if place.NotBefore.Before(o.Issuer.NotBefore) {
			place.NotBefore = o.Issuer.NotBefore
		}
	}
	template, err := p.Template(profile.Facts{Organization: o.Facts.Organization, MachineName: o.Facts.CommonName}, o.Public, place)
	if err != nil {
		return nil, err
	}
	if o.Facts.Days > 0 {
		shorter := template.NotBefore.AddDate(0, 0, o.Facts.Days).Add(-time.Second)
		if shorter.After(template.NotAfter) {
			return nil, fmt.Errorf("%w: %d days are more than profile and issuer allow", ceremony.ErrScript, o.Facts.Days)
		}
		template.NotAfter = shorter
	}
	return template, nil
}

// Lint judges a content by a copy signed with a throw-away key.
func (c *certificates) Lint(template, issuer *x509.Certificate, issuerKey crypto.PublicKey) ([]string, error) {
	dummy, err := c.dummy(issuerKey)
	if err != nil {
		return nil, err
	}
	if issuer == nil {
		issuer = template
	}
	copied, err := profile.LintCopy(template, issuer, dummy)
	if err != nil {
		return nil, err
	}
	return c.linter.Check(copied.Raw)
}

// dummy is a throw-away key of the kind of pub.
func (c *certificates) dummy(pub crypto.PublicKey) (crypto.Signer, error) {
	kind, err := profile.KeyAlgorithm(pub)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dummies[kind] != nil {
		return c.dummies[kind], nil
	}
	key, err := profile.DummyKey(pub)
	if err != nil {
		return nil, err
	}
	c.dummies[kind] = key
	return key, nil
}

// Check judges a signed certificate.
func (c *certificates) Check(der []byte) ([]string, error) { return c.linter.Check(der) }

// Documents signs and judges transcripts.
type Documents struct{}

var _ ceremony.Documents = Documents{}

// Sign makes the signatures one after the other and appends the evidence.
func (Documents) Sign(ctx context.Context, pdf []byte, by []ceremony.Signature, evidence trust.Evidence, now time.Time) ([]byte, error) {
	for i, s := range by {
		out := &memory{}
		_, pss := s.Signer.Public().(*rsa.PublicKey)
		o := pades.Options{Signer: s.Signer, Chain: s.Chain, Hash: crypto.SHA256, PSS: pss, Level: pades.LevelB, Reason: s.Reason, Name: s.Chain[0].Subject.CommonName, Now: now}
		prepared, err := pades.Prepare(ctx, bytes.NewReader(pdf), int64(len(pdf)), out, o)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		err = completeCMS(ctx, prepared, out, o)
		if err != nil {
			return nil, fmt.Errorf("signature %d of %s: %w", i+1, o.Name, err)
		}
		size := int64(len(out.data))
		if i == len(by)-1 {
			size, err = pades.AddEvidence(out, size, o, prepared, evidence)
			if err != nil {
				return nil, err
			}
		}
		pdf = out.data[:size]
	}
	return pdf, nil
}

// Verify judges a transcript offline.
func (Documents) Verify(ctx context.Context, pdf []byte, anchors []*x509.Certificate, at time.Time) (int, error) {
	trusted, err := trust.NewStore(anchors, nil)
	if err != nil {
		return 0, err
	}
	report, err := validate.Validate(ctx, bytes.NewReader(pdf), int64(len(pdf)), validate.Options{Store: trusted, At: at})
	if err != nil {
		return 0, err
	}
	for _, s := range report.Signatures {
		if s.Verdict == validate.Passed {
			continue
		}
		why := string(s.SubIndication)
		for _, reason := range s.Reasons {
			why += "; " + reason.Text(validate.English)
		}
		return 0, fmt.Errorf("signature of %s is %s: %s", s.Signer, s.Verdict, why)
	}
	if report.Verdict != validate.Passed {
		return 0, fmt.Errorf("the document is %s", report.Verdict)
	}
	return len(report.Signatures), nil
}
