package office

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/antin-gov/antin/internal/auth"
)

// What expires.
const (
	ExpiryCertificate = "certificate"
	ExpiryDelegation  = "delegation"
	ExpiryDocument    = "document"
)

// Expiry is something of the subject or the agency that ends soon, or has
// ended and was not renewed.
type Expiry struct {
	What string `json:"what"`
	// ID names the key, the entry of the register or the document.
	ID string `json:"id"`
	// Name is the holder of the certificate, the delegated person or the document.
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
	// Form is a delegation's.
	Form Form `json:"form,omitempty"`
}

// Expiring lists what ends before the time, or ended in as long a time before
// now, the soonest first: the subject's own certificates, for a clerk or leader
// those of the agency too; the delegations that the subject has or gave, for
// them those of the whole agency; and issued documents whose signatures lose
// what proves them.
func (s *Service) Expiring(ctx context.Context, until time.Time) ([]Expiry, error) {
	subject, now := auth.SubjectFrom(ctx), s.d.Clock.Now()
	err := s.d.Authorizer.Authorize(ctx, subject, "office.read", auth.Resource{Kind: "document", AgencyID: subject.AgencyID})
	if err != nil {
		return nil, err
	}
	since := now.Add(now.Sub(until))
	all := subject.Has(auth.RoleClerk) || subject.Has(auth.RoleLeader) || subject.Has(auth.RoleRegistrar) || subject.Has(auth.RoleAdmin)
	list := []Expiry{}
	for _, add := range []func(context.Context, auth.Subject, bool, time.Time, time.Time) ([]Expiry, error){s.certificatesEnding, s.delegationsEnding, s.documentsEnding} {
		more, err := add(ctx, subject, all, since, until)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	slices.SortStableFunc(list, func(a, b Expiry) int { return a.Until.Compare(b.Until) })
	return list, nil
}

func (s *Service) certificatesEnding(ctx context.Context, subject auth.Subject, all bool, since, until time.Time) ([]Expiry, error) {
	keys, err := s.d.Keys.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var list []Expiry
	for _, k := range keys {
		own := k.PersonID != "" && k.PersonID == subject.PersonID
		seal := all && k.PersonID == "" && (k.AgencyID == subject.AgencyID || subject.AgencyID == "")
		if len(k.Chain) == 0 || !own && !seal || !between(k.Chain[0].NotAfter, since, until) {
			continue
		}
		list = append(list, Expiry{What: ExpiryCertificate, ID: k.Name, Name: k.Chain[0].Subject.CommonName, Until: k.Chain[0].NotAfter})
	}
	return list, nil
}

func (s *Service) delegationsEnding(ctx context.Context, subject auth.Subject, all bool, since, until time.Time) ([]Expiry, error) {
	var entries []Delegation
	q := s.d.DB.NewSelect().Model(&entries).Where("revoked_at IS NULL").Where("valid_to > ?", since).Where("valid_to <= ?", until).OrderExpr("valid_to, id").Limit(listLimit)
	if subject.AgencyID != "" {
		q = q.Where("agency_id = ?", subject.AgencyID)
	}
	if !all {
		q = q.Where("person_id = ? OR grantor_id = ?", subject.PersonID, subject.PersonID)
	}
	err := q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("delegations that end: %w", err)
	}
	var list []Expiry
	for _, d := range entries {
		list = append(list, Expiry{What: ExpiryDelegation, ID: d.ID, Name: s.personName(ctx, d.PersonID), Until: *d.ValidTo, Form: d.Form})
	}
	return list, nil
}

func (s *Service) documentsEnding(ctx context.Context, subject auth.Subject, _ bool, _, until time.Time) ([]Expiry, error) {
	var docs []Document
	q := s.d.DB.NewSelect().Model(&docs).Where("state = ?", StateIssued).Where("protected_until <= ?", until).OrderExpr("protected_until, id").Limit(listLimit)
	if subject.AgencyID != "" {
		q = q.Where("agency_id = ?", subject.AgencyID)
	}
	err := q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("documents that lose their proof: %w", err)
	}
	var list []Expiry
	for _, doc := range docs {
		name := doc.Symbol
		if doc.Abstract != "" {
			name += " " + doc.Abstract
		}
		list = append(list, Expiry{What: ExpiryDocument, ID: doc.ID, Name: name, Until: *doc.ProtectedUntil})
	}
	return list, nil
}

func between(t, since, until time.Time) bool { return t.After(since) && !t.After(until) }

// personName is a person's name as the directory has it, the id where it has none.
func (s *Service) personName(ctx context.Context, id string) string {
	person, err := s.d.Directory.Person(ctx, id)
	if err != nil {
		return id
	}
	return person.Name
}
