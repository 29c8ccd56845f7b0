package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// ErrNoRequest says that no proof of possession is kept for a key, so that it
// cannot be certified again without its holder.
var ErrNoRequest = errors.New("ca: no request of that key is kept")

// InForce lists the certificates of an agency, its people and its machines that
// are issued, not revoked and not expired at the time, without their bytes, by
// profile and holder.
func (s *Service) InForce(ctx context.Context, agencyID string, at time.Time) ([]Certificate, error) {
	err := s.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, auth.Resource{Kind: ResourceKind, AgencyID: agencyID})
	if err != nil {
		return nil, fmt.Errorf("certificates of %s: %w", agencyID, err)
	}
	var rows []Certificate
	err = s.deps.DB.NewSelect().Model(&rows).ExcludeColumn("der").Where("agency_id = ?", agencyID).Where("state = ?", StateIssued).
		Where("revoked_at IS NULL").Where("not_after > ?", at.UTC()).OrderExpr("profile, person_id, machine, serial").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("certificates of %s: %w", agencyID, err)
	}
	return rows, nil
}

// CanReissue says whether Reissue finds what it needs for the certificate's key.
func (s *Service) CanReissue(ctx context.Context, c *Certificate) (bool, error) {
	_, err := s.keptCSR(ctx, c)
	if errors.Is(err, ErrNoRequest) {
		return false, nil
	}
	return err == nil, err
}

// keptCSR finds the request by which the holder of the certificate's key proved
// to possess it.
func (s *Service) keptCSR(ctx context.Context, c *Certificate) (*x509.CertificateRequest, error) {
	var r ra.Request
	err := s.deps.DB.NewSelect().Model(&r).Column("csr", "facts").Where("spki_sha256 = ?", c.SPKI).OrderExpr("created_at DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: certificate %s", ErrNoRequest, c.Serial)
	}
	if err != nil {
		return nil, fmt.Errorf("request of certificate %s: %w", c.Serial, err)
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil {
		return nil, fmt.Errorf("request of certificate %s: %w", c.Serial, err)
	}
	return csr, nil
}

// Reissue certifies the key of a certificate again with what the directory says
// of its holder today (change of information), until the day the old one ends.
// id names the act that two persons agreed to, such as an item of a
// re-organisation: with the same id the same certificate comes back, however
// often it is called. The old certificate is not revoked here.
func (s *Service) Reissue(ctx context.Context, serial, agencyID, id string) (*Certificate, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return nil, ErrActor
	}
	old, err := s.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	err = s.deps.Authorizer.Authorize(ctx, who, ra.ActionIssue, auth.Resource{Kind: ra.ResourceKind, ID: id, AgencyID: agencyID})
	if err != nil {
		return nil, fmt.Errorf("change %s: %w", serial, err)
	}
	left, err := s.leftOver(ctx, id, who.AccountID)
	if err != nil || left != nil {
		return left, err
	}
	if old.State != StateIssued || old.NotAfter == nil {
		return nil, fmt.Errorf("%w: %s is %s", ErrState, serial, old.State)
	}
	csr, err := s.keptCSR(ctx, old)
	if err != nil {
		return nil, err
	}
	p, err := s.profiles.Get(old.Profile)
	if err != nil {
		return nil, err
	}
	form, err := s.formOf(old, agencyID)
	if err != nil {
		return nil, err
	}
	facts, err := s.desk.Facts(ctx, p, form)
	if err != nil {
		return nil, err
	}
	return s.issueUntil(ctx, p, csr, facts, *old.NotAfter, order{requestID: id, keyLabel: old.KeyLabel, actor: who.AccountID})
}

// formOf is the form by which the holder of a certificate would ask for it
// today.
func (s *Service) formOf(c *Certificate, agencyID string) (ra.Form, error) {
	f := ra.Form{Profile: c.Profile, PersonID: c.PersonID, AgencyID: agencyID, Machine: c.Machine}
	if c.Machine == "" {
		return f, nil
	}
	cert, err := c.X509()
	if err != nil {
		return f, err
	}
	f.DNSNames, f.IPs = cert.DNSNames, cert.IPAddresses
	return f, nil
}

// issueUntil is issue with an end that is not exceeded, unless it is zero.
func (s *Service) issueUntil(ctx context.Context, p *profile.Profile, csr *x509.CertificateRequest, f profile.Facts, until time.Time, o order) (*Certificate, error) {
	issuer := s.hierarchy.active(p.Issuer)
	if issuer == nil || issuer.step == nil {
		return nil, fmt.Errorf("%w: issuer %q of profile %s", ErrNotFound, p.Issuer, p.Name)
	}
	template, err := s.template(p, issuer, f, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	if !until.IsZero() && template.NotAfter.After(until) {
		template.NotAfter = until.UTC()
	}
	o.issuer, o.profile, o.template = issuer, p, template
	o.agencyID, o.personID, o.machine = f.AgencyID, f.PersonID, f.MachineName
	return issuer.issue(ctx, s.signing, csr, o)
}
