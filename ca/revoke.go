package ca

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
)

const (
	// maxNote bounds what people write beside a revocation.
	maxNote = 2000
	// listLimit bounds one page of certificates.
	listLimit = 500
)

// Revoke ends a certificate for good, also one on hold. The ledger knows first,
// then the register: from then on status answers say revoked, and the lists are
// made anew before Revoke returns.
func (s *Service) Revoke(ctx context.Context, serial string, cause Cause, note string) (*Certificate, error) {
	if auth.SubjectFrom(ctx).AccountID == "" {
		return nil, ErrActor
	}
	_, err := ParseCause(string(cause))
	if err != nil {
		return nil, err
	}
	return s.act(ctx, serial, &Change{Act: ActRevoke, Cause: cause, Note: note}, ActionRevoke)
}

func checkNote(note string) error {
	if utf8.RuneCountInString(note) > maxNote {
		return fmt.Errorf("%w: note over %d characters", ErrCause, maxNote)
	}
	return nil
}

func (s *Service) isAuthority(serial string) bool {
	for _, a := range s.authorities {
		if a.serial == serial {
			return true
		}
	}
	return false
}

func (c *Certificate) resource() auth.Resource {
	return auth.Resource{Kind: ResourceKind, ID: c.Serial, AgencyID: c.AgencyID}
}

// Get returns a certificate by its serial number, as 32 hex digits.
func (s *Service) Get(ctx context.Context, serial string) (*Certificate, error) {
	row, err := s.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	err = s.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, row.resource())
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", serial, err)
	}
	return row, nil
}

// Filter chooses certificates; empty fields choose all.
type Filter struct {
	AgencyID string
	PersonID string
	Profile  string
	State    State
	// Revoked chooses revoked (true) or unrevoked (false) ones.
	Revoked *bool
}

// List returns certificates without their bytes, newest first.
func (s *Service) List(ctx context.Context, f Filter) ([]Certificate, error) {
	err := s.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, auth.Resource{Kind: ResourceKind, AgencyID: f.AgencyID})
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	var rows []Certificate
	q := s.deps.DB.NewSelect().Model(&rows).ExcludeColumn("der").OrderExpr("created_at DESC, serial").Limit(listLimit)
	for column, value := range map[string]string{"agency_id": f.AgencyID, "person_id": f.PersonID, "profile": f.Profile, "state": string(f.State)} {
		if value != "" {
			q = q.Where("? = ?", bun.Ident(column), value)
		}
	}
	if f.Revoked != nil {
		if *f.Revoked {
			q = q.Where("revoked_at IS NOT NULL")
		} else {
			q = q.Where("revoked_at IS NULL")
		}
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return rows, nil
}
