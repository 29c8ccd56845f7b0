package ca

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
)

// searchLimit bounds one page of a search.
const searchLimit = 100

// Search chooses certificates for people; its zero value chooses all that were
// issued.
type Search struct {
	// Text is a part of the subject, or the beginning of a serial number in hex.
	Text    string
	Profile string
	// Status is "valid", "held", "revoked", "expired" or empty.
	Status string
	// After is the Next of the page before.
	After string
}

// Found is a page of certificates, newest first, without their bytes.
type Found struct {
	Certificates []Certificate `json:"certificates"`
	// Next is the After of the next page; empty at the end.
	Next string `json:"next,omitempty"`
}

// Search finds issued certificates.
func (s *Service) Search(ctx context.Context, f Search) (*Found, error) {
	err := s.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	found := &Found{Certificates: []Certificate{}}
	q := s.deps.DB.NewSelect().Model(&found.Certificates).ExcludeColumn("der").Where("state = ?", StateIssued).
		OrderExpr("created_at DESC, serial").Limit(searchLimit + 1)
	if f.Profile != "" {
		q = q.Where("profile = ?", f.Profile)
	}
	if f.Text != "" {
		part := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(f.Text) + "%"
		serial := strings.ToLower(strings.ReplaceAll(f.Text, ":", ""))
		q = q.Where(`(LOWER(subject) LIKE LOWER(?) ESCAPE '\' OR substr(serial, 1, ?) = ?)`, part, len(serial), serial)
	}
	now := s.deps.Clock.Now().UTC()
	switch f.Status {
	case "valid":
		q = q.Where("revoked_at IS NULL").Where("not_after > ?", now)
	case "held":
		q = q.Where("revoked_at IS NOT NULL").Where("revocation_cause = ?", causeHold)
	case "revoked":
		q = q.Where("revoked_at IS NOT NULL").Where("revocation_cause <> ?", causeHold)
	case "expired":
		q = q.Where("not_after <= ?", now)
	}
	q, err = after(q, f.After)
	if err != nil {
		return nil, err
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("search certificates: %w", err)
	}
	if len(found.Certificates) > searchLimit {
		found.Certificates = found.Certificates[:searchLimit]
		last := found.Certificates[searchLimit-1]
		found.Next = last.CreatedAt.UTC().Format(time.RFC3339Nano) + "," + last.Serial
	}
	return found, nil
}

// after begins behind the place that Next named.
func after(q *bun.SelectQuery, place string) (*bun.SelectQuery, error) {
	if place == "" {
		return q, nil
	}
	text, serial, _ := strings.Cut(place, ",")
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return nil, fmt.Errorf("%w: place %q in the list", ErrNotFound, place)
	}
	return q.Where("(created_at < ? OR (created_at = ? AND serial > ?))", at.UTC(), at.UTC(), serial), nil
}
