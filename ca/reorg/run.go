package reorg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/ledger"
)

// Run executes an approved re-organisation from its day on, item by item, and
// tells progress after each. It resumes where an earlier run ended: an item
// that is done is not done again. A certificate that cannot be changed does not
// stop the others; an item of the directory does, because what follows stands
// on it. ErrIncomplete says that items are left.
func (s *Service) Run(ctx context.Context, id string, progress func(done, total int, item Item)) (*Job, error) {
	j, err := s.take(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.carry(ctx, j, progress)
}

// carry executes a job that was taken.
func (s *Service) carry(ctx context.Context, j *Job, progress func(done, total int, item Item)) (*Job, error) {
	id := j.ID
	left, err := s.runItems(ctx, j, progress)
	after := context.WithoutCancel(ctx)
	state := StateDone
	if err != nil || left > 0 {
		state = StateStopped
	}
	now := s.deps.Clock.Now().UTC()
	if state == StateDone {
		_, recorded := s.record(after, "ca.reorg.done", j.RunBy, j, nil)
		if recorded != nil {
			state, err = StateStopped, recorded
		}
	}
	result, stored := s.deps.DB.NewUpdate().Model((*Job)(nil)).Set("state = ?", state).Set("finished_at = ?", now).
		Where("id = ?", id).Where("state = ?", StateRunning).Where("run_by = ?", j.RunBy).Exec(after)
	err = errors.Join(err, one(result, stored, id))
	if err == nil && left > 0 {
		err = fmt.Errorf("%w: %d of %s", ErrIncomplete, left, id)
	}
	done, readErr := s.read(after, id)
	return done, errors.Join(err, readErr)
}

// take marks the job as running, for one runner at a time.
func (s *Service) take(ctx context.Context, id string) (*Job, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	j, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, ActionRun, j.resource())
	if err != nil {
		return nil, err
	}
	now := s.deps.Clock.Now().UTC().Truncate(time.Microsecond)
	if now.Before(j.Effective) {
		return nil, fmt.Errorf("%w: %s takes force at %s", ErrEarly, id, j.Effective.Format(time.RFC3339))
	}
	if j.State == StateApproved {
		err = s.unchanged(ctx, j)
		if err != nil {
			return nil, err
		}
		_, err = s.record(ctx, ActionRun, who.AccountID, j, nil)
		if err != nil {
			return nil, err
		}
	}
	result, err := s.deps.DB.NewUpdate().Model((*Job)(nil)).Set("state = ?", StateRunning).Set("running_since = ?", now).Set("run_by = ?", who.AccountID).
		Where("id = ?", id).Where("(state IN (?, ?) OR (state = ? AND running_since < ?))", StateApproved, StateStopped, StateRunning, now.Add(-runLease)).Exec(ctx)
	err = one(result, err, id)
	if err != nil {
		return nil, fmt.Errorf("%w (it is %s)", err, j.State)
	}
	j.State, j.RunBy, j.RunningSince = StateRunning, who.AccountID, &now
	return j, nil
}

func (s *Service) runItems(ctx context.Context, j *Job, progress func(done, total int, item Item)) (left int, err error) {
	items, err := s.items(ctx, j.ID)
	if err != nil {
		return 0, err
	}
	for i := range items {
		item := &items[i]
		if item.State == ItemDone {
			continue
		}
		err = ctx.Err()
		if err != nil {
			return len(items) - i, err
		}
		err = s.do(ctx, j, item)
		if err != nil {
			left++
			err = s.failed(context.WithoutCancel(ctx), j, item, err)
			if err != nil || item.Kind != CertificateChange && item.Kind != CertificateRevoke {
				return left, errors.Join(err, fmt.Errorf("item %d of %s: %s", item.N, j.ID, item.Problem))
			}
		}
		if progress != nil {
			progress(i+1, len(items), *item)
		}
	}
	return left, nil
}

func (s *Service) failed(ctx context.Context, j *Job, item *Item, cause error) error {
	item.State, item.Problem = ItemFailed, cause.Error()
	s.deps.Logger.ErrorContext(ctx, "item of a re-organisation failed", "job", j.ID, "item", item.N, "kind", string(item.Kind), "error", cause)
	_, err := s.deps.DB.NewUpdate().Model((*Item)(nil)).Set("state = ?", ItemFailed).Set("problem = ?", item.Problem).
		Where("job_id = ?", j.ID).Where("n = ?", item.N).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record item %d: %w", item.N, err)
	}
	return nil
}

// do does one item: the ledger knows first, then the directory changes together
// with the record of it; certificates have their own records.
func (s *Service) do(ctx context.Context, j *Job, item *Item) error {
	if item.LedgerIndex == nil {
		detail := map[string]string{"item": fmt.Sprint(item.N), "act": string(item.Kind), "target": ledgerID(item.Object)}
		for name, value := range map[string]string{"from": item.Action.From, "to": item.Action.To, "cause": string(item.Action.Cause)} {
			if value != "" {
				detail[name] = value
			}
		}
		receipt, err := s.deps.Ledger.Append(ctx, ledger.Entry{Time: s.deps.Clock.Now().UTC(), Kind: "ca.reorg.item", Actor: j.RunBy, Object: j.ID, Digest: j.Digest, Detail: detail})
		if err != nil {
			return fmt.Errorf("%w: item %d: %w", ErrLedger, item.N, err)
		}
		index := int64(receipt.Index)
		item.LedgerIndex = &index
	}
	var err error
	switch item.Kind {
	case CertificateChange:
		item.Result, err = s.changeCertificate(ctx, j, item)
	case CertificateRevoke:
		err = s.revokeCertificate(ctx, j, item, item.Object)
	}
	if err != nil {
		return err
	}
	now := s.deps.Clock.Now().UTC().Truncate(time.Microsecond)
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := s.direct(ctx, tx, j, item)
		if err != nil {
			return err
		}
		result, err := tx.NewUpdate().Model((*Item)(nil)).Set("state = ?", ItemDone).Set("result = ?", item.Result).Set("problem = ''").
			Set("ledger_index = ?", item.LedgerIndex).Set("done_at = ?", now).Where("job_id = ?", j.ID).Where("n = ?", item.N).Exec(ctx)
		err = one(result, err, j.ID)
		if err != nil {
			return err
		}
		// The sign of life by which others see that the run goes on.
		result, err = tx.NewUpdate().Model((*Job)(nil)).Set("running_since = ?", now).Where("id = ?", j.ID).Where("state = ?", StateRunning).
			Where("run_by = ?", j.RunBy).Exec(ctx)
		return one(result, err, j.ID)
	})
	if err != nil {
		return err
	}
	item.State, item.Problem, item.DoneAt = ItemDone, "", &now
	return nil
}

// ledgerID keeps identifiers to what the ledger takes.
func ledgerID(id string) string {
	out := []byte(id)
	for i, b := range out {
		if b < '!' || b > '~' {
			out[i] = '_'
		}
	}
	return string(out)
}

// direct changes directory and accounts within the transaction.
func (s *Service) direct(ctx context.Context, tx bun.Tx, j *Job, item *Item) error {
	d, a, at := s.deps.Directory.In(tx), item.Action, j.Effective
	switch item.Kind {
	case AgencyCreate:
		return d.Create(ctx, *a.Agency)
	case AgencyChange:
		return d.Change(ctx, *a.Agency, at)
	case AgencyEnd:
		return d.End(ctx, a.Object, at, a.To)
	case PositionEnd:
		return d.EndPosition(ctx, a.Object, at)
	case PositionMove:
		err := d.EndPosition(ctx, a.Object, at)
		if err != nil {
			return err
		}
		return d.AddPosition(ctx, *a.Position)
	case NetworkMove:
		return d.MoveNetwork(ctx, a.Object, a.To)
	case AccountMove:
		return s.deps.Accounts.SetAgency(ctx, tx, a.Object, a.To)
	case AccountDisable:
		return s.deps.Accounts.Disable(ctx, tx, a.Object)
	default:
		return nil
	}
}

// changeCertificate certifies the key anew and ends the old certificate.
func (s *Service) changeCertificate(ctx context.Context, j *Job, item *Item) (string, error) {
	c, err := s.deps.CA.Reissue(ctx, item.Object, item.Action.To, fmt.Sprintf("%s-%d", j.ID, item.N))
	if err != nil {
		return "", err
	}
	err = s.deps.Bind(ctx, c)
	if err != nil {
		return "", err
	}
	return c.Serial, s.revokeCertificate(ctx, j, item, item.Object)
}

// revokeCertificate revokes; one that was revoked before, by an earlier run or
// for another cause, stays as it is.
func (s *Service) revokeCertificate(ctx context.Context, j *Job, item *Item, serial string) error {
	_, err := s.deps.CA.Revoke(ctx, serial, item.Action.Cause, j.LegalBasis+" ("+j.ID+")")
	if errors.Is(err, ca.ErrRevoked) {
		return nil
	}
	return err
}
