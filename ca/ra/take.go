package ra

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/hsm"
)

// Take hands an approved request out for issue, once at a time. A request whose
// issue died is handed out again after issueLease. A request of a file is
// handed out to the run of the file alone; see Bulk.
func (d *Desk) Take(ctx context.Context, id string) (*Request, error) {
	return d.take(ctx, id, "")
}

func (d *Desk) take(ctx context.Context, id, job string) (*Request, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	r, err := d.read(ctx, id)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionIssue, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	if r.JobID != job {
		return nil, fmt.Errorf("%w: request %s is carried out with its file %s", ErrState, id, r.JobID)
	}
	if r.State != StateApproved && r.State != StateIssuing {
		return nil, fmt.Errorf("%w: request %s is %s", ErrState, id, r.State)
	}
	err = d.stillHolds(ctx, r)
	if err != nil {
		return nil, err
	}
	// The time is the mark of this taking; PostgreSQL keeps microseconds.
	now := d.cfg.Clock.Now().UTC().Truncate(time.Microsecond)
	result, err := d.cfg.DB.NewUpdate().Model((*Request)(nil)).Set("state = ?", StateIssuing).
		Set("issuing_since = ?", now).Set("issued_by = ?", who.AccountID).Where("id = ?", id).
		Where("(state = ? OR (state = ? AND issuing_since < ?))", StateApproved, StateIssuing, now.Add(-issueLease)).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("take request %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return nil, fmt.Errorf("%w: request %s is %s", ErrState, id, r.State)
	}
	r.State, r.IssuingSince, r.IssuedBy = StateIssuing, &now, who.AccountID
	return r, nil
}

// stillHolds compares what was approved with what the directory and the
// register of certificates say now.
func (d *Desk) stillHolds(ctx context.Context, r *Request) error {
	if !r.Kind.Certifies() {
		return nil
	}
	p, err := d.cfg.Profiles.Get(r.Profile)
	if err != nil {
		return err
	}
	today, err := d.facts(ctx, p, r.form())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if !sameFacts(today, r.Facts) {
		return fmt.Errorf("%w: request %s", ErrChanged, r.ID)
	}
	if r.SPKI == "" {
		return nil
	}
	return d.checkKey(ctx, r)
}

// sameFacts compares what was approved with what the directory says today.
func sameFacts(a, b profile.Facts) bool {
	if len(a.IPs) != len(b.IPs) {
		return false
	}
	for i := range a.IPs {
		if !a.IPs[i].Equal(b.IPs[i]) {
			return false
		}
	}
	a.IPs, b.IPs = nil, nil
	if len(a.DNSNames) == 0 && len(b.DNSNames) == 0 {
		a.DNSNames, b.DNSNames = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// MakeKey makes the key that a taken request asks for in the token, unless it
// was made before, and puts its proof of possession into the request.
func (d *Desk) MakeKey(ctx context.Context, r *Request) error {
	if r.KeyAlgorithm == "" || r.SPKI != "" {
		return nil
	}
	_, err := d.cfg.Keys.Signer(ctx, r.KeyLabel)
	if errors.Is(err, hsm.ErrNotFound) {
		_, err = d.cfg.Keys.Generate(ctx, r.KeyLabel, r.KeyAlgorithm)
	}
	if err != nil {
		return fmt.Errorf("make key %s: %w", r.KeyLabel, err)
	}
	der, err := d.tokenCSR(ctx, r.KeyLabel)
	if err != nil {
		return err
	}
	csr, err := readCSR(der)
	if err != nil {
		return err
	}
	r.setKey(csr)
	err = d.checkContent(ctx, r, csr)
	if err != nil {
		return err
	}
	_, err = d.cfg.DB.NewUpdate().Model((*Request)(nil)).Set("csr = ?", r.CSR).Set("spki_sha256 = ?", r.SPKI).
		Where("id = ?", r.ID).Where("state = ?", StateIssuing).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record key of %s: %w", r.ID, err)
	}
	return nil
}

// Done records that a request was carried out: certified under the serial
// number, or, for the kinds that certify nothing, done.
func (d *Desk) Done(ctx context.Context, r *Request, serial string) error {
	return d.leave(ctx, r, ended(r.Kind), serial, nil)
}

func ended(k Kind) State {
	if k.Certifies() {
		return StateIssued
	}
	return StateDone
}

// Release gives a request back whose issue failed.
func (d *Desk) Release(ctx context.Context, r *Request) error {
	return d.leave(ctx, r, StateApproved, "", nil)
}

// leave ends the taking that r stands for, and no other: one that took longer
// than issueLease may have been taken over meanwhile. What was certified is in
// the ledger by the authority; the event carries the entry of the decision.
// also, unless it is nil, is done in the same transaction.
func (d *Desk) leave(ctx context.Context, r *Request, to State, serial string, also func(ctx context.Context, tx bun.Tx) error) error {
	now := d.cfg.Clock.Now().UTC()
	return d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewUpdate().Model((*Request)(nil)).Set("state = ?", to).Set("serial = ?", serial).
			Where("id = ?", r.ID).Where("state = ?", StateIssuing).Where("issuing_since = ?", r.IssuingSince)
		if to != StateApproved {
			q = q.Set("issued_at = ?", now)
		}
		result, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("record request %s as %s: %w", r.ID, to, err)
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return fmt.Errorf("%w: request %s was taken over", ErrState, r.ID)
		}
		if to != StateApproved && r.DecideIndex != nil {
			err = record(ctx, tx, Event{RequestID: r.ID, At: now, Act: ActionIssue, State: to, Account: r.IssuedBy, Note: serial, Index: *r.DecideIndex})
		}
		if err == nil && also != nil {
			err = also(ctx, tx)
		}
		return err
	})
}

// lasting says whether an issue failed for a reason that another try does not
// heal.
func lasting(err error) bool {
	for _, target := range []error{ErrChanged, ErrKeyUsed, ErrForm, profile.ErrFacts, profile.ErrKey, profile.ErrLint, profile.ErrUnknown} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
