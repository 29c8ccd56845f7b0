package reorg

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Actions asked of the Authorizer.
const (
	ActionSubmit  = "ca.reorg.submit"
	ActionApprove = "ca.reorg.approve"
	ActionReject  = "ca.reorg.reject"
	ActionRun     = "ca.reorg.run"
	ActionRead    = "ca.reorg.read"
	ResourceKind  = "ca.reorg"
)

const (
	// runLease is how long a run may be silent before another one may take it
	// over: longer than the longest wait of one item for the token.
	runLease  = 2 * time.Minute
	listLimit = 500
	maxNote   = 2000
)

// State is how far a re-organisation has come.
type State string

// The states.
const (
	StateSubmitted State = "submitted"
	StateApproved  State = "approved"
	StateRejected  State = "rejected"
	StateRunning   State = "running"
	StateStopped   State = "stopped" // items are left; run it again
	StateDone      State = "done"
)

// ItemState is how far an item has come.
type ItemState string

// The states of an item.
const (
	ItemPending ItemState = "pending"
	ItemDone    ItemState = "done"
	ItemFailed  ItemState = "failed"
)

// Schema is the re-organisations' part of the database.
func Schema() []store.Migration {
	return []store.Migration{{ID: "reorg/0001", SQL: `
CREATE TABLE ca_reorg (
	id TEXT PRIMARY KEY,
	title TEXT NOT NULL,
	legal_basis TEXT NOT NULL,
	effective TIMESTAMPTZ NOT NULL,
	state TEXT NOT NULL,
	order_json TEXT NOT NULL,
	digest TEXT NOT NULL,
	created_by TEXT NOT NULL,
	created_person TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	decided_by TEXT NOT NULL DEFAULT '',
	decided_at TIMESTAMPTZ,
	decision_note TEXT NOT NULL DEFAULT '',
	running_since TIMESTAMPTZ,
	run_by TEXT NOT NULL DEFAULT '',
	finished_at TIMESTAMPTZ
);
CREATE INDEX ca_reorg_state ON ca_reorg (state, created_at);
CREATE TABLE ca_reorg_item (
	job_id TEXT NOT NULL REFERENCES ca_reorg (id),
	n BIGINT NOT NULL,
	kind TEXT NOT NULL,
	object TEXT NOT NULL,
	action TEXT NOT NULL,
	state TEXT NOT NULL,
	result TEXT NOT NULL DEFAULT '',
	problem TEXT NOT NULL DEFAULT '',
	ledger_index BIGINT,
	done_at TIMESTAMPTZ,
	PRIMARY KEY (job_id, n)
);
`}}
}

// Job is a submitted re-organisation.
type Job struct {
	bun.BaseModel `bun:"table:ca_reorg"`

	ID            string     `bun:"id,pk" json:"id"`
	Title         string     `bun:"title" json:"title"`
	LegalBasis    string     `bun:"legal_basis" json:"legal_basis"`
	Effective     time.Time  `bun:"effective" json:"effective"`
	State         State      `bun:"state" json:"state"`
	OrderJSON     string     `bun:"order_json" json:"-"`
	Digest        string     `bun:"digest" json:"digest"`
	CreatedBy     string     `bun:"created_by" json:"created_by"`
	CreatedPerson string     `bun:"created_person" json:"-"`
	CreatedAt     time.Time  `bun:"created_at" json:"created_at"`
	DecidedBy     string     `bun:"decided_by" json:"decided_by,omitempty"`
	DecidedAt     *time.Time `bun:"decided_at" json:"decided_at,omitempty"`
	DecisionNote  string     `bun:"decision_note" json:"decision_note,omitempty"`
	RunningSince  *time.Time `bun:"running_since" json:"running_since,omitempty"`
	RunBy         string     `bun:"run_by" json:"run_by,omitempty"`
	FinishedAt    *time.Time `bun:"finished_at" json:"finished_at,omitempty"`
}

// Item is one action of a job and what became of it.
type Item struct {
	bun.BaseModel `bun:"table:ca_reorg_item"`

	JobID  string     `bun:"job_id,pk" json:"-"`
	N      int        `bun:"n,pk" json:"n"`
	Kind   ActionKind `bun:"kind" json:"kind"`
	Object string     `bun:"object" json:"object"`
	State  ItemState  `bun:"state" json:"state"`
	// Result is the serial number of a certificate that was made.
	Result      string     `bun:"result" json:"result,omitempty"`
	Problem     string     `bun:"problem" json:"problem,omitempty"`
	LedgerIndex *int64     `bun:"ledger_index" json:"ledger_index,omitempty"`
	DoneAt      *time.Time `bun:"done_at" json:"done_at,omitempty"`
	ActionJSON  string     `bun:"action" json:"-"`

	Action Action `bun:"-" json:"action"`
}

// Deps is what re-organisations stand on.
type Deps struct {
	DB         *store.DB
	Ledger     ledger.Appender
	Clock      clock.Clock
	Directory  *directory.Directory
	Authorizer auth.Authorizer
	CA         *ca.Service
	Accounts   *auth.Accounts
	// Bind tells the register of keys that a key of the token has another
	// certificate. It is called again after a crash.
	Bind   func(ctx context.Context, c *ca.Certificate) error
	Logger *slog.Logger
}

// Service carries re-organisations through. It is safe for concurrent use, also
// from several processes.
type Service struct{ deps Deps }

// New returns the service.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Ledger == nil || d.Clock == nil || d.Directory == nil || d.Authorizer == nil || d.CA == nil || d.Accounts == nil || d.Bind == nil || d.Logger == nil {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrOrder)
	}
	return &Service{deps: d}, nil
}

func (s *Service) authorize(ctx context.Context, action string, r auth.Resource) error {
	err := s.deps.Authorizer.Authorize(ctx, auth.SubjectFrom(ctx), action, r)
	if err != nil {
		return fmt.Errorf("re-organisation %s: %w", r.ID, err)
	}
	return nil
}

func (j *Job) resource() auth.Resource {
	return auth.Resource{Kind: ResourceKind, ID: j.ID, CreatedBy: j.CreatedBy}
}

func actor(ctx context.Context) (auth.Subject, error) {
	who := auth.SubjectFrom(ctx)
	if who.AccountID == "" {
		return who, ErrActor
	}
	return who, nil
}

// Submit plans the order and registers the plan for another person's approval.
func (s *Service) Submit(ctx context.Context, o *Order) (*Job, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, ActionSubmit, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, err
	}
	plan, err := s.plan(ctx, o)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(plan.Order)
	if err != nil {
		return nil, fmt.Errorf("write order: %w", err)
	}
	random := make([]byte, 4)
	_, err = rand.Read(random)
	if err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	now := s.deps.Clock.Now().UTC()
	j := &Job{ID: "ro-" + now.Format("20060102") + "-" + hex.EncodeToString(random), Title: plan.Order.Title, LegalBasis: plan.Order.LegalBasis,
		Effective: plan.Order.Effective, State: StateSubmitted, OrderJSON: string(text), Digest: plan.Digest,
		CreatedBy: who.AccountID, CreatedPerson: who.PersonID, CreatedAt: now}
	items, err := j.items(plan)
	if err != nil {
		return nil, err
	}
	_, err = s.record(ctx, ActionSubmit, who.AccountID, j, map[string]string{"items": fmt.Sprint(len(items))})
	if err != nil {
		return nil, err
	}
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(j).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(&items).Exec(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("register re-organisation: %w", err)
	}
	return j, nil
}

func (j *Job) items(plan *Plan) ([]Item, error) {
	items := make([]Item, 0, len(plan.Actions))
	for i, a := range plan.Actions {
		b, err := json.Marshal(a)
		if err != nil {
			return nil, fmt.Errorf("write item %d: %w", i+1, err)
		}
		items = append(items, Item{JobID: j.ID, N: i + 1, Kind: a.Kind, Object: a.Object, State: ItemPending, ActionJSON: string(b)})
	}
	return items, nil
}

// record writes an act on the whole to the ledger.
func (s *Service) record(ctx context.Context, kind, who string, j *Job, detail map[string]string) (int64, error) {
	receipt, err := s.deps.Ledger.Append(ctx, ledger.Entry{Time: s.deps.Clock.Now().UTC(), Kind: kind, Actor: who, Object: j.ID, Digest: j.Digest, Detail: detail})
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w", ErrLedger, kind, err)
	}
	return int64(receipt.Index), nil
}

// Approve lets a second person agree to the very plan that was submitted:
// ErrChanged when today it would be another one.
func (s *Service) Approve(ctx context.Context, id, note string) (*Job, error) {
	return s.decide(ctx, id, note, ActionApprove, StateApproved)
}

// Reject lets a second person refuse; the note says why.
func (s *Service) Reject(ctx context.Context, id, note string) (*Job, error) {
	if note == "" {
		return nil, fmt.Errorf("%w: a refusal says why", ErrOrder)
	}
	return s.decide(ctx, id, note, ActionReject, StateRejected)
}

func (s *Service) decide(ctx context.Context, id, note, action string, to State) (*Job, error) {
	who, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	if len(note) > maxNote {
		return nil, fmt.Errorf("%w: note over %d bytes", ErrOrder, maxNote)
	}
	j, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.authorize(ctx, action, j.resource())
	if err != nil {
		return nil, err
	}
	switch {
	case who.AccountID == j.CreatedBy || who.PersonID != "" && who.PersonID == j.CreatedPerson:
		return nil, fmt.Errorf("%w: %s", ErrSamePerson, id)
	case j.State != StateSubmitted:
		return nil, fmt.Errorf("%w: %s is %s", ErrState, id, j.State)
	}
	if to == StateApproved {
		err = s.unchanged(ctx, j)
		if err != nil {
			return nil, err
		}
	}
	_, err = s.record(ctx, action, who.AccountID, j, nil)
	if err != nil {
		return nil, err
	}
	now := s.deps.Clock.Now().UTC()
	result, err := s.deps.DB.NewUpdate().Model((*Job)(nil)).Set("state = ?", to).Set("decided_by = ?", who.AccountID).Set("decided_at = ?", now).
		Set("decision_note = ?", note).Where("id = ?", id).Where("state = ?", StateSubmitted).Exec(ctx)
	err = one(result, err, id)
	if err != nil {
		return nil, err
	}
	return s.read(ctx, id)
}

// unchanged plans the order again and compares.
func (s *Service) unchanged(ctx context.Context, j *Job) error {
	var o Order
	err := json.Unmarshal([]byte(j.OrderJSON), &o)
	if err != nil {
		return fmt.Errorf("read order of %s: %w", j.ID, err)
	}
	plan, err := s.plan(ctx, &o)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	if plan.Digest != j.Digest {
		return fmt.Errorf("%w: %s", ErrChanged, j.ID)
	}
	return nil
}

// Get returns a re-organisation with its items.
func (s *Service) Get(ctx context.Context, id string) (*Job, []Item, error) {
	j, err := s.read(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	err = s.authorize(ctx, ActionRead, j.resource())
	if err != nil {
		return nil, nil, err
	}
	items, err := s.items(ctx, id)
	return j, items, err
}

// List returns re-organisations, newest first.
func (s *Service) List(ctx context.Context) ([]Job, error) {
	err := s.authorize(ctx, ActionRead, auth.Resource{Kind: ResourceKind})
	if err != nil {
		return nil, err
	}
	list := []Job{}
	err = s.deps.DB.NewSelect().Model(&list).OrderExpr("created_at DESC, id").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list re-organisations: %w", err)
	}
	return list, nil
}

func (s *Service) read(ctx context.Context, id string) (*Job, error) {
	var j Job
	err := s.deps.DB.NewSelect().Model(&j).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read re-organisation %s: %w", id, err)
	}
	return &j, nil
}

func (s *Service) items(ctx context.Context, id string) ([]Item, error) {
	list := []Item{}
	err := s.deps.DB.NewSelect().Model(&list).Where("job_id = ?", id).OrderExpr("n").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read items of %s: %w", id, err)
	}
	for i := range list {
		err = json.Unmarshal([]byte(list[i].ActionJSON), &list[i].Action)
		if err != nil {
			return nil, fmt.Errorf("read item %d of %s: %w", list[i].N, id, err)
		}
	}
	return list, nil
}

// one says ErrState when a change of state met no row.
func one(result interface{ RowsAffected() (int64, error) }, err error, id string) error {
	if err != nil {
		return fmt.Errorf("record re-organisation %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("record re-organisation %s: %w", id, err)
	}
	if n != 1 {
		return fmt.Errorf("%w: %s changed meanwhile", ErrState, id)
	}
	return nil
}
