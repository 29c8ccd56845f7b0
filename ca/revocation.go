package ca

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// Act is what happened to the state of a certificate.
type Act string

// The acts.
const (
	ActRevoke  Act = "revoke"
	ActHold    Act = "hold"
	ActRelease Act = "release"
)

// causeHold stands in the register for a certificate on hold; it is no cause of
// revocation.
const causeHold Cause = "hold"

// Change is a line of the table of changes, which only ever grows: the state of
// a certificate at any past time follows from it.
type Change struct {
	bun.BaseModel `bun:"table:ca_revocation"`

	Issuer      string    `bun:"issuer,pk" json:"issuer"`
	Revision    int64     `bun:"revision,pk" json:"revision"`
	Serial      string    `bun:"serial" json:"serial"`
	Act         Act       `bun:"act" json:"act"`
	At          time.Time `bun:"at" json:"at"`
	Cause       Cause     `bun:"cause" json:"cause,omitempty"`
	Reason      int       `bun:"reason" json:"reason,omitempty"`
	Note        string    `bun:"note" json:"-"`
	Actor       string    `bun:"actor" json:"actor"`
	LedgerIndex *int64    `bun:"ledger_index" json:"ledger_index,omitempty"`
}

// held says that the certificate is on hold.
func (c *Certificate) held() bool { return c.RevokedAt != nil && c.RevocationCause == causeHold }

// Held says that the certificate is on hold: it counts as revoked until it is
// released.
func (c *Certificate) Held() bool { return c.held() }

// may says whether the act can be done to the certificate.
func (c *Certificate) may(act Act) error {
	switch {
	case c.State != StateIssued && c.State != StateSigned && c.State != StateReplayed:
		return fmt.Errorf("%w: %s is %s", ErrState, c.Serial, c.State)
	case act == ActRelease && !c.held():
		return fmt.Errorf("%w: %s is not on hold", ErrState, c.Serial)
	case act == ActRevoke && c.held():
		return nil
	case act != ActRelease && c.RevokedAt != nil:
		return fmt.Errorf("%w: %s", ErrRevoked, c.Serial)
	}
	return nil
}

// change records an act in the register: the line of the table of changes and
// the certificate's present state, together. The count of the issuer's changes
// is taken under the lock of the authority's row, so that lines appear in the
// order of their numbers. An act that stands there already, by its place in the
// ledger, is done.
func (r records) change(ctx context.Context, c *Change) error {
	return r.group.Do(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := tx.NewRaw("UPDATE ca_authority SET revision = revision + 1 WHERE name = ? RETURNING revision", c.Issuer).Scan(ctx, &c.Revision)
		if err != nil {
			return fmt.Errorf("count change of %s: %w", c.Serial, err)
		}
		if c.LedgerIndex != nil {
			done, err := tx.NewSelect().Model((*Change)(nil)).Where("serial = ?", c.Serial).Where("ledger_index = ?", *c.LedgerIndex).Exists(ctx)
			if err != nil {
				return fmt.Errorf("record %s of %s: %w", c.Act, c.Serial, err)
			}
			if done {
				return nil
			}
		}
		q := tx.NewUpdate().Model((*Certificate)(nil)).Where("serial = ?", c.Serial)
		switch c.Act {
		case ActRelease:
			q = q.Set("revoked_at = NULL").Set("revocation_cause = ''").Set("revocation_reason = 0").Set("revocation_note = ''").
				Set("revoked_by = ''").Set("revoke_index = NULL").Where("revocation_cause = ?", causeHold)
		default:
			// A hold that becomes a revocation keeps its time: from then on nobody
			// could rely on the certificate.
			q = q.Set("revoked_at = COALESCE(revoked_at, ?)", c.At).Set("revocation_cause = ?", c.Cause).Set("revocation_reason = ?", c.Reason).
				Set("revocation_note = ?", c.Note).Set("revoked_by = ?", c.Actor).Set("revoke_index = ?", c.LedgerIndex)
			if c.Act == ActHold {
				q = q.Where("revoked_at IS NULL")
			} else {
				q = q.Where("revoked_at IS NULL OR revocation_cause = ?", causeHold)
			}
		}
		result, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("record %s of %s: %w", c.Act, c.Serial, err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return fmt.Errorf("record %s of %s: %w", c.Act, c.Serial, err)
		}
		if n != 1 && c.Act == ActRelease {
			return fmt.Errorf("%w: %s is not on hold", ErrState, c.Serial)
		}
		if n != 1 {
			return fmt.Errorf("%w: %s", ErrRevoked, c.Serial)
		}
		_, err = tx.NewInsert().Model(c).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record %s of %s: %w", c.Act, c.Serial, err)
		}
		return nil
	})
}

// Hold puts a certificate on hold, where its profile allows it: it counts as
// revoked (certificateHold, RFC 5280 §5.3.1) until Release.
func (s *Service) Hold(ctx context.Context, serial, note string) (*Certificate, error) {
	return s.act(ctx, serial, &Change{Act: ActHold, Cause: causeHold, Reason: crl.ReasonHold, Note: note}, ActionHold)
}

// Release takes a certificate off hold. That it was on hold stays on record.
func (s *Service) Release(ctx context.Context, serial, note string) (*Certificate, error) {
	return s.act(ctx, serial, &Change{Act: ActRelease, Note: note}, ActionRelease)
}

// act takes a change of state through policy, ledger and register, and
// publishes it.
func (s *Service) act(ctx context.Context, serial string, c *Change, action string) (*Certificate, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return nil, ErrActor
	}
	err := checkNote(c.Note)
	if err != nil {
		return nil, err
	}
	row, err := s.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	err = s.deps.Authorizer.Authorize(ctx, who, action, row.resource())
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.Act, serial, err)
	}
	err = row.may(c.Act)
	if err == nil && c.Act == ActHold {
		err = s.mayHold(row)
	}
	if err != nil {
		return nil, err
	}
	if c.Act == ActRevoke {
		c.Reason = c.Cause.Reason(s.isAuthority(serial))
	}
	c.Issuer, c.Serial, c.Actor, c.At = row.Issuer, serial, who.AccountID, s.deps.Clock.Now().UTC()
	detail := map[string]string{"issuer": row.Issuer}
	if c.Act != ActRelease {
		detail["cause"], detail["reason"] = string(c.Cause), fmt.Sprint(c.Reason)
	}
	index, err := appendEntry(ctx, s.deps.Ledger, ledger.Entry{Time: c.At, Kind: action, Actor: c.Actor, Agency: row.AgencyID,
		Object: serial, Digest: row.SHA256, Detail: detail})
	if err != nil {
		return nil, err
	}
	c.LedgerIndex = &index
	err = s.engine.records.change(ctx, c)
	if err != nil {
		return nil, err
	}
	after := context.WithoutCancel(ctx)
	changed, err := s.engine.records.get(after, serial)
	if err != nil {
		return nil, err
	}
	s.publishChange(after, changed)
	return changed, nil
}

// mayHold says whether the profile of the certificate allows a hold.
func (s *Service) mayHold(row *Certificate) error {
	p, err := s.profiles.Get(row.Profile)
	if err != nil {
		return err
	}
	if !p.Hold {
		return fmt.Errorf("%w: profile %s knows no hold (NĐ 68/2024: revoke it instead)", ErrState, row.Profile)
	}
	return nil
}

// publishChange tells a change to the status answers, and has the lists made.
// What fails here is done at the next request or by Run: the change stands.
func (s *Service) publishChange(ctx context.Context, row *Certificate) {
	c, err := statusCertificate(row.Serial, row.State, row.NotAfter, row.RevokedAt, row.RevocationReason)
	if err == nil {
		s.public.responder.Changed(row.Issuer, c)
	}
	scopes := []crl.Scope{{Issuer: row.Issuer}}
	if row.CRLPartition > 0 {
		scopes = append(scopes, crl.Scope{Issuer: row.Issuer, Partition: int(row.CRLPartition)})
	}
	for _, scope := range scopes {
		err = s.public.crls.Changed(ctx, scope)
		if errors.Is(err, crl.ErrAway) {
			s.deps.Logger.WarnContext(ctx, "the list is signed elsewhere: take the change there (antin ca issuer request)", "list", scope.Name(false))
			continue
		}
		if err != nil {
			s.deps.Logger.ErrorContext(ctx, "CRL not made at change", "list", scope.Name(false), "error", err)
		}
	}
}

// History lists what happened to the state of a certificate, oldest first.
func (s *Service) History(ctx context.Context, serial string) ([]Change, error) {
	row, err := s.Get(ctx, serial)
	if err != nil {
		return nil, err
	}
	changes := []Change{}
	err = s.deps.DB.NewSelect().Model(&changes).Where("serial = ?", row.Serial).OrderExpr("revision").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read changes of %s: %w", serial, err)
	}
	return changes, nil
}

// GoodAt says whether a certificate with these changes could be relied on at
// the time: neither revoked nor on hold. A release does not undo the hold for
// the time that it lasted.
func GoodAt(changes []Change, at time.Time) bool {
	good := true
	for _, c := range changes {
		if c.At.After(at) {
			break
		}
		good = c.Act == ActRelease
	}
	return good
}
