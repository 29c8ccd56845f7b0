package ra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
)

// act is something that a person does to a request.
type act struct {
	action string // the ledger's kind
	from   []State
	to     State
	note   string
	// set adds what the act changes besides the state; the index is that of its
	// entry in the ledger.
	set func(q *bun.UpdateQuery, index int64, now time.Time) *bun.UpdateQuery
}

// mayCreate says whether the subject may ask for this: registrars and officers
// for others, holders for the certificate that they hold.
func (d *Desk) mayCreate(ctx context.Context, who auth.Subject, r *Request) error {
	resource := auth.Resource{Kind: ResourceKind, AgencyID: r.AgencyID}
	own := r.PersonID != "" && r.PersonID == who.PersonID && (r.Kind == KindRenew || r.Kind == KindRevoke || r.Kind == KindRecover)
	if own {
		return d.cfg.Authorizer.Authorize(ctx, who, ActionCreateOwn, resource)
	}
	return d.cfg.Authorizer.Authorize(ctx, who, ActionCreate, resource)
}

// mayConfirm says whether the subject may speak for the agency that manages
// the holder's: somebody of that agency or of the one it has charged. Where
// there is none a certification officer may. Nobody confirms for themselves
// as holders.
func (d *Desk) mayConfirm(ctx context.Context, who auth.Subject, r *Request) error {
	if r.PersonID != "" && r.PersonID == who.PersonID {
		return &auth.DeniedError{Action: ActionConfirm, Code: "same-person"}
	}
	return d.speaksFor(ctx, who, directory.Managing{AgencyID: r.ManagerID, RegistrarID: r.RegistrarID}, r.ID)
}

func (d *Desk) speaksFor(ctx context.Context, who auth.Subject, m directory.Managing, id string) error {
	if m.AgencyID == "" {
		return d.cfg.Authorizer.Authorize(ctx, who, ActionConfirmTop, auth.Resource{Kind: ResourceKind, ID: id})
	}
	agency := m.AgencyID
	if m.Holds(who.AgencyID) {
		agency = who.AgencyID
	}
	return d.cfg.Authorizer.Authorize(ctx, who, ActionConfirm, auth.Resource{Kind: ResourceKind, ID: id, AgencyID: agency})
}

// samePerson says whether the subject is the account, or another account of
// the person.
func samePerson(who auth.Subject, account, person string) bool {
	return who.AccountID == account || who.PersonID != "" && who.PersonID == person
}

// Confirm lets the managing agency agree. The agency is looked up again: the
// directory may have changed since the request.
func (d *Desk) Confirm(ctx context.Context, id, note string) (*Request, error) {
	who, r, err := d.begin(ctx, id, note)
	if err != nil {
		return nil, err
	}
	manager, err := d.cfg.Directory.Managing(ctx, r.AgencyID, d.cfg.Clock.Now())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	r.ManagerID, r.RegistrarID = manager.AgencyID, manager.RegistrarID
	err = d.mayConfirm(ctx, who, r)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	if samePerson(who, r.CreatedBy, r.CreatedPerson) {
		return nil, fmt.Errorf("%w: request %s", ErrSamePerson, id)
	}
	return d.do(ctx, who, r, act{action: ActionConfirm, from: []State{StateRequested}, to: StateConfirmed, note: note,
		set: func(q *bun.UpdateQuery, index int64, now time.Time) *bun.UpdateQuery {
			d.confirmed(r, who.AccountID, who.PersonID, now, index)
			return q.Set("manager_id = ?", r.ManagerID).Set("registrar_id = ?", r.RegistrarID).Set("confirmed_by = ?", r.ConfirmedBy).
				Set("confirmed_person = ?", r.ConfirmPerson).Set("confirmed_at = ?", r.ConfirmedAt).Set("confirm_index = ?", index).Set("due_at = ?", r.DueAt)
		}})
}

// Approve lets a certification officer agree, who neither asked nor confirmed.
func (d *Desk) Approve(ctx context.Context, id, note string) (*Request, error) {
	return d.decide(ctx, id, note, ActionApprove, []State{StateConfirmed}, StateApproved)
}

// Reject lets a certification officer refuse; the note says why.
func (d *Desk) Reject(ctx context.Context, id, note string) (*Request, error) {
	if note == "" {
		return nil, fmt.Errorf("%w: a refusal says why", ErrForm)
	}
	return d.decide(ctx, id, note, ActionReject, []State{StateRequested, StateConfirmed}, StateRejected)
}

func (d *Desk) decide(ctx context.Context, id, note, action string, from []State, to State) (*Request, error) {
	who, r, err := d.begin(ctx, id, note)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, action, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	// The rule holds whatever the policy says; a person's two accounts are one
	// person.
	if samePerson(who, r.CreatedBy, r.CreatedPerson) || r.ConfirmedBy != "" && samePerson(who, r.ConfirmedBy, r.ConfirmPerson) {
		return nil, fmt.Errorf("%w: request %s", ErrSamePerson, id)
	}
	return d.do(ctx, who, r, act{action: action, from: from, to: to, note: note,
		set: func(q *bun.UpdateQuery, index int64, now time.Time) *bun.UpdateQuery {
			return q.Set("decided_by = ?", who.AccountID).Set("decided_person = ?", who.PersonID).Set("decided_at = ?", now).
				Set("decision_note = ?", note).Set("decide_index = ?", index)
		}})
}

// Return sends a request back for correction; the note says what is wrong. The
// managing agency may before it has confirmed, a certification officer until
// it is carried out.
func (d *Desk) Return(ctx context.Context, id, note string) (*Request, error) {
	if note == "" {
		return nil, fmt.Errorf("%w: a return says what is to be corrected", ErrForm)
	}
	who, r, err := d.begin(ctx, id, note)
	if err != nil {
		return nil, err
	}
	from := []State{StateRequested}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionReturn, r.resource())
	if err == nil {
		from = []State{StateRequested, StateConfirmed, StateApproved}
	} else {
		err = d.mayConfirm(ctx, who, r)
	}
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	return d.do(ctx, who, r, act{action: ActionReturn, from: from, to: StateReturned, note: note,
		set: func(q *bun.UpdateQuery, _ int64, _ time.Time) *bun.UpdateQuery { return q.Set("due_at = NULL") }})
}

// Withdraw takes a request back; its maker may until it is carried out.
func (d *Desk) Withdraw(ctx context.Context, id, note string) (*Request, error) {
	who, r, err := d.begin(ctx, id, note)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionWithdraw, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	return d.do(ctx, who, r, act{action: ActionWithdraw, from: []State{StateRequested, StateConfirmed, StateApproved, StateReturned}, to: StateWithdrawn, note: note})
}

// Resubmit files a returned request again, with the key and the names of the
// form; what it is about does not change, and what the directory says is read
// again. Confirmation and approval begin anew.
func (d *Desk) Resubmit(ctx context.Context, id string, f Form) (*Request, error) {
	who, r, err := d.begin(ctx, id, f.Note)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionResubmit, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	if f.KeyLabel == "" && len(f.CSR) == 0 && !r.Kind.sameKey() && r.Kind.Certifies() {
		f.KeyLabel, f.CSR = r.KeyLabel, r.CSR
		if f.KeyLabel != "" {
			f.CSR = nil
		}
	}
	f.Kind, f.Profile, f.Serial, f.PersonID, f.Machine = r.Kind, r.Profile, r.OldSerial, r.PersonID, r.Facts.MachineName
	f.AgencyID = ""
	if f.PersonID == "" {
		f.AgencyID = r.AgencyID
	}
	if f.Cause == "" {
		f.Cause = r.Cause
	}
	if f.DNSNames == nil && f.IPs == nil {
		f.DNSNames, f.IPs = r.Facts.DNSNames, r.Facts.IPs
	}
	next, csr, err := d.prepare(ctx, f)
	if err != nil {
		return nil, err
	}
	err = d.checkContent(ctx, next, csr)
	if err != nil {
		return nil, err
	}
	return d.refile(ctx, who, r, next)
}

func (d *Desk) refile(ctx context.Context, who auth.Subject, r, next *Request) (*Request, error) {
	if r.State != StateReturned {
		return nil, fmt.Errorf("%w: request %s is %s", ErrState, r.ID, r.State)
	}
	revision := r.Revision
	created, id, index := r.CreatedAt, r.ID, r.CreateIndex
	err := d.born(next, who)
	if err != nil {
		return nil, err
	}
	next.ID, next.CreatedAt, next.CreateIndex, next.Revision = id, created, index, revision
	return d.do(ctx, who, next, act{action: ActionResubmit, from: []State{StateReturned}, to: StateRequested, note: next.Note,
		set: func(q *bun.UpdateQuery, _ int64, _ time.Time) *bun.UpdateQuery {
			return q.Set("revision = revision + 1").Set("agency_id = ?", next.AgencyID).Set("facts = ?", next.FactsJSON).Set("csr = ?", next.CSR).
				Set("key_label = ?", next.KeyLabel).Set("spki_sha256 = ?", next.SPKI).Set("cause = ?", next.Cause).Set("device = ?", next.Device).
				Set("manager_id = ?", next.ManagerID).Set("registrar_id = ?", next.RegistrarID).Set("note = ?", next.Note).
				Set("confirmed_by = ''").Set("confirmed_person = ''").Set("confirmed_at = NULL").Set("confirm_index = NULL").
				Set("decided_by = ''").Set("decided_person = ''").Set("decided_at = NULL").Set("decision_note = ''").Set("decide_index = NULL")
		}})
}

// begin reads who acts and on what.
func (d *Desk) begin(ctx context.Context, id, note string) (auth.Subject, *Request, error) {
	who, err := actor(ctx)
	if err != nil {
		return who, nil, err
	}
	if utf8.RuneCountInString(note) > maxNote {
		return who, nil, fmt.Errorf("%w: note over %d characters", ErrForm, maxNote)
	}
	r, err := d.read(ctx, id)
	return who, r, err
}

// do records the act in the ledger and then, with its event, in the database.
func (d *Desk) do(ctx context.Context, who auth.Subject, r *Request, a act) (*Request, error) {
	if !slices.Contains(a.from, r.State) && a.action != ActionResubmit {
		return nil, fmt.Errorf("%w: request %s is %s", ErrState, r.ID, r.State)
	}
	if r.JobID != "" && a.action != ActionWithdraw {
		return nil, fmt.Errorf("%w: request %s is decided with its file %s", ErrState, r.ID, r.JobID)
	}
	detail := r.detail()
	if a.note != "" {
		sum := sha256.Sum256([]byte(a.note))
		detail["note_sha256"] = hex.EncodeToString(sum[:])
	}
	index, err := d.append(ctx, a.action, who.AccountID, r, detail)
	if err != nil {
		return nil, err
	}
	now := d.cfg.Clock.Now().UTC()
	err = d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewUpdate().Model((*Request)(nil)).Set("state = ?", a.to).Where("id = ?", r.ID).
			Where("state IN (?)", bun.List(a.from)).Where("revision = ?", r.Revision)
		if a.set != nil {
			q = a.set(q, index, now)
		}
		result, err := q.Exec(ctx)
		if err != nil {
			return fmt.Errorf("record %s on %s: %w", a.action, r.ID, err)
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			return fmt.Errorf("%w: request %s was changed meanwhile", ErrState, r.ID)
		}
		return record(ctx, tx, Event{RequestID: r.ID, At: now, Act: a.action, State: a.to, Account: who.AccountID, Note: a.note, Index: index})
	})
	if err != nil {
		return nil, err
	}
	return d.read(ctx, r.ID)
}
