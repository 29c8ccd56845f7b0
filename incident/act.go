package incident

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// resourceCase is the kind of a case in questions to the policy.
const resourceCase = "case"

// maxComment limits a comment or a closing note.
const maxComment = 8000

// act is one thing a person does to a case.
type act struct {
	action string
	// permit is the action that the policy is asked about, when it is not
	// "incident." + action.
	permit string
	detail map[string]string
	// private keys of detail (free text) stay out of the ledger, which gets the
	// digest of the whole.
	private []string
	// check refuses what does not fit the state; it runs before the ledger is
	// written and again under the lock.
	check func(k *Case) error
	// apply changes the case and names the columns it changed.
	apply func(ctx context.Context, tx bun.Tx, k *Case, by string, at time.Time) ([]string, error)
}

// Acknowledge says that somebody has seen the case and takes it on: the
// person becomes its assignee when it has none.
func (s *Service) Acknowledge(ctx context.Context, id string) (*Case, error) {
	return s.do(ctx, id, act{
		action: ActionAcknowledge,
		check: func(k *Case) error {
			if k.State != StateNew {
				return fmt.Errorf("%w: %s is %s", ErrState, k.Number, k.State)
			}
			return nil
		},
		apply: func(_ context.Context, _ bun.Tx, k *Case, by string, at time.Time) ([]string, error) {
			k.State, k.AckAt = StateAcknowledged, &at
			if k.Assignee == "" {
				k.Assignee = by
			}
			return []string{"state", "ack_at", "assignee"}, nil
		},
	})
}

// Assign gives the case to an account.
func (s *Service) Assign(ctx context.Context, id, account string) (*Case, error) {
	if !ValidID(account) {
		return nil, fmt.Errorf("%w: %.64q is no account id", ErrInvalid, account)
	}
	return s.do(ctx, id, act{
		action: ActionAssign, detail: map[string]string{"assignee": account}, check: notClosed,
		apply: func(_ context.Context, _ bun.Tx, k *Case, _ string, _ time.Time) ([]string, error) {
			k.Assignee = account
			return []string{"assignee"}, nil
		},
	})
}

// Comment adds a remark to the history. A closed case may still be commented.
func (s *Service) Comment(ctx context.Context, id, text string) (*Case, error) {
	if text == "" || len(text) > maxComment || !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: a comment has 1 to %d bytes of text", ErrInvalid, maxComment)
	}
	return s.do(ctx, id, act{action: ActionComment, detail: map[string]string{"text": text}, private: []string{"text"}})
}

// Close ends the case for the reason. A false positive or duplicate stops the
// legal clocks; otherwise the duty to report outlives the case.
func (s *Service) Close(ctx context.Context, id, reason, note string) (*Case, error) {
	switch reason {
	case ReasonResolved, ReasonFalsePositive, ReasonDuplicate, ReasonExercise:
	default:
		return nil, fmt.Errorf("%w: closing reason %q; want %s, %s, %s or %s", ErrInvalid, reason,
			ReasonResolved, ReasonFalsePositive, ReasonDuplicate, ReasonExercise)
	}
	if len(note) > maxComment || !utf8.ValidString(note) {
		return nil, fmt.Errorf("%w: a note has at most %d bytes of text", ErrInvalid, maxComment)
	}
	detail := map[string]string{"reason": reason}
	if note != "" {
		detail["note"] = note
	}
	return s.do(ctx, id, act{
		action: ActionClose, detail: detail, private: []string{"note"},
		check: func(k *Case) error {
			if reason == ReasonExercise && !k.Exercise() {
				return fmt.Errorf("%w: %s is a real incident", ErrState, k.Number)
			}
			return notClosed(k)
		},
		apply: func(ctx context.Context, tx bun.Tx, k *Case, _ string, at time.Time) ([]string, error) {
			k.State, k.ClosedAt, k.CloseReason = StateClosed, &at, reason
			if reason != ReasonResolved {
				_, err := tx.NewUpdate().Model((*Clock)(nil)).Set("stopped_at = ?", at).
					Where("case_id = ? AND met_at IS NULL AND stopped_at IS NULL", k.ID).Exec(ctx)
				if err != nil {
					return nil, fmt.Errorf("stop clocks: %w", err)
				}
			}
			return []string{"state", "closed_at", "close_reason"}, nil
		},
	})
}

// Fulfil says that the duty of a clock was done, with the reference of what
// was sent (the number or digest of the report).
func (s *Service) Fulfil(ctx context.Context, id, clock, reference string) (*Case, error) {
	if reference == "" || len(reference) > 200 {
		return nil, fmt.Errorf("%w: name what was sent", ErrInvalid)
	}
	if s.profile.Clock(clock) == nil {
		return nil, fmt.Errorf("%w: the profile %s has no clock %q", ErrInvalid, s.profile.ID, clock)
	}
	return s.do(ctx, id, act{
		action: ActionFulfil, permit: "incident.report", private: []string{"reference"}, detail: map[string]string{"clock": clock, "reference": reference},
		apply: func(ctx context.Context, tx bun.Tx, k *Case, _ string, at time.Time) ([]string, error) {
			res, err := tx.NewUpdate().Model((*Clock)(nil)).Set("met_at = ?", at).Set("met_ref = ?", reference).
				Where("case_id = ? AND clock = ? AND met_at IS NULL AND stopped_at IS NULL", k.ID, clock).Exec(ctx)
			if err != nil {
				return nil, fmt.Errorf("meet clock %s: %w", clock, err)
			}
			n, err := res.RowsAffected()
			if err != nil {
				return nil, fmt.Errorf("meet clock %s: %w", clock, err)
			}
			if n == 0 {
				return nil, fmt.Errorf("%w: no clock %q runs", ErrState, clock)
			}
			return nil, nil
		},
	})
}

func notClosed(k *Case) error {
	if k.State == StateClosed {
		return fmt.Errorf("%w: %s is closed", ErrState, k.Number)
	}
	return nil
}

// do carries an act out: ask the policy, write the ledger, then the history
// and the case in one transaction. The ledger is written before the database
// is locked, because its append waits for the disk of its own.
func (s *Service) do(ctx context.Context, id string, a act) (*Case, error) {
	who := auth.SubjectFrom(ctx)
	k, err := s.readCase(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	permit := a.permit
	if permit == "" {
		permit = "incident." + a.action
	}
	err = s.authz.Authorize(ctx, who, permit, auth.Resource{Kind: resourceCase, ID: k.ID, AgencyID: k.AgencyID, AssignedTo: k.Assignee})
	if err != nil {
		return nil, fmt.Errorf("%s case %s: %w", a.action, k.Number, err)
	}
	if a.check != nil {
		err = a.check(k)
		if err != nil {
			return nil, err
		}
	}
	now := s.now()
	detail, err := canonical(a.detail)
	if err != nil {
		return nil, err
	}
	receipt, err := s.ledger.Append(ctx, a.entry(k, who, now, detail))
	if err != nil {
		return nil, fmt.Errorf("%s case %s: record in the ledger: %w", a.action, k.Number, err)
	}
	index := int64(receipt.Index)
	err = s.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err = s.lockCase(ctx, tx, k.ID)
		if err != nil {
			return err
		}
		if a.check != nil {
			err = a.check(k)
			if err != nil {
				return err
			}
		}
		columns := []string{}
		if a.apply != nil {
			columns, err = a.apply(ctx, tx, k, who.AccountID, now)
			if err != nil {
				return err
			}
		}
		k.UpdatedAt = later(now, k.UpdatedAt)
		_, err = tx.NewUpdate().Model(k).Column(append(columns, "updated_at")...).WherePK().Exec(ctx)
		if err != nil {
			return err
		}
		return appendHistory(ctx, tx, &History{
			CaseID: k.ID, At: now, Actor: who.AccountID, Action: a.action, Detail: detail, LedgerIndex: &index,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%s case %s: %w", a.action, id, err)
	}
	s.hub.kick()
	return k, nil
}

// entry is the act as the ledger keeps it: identifiers, codes and the digest
// of the detail, no free text.
func (a *act) entry(k *Case, who auth.Subject, at time.Time, detail string) ledger.Entry {
	sum := sha256.Sum256([]byte(detail))
	e := ledger.Entry{
		Time: at, Kind: "incident." + a.action, Actor: who.AccountID, Agency: k.AgencyID, Object: k.ID,
		Digest: hex.EncodeToString(sum[:]), ExerciseID: k.ExerciseID, Detail: map[string]string{"number": k.Number},
	}
	for key, value := range a.detail {
		e.Detail[key] = value
	}
	for _, key := range a.private {
		delete(e.Detail, key)
	}
	return e
}
