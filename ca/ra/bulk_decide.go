package ra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
)

// jobAct is something that a person does to a whole job.
type jobAct struct {
	action   string
	from     []JobState
	to       JobState
	requests State // what its open requests become
	items    ItemState
	note     string
	job      func(q *bun.UpdateQuery, now time.Time) *bun.UpdateQuery
	request  func(q *bun.UpdateQuery, now time.Time, index int64) *bun.UpdateQuery
	// terms has the terms of its requests begin.
	terms bool
}

func (d *Desk) beginJob(ctx context.Context, id, note string) (auth.Subject, *Job, error) {
	who, err := actor(ctx)
	if err != nil {
		return who, nil, err
	}
	if utf8.RuneCountInString(note) > maxNote {
		return who, nil, fmt.Errorf("%w: note over %d characters", ErrForm, maxNote)
	}
	job, err := d.readJob(ctx, id)
	return who, job, err
}

// ConfirmJob lets the managing agencies agree to a job: whoever confirms speaks
// for all of them, holds none of its certificates, and did not submit it. Rows
// of an agency at the top were confirmed by the officer who submitted them, or
// are by one who confirms.
func (d *Desk) ConfirmJob(ctx context.Context, id, note string) (*Job, error) {
	who, job, err := d.beginJob(ctx, id, note)
	if err != nil {
		return nil, err
	}
	if samePerson(who, job.CreatedBy, job.CreatedPerson) {
		return nil, fmt.Errorf("%w: job %s", ErrSamePerson, id)
	}
	managers, err := d.managers(ctx, who, id)
	if err != nil {
		return nil, err
	}
	for _, m := range managers {
		if m.AgencyID == "" && job.TopConfirmed {
			continue
		}
		err = d.speaksFor(ctx, who, m, id)
		if err != nil {
			return nil, fmt.Errorf("job %s, managing agency %q: %w", id, m.AgencyID, err)
		}
	}
	if len(managers) == 1 && managers[0].AgencyID == "" && job.TopConfirmed {
		err = d.cfg.Authorizer.Authorize(ctx, who, ActionConfirmTop, auth.Resource{Kind: ResourceKind, ID: id})
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", id, err)
		}
	}
	return d.doJob(ctx, who, job, jobAct{action: ActionConfirm, from: []JobState{JobSubmitted}, to: JobConfirmed, requests: StateConfirmed, note: note,
		job: func(q *bun.UpdateQuery, now time.Time) *bun.UpdateQuery {
			return q.Set("confirmed_by = ?", who.AccountID).Set("confirmed_person = ?", who.PersonID).Set("confirmed_at = ?", now).
				Set("due_at = ?", d.due(now, KindNew))
		},
		request: func(q *bun.UpdateQuery, now time.Time, index int64) *bun.UpdateQuery {
			return q.Set("confirmed_by = ?", who.AccountID).Set("confirmed_person = ?", who.PersonID).Set("confirmed_at = ?", now).Set("confirm_index = ?", index)
		}, terms: true})
}

func (d *Desk) due(now time.Time, k Kind) time.Time {
	return d.cfg.Workdays.Add(now, d.cfg.Terms.of(k)).UTC()
}

// managers are the managing agencies of a job's holders today; it refuses a
// subject that is one of the holders.
func (d *Desk) managers(ctx context.Context, who auth.Subject, id string) ([]directory.Managing, error) {
	if who.PersonID != "" {
		own, err := d.cfg.DB.NewSelect().Model((*Request)(nil)).Where("job_id = ?", id).Where("person_id = ?", who.PersonID).Exists(ctx)
		if err != nil {
			return nil, fmt.Errorf("holders of %s: %w", id, err)
		}
		if own {
			return nil, fmt.Errorf("%w: job %s asks for a certificate of who confirms", ErrSamePerson, id)
		}
	}
	var agencies []string
	err := d.cfg.DB.NewSelect().Model((*Request)(nil)).ColumnExpr("DISTINCT agency_id").Where("job_id = ?", id).OrderExpr("agency_id").Scan(ctx, &agencies)
	if err != nil {
		return nil, fmt.Errorf("agencies of %s: %w", id, err)
	}
	var managers []directory.Managing
	for _, agency := range agencies {
		m, err := d.cfg.Directory.Managing(ctx, agency, d.cfg.Clock.Now())
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", id, err)
		}
		if !contains(managers, m) {
			managers = append(managers, m)
		}
	}
	return managers, nil
}

// ApproveJob lets a certification officer agree to a job, who neither
// submitted nor confirmed it.
func (d *Desk) ApproveJob(ctx context.Context, id, note string) (*Job, error) {
	return d.decideJob(ctx, id, jobAct{action: ActionApprove, from: []JobState{JobConfirmed}, to: JobApproved, requests: StateApproved, note: note})
}

// RejectJob lets a certification officer refuse a job; the note says why.
func (d *Desk) RejectJob(ctx context.Context, id, note string) (*Job, error) {
	if note == "" {
		return nil, fmt.Errorf("%w: a refusal says why", ErrForm)
	}
	return d.decideJob(ctx, id, jobAct{action: ActionReject, from: []JobState{JobSubmitted, JobConfirmed}, to: JobRejected, requests: StateRejected, items: ItemRejected, note: note})
}

func (d *Desk) decideJob(ctx context.Context, id string, a jobAct) (*Job, error) {
	who, job, err := d.beginJob(ctx, id, a.note)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, a.action, auth.Resource{Kind: ResourceKind, ID: id, CreatedBy: job.CreatedBy})
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	if samePerson(who, job.CreatedBy, job.CreatedPerson) || job.ConfirmedBy != "" && samePerson(who, job.ConfirmedBy, job.ConfirmPerson) {
		return nil, fmt.Errorf("%w: job %s", ErrSamePerson, id)
	}
	a.job = func(q *bun.UpdateQuery, now time.Time) *bun.UpdateQuery {
		return q.Set("decided_by = ?", who.AccountID).Set("decided_at = ?", now).Set("decision_note = ?", a.note)
	}
	a.request = func(q *bun.UpdateQuery, now time.Time, index int64) *bun.UpdateQuery {
		return q.Set("decided_by = ?", who.AccountID).Set("decided_person = ?", who.PersonID).Set("decided_at = ?", now).
			Set("decision_note = ?", a.note).Set("decide_index = ?", index)
	}
	return d.doJob(ctx, who, job, a)
}

// WithdrawJob takes a job back; its maker may until it is run.
func (d *Desk) WithdrawJob(ctx context.Context, id, note string) (*Job, error) {
	who, job, err := d.beginJob(ctx, id, note)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionWithdraw, auth.Resource{Kind: ResourceKind, ID: id, CreatedBy: job.CreatedBy})
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", id, err)
	}
	return d.doJob(ctx, who, job, jobAct{action: ActionWithdraw, from: []JobState{JobSubmitted, JobConfirmed, JobApproved}, to: JobWithdrawn,
		requests: StateWithdrawn, items: ItemWithdrawn, note: note})
}

// doJob records the act once in the ledger, and with it every open request.
func (d *Desk) doJob(ctx context.Context, who auth.Subject, job *Job, a jobAct) (*Job, error) {
	if !contains(a.from, job.State) {
		return nil, fmt.Errorf("%w: job %s is %s", ErrState, job.ID, job.State)
	}
	detail := map[string]string{"rows": fmt.Sprint(job.Total - job.Refused)}
	if a.note != "" {
		sum := sha256.Sum256([]byte(a.note))
		detail["note_sha256"] = hex.EncodeToString(sum[:])
	}
	now := d.cfg.Clock.Now().UTC()
	receipt, err := d.cfg.Ledger.Append(ctx, ledger.Entry{Time: now, Kind: a.action, Actor: who.AccountID, Agency: who.AgencyID, Object: job.ID, Digest: job.SHA256, Detail: detail})
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrLedger, a.action, err)
	}
	index := int64(receipt.Index)
	err = d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewUpdate().Model((*Job)(nil)).Set("state = ?", a.to).Where("id = ?", job.ID).Where("state = ?", job.State)
		if a.job != nil {
			q = a.job(q, now)
		}
		result, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("record %s on %s: %w", a.action, job.ID, err)
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return fmt.Errorf("%w: job %s was changed meanwhile", ErrState, job.ID)
		}
		return d.doRequests(ctx, tx, who, job, a, now, index)
	})
	if err != nil {
		return nil, err
	}
	job, err = d.readJob(ctx, job.ID)
	if err != nil {
		return nil, err
	}
	return d.count(ctx, job)
}

func (d *Desk) doRequests(ctx context.Context, tx bun.Tx, who auth.Subject, job *Job, a jobAct, now time.Time, index int64) error {
	// A row that was withdrawn alone stays as it is.
	live := []State{StateRequested, StateConfirmed, StateApproved}
	_, err := tx.NewRaw(`INSERT INTO ca_request_event (request_id, at, act, state, account, note, ledger_index)
		SELECT id, ?, ?, ?, ?, ?, ? FROM ca_request WHERE job_id = ? AND state IN (?) ORDER BY id`,
		now, a.action, a.requests, who.AccountID, a.note, index, job.ID, bun.List(live)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record %s on the requests of %s: %w", a.action, job.ID, err)
	}
	q := tx.NewUpdate().Model((*Request)(nil)).Set("state = ?", a.requests).Where("job_id = ?", job.ID).Where("state IN (?)", bun.List(live))
	if a.request != nil {
		q = a.request(q, now, index)
	}
	_, err = q.Exec(ctx)
	for _, k := range Kinds() {
		if err == nil && a.terms {
			_, err = tx.NewUpdate().Model((*Request)(nil)).Set("due_at = ?", d.due(now, k)).Where("job_id = ?", job.ID).Where("state = ?", a.requests).Where("kind = ?", k).Exec(ctx)
		}
	}
	if err == nil && a.items != "" {
		_, err = tx.NewUpdate().Model((*Item)(nil)).Set("state = ?", a.items).Where("job_id = ?", job.ID).Where("state = ?", ItemWaiting).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("record %s on the requests of %s: %w", a.action, job.ID, err)
	}
	return nil
}
