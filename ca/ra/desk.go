package ra

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

const (
	// maxNote bounds what people write beside a request.
	maxNote = 2000
	// issueLease is how long an issue may be under way before another one may
	// take the request over: longer than the token's longest wait.
	issueLease = 2 * time.Minute
	// listLimit bounds one page of requests.
	listLimit = 500
)

// Actions asked of the Authorizer.
const (
	ActionCreate  = "ca.request.create"
	ActionApprove = "ca.request.approve"
	ActionReject  = "ca.request.reject"
	ActionIssue   = "ca.certificate.issue"
	ActionRead    = "ca.request.read"
	ResourceKind  = "ca.request"
)

// Signers finds keys in the token.
type Signers interface {
	Signer(ctx context.Context, label string) (crypto.Signer, error)
}

// Config is what a desk needs.
type Config struct {
	DB         *store.DB
	Keys       Signers
	Ledger     ledger.Appender
	Clock      clock.Clock
	Directory  *directory.Directory
	Authorizer auth.Authorizer
	Profiles   *profile.Set
	// Try builds the certificate's content from facts, without signing; its
	// error refuses a request early.
	Try func(p *profile.Profile, f profile.Facts, pub crypto.PublicKey) error
}

// Desk registers requests.
type Desk struct {
	cfg Config
}

// New returns a desk.
func New(cfg Config) (*Desk, error) {
	if cfg.DB == nil || cfg.Keys == nil || cfg.Ledger == nil || cfg.Clock == nil || cfg.Directory == nil ||
		cfg.Authorizer == nil || cfg.Profiles == nil || cfg.Try == nil {
		return nil, fmt.Errorf("%w: a part of the desk is missing", ErrForm)
	}
	return &Desk{cfg: cfg}, nil
}

// Request registers a request. Who asks is the context's subject.
func (d *Desk) Request(ctx context.Context, f Form) (*Request, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(f.Note) > maxNote {
		return nil, fmt.Errorf("%w: note over %d characters", ErrForm, maxNote)
	}
	p, err := d.cfg.Profiles.Get(f.Profile)
	if err != nil {
		return nil, err
	}
	facts, err := d.facts(ctx, p, f)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, ActionCreate, auth.Resource{Kind: ResourceKind, AgencyID: facts.AgencyID})
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	csr, err := d.csr(ctx, f)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Try(p, facts, csr.PublicKey)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(csr.RawSubjectPublicKeyInfo)
	r := &Request{
		Profile: p.Name, State: StateRequested, AgencyID: facts.AgencyID, PersonID: facts.PersonID, Facts: facts, CSR: csr.Raw,
		KeyLabel: f.KeyLabel, SPKI: hex.EncodeToString(sum[:]), Note: f.Note,
		CreatedBy: who.AccountID, CreatedPerson: who.PersonID, CreatedAt: d.cfg.Clock.Now().UTC(),
	}
	err = d.checkKey(ctx, r)
	if err != nil {
		return nil, err
	}
	return r, d.register(ctx, r)
}

func (d *Desk) csr(ctx context.Context, f Form) (*x509.CertificateRequest, error) {
	if (f.KeyLabel == "") == (len(f.CSR) == 0) {
		return nil, fmt.Errorf("%w: want a key's label or a PKCS#10 request, one of the two", ErrForm)
	}
	if f.KeyLabel == "" {
		return readCSR(f.CSR)
	}
	der, err := d.tokenCSR(ctx, f.KeyLabel)
	if err != nil {
		return nil, err
	}
	return readCSR(der)
}

// checkKey refuses a key that another holder has a certificate for, and one
// whose certificate was revoked because the key was compromised.
func (d *Desk) checkKey(ctx context.Context, r *Request) error {
	clash, err := d.cfg.DB.NewSelect().TableExpr("ca_certificate").Where("spki_sha256 = ?", r.SPKI).
		Where("state IN ('intent', 'signed', 'issued')").
		Where("(agency_id <> ? OR person_id <> ? OR machine <> ? OR revocation_reason IN (1, 2))", r.AgencyID, r.PersonID, r.Facts.MachineName).
		Exists(ctx)
	if err != nil {
		return fmt.Errorf("look for the key: %w", err)
	}
	if clash {
		return fmt.Errorf("%w: it was certified for another holder, or was compromised", ErrKeyUsed)
	}
	return nil
}

// register records a new request: first in the ledger, then in the database.
func (d *Desk) register(ctx context.Context, r *Request) error {
	random := make([]byte, 8)
	_, err := rand.Read(random)
	if err != nil {
		return fmt.Errorf("request id: %w", err)
	}
	r.ID = "rq-" + r.CreatedAt.Format("20060102") + "-" + hex.EncodeToString(random)
	text, err := json.Marshal(r.Facts)
	if err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	r.FactsJSON = string(text)
	r.CreateIndex, err = d.append(ctx, ActionCreate, r.CreatedBy, r, nil)
	if err != nil {
		return err
	}
	_, err = d.cfg.DB.NewInsert().Model(r).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record request: %w", err)
	}
	return nil
}

// Approve lets a second person agree.
func (d *Desk) Approve(ctx context.Context, id, note string) (*Request, error) {
	return d.decide(ctx, id, note, ActionApprove, StateApproved)
}

// Reject lets a second person refuse; the note says why.
func (d *Desk) Reject(ctx context.Context, id, note string) (*Request, error) {
	if note == "" {
		return nil, fmt.Errorf("%w: a refusal says why", ErrForm)
	}
	return d.decide(ctx, id, note, ActionReject, StateRejected)
}

func (d *Desk) decide(ctx context.Context, id, note, action string, to State) (*Request, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(note) > maxNote {
		return nil, fmt.Errorf("%w: note over %d characters", ErrForm, maxNote)
	}
	r, err := d.read(ctx, id)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, who, action, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	// The rule holds whatever the policy says; a person's two accounts are one
	// person.
	if who.AccountID == r.CreatedBy || who.PersonID != "" && who.PersonID == r.CreatedPerson {
		return nil, fmt.Errorf("%w: request %s", ErrSamePerson, id)
	}
	if r.State != StateRequested {
		return nil, fmt.Errorf("%w: request %s is %s", ErrState, id, r.State)
	}
	index, err := d.append(ctx, action, who.AccountID, r, nil)
	if err != nil {
		return nil, err
	}
	now := d.cfg.Clock.Now().UTC()
	result, err := d.cfg.DB.NewUpdate().Model((*Request)(nil)).Set("state = ?", to).Set("decided_by = ?", who.AccountID).
		Set("decided_at = ?", now).Set("decision_note = ?", note).Set("decide_index = ?", index).
		Where("id = ?", id).Where("state = ?", StateRequested).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("record decision on %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return nil, fmt.Errorf("%w: request %s was decided meanwhile", ErrState, id)
	}
	return d.read(ctx, id)
}

// Take hands an approved request out for issue, once at a time. A request whose
// issue died is handed out again after issueLease.
func (d *Desk) Take(ctx context.Context, id string) (*Request, error) {
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
	p, err := d.cfg.Profiles.Get(r.Profile)
	if err != nil {
		return nil, err
	}
	today, err := d.facts(ctx, p, r.form())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if !sameFacts(today, r.Facts) {
		return nil, fmt.Errorf("%w: request %s", ErrChanged, id)
	}
	err = d.checkKey(ctx, r)
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

// Done records that a request was certified under the serial number.
func (d *Desk) Done(ctx context.Context, r *Request, serial string) error {
	return d.leave(ctx, r, StateIssued, serial)
}

// Release gives a request back whose issue failed.
func (d *Desk) Release(ctx context.Context, r *Request) error {
	return d.leave(ctx, r, StateApproved, "")
}

// leave ends the taking that r stands for, and no other: one that took longer
// than issueLease may have been taken over meanwhile.
func (d *Desk) leave(ctx context.Context, r *Request, to State, serial string) error {
	q := d.cfg.DB.NewUpdate().Model((*Request)(nil)).Set("state = ?", to).Set("serial = ?", serial).
		Where("id = ?", r.ID).Where("state = ?", StateIssuing).Where("issuing_since = ?", r.IssuingSince)
	if to == StateIssued {
		q = q.Set("issued_at = ?", d.cfg.Clock.Now().UTC())
	}
	result, err := q.Exec(ctx)
	if err != nil {
		return fmt.Errorf("record request %s as %s: %w", r.ID, to, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return fmt.Errorf("%w: request %s was taken over", ErrState, r.ID)
	}
	return nil
}

// Get returns a request to who may read it.
func (d *Desk) Get(ctx context.Context, id string) (*Request, error) {
	r, err := d.read(ctx, id)
	if err != nil {
		return nil, err
	}
	err = d.cfg.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, r.resource())
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", id, err)
	}
	return r, nil
}

// List returns the requests in a state, newest first; all when it is empty.
func (d *Desk) List(ctx context.Context, state State) ([]Request, error) {
	err := d.cfg.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), ActionRead, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, fmt.Errorf("requests: %w", err)
	}
	var list []Request
	q := d.cfg.DB.NewSelect().Model(&list).OrderExpr("created_at DESC, id").Limit(listLimit)
	if state != "" {
		q = q.Where("state = ?", state)
	}
	err = q.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	for i := range list {
		err = json.Unmarshal([]byte(list[i].FactsJSON), &list[i].Facts)
		if err != nil {
			return nil, fmt.Errorf("read facts of %s: %w", list[i].ID, err)
		}
	}
	return list, nil
}

func (d *Desk) read(ctx context.Context, id string) (*Request, error) {
	var r Request
	err := d.cfg.DB.NewSelect().Model(&r).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read request %s: %w", id, err)
	}
	err = json.Unmarshal([]byte(r.FactsJSON), &r.Facts)
	if err != nil {
		return nil, fmt.Errorf("read facts of %s: %w", id, err)
	}
	return &r, nil
}

func (r *Request) resource() auth.Resource {
	return auth.Resource{Kind: ResourceKind, ID: r.ID, AgencyID: r.AgencyID, CreatedBy: r.CreatedBy}
}

// form is the form again, for a second look into the directory.
func (r *Request) form() Form {
	return Form{Profile: r.Profile, PersonID: r.PersonID, AgencyID: r.AgencyID, Machine: r.Facts.MachineName,
		DNSNames: r.Facts.DNSNames, IPs: r.Facts.IPs}
}

func (d *Desk) append(ctx context.Context, kind, who string, r *Request, detail map[string]string) (int64, error) {
	if detail == nil {
		detail = map[string]string{"profile": r.Profile, "key_sha256": r.SPKI}
	}
	sum := sha256.Sum256(append([]byte(r.FactsJSON), r.CSR...))
	receipt, err := d.cfg.Ledger.Append(ctx, ledger.Entry{Time: d.cfg.Clock.Now().UTC(), Kind: kind, Actor: who,
		Agency: r.AgencyID, Object: r.ID, Digest: hex.EncodeToString(sum[:]), Detail: detail})
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrLedger, kind, err)
	}
	return int64(receipt.Index), nil
}

func actor(ctx context.Context) (auth.Subject, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return who, ErrActor
	}
	return who, nil
}
