package office

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/workdays"
)

// Form is in what authority a person signs (NĐ 30/2020 Đ13).
type Form string

// The forms. The head of an agency signs in their own name, or TM. where the
// agency works as a collective; Q. is who acts as the head.
const (
	FormHead Form = "head"
	FormTM   Form = "TM"  // thay mặt: on behalf of the collective
	FormQ    Form = "Q"   // quyền: acting head
	FormKT   Form = "KT"  // ký thay: a deputy for the head, or for who signs TL.
	FormTL   Form = "TL"  // thừa lệnh: the head of a unit by the head's order
	FormTUQ  Form = "TUQ" // thừa ủy quyền: by written authorisation, within limits
)

// Forms returns the forms that there are.
func Forms() []Form { return []Form{FormHead, FormTM, FormQ, FormKT, FormTL, FormTUQ} }

// own tells whether the form rests on the office itself, not on who gave it.
func (f Form) own() bool { return f == FormHead || f == FormTM || f == FormQ }

// Limits of the register.
const (
	maxKinds    = 32
	maxDecision = 200 // bytes
)

// Errors of the register.
var (
	// ErrDelegation means that an entry contradicts itself or the law.
	ErrDelegation = errors.New("delegation not valid")
	// ErrAuthority is what an AuthorityError unwraps to.
	ErrAuthority = errors.New("no authority to sign")
)

// AuthorityError says why a person may not sign in a form, and what is missing.
type AuthorityError struct {
	PersonID, AgencyID string
	Form               Form
	Kind               string
	// Code: "none", "kind", "early", "expired", "revoked", "grantor".
	Code string
	// Entry is the entry of the register that comes nearest; empty for "none".
	Entry string
	// At is when the entry began, ended or was revoked.
	At time.Time
}

// Error says what is missing in words.
func (e *AuthorityError) Error() string {
	who := fmt.Sprintf("%s may not sign %s %s for %s", e.PersonID, e.Form, e.Kind, e.AgencyID)
	day := e.At.In(workdays.Zone()).Format("2006-01-02")
	switch e.Code {
	case "kind":
		return fmt.Sprintf("%s: delegation %s does not name %s; enter one that does", who, e.Entry, e.Kind)
	case "early":
		return fmt.Sprintf("%s: delegation %s begins on %s", who, e.Entry, day)
	case "expired":
		return fmt.Sprintf("%s: delegation %s ended on %s; enter the decision that renews it", who, e.Entry, day)
	case "revoked":
		return fmt.Sprintf("%s: delegation %s was revoked on %s", who, e.Entry, day)
	case "grantor":
		return fmt.Sprintf("%s: who gave delegation %s has no authority of their own now", who, e.Entry)
	}
	return who + ": the delegation register has no such entry; enter the deciding document with `antin office delegate add`"
}

// Unwrap returns ErrAuthority.
func (e *AuthorityError) Unwrap() error { return ErrAuthority }

// Delegation is an entry of the register: who may sign for the agency, in what
// form, which types, from when to when, and by which document.
type Delegation struct {
	bun.BaseModel `bun:"table:office_delegation"`

	ID       string `bun:"id,pk" json:"id"`
	AgencyID string `bun:"agency_id" json:"agency"`
	Form     Form   `bun:"form" json:"form"`
	PersonID string `bun:"person_id" json:"person"`
	// GrantorID is for whom the person signs; empty for a head of their own.
	GrantorID string `bun:"grantor_id" json:"for,omitempty"`
	// Kinds are codes of types, separated by spaces; empty means all.
	Kinds string `bun:"kinds" json:"kinds,omitempty"`
	// Decision names the deciding document, such as "12/QĐ-SNV 01/07/2026".
	Decision     string     `bun:"decision" json:"decision"`
	ValidFrom    time.Time  `bun:"valid_from" json:"valid_from"`
	ValidTo      *time.Time `bun:"valid_to" json:"valid_to,omitempty"`
	CreatedBy    string     `bun:"created_by" json:"created_by"`
	CreatedAt    time.Time  `bun:"created_at" json:"created_at"`
	LedgerIndex  int64      `bun:"ledger_index" json:"ledger_index"`
	RevokedBy    string     `bun:"revoked_by" json:"revoked_by,omitempty"`
	RevokedAt    *time.Time `bun:"revoked_at" json:"revoked_at,omitempty"`
	RevokeReason string     `bun:"revoke_reason" json:"revoke_reason,omitempty"`
}

// covers tells whether the entry is for a type of document.
func (d *Delegation) covers(kind string) bool {
	if d.Kinds == "" {
		return true
	}
	for _, k := range strings.Fields(d.Kinds) {
		if k == kind {
			return true
		}
	}
	return false
}

// lapse tells why the entry does not hold at the time; "" when it does.
func (d *Delegation) lapse(at time.Time) (code string, when time.Time) {
	switch {
	case d.RevokedAt != nil && !at.Before(*d.RevokedAt):
		return "revoked", *d.RevokedAt
	case at.Before(d.ValidFrom):
		return "early", d.ValidFrom
	case d.ValidTo != nil && !at.Before(*d.ValidTo):
		return "expired", *d.ValidTo
	}
	return "", time.Time{}
}

func (d *Delegation) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrDelegation}, args...)...)
	}
	known := false
	for _, f := range Forms() {
		known = known || f == d.Form
	}
	kinds := strings.Fields(d.Kinds)
	switch {
	case !known:
		return bad("form %q, want one of %v", d.Form, Forms())
	case d.AgencyID == "" || d.PersonID == "":
		return bad("an agency and a person are needed")
	case d.Decision == "" || len(d.Decision) > maxDecision:
		return bad("the deciding document is needed, at most %d bytes", maxDecision)
	case d.ValidTo != nil && !d.ValidTo.After(d.ValidFrom):
		return bad("it ends before it begins")
	case d.Form.own() && d.GrantorID != "":
		return bad("%s rests on the office itself, not on another person", d.Form)
	case !d.Form.own() && (d.GrantorID == "" || d.GrantorID == d.PersonID):
		return bad("%s needs another person for whom to sign", d.Form)
	case d.Form == FormTUQ && (d.ValidTo == nil || len(kinds) == 0):
		return bad("TUQ needs an end and the types of documents (NĐ 30/2020 Đ13.3)")
	case len(kinds) > maxKinds:
		return bad("%d types, at most %d", len(kinds), maxKinds)
	}
	for _, code := range kinds {
		_, err := KindOf(code)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDelegation, err)
		}
	}
	return nil
}

// digest binds the entry in the ledger.
func (d *Delegation) digest() string {
	end := ""
	if d.ValidTo != nil {
		end = d.ValidTo.UTC().Format(time.RFC3339)
	}
	text := strings.Join([]string{d.AgencyID, string(d.Form), d.PersonID, d.GrantorID, d.Kinds, d.Decision, d.ValidFrom.UTC().Format(time.RFC3339), end}, "\n")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Delegate enters a delegation. Nobody enters their own.
func (s *Service) Delegate(ctx context.Context, d Delegation) (*Delegation, error) {
	subject, now := auth.SubjectFrom(ctx), s.d.Clock.Now()
	d.ID, d.CreatedBy, d.CreatedAt = rand.Text(), subject.AccountID, now
	d.RevokedAt, d.RevokedBy, d.RevokeReason = nil, "", ""
	d.Kinds = strings.Join(strings.Fields(d.Kinds), " ")
	if d.ValidFrom.IsZero() {
		d.ValidFrom = now
	}
	err := d.check()
	if err != nil {
		return nil, err
	}
	err = s.d.Authorizer.Authorize(ctx, subject, "office.delegate.add", auth.Resource{Kind: "delegation", ID: d.ID, AgencyID: d.AgencyID, AboutPerson: d.PersonID})
	if err != nil {
		return nil, err
	}
	err = s.knows(ctx, &d)
	if err != nil {
		return nil, err
	}
	if !d.Form.own() {
		_, err = s.grantor(ctx, &d, now)
		if err != nil {
			return nil, err
		}
	}
	receipt, err := s.d.Ledger.Append(ctx, ledger.Entry{
		Time: now, Kind: "office.delegate", Actor: subject.AccountID, Agency: d.AgencyID, Object: d.ID, Digest: d.digest(),
		Detail: map[string]string{"form": string(d.Form), "person": d.PersonID, "for": d.GrantorID},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	d.LedgerIndex = int64(receipt.Index)
	_, err = s.d.DB.NewInsert().Model(&d).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return &d, nil
}

// knows checks that the directory has who the entry is about.
func (s *Service) knows(ctx context.Context, d *Delegation) error {
	_, err := s.d.Directory.Agency(ctx, d.AgencyID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDelegation, err)
	}
	for _, id := range []string{d.PersonID, d.GrantorID} {
		if id == "" {
			continue
		}
		_, err = s.d.Directory.Person(ctx, id)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDelegation, err)
		}
	}
	return nil
}

// Revoke ends a delegation at once.
func (s *Service) Revoke(ctx context.Context, id, reason string) (*Delegation, error) {
	subject, now := auth.SubjectFrom(ctx), s.d.Clock.Now()
	reason, err := words(reason)
	if err != nil {
		return nil, err
	}
	d, err := s.delegation(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.d.Authorizer.Authorize(ctx, subject, "office.delegate.revoke", auth.Resource{Kind: "delegation", ID: id, AgencyID: d.AgencyID})
	if err != nil {
		return nil, err
	}
	if d.RevokedAt != nil {
		return nil, fmt.Errorf("%w: %s is revoked already", ErrDelegation, id)
	}
	_, err = s.d.Ledger.Append(ctx, ledger.Entry{Time: now, Kind: "office.undelegate", Actor: subject.AccountID, Agency: d.AgencyID, Object: id, Digest: d.digest()})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	d.RevokedAt, d.RevokedBy, d.RevokeReason = &now, subject.AccountID, reason
	_, err = s.d.DB.NewUpdate().Model(d).Column("revoked_at", "revoked_by", "revoke_reason").WherePK().Where("revoked_at IS NULL").Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return d, nil
}

func (s *Service) delegation(ctx context.Context, id string) (*Delegation, error) {
	var d Delegation
	err := s.d.DB.NewSelect().Model(&d).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: delegation %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read delegation: %w", err)
	}
	return &d, nil
}

// Delegations lists the register of an agency, the newest first.
func (s *Service) Delegations(ctx context.Context, agencyID string) ([]Delegation, error) {
	err := s.d.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), "office.delegate.read", auth.Resource{Kind: "delegation", AgencyID: agencyID})
	if err != nil {
		return nil, err
	}
	list := []Delegation{}
	err = s.d.DB.NewSelect().Model(&list).Where("agency_id = ?", agencyID).OrderExpr("created_at DESC, id").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list delegations: %w", err)
	}
	return list, nil
}

// signers lists the entries of an agency by which somebody may sign now.
func (s *Service) signers(ctx context.Context, agencyID string) ([]Delegation, error) {
	list, err := s.Delegations(ctx, agencyID)
	if err != nil {
		return nil, err
	}
	now := s.d.Clock.Now()
	hold := []Delegation{}
	for i := range list {
		d := &list[i]
		code, _ := d.lapse(now)
		if code != "" {
			continue
		}
		if !d.Form.own() {
			_, err = s.grantor(ctx, d, now)
			if errors.Is(err, ErrDelegation) {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		hold = append(hold, *d)
	}
	return hold, nil
}

// authority finds the entry by which a person may sign a type of document in a
// form now, or says what is missing.
func (s *Service) authority(ctx context.Context, agencyID, personID string, form Form, kind string, at time.Time) (*Delegation, error) {
	var entries []Delegation
	err := s.d.DB.NewSelect().Model(&entries).Where("agency_id = ?", agencyID).Where("person_id = ?", personID).Where("form = ?", form).
		OrderExpr("created_at DESC, id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read delegations: %w", err)
	}
	missing := &AuthorityError{PersonID: personID, AgencyID: agencyID, Form: form, Kind: kind, Code: "none"}
	for i := range entries {
		d := &entries[i]
		code, when := d.lapse(at)
		if code == "" && !d.covers(kind) {
			code = "kind"
		}
		if code == "" && !d.Form.own() {
			g, err := s.grantor(ctx, d, at)
			switch {
			case errors.Is(err, ErrDelegation):
				code = "grantor"
			case err != nil:
				return nil, err
			case !g.covers(kind):
				code = "kind"
			}
		}
		if code == "" {
			return d, nil
		}
		if missing.Code == "none" {
			missing.Code, missing.Entry, missing.At = code, d.ID, when
		}
	}
	return nil, missing
}

// grantor finds the entry that lets who gave a delegation give it: the head's
// own, or for a deputy of who signs by order (TL.) that order. Who signs by
// authorisation (TUQ.) cannot give it on (NĐ 30/2020 Đ13.3, 13.4).
func (s *Service) grantor(ctx context.Context, d *Delegation, at time.Time) (*Delegation, error) {
	var entries []Delegation
	err := s.d.DB.NewSelect().Model(&entries).Where("agency_id = ?", d.AgencyID).Where("person_id = ?", d.GrantorID).OrderExpr("created_at DESC, id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read delegations: %w", err)
	}
	for i := range entries {
		g := &entries[i]
		code, _ := g.lapse(at)
		if code != "" {
			continue
		}
		if g.Form.own() {
			return g, nil
		}
		if d.Form == FormKT && g.Form == FormTL {
			_, err = s.grantor(ctx, g, at)
			if err == nil || !errors.Is(err, ErrDelegation) {
				return g, err
			}
		}
	}
	return nil, fmt.Errorf("%w: %s has no authority of their own at %s that %s could rest on", ErrDelegation, d.GrantorID, d.AgencyID, d.Form)
}
