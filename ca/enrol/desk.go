package enrol

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/seal"
	"github.com/antin-gov/antin/internal/store"
)

// Actions asked of the Authorizer.
const (
	ActionCreate  = "ca.enrolment.create"
	ActionApprove = "ca.enrolment.approve"
	ActionRevoke  = "ca.enrolment.revoke"
	ActionRead    = "ca.enrolment.read"
	ResourceKind  = "ca.enrolment"
)

const (
	secretSize = 32 // bytes: beyond guessing, so a plain digest of it is enough
	maxNote    = 2000
	maxMachine = 64 // RFC 5280 appendix A.1, ub-common-name
	maxUses    = 1000
	listLimit  = 500

	validACME = 30 * 24 * time.Hour
	validEST  = 7 * 24 * time.Hour
	validMost = 366 * 24 * time.Hour
)

// Config is what a desk needs.
type Config struct {
	DB         *store.DB
	Ledger     ledger.Appender
	Clock      clock.Clock
	Directory  *directory.Directory
	Authorizer auth.Authorizer
	Seal       *seal.Key
	// Profiles are those that machines may enrol for.
	Profiles []string
}

// Desk makes and reads credentials. It is safe for concurrent use.
type Desk struct{ cfg Config }

// New returns a desk.
func New(cfg Config) (*Desk, error) {
	if cfg.DB == nil || cfg.Ledger == nil || cfg.Clock == nil || cfg.Directory == nil || cfg.Authorizer == nil || cfg.Seal == nil || len(cfg.Profiles) == 0 {
		return nil, fmt.Errorf("%w: a part of the desk is missing", ErrForm)
	}
	return &Desk{cfg: cfg}, nil
}

// Create makes a credential and returns it with its secret (base64url), which
// is kept nowhere in clear. Whether it opens anything at once or waits for
// another officer is the policy's to say.
func (d *Desk) Create(ctx context.Context, f Form) (*Credential, string, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return nil, "", ErrActor
	}
	err := d.cfg.Authorizer.Authorize(ctx, who, ActionCreate, auth.Resource{Kind: ResourceKind, AgencyID: f.AgencyID})
	if err != nil {
		return nil, "", fmt.Errorf("make credential: %w", err)
	}
	c, err := d.fill(ctx, f)
	if err != nil {
		return nil, "", err
	}
	valid := f.Valid
	if valid == 0 {
		valid = validEST
		if f.Kind == KindACME {
			valid = validACME
		}
	}
	random := make([]byte, secretSize+12)
	_, err = rand.Read(random)
	if err != nil {
		return nil, "", fmt.Errorf("make credential: %w", err)
	}
	c.ID = string(f.Kind) + "-" + hex.EncodeToString(random[secretSize:])
	secret := random[:secretSize]
	c.CreatedBy, c.CreatedPerson, c.CreatedAt = who.AccountID, who.PersonID, d.cfg.Clock.Now().UTC()
	c.ExpiresAt = c.CreatedAt.Add(valid)
	text := base64.RawURLEncoding.EncodeToString(secret)
	if f.Kind == KindACME {
		c.Secret = d.cfg.Seal.Seal(c.ID, secret)
	} else {
		sum := sha256.Sum256([]byte(text))
		c.Secret = sum[:]
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionApprove, c.resource())
	if err != nil && !errors.Is(err, auth.ErrDenied) {
		return nil, "", fmt.Errorf("make credential: %w", err)
	}
	if err == nil { // the policy asks for no second person
		c.ApprovedBy, c.ApprovedAt = who.AccountID, &c.CreatedAt
	}
	c.CreateIndex, err = d.append(ctx, ActionCreate, who, c)
	if err != nil {
		return nil, "", err
	}
	_, err = d.cfg.DB.NewInsert().Model(c).Exec(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("record credential: %w", err)
	}
	c.State = c.at(c.CreatedAt)
	return c, text, nil
}

// fill checks a form and makes of it what will be recorded.
func (d *Desk) fill(ctx context.Context, f Form) (*Credential, error) {
	agency, err := d.cfg.Directory.Agency(ctx, f.AgencyID)
	if err != nil {
		return nil, fmt.Errorf("credential for %q: %w", f.AgencyID, err)
	}
	now := d.cfg.Clock.Now()
	if now.Before(agency.ValidFrom) || agency.ValidTo != nil && !now.Before(*agency.ValidTo) {
		return nil, fmt.Errorf("%w: agency %s does not exist at %s", ErrForm, agency.ID, now.Format(time.DateOnly))
	}
	if len(f.Profiles) == 0 {
		return nil, fmt.Errorf("%w: no profile; machines have %s", ErrForm, strings.Join(d.cfg.Profiles, ", "))
	}
	for _, p := range f.Profiles {
		if !slices.Contains(d.cfg.Profiles, p) {
			return nil, fmt.Errorf("%w: profile %q; machines have %s", ErrForm, p, strings.Join(d.cfg.Profiles, ", "))
		}
	}
	domains, networks, err := scopes(f)
	if err != nil {
		return nil, err
	}
	switch {
	case f.Kind != KindACME && f.Kind != KindEST:
		return nil, fmt.Errorf("%w: kind %q", ErrForm, f.Kind)
	case f.Kind == KindACME && len(domains)+len(networks) == 0:
		return nil, fmt.Errorf("%w: no domain and no network", ErrForm)
	case f.Kind == KindEST && (f.Machine == "" || len(f.Profiles) != 1):
		return nil, fmt.Errorf("%w: a one-time secret is for one machine and one profile", ErrForm)
	case f.Kind == KindACME && (f.Machine != "" || f.ByOfficer), f.Kind == KindEST && (f.Preauthorised || f.Uses > 1):
		return nil, fmt.Errorf("%w: a field of the other kind is set", ErrForm)
	case utf8.RuneCountInString(f.Machine) > maxMachine || strings.TrimSpace(f.Machine) != f.Machine:
		return nil, fmt.Errorf("%w: machine name over %d characters or with spaces around it", ErrForm, maxMachine)
	case utf8.RuneCountInString(f.Note) > maxNote:
		return nil, fmt.Errorf("%w: note over %d characters", ErrForm, maxNote)
	case f.Uses < 0 || f.Uses > maxUses:
		return nil, fmt.Errorf("%w: %d uses, want 1 to %d", ErrForm, f.Uses, maxUses)
	case f.Valid < 0 || f.Valid > validMost:
		return nil, fmt.Errorf("%w: valid for %s, at most %s", ErrForm, f.Valid, validMost)
	}
	return &Credential{Kind: f.Kind, AgencyID: agency.ID, Profiles: f.Profiles, Domains: domains, Networks: networks, Machine: f.Machine,
		MaxUses: max(f.Uses, 1), Preauthorised: f.Preauthorised, ByOfficer: f.ByOfficer, Note: f.Note}, nil
}

func (c *Credential) resource() auth.Resource {
	return auth.Resource{Kind: ResourceKind, ID: c.ID, AgencyID: c.AgencyID, CreatedBy: c.CreatedBy}
}

// Approve lets a second person agree to a credential.
func (d *Desk) Approve(ctx context.Context, kind Kind, id string) (*Credential, error) {
	who, c, err := d.act(ctx, kind, id, ActionApprove)
	if err != nil {
		return nil, err
	}
	// The rule holds whatever the policy says; a person's two accounts are one
	// person.
	if who.AccountID == c.CreatedBy || who.PersonID != "" && who.PersonID == c.CreatedPerson {
		return nil, fmt.Errorf("%w: %s", ErrSamePerson, id)
	}
	if c.State != StateWaiting {
		return nil, fmt.Errorf("%w: %s is %s", ErrState, id, c.State)
	}
	index, err := d.append(ctx, ActionApprove, who, c)
	if err != nil {
		return nil, err
	}
	return d.record(ctx, c, "approved_at IS NULL", func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("approved_by = ?", who.AccountID).Set("approved_at = ?", d.cfg.Clock.Now().UTC()).Set("approve_index = ?", index)
	})
}

// Revoke ends a credential: nothing more is bound or enrolled by it, and ACME
// accounts that were bound by it place no more orders.
func (d *Desk) Revoke(ctx context.Context, kind Kind, id string) (*Credential, error) {
	who, c, err := d.act(ctx, kind, id, ActionRevoke)
	if err != nil {
		return nil, err
	}
	if c.State == StateRevoked {
		return nil, fmt.Errorf("%w: %s is %s", ErrState, id, c.State)
	}
	index, err := d.append(ctx, ActionRevoke, who, c)
	if err != nil {
		return nil, err
	}
	return d.record(ctx, c, "revoked_at IS NULL", func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("revoked_by = ?", who.AccountID).Set("revoked_at = ?", d.cfg.Clock.Now().UTC()).Set("revoke_index = ?", index)
	})
}

func (d *Desk) act(ctx context.Context, kind Kind, id, action string) (auth.Subject, *Credential, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return who, nil, ErrActor
	}
	c, err := d.read(ctx, kind, id)
	if err != nil {
		return who, nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, action, c.resource())
	if err != nil {
		return who, nil, fmt.Errorf("credential %s: %w", id, err)
	}
	return who, c, nil
}

func (d *Desk) record(ctx context.Context, c *Credential, while string, set func(*bun.UpdateQuery) *bun.UpdateQuery) (*Credential, error) {
	result, err := set(d.cfg.DB.NewUpdate().Model((*Credential)(nil))).Where("id = ?", c.ID).Where(while).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("record credential %s: %w", c.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return nil, fmt.Errorf("%w: %s was acted upon meanwhile", ErrState, c.ID)
	}
	return d.read(ctx, c.Kind, c.ID)
}

func (d *Desk) read(ctx context.Context, kind Kind, id string) (*Credential, error) {
	var c Credential
	err := d.cfg.DB.NewSelect().Model(&c).Where("id = ?", id).Where("kind = ?", kind).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read credential: %w", err)
	}
	c.State = c.at(d.cfg.Clock.Now())
	return &c, nil
}

// List returns the credentials of a kind, newest first.
func (d *Desk) List(ctx context.Context, kind Kind) ([]Credential, error) {
	err := d.cfg.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	var list []Credential
	err = d.cfg.DB.NewSelect().Model(&list).Where("kind = ?", kind).OrderExpr("created_at DESC, id").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list credentials: %w", err)
	}
	for i := range list {
		list[i].State = list[i].at(d.cfg.Clock.Now())
	}
	return list, nil
}

// Find returns the credential to the server that has its holder before it,
// whatever its state.
func (d *Desk) Find(ctx context.Context, kind Kind, id string) (*Credential, error) {
	return d.read(ctx, kind, id)
}

// Key is the shared key of a credential of ACME.
func (d *Desk) Key(c *Credential) ([]byte, error) {
	key, err := d.cfg.Seal.Open(c.ID, c.Secret)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", c.ID, err)
	}
	return key, nil
}

// Fits says whether the secret is that of a credential of EST: nil or
// ErrSecret.
func (c *Credential) Fits(secret string) error {
	sum := sha256.Sum256([]byte(secret))
	if c.Kind != KindEST || subtle.ConstantTimeCompare(sum[:], c.Secret) != 1 {
		return ErrSecret
	}
	return nil
}

// Use counts one use within the transaction; ErrState when the credential is
// not, or no longer, active.
func (d *Desk) Use(ctx context.Context, tx bun.IDB, id string) error {
	now := d.cfg.Clock.Now().UTC()
	result, err := tx.NewUpdate().Model((*Credential)(nil)).Set("uses = uses + 1").Set("used_at = ?", now).Where("id = ?", id).
		Where("uses < max_uses").Where("revoked_at IS NULL").Where("approved_at IS NOT NULL").Where("expires_at > ?", now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("use credential %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return fmt.Errorf("%w: %s", ErrState, id)
	}
	return nil
}

// CheckKey refuses a public key (SubjectPublicKeyInfo, DER) that another
// agency has a certificate for, and one that was compromised.
func (d *Desk) CheckKey(ctx context.Context, agencyID string, spki []byte) error {
	sum := sha256.Sum256(spki)
	clash, err := d.cfg.DB.NewSelect().TableExpr("ca_certificate").Where("spki_sha256 = ?", hex.EncodeToString(sum[:])).
		Where("state IN ('intent', 'signed', 'issued')").Where("(agency_id <> ? OR revocation_reason IN (1, 2))", agencyID).Exists(ctx)
	if err != nil {
		return fmt.Errorf("look for the key: %w", err)
	}
	if clash {
		return fmt.Errorf("%w: it was certified for another agency, or was compromised", ErrKeyUsed)
	}
	return nil
}

func (d *Desk) append(ctx context.Context, kind string, who auth.Subject, c *Credential) (int64, error) {
	text, err := json.Marshal(map[string]any{"id": c.ID, "kind": c.Kind, "agency": c.AgencyID, "profiles": c.Profiles, "domains": c.Domains,
		"networks": c.Networks, "machine": c.Machine, "uses": c.MaxUses, "preauthorised": c.Preauthorised, "by_officer": c.ByOfficer,
		"expires": c.ExpiresAt.UTC().Truncate(time.Second)})
	if err != nil {
		return 0, fmt.Errorf("write credential: %w", err)
	}
	sum := sha256.Sum256(text)
	receipt, err := d.cfg.Ledger.Append(ctx, ledger.Entry{Time: d.cfg.Clock.Now().UTC(), Kind: kind, Actor: who.AccountID, Agency: c.AgencyID,
		Object: c.ID, Digest: hex.EncodeToString(sum[:]), Detail: map[string]string{"kind": string(c.Kind), "profiles": strings.Join(c.Profiles, " ")}})
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrLedger, kind, err)
	}
	return int64(receipt.Index), nil
}
