package ca

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
)

// ListPage returns a page of certificates without their bytes, newest first,
// and the place after which the next page begins, empty at the end. limit is
// at most 500; 100 when zero.
func (s *Service) ListPage(ctx context.Context, f Filter, after string, limit int) ([]Certificate, string, error) {
	err := s.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, auth.Resource{Kind: ResourceKind, AgencyID: f.AgencyID})
	if err != nil {
		return nil, "", fmt.Errorf("certificates: %w", err)
	}
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, listLimit)
	rows := []Certificate{}
	q := s.deps.DB.NewSelect().Model(&rows).ExcludeColumn("der").OrderExpr("created_at DESC, serial DESC").Limit(int64(limit) + 1)
	for column, value := range map[string]string{"agency_id": f.AgencyID, "person_id": f.PersonID, "profile": f.Profile, "state": string(f.State)} {
		if value != "" {
			q = q.Where("? = ?", bun.Ident(column), value)
		}
	}
	if f.Revoked != nil {
		q = q.Where("(revoked_at IS NOT NULL) = ?", *f.Revoked)
	}
	if after != "" {
		text, serial, _ := strings.Cut(after, "_")
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, "", fmt.Errorf("%w: place %.80q in the list", ra.ErrForm, after)
		}
		q = q.Where("(created_at < ? OR (created_at = ? AND serial < ?))", at.UTC(), at.UTC(), serial)
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("list certificates: %w", err)
	}
	if len(rows) <= limit {
		return rows, "", nil
	}
	last := rows[limit-1]
	return rows[:limit], last.CreatedAt.UTC().Format(time.RFC3339Nano) + "_" + last.Serial, nil
}
