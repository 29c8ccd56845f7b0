package ca

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

const (
	// maxNote bounds what people write beside a revocation.
	maxNote = 2000
	// listLimit bounds one page of certificates.
	listLimit = 500
)

// Revoke ends a certificate for good; there is no suspension (NĐ 68/2024).
// The ledger knows first, then the database: from then on status answers say
// revoked, and the list is made anew before Revoke returns.
func (s *Service) Revoke(ctx context.Context, serial string, cause Cause, note string) (*Certificate, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return nil, ErrActor
	}
	_, err := ParseCause(string(cause))
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(note) > maxNote {
		return nil, fmt.Errorf("%w: note over %d characters", ErrCause, maxNote)
	}
	row, err := s.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	err = s.deps.Authorizer.Authorize(ctx, who, ActionRevoke, row.resource())
	if err != nil {
		return nil, fmt.Errorf("revoke %s: %w", serial, err)
	}
	switch {
	case row.RevokedAt != nil:
		return nil, fmt.Errorf("%w: %s", ErrRevoked, serial)
	case row.State != StateIssued && row.State != StateSigned:
		return nil, fmt.Errorf("%w: %s is %s", ErrState, serial, row.State)
	}
	reason := cause.Reason(s.isAuthority(serial))
	index, err := appendEntry(ctx, s.deps.Ledger, ledger.Entry{Time: s.deps.Clock.Now().UTC(), Kind: ActionRevoke,
		Actor: who.AccountID, Agency: row.AgencyID, Object: serial, Digest: row.SHA256,
		Detail: map[string]string{"issuer": row.Issuer, "cause": string(cause), "reason": fmt.Sprint(reason)}})
	if err != nil {
		return nil, err
	}
	err = s.recordRevocation(ctx, row, cause, reason, note, who.AccountID, index)
	if err != nil {
		return nil, err
	}
	if !s.authorities[row.Issuer].signs() {
		s.deps.Logger.WarnContext(ctx, "the list of the issuer is made elsewhere: take the revocation there", "issuer", row.Issuer)
		return s.engine.records.get(context.WithoutCancel(ctx), serial)
	}
	_, err = s.crls.Publish(context.WithoutCancel(ctx), row.Issuer)
	if err != nil {
		// The revocation stands and status answers tell it; the list is made at
		// the next request or by Run.
		s.deps.Logger.ErrorContext(ctx, "CRL not made at revocation", "issuer", row.Issuer, "error", err)
	}
	return s.engine.records.get(context.WithoutCancel(ctx), serial)
}

func (s *Service) recordRevocation(ctx context.Context, row *Certificate, cause Cause, reason int, note, who string, index int64) error {
	now := s.deps.Clock.Now().UTC()
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewUpdate().Model((*Certificate)(nil)).Set("revoked_at = ?", now).Set("revocation_cause = ?", cause).
			Set("revocation_reason = ?", reason).Set("revocation_note = ?", note).Set("revoked_by = ?", who).
			Set("revoke_index = ?", index).Where("serial = ?", row.Serial).Where("revoked_at IS NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("record revocation of %s: %w", row.Serial, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("record revocation of %s: %w", row.Serial, err)
		}
		if n != 1 {
			return fmt.Errorf("%w: %s", ErrRevoked, row.Serial)
		}
		_, err = tx.NewUpdate().Model((*authorityRow)(nil)).Set("revision = revision + 1").Where("name = ?", row.Issuer).Exec(ctx)
		if err != nil {
			return fmt.Errorf("count revocation of %s: %w", row.Serial, err)
		}
		return nil
	})
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
