// Package policy decides who may do what on the platform and which agency may
// have which fields of which shared database, and keeps the agreements and the
// access log behind the second answer (R33-R38; NĐ 278/2025/NĐ-CP, NĐ
// 194/2025/NĐ-CP Đ16). The rules stand in Rego (package bundle), evaluated by
// OPA (package engine). The gateway that gives the data is package gateway.
//
// It does not classify data by looking at it: classes come from the catalogue.
package policy

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/bundle"
	"github.com/antin-gov/antin/policy/catalogue"
	"github.com/antin-gov/antin/policy/engine"
	"github.com/antin-gov/antin/policy/record"
)

// maxRegistryAge is how long a change in the directory of agencies may stay
// unseen. Changes of the catalogue and of agreements are seen at once.
const maxRegistryAge = time.Minute

// Schema is the policy room's part of the database; it follows the directory's.
var Schema = slices.Concat(catalogue.Schema, agreement.Schema, record.Schema, []store.Migration{{ID: "policy/0001", SQL: `
CREATE TABLE sharing_revision (
	id INTEGER PRIMARY KEY,
	number BIGINT NOT NULL
);
INSERT INTO sharing_revision (id, number) VALUES (1, 0);
`}})

// Deps are what the service stands on.
type Deps struct {
	DB        *store.DB
	Ledger    ledger.Appender
	Clock     clock.Clock
	Directory *directory.Directory
	Logger    *slog.Logger
	// Coordinator is the agency that coordinates data sharing in the province
	// and may propose or accept for an owner (NĐ 278/2025/NĐ-CP). Empty: none.
	Coordinator string
}

// ErrDeps means that the service cannot be built from what it was given.
var ErrDeps = errors.New("policy: missing dependency")

// Service is the policy room. It is safe for concurrent use.
type Service struct {
	Deps
	source bundle.Source
	engine *engine.Engine

	// mu guards the three fields below; it is held while the registry is read,
	// never while a question is answered.
	mu       sync.Mutex
	number   int64
	loadedAt time.Time
	loaded   bool
	// mapMu guards lastMap and lets one caller compute while the others wait.
	mapMu   sync.Mutex
	lastMap *Map
	// change keeps acts on agreements in one order in this process.
	change sync.Mutex
}

var _ auth.Authorizer = (*Service)(nil)

// New compiles the embedded bundle. The tables of Schema must exist.
func New(deps Deps) (*Service, error) {
	switch {
	case deps.DB == nil, deps.Ledger == nil, deps.Clock == nil, deps.Directory == nil, deps.Logger == nil:
		return nil, fmt.Errorf("%w: database, ledger, clock, directory and logger are needed", ErrDeps)
	}
	source, err := bundle.Embedded()
	if err != nil {
		return nil, err
	}
	e, err := engine.New(context.Background(), source)
	if err != nil {
		return nil, err
	}
	return &Service{Deps: deps, source: source, engine: e}, nil
}

// Authorize implements auth.Authorizer; see engine.Engine.Authorize.
func (s *Service) Authorize(ctx context.Context, who auth.Subject, action string, r auth.Resource) error {
	err := s.engine.Authorize(ctx, who, action, r)
	if err != nil && !errors.Is(err, auth.ErrDenied) {
		s.Logger.ErrorContext(ctx, "authorisation could not be evaluated", slog.String("action", action), slog.Any("error", err))
	}
	return err
}

// Evaluate answers a data request without recording it: for maps and what-if
// questions. A zero time means now. Data must not be given on its answer alone.
func (s *Service) Evaluate(ctx context.Context, q engine.Query) (*engine.Decision, error) {
	if q.At.IsZero() {
		q.At = s.Clock.Now()
	}
	err := s.refresh(ctx)
	if err != nil {
		return nil, err
	}
	decision, err := s.engine.Decide(ctx, q)
	if err != nil {
		s.Logger.ErrorContext(ctx, "sharing decision could not be evaluated", slog.Any("error", err))
	}
	return decision, nil
}

// Record writes an access to the ledger and the log. An error means that
// nothing may be given.
func (s *Service) Record(ctx context.Context, a *record.Access) error {
	return record.Keep(ctx, s.DB, s.Ledger, a)
}

// Decide answers a data request that an account asks as a question, without
// data, and records it.
func (s *Service) Decide(ctx context.Context, q engine.Query) (*engine.Decision, *record.Access, error) {
	who := auth.SubjectFrom(ctx)
	err := s.Authorize(ctx, who, "policy.decide", auth.Resource{Kind: "dataset", ID: q.Dataset})
	if err != nil {
		return nil, nil, err
	}
	decision, err := s.Evaluate(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	id, err := NewID()
	if err != nil {
		return nil, nil, err
	}
	access := NewAccess(id, s.Clock.Now(), q, decision)
	access.Actor = who.AccountID
	if decision.Allow {
		access.Status = record.StatusDecided
	}
	err = s.Record(ctx, access)
	if err != nil {
		return nil, nil, err
	}
	return decision, access, nil
}

// NewID returns an id for a decision: "qd-" (quyết định) and 16 random bytes.
func NewID() (string, error) {
	var b [16]byte
	_, err := rand.Read(b[:])
	if err != nil {
		return "", fmt.Errorf("make decision id: %w", err)
	}
	return "qd-" + hex.EncodeToString(b[:]), nil
}

// NewAccess begins the record of a decision: refused, until its maker says
// otherwise of one that allows.
func NewAccess(id string, at time.Time, q engine.Query, d *engine.Decision) *record.Access {
	a := &record.Access{
		ID: id, At: at, AgencyID: q.Agency, DatasetID: q.Dataset, Purpose: q.Purpose, Operation: q.Operation,
		Asked: q.Fields, Status: record.StatusRefused, LegalBasis: d.LegalBasis, AgreementID: d.AgreementID, Revision: d.Revision,
	}
	for _, reason := range d.Reasons {
		a.Codes = append(a.Codes, reason.Code)
	}
	for name, treatment := range d.Fields {
		if treatment != engine.Drop {
			a.Given = append(a.Given, name)
		}
	}
	slices.Sort(a.Given)
	return a
}
