package ra

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/workdays"
)

const (
	// maxNote bounds in characters what people write beside a request.
	maxNote = 2000
	// maxDevice bounds the serial number of a device, in bytes.
	maxDevice = 64
	// issueLease is how long an issue may be under way before another one may
	// take the request over: longer than the token's longest wait.
	issueLease = 2 * time.Minute
)

// Actions asked of the Authorizer. The resource's agency is the holder's,
// but for ActionConfirm, where it is the managing one.
const (
	ActionCreate = "ca.request.create"
	// ActionCreateOwn is asked when holders ask for their own certificate to be
	// renewed, revoked or its device recovered.
	ActionCreateOwn = "ca.request.create-own"
	ActionConfirm   = "ca.request.confirm"
	// ActionConfirmTop is asked for an agency that no other one manages: a
	// certification officer confirms, and another one approves.
	ActionConfirmTop = "ca.request.confirm-top"
	ActionApprove    = "ca.request.approve"
	ActionReject     = "ca.request.reject"
	ActionReturn     = "ca.request.return"
	ActionResubmit   = "ca.request.resubmit"
	ActionWithdraw   = "ca.request.withdraw"
	ActionAttach     = "ca.request.attach"
	ActionHandOver   = "ca.request.hand-over"
	ActionIssue      = "ca.certificate.issue"
	ActionRead       = "ca.request.read"
	ResourceKind     = "ca.request"
)

// Keys is what registration needs of the token: keys by label, and new ones
// for bulk requests that have their keys made there.
type Keys interface {
	Signer(ctx context.Context, label string) (crypto.Signer, error)
	Generate(ctx context.Context, label, algorithm string) (crypto.PublicKey, error)
}

// Terms are the working days from a complete file, one that the managing
// agency has confirmed, to the end of the work. The zero value means 3, 1, 1.
type Terms struct {
	Issue, Recover, Revoke int
}

func (t Terms) of(k Kind) int {
	days, standard := t.Issue, 3
	switch k {
	case KindRecover:
		days, standard = t.Recover, 1
	case KindRevoke:
		days, standard = t.Revoke, 1
	}
	if days == 0 {
		return standard
	}
	return days
}

// Config is what a desk needs.
type Config struct {
	DB         *store.DB
	Keys       Keys
	Ledger     ledger.Appender
	Clock      clock.Clock
	Directory  *directory.Directory
	Authorizer auth.Authorizer
	Profiles   *profile.Set
	Workdays   *workdays.Calendar
	Terms      Terms
	// Causes are the causes of revocation that a request may name.
	Causes []string
	// Try builds the certificate's content from facts, without signing; its
	// error refuses a request early.
	Try func(p *profile.Profile, f profile.Facts, pub crypto.PublicKey) error
}

// Desk registers requests. It is safe for concurrent use.
type Desk struct {
	cfg Config
}

// New returns a desk.
func New(cfg Config) (*Desk, error) {
	if cfg.DB == nil || cfg.Keys == nil || cfg.Ledger == nil || cfg.Clock == nil || cfg.Directory == nil ||
		cfg.Authorizer == nil || cfg.Profiles == nil || cfg.Try == nil || cfg.Workdays == nil {
		return nil, fmt.Errorf("%w: a part of the desk is missing", ErrForm)
	}
	if cfg.Terms.Issue < 0 || cfg.Terms.Recover < 0 || cfg.Terms.Revoke < 0 {
		return nil, fmt.Errorf("%w: a term is negative", ErrForm)
	}
	return &Desk{cfg: cfg}, nil
}

// Request registers a request. Who asks is the context's subject; where that
// is somebody who may confirm it, it is confirmed with that.
func (d *Desk) Request(ctx context.Context, f Form) (*Request, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	r, csr, err := d.prepare(ctx, f)
	if err != nil {
		return nil, err
	}
	err = d.mayCreate(ctx, who, r)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	err = d.checkContent(ctx, r, csr)
	if err != nil {
		return nil, err
	}
	err = d.born(r, who)
	if err != nil {
		return nil, err
	}
	given := d.mayConfirm(ctx, who, r)
	if given != nil && !errors.Is(given, auth.ErrDenied) {
		return nil, fmt.Errorf("request: %w", given)
	}
	return r, d.register(ctx, r, given == nil)
}

// prepare makes a request of a form, by what the directory and the register
// of certificates know.
func (d *Desk) prepare(ctx context.Context, f Form) (*Request, *x509.CertificateRequest, error) {
	err := checkForm(&f, d.cfg.Causes)
	if err != nil {
		return nil, nil, err
	}
	old, err := d.about(ctx, &f)
	if err != nil {
		return nil, nil, err
	}
	p, err := d.cfg.Profiles.Get(f.Profile)
	if err != nil {
		return nil, nil, err
	}
	var facts profile.Facts
	if f.Kind.Certifies() {
		facts, err = d.facts(ctx, p, f)
	} else {
		facts, err = d.lastFacts(ctx, old)
	}
	if err != nil {
		return nil, nil, err
	}
	manager, err := d.cfg.Directory.Managing(ctx, facts.AgencyID, d.cfg.Clock.Now())
	if err != nil {
		return nil, nil, fmt.Errorf("managing agency: %w", err)
	}
	r := &Request{Kind: f.Kind, Profile: p.Name, State: StateRequested, AgencyID: facts.AgencyID, PersonID: facts.PersonID,
		OldSerial: f.Serial, Cause: f.Cause, Device: f.Device, Facts: facts, Note: f.Note, KeyLabel: f.KeyLabel, KeyAlgorithm: f.MakeKey,
		ManagerID: manager.AgencyID, RegistrarID: manager.RegistrarID, CSR: []byte{}, Revision: 1}
	csr, err := d.key(ctx, r, f, old)
	return r, csr, err
}

func checkForm(f *Form, causes []string) error {
	if f.Kind == "" {
		f.Kind = KindNew
	}
	switch {
	case utf8.RuneCountInString(f.Note) > maxNote:
		return fmt.Errorf("%w: note over %d characters", ErrForm, maxNote)
	case len(f.Device) > maxDevice || !printable(f.Device):
		return fmt.Errorf("%w: serial number of the device: want at most %d printable ASCII characters", ErrForm, maxDevice)
	case !contains(Kinds(), f.Kind):
		return fmt.Errorf("%w: kind %q", ErrForm, f.Kind)
	case (f.Kind == KindNew) != (f.Serial == ""):
		return fmt.Errorf("%w: a request of kind %s names the certificate that it is about, a new one none", ErrForm, f.Kind)
	case f.Kind == KindRevoke && f.Cause == "":
		return fmt.Errorf("%w: a revocation names its cause", ErrForm)
	case f.Cause != "" && f.Kind != KindRevoke && f.Kind != KindChange && f.Kind != KindRekey:
		return fmt.Errorf("%w: a request of kind %s has no cause", ErrForm, f.Kind)
	case f.Cause != "" && !contains(causes, f.Cause):
		return fmt.Errorf("%w: cause %q", ErrForm, f.Cause)
	case !f.Kind.Certifies() && (f.KeyLabel != "" || f.MakeKey != "" || len(f.CSR) > 0):
		return fmt.Errorf("%w: a request of kind %s has no key", ErrForm, f.Kind)
	case f.MakeKey != "" && (f.Kind.sameKey() || len(f.CSR) > 0):
		return fmt.Errorf("%w: a key is made only where none is brought or kept", ErrForm)
	}
	return nil
}

// checkContent refuses what could not be certified.
func (d *Desk) checkContent(ctx context.Context, r *Request, csr *x509.CertificateRequest) error {
	if !r.Kind.Certifies() {
		return nil
	}
	p, err := d.cfg.Profiles.Get(r.Profile)
	if err != nil {
		return err
	}
	if csr == nil {
		return d.checkKeyless(p, r)
	}
	err = d.cfg.Try(p, r.Facts, csr.PublicKey)
	if err != nil {
		return err
	}
	return d.checkKey(ctx, r)
}

// checkKeyless checks a request whose key is still to be made, with a key that
// is thrown away.
func (d *Desk) checkKeyless(p *profile.Profile, r *Request) error {
	if !contains(p.Keys, r.KeyAlgorithm) {
		return fmt.Errorf("%w: %s has no key of %q; it has %v", profile.ErrKey, p.Name, r.KeyAlgorithm, p.Keys)
	}
	err := checkLabel(r.KeyLabel)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return d.cfg.Try(p, r.Facts, key.Public())
}

// born gives a request its id and its maker.
func (d *Desk) born(r *Request, who auth.Subject) error {
	r.CreatedBy, r.CreatedPerson, r.CreatedAt = who.AccountID, who.PersonID, d.cfg.Clock.Now().UTC()
	random := make([]byte, 8)
	_, err := rand.Read(random)
	if err != nil {
		return fmt.Errorf("request id: %w", err)
	}
	r.ID = "rq-" + r.CreatedAt.Format("20060102") + "-" + hex.EncodeToString(random)
	if r.KeyAlgorithm != "" && r.KeyLabel == "" {
		r.KeyLabel = r.ID
	}
	text, err := json.Marshal(r.Facts)
	if err != nil {
		return fmt.Errorf("write facts: %w", err)
	}
	r.FactsJSON = string(text)
	return nil
}

// register records a new request: first in the ledger, then in the database.
// Where the maker may confirm it, it is confirmed by the same entry.
func (d *Desk) register(ctx context.Context, r *Request, given bool) error {
	detail := r.detail()
	if given {
		detail["confirmed"] = "by-requester"
	}
	index, err := d.append(ctx, ActionCreate, r.CreatedBy, r, detail)
	if err != nil {
		return err
	}
	r.CreateIndex = index
	if given {
		d.confirmed(r, r.CreatedBy, r.CreatedPerson, r.CreatedAt, index)
	}
	return d.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(r).Exec(ctx)
		if err != nil {
			return fmt.Errorf("record request: %w", err)
		}
		return record(ctx, tx, Event{RequestID: r.ID, At: r.CreatedAt, Act: ActionCreate, State: r.State, Account: r.CreatedBy, Note: r.Note, Index: index})
	})
}

// confirmed marks a request as confirmed: from then on its term runs.
func (d *Desk) confirmed(r *Request, account, person string, at time.Time, index int64) {
	due := d.cfg.Workdays.Add(at, d.cfg.Terms.of(r.Kind)).UTC()
	r.State, r.ConfirmedBy, r.ConfirmPerson, r.ConfirmedAt, r.ConfirmIndex, r.DueAt = StateConfirmed, account, person, &at, &index, &due
}

func record(ctx context.Context, tx bun.IDB, e Event) error {
	_, err := tx.NewInsert().Model(&e).ExcludeColumn("id").Exec(ctx)
	if err != nil {
		return fmt.Errorf("record act on %s: %w", e.RequestID, err)
	}
	return nil
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
	return &r, d.fill(&r)
}

// fill adds to a row what is not a column.
func (d *Desk) fill(r *Request) error {
	err := json.Unmarshal([]byte(r.FactsJSON), &r.Facts)
	if err != nil {
		return fmt.Errorf("read facts of %s: %w", r.ID, err)
	}
	r.Overdue = r.DueAt != nil && contains(open(), r.State) && d.cfg.Clock.Now().After(*r.DueAt)
	return nil
}

func (r *Request) resource() auth.Resource {
	return auth.Resource{Kind: ResourceKind, ID: r.ID, AgencyID: r.AgencyID, CreatedBy: r.CreatedBy}
}

// form is the form again, for a second look into the directory.
func (r *Request) form() Form {
	return Form{Kind: r.Kind, Profile: r.Profile, Serial: r.OldSerial, PersonID: r.PersonID, AgencyID: r.AgencyID, Machine: r.Facts.MachineName,
		DNSNames: r.Facts.DNSNames, IPs: r.Facts.IPs}
}

// detail are the codes of a request that its entries in the ledger carry.
func (r *Request) detail() map[string]string {
	detail := map[string]string{"kind": string(r.Kind), "profile": r.Profile}
	for name, value := range map[string]string{"key_sha256": r.SPKI, "certificate": r.OldSerial, "cause": r.Cause, "device": r.Device, "manager": r.ManagerID} {
		if value != "" {
			detail[name] = value
		}
	}
	return detail
}

func (r *Request) digest() string {
	sum := sha256.Sum256(append([]byte(r.FactsJSON), r.CSR...))
	return hex.EncodeToString(sum[:])
}

func (d *Desk) append(ctx context.Context, kind, who string, r *Request, detail map[string]string) (int64, error) {
	receipt, err := d.cfg.Ledger.Append(ctx, ledger.Entry{Time: d.cfg.Clock.Now().UTC(), Kind: kind, Actor: who,
		Agency: r.AgencyID, Object: r.ID, Digest: r.digest(), Detail: detail})
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
