package ra

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store"
)

// certificate is what registration reads of the register of certificates.
type certificate struct {
	bun.BaseModel `bun:"table:ca_certificate"`

	Serial    string     `bun:"serial,pk"`
	Profile   string     `bun:"profile"`
	State     string     `bun:"state"`
	AgencyID  string     `bun:"agency_id"`
	PersonID  string     `bun:"person_id"`
	Machine   string     `bun:"machine"`
	KeyLabel  string     `bun:"key_label"`
	SPKI      string     `bun:"spki_sha256"`
	NotAfter  *time.Time `bun:"not_after"`
	RevokedAt *time.Time `bun:"revoked_at"`
	Cause     string     `bun:"revocation_cause"`
}

// causeHold stands beside a certificate that is on hold: it can still be
// revoked.
const causeHold = "hold"

// about reads the certificate that a form is about, and completes the form by
// it; nil for a new one.
func (d *Desk) about(ctx context.Context, f *Form) (*certificate, error) {
	if f.Kind == KindNew {
		return nil, nil
	}
	var c certificate
	err := d.cfg.DB.NewSelect().Model(&c).Where("serial = ?", f.Serial).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: no certificate %q", ErrForm, f.Serial)
	}
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", f.Serial, err)
	}
	now := d.cfg.Clock.Now()
	switch {
	case c.State != "issued" && !(f.Kind == KindRevoke && c.State == "signed"):
		return nil, fmt.Errorf("%w: certificate %s is %s", ErrForm, c.Serial, c.State)
	case c.RevokedAt != nil && !(f.Kind == KindRevoke && c.Cause == causeHold):
		return nil, fmt.Errorf("%w: certificate %s is revoked; ask for a new one", ErrForm, c.Serial)
	case f.Kind.Certifies() && c.NotAfter != nil && now.After(*c.NotAfter):
		return nil, fmt.Errorf("%w: certificate %s is expired; ask for a new one", ErrForm, c.Serial)
	case f.Profile != "" && f.Profile != c.Profile, f.PersonID != "" && f.PersonID != c.PersonID,
		f.Machine != "" && f.Machine != c.Machine:
		return nil, fmt.Errorf("%w: certificate %s is of another profile or holder", ErrForm, c.Serial)
	}
	p, err := d.cfg.Profiles.Get(c.Profile)
	if err != nil {
		return nil, err
	}
	if p.Kind != profile.KindPerson && p.Kind != profile.KindAgency && p.Kind != profile.KindMachine {
		return nil, fmt.Errorf("%w: certificate %s is the authority's own", ErrForm, c.Serial)
	}
	f.Profile, f.PersonID, f.Machine = c.Profile, c.PersonID, c.Machine
	if c.PersonID == "" && f.AgencyID == "" {
		f.AgencyID = c.AgencyID
	}
	return &c, d.sameNames(ctx, f, &c)
}

// sameNames takes the alternative names from the earlier request where the
// form of a machine brings none.
func (d *Desk) sameNames(ctx context.Context, f *Form, c *certificate) error {
	if c.Machine == "" || !f.Kind.Certifies() || f.DNSNames != nil || f.IPs != nil {
		return nil
	}
	r, err := d.requestOf(ctx, c)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f.DNSNames, f.IPs = r.Facts.DNSNames, r.Facts.IPs
	return nil
}

// lastFacts are the facts of a certificate as far as they still stand: whoever
// has left their post can still have it revoked.
func (d *Desk) lastFacts(ctx context.Context, c *certificate) (profile.Facts, error) {
	facts := profile.Facts{AgencyID: c.AgencyID, PersonID: c.PersonID, MachineName: c.Machine}
	agency, err := d.cfg.Directory.Agency(ctx, c.AgencyID)
	if err != nil {
		return facts, fmt.Errorf("agency: %w", err)
	}
	facts.AgencyCode, facts.AgencyName = agency.Code, agency.Name
	if c.PersonID == "" {
		return facts, nil
	}
	person, err := d.cfg.Directory.Person(ctx, c.PersonID)
	if errors.Is(err, directory.ErrNotFound) {
		return facts, nil
	}
	if err != nil {
		return facts, fmt.Errorf("holder: %w", err)
	}
	facts.PersonName, facts.Email = person.Name, person.Email
	return facts, nil
}

// key finds the key of a request and its proof of possession; nil for kinds
// without one, and for a key that is still to be made.
func (d *Desk) key(ctx context.Context, r *Request, f Form, old *certificate) (*x509.CertificateRequest, error) {
	if !f.Kind.Certifies() || r.KeyAlgorithm != "" {
		return nil, nil
	}
	var err error
	if f.KeyLabel == "" && len(f.CSR) == 0 && f.Kind.sameKey() {
		f.KeyLabel = old.KeyLabel
		r.KeyLabel = old.KeyLabel
		if f.KeyLabel == "" {
			f.CSR, err = d.oldCSR(ctx, old)
		}
		if err != nil {
			return nil, err
		}
	}
	csr, err := d.csr(ctx, f)
	if err != nil {
		return nil, err
	}
	r.setKey(csr)
	if old == nil {
		return csr, nil
	}
	switch {
	case f.Kind.sameKey() && r.SPKI != old.SPKI:
		return nil, fmt.Errorf("%w: a request of kind %s keeps the key of %s; another key is asked for by kind %s", ErrForm, f.Kind, old.Serial, KindRekey)
	case f.Kind == KindRekey && r.SPKI == old.SPKI:
		return nil, fmt.Errorf("%w: the key is that of %s", ErrForm, old.Serial)
	}
	return csr, nil
}

func (r *Request) setKey(csr *x509.CertificateRequest) {
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	r.CSR, r.SPKI = csr.Raw, hex.EncodeToString(sum[:])
}

// oldCSR is the proof of possession that came with the certificate's key.
func (d *Desk) oldCSR(ctx context.Context, c *certificate) ([]byte, error) {
	r, err := d.requestOf(ctx, c)
	if errors.Is(err, ErrNotFound) || err == nil && len(r.CSR) == 0 {
		return nil, fmt.Errorf("%w: the request of %s is not known here: bring a PKCS#10 request by its key", ErrForm, c.Serial)
	}
	if err != nil {
		return nil, err
	}
	return r.CSR, nil
}

// requestOf is the newest request by the certificate's key.
func (d *Desk) requestOf(ctx context.Context, c *certificate) (*Request, error) {
	var r Request
	err := d.cfg.DB.NewSelect().Model(&r).Where("spki_sha256 = ?", c.SPKI).OrderExpr("create_index DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: of certificate %s", ErrNotFound, c.Serial)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request of %s: %w", c.Serial, err)
	}
	return &r, d.fill(&r)
}

func (d *Desk) csr(ctx context.Context, f Form) (*x509.CertificateRequest, error) {
	if (f.KeyLabel == "") == (len(f.CSR) == 0) {
		return nil, fmt.Errorf("%w: want a key's label or a PKCS#10 request, one of the two", ErrForm)
	}
	if f.KeyLabel == "" {
		return readCSR(f.CSR)
	}
	der, err := d.tokenCSR(ctx, f.KeyLabel)
	if err != nil {
		return nil, err
	}
	return readCSR(der)
}

// checkKey refuses a key that another holder has a certificate for, and one
// whose certificate was revoked because the key was compromised.
func (d *Desk) checkKey(ctx context.Context, r *Request) error {
	clash, err := d.cfg.DB.NewSelect().TableExpr("ca_certificate").Where("spki_sha256 = ?", r.SPKI).
		Where("state IN ('intent', 'signed', 'issued')").
		Where("(agency_id <> ? OR person_id <> ? OR machine <> ? OR revocation_reason IN (1, 2))", r.AgencyID, r.PersonID, r.Facts.MachineName).
		Exists(ctx)
	if err != nil {
		return fmt.Errorf("look for the key: %w", err)
	}
	if !clash {
		return nil
	}
	// The holder of a renewed or changed certificate may have moved to another
	// agency with the key, and the agency may have become another one.
	if r.Kind.sameKey() {
		clash, err = d.cfg.DB.NewSelect().TableExpr("ca_certificate").Where("spki_sha256 = ?", r.SPKI).
			Where("state IN ('intent', 'signed', 'issued')").Where("(person_id <> ? OR revocation_reason IN (1, 2))", r.PersonID).Exists(ctx)
		if err != nil {
			return fmt.Errorf("look for the key: %w", err)
		}
	}
	if clash {
		return fmt.Errorf("%w: it was certified for another holder, or was compromised", ErrKeyUsed)
	}
	return nil
}

// Limit is when a certificate of the request must end at the latest, beside
// what its profile says: zero for a new one, a renewal term after notBefore for
// one that follows another, the old one's end for a change.
func (d *Desk) Limit(ctx context.Context, r *Request, notBefore time.Time) (time.Time, error) {
	switch r.Kind {
	case KindRenew, KindRekey:
		p, err := d.cfg.Profiles.Get(r.Profile)
		if err != nil {
			return time.Time{}, err
		}
		return notBefore.Add(p.Renewal() - time.Second), nil
	case KindChange:
		var c certificate
		err := d.cfg.DB.NewSelect().Model(&c).Column("not_after").Where("serial = ?", r.OldSerial).Scan(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("read certificate %s: %w", r.OldSerial, err)
		}
		return c.NotAfter.UTC(), nil
	default:
		return time.Time{}, nil
	}
}

func contains[T comparable](list []T, v T) bool { return slices.Contains(list, v) }

func printable(text string) bool {
	return !slices.ContainsFunc([]byte(text), func(b byte) bool { return b <= ' ' || b > '~' })
}
