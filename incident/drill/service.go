package drill

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Errors of the service.
var (
	ErrNotFound   = errors.New("drill: not found")
	ErrInvalid    = errors.New("drill: invalid request")
	ErrState      = errors.New("drill: not in a state for this")
	ErrSamePerson = errors.New("drill: a second person must approve")
)

const (
	actorSystem   = "system:drill"
	resourceDrill = "drill"
)

// Cases gives the cases of an exercise with their histories: the incident
// service.
type Cases interface {
	ExerciseCases(ctx context.Context, exerciseID string) ([]incident.ExerciseCase, error)
}

// Replayer plays a capture through a sensor whose records carry the exercise id.
type Replayer interface {
	Replay(ctx context.Context, capture, exerciseID string) error
}

// Mailer sends a message of the outbox.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// People knows who stands behind an account and an agency: the directory.
type People interface {
	Agency(ctx context.Context, id string) (*directory.Agency, error)
	Person(ctx context.Context, id string) (*directory.Person, error)
	Position(ctx context.Context, personID string, at time.Time) (*directory.Position, error)
}

// Deps is what the service needs.
type Deps struct {
	DB         *store.DB
	Ledger     ledger.Appender
	Clock      clock.Clock
	Authorizer auth.Authorizer
	Cases      Cases
	Sensor     Replayer
	// Mailer may be nil: then mails are kept in the outbox and shown.
	Mailer    Mailer
	Documents incident.Documents
	People    People
	// Place stands before the date of reports.
	Place string
	// WorkDir takes the captures while they are played.
	WorkDir string
	Logger  *slog.Logger
}

// Service plans, runs and scores drills.
type Service struct {
	d      Deps
	kicked chan struct{}
	// over is closed when Run ends: the pages' streams end with it.
	over chan struct{}
	stop sync.Once

	// playing holds what stops the packets of a running drill; mu guards it.
	mu      sync.Mutex
	playing map[string]context.CancelFunc
	workers sync.WaitGroup
}

// New returns a service over a database that carries Schema.
func New(d Deps) (*Service, error) {
	if d.DB == nil || d.Ledger == nil || d.Clock == nil || d.Authorizer == nil || d.Cases == nil || d.Sensor == nil ||
		d.Documents == nil || d.People == nil || d.Logger == nil || d.WorkDir == "" || d.Place == "" {
		return nil, fmt.Errorf("%w: a dependency is missing", ErrInvalid)
	}
	return &Service{d: d, kicked: make(chan struct{}, 1), over: make(chan struct{}), playing: map[string]context.CancelFunc{}}, nil
}

func (s *Service) now() time.Time { return s.d.Clock.Now().UTC().Truncate(time.Microsecond) }

// kick makes Run look for due rows at once.
func (s *Service) kick() {
	select {
	case s.kicked <- struct{}{}:
	default:
	}
}

// newID names a drill: dt, its day and eight random hex digits.
func newID(at time.Time) (string, error) {
	var b [4]byte
	_, err := rand.Read(b[:])
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return "dt-" + at.Format("20060102") + "-" + hex.EncodeToString(b[:]), nil
}

// Plan makes a drill of a scenario.
func (s *Service) Plan(ctx context.Context, scenario []byte) (*Drill, error) {
	sc, err := ParseScenario(scenario)
	if err != nil {
		return nil, err
	}
	who := auth.SubjectFrom(ctx)
	err = s.d.Authorizer.Authorize(ctx, who, "drill.plan", auth.Resource{Kind: resourceDrill, AgencyID: who.AgencyID})
	if err != nil {
		return nil, fmt.Errorf("plan a drill: %w", err)
	}
	now := s.now()
	id, err := newID(now)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(scenario)
	d := &Drill{
		ID: id, AgencyID: who.AgencyID, ScenarioID: sc.ID, Title: sc.Title.VI, Scenario: string(scenario),
		ScenarioSHA256: hex.EncodeToString(sum[:]), State: StatePlanned, PlannedBy: who.AccountID, PlannedAt: now,
	}
	receipt, err := s.d.Ledger.Append(ctx, d.entry(who.AccountID, "plan", now))
	if err != nil {
		return nil, fmt.Errorf("plan a drill: record in the ledger: %w", err)
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(d).Exec(ctx)
		if err != nil {
			return err
		}
		rows := make([]Happening, len(sc.Injects))
		for i, in := range sc.Injects {
			rows[i] = Happening{DrillID: id, InjectID: in.ID, Seq: i + 1, OffsetMS: in.At.Milliseconds(), Kind: in.Kind}
		}
		_, err = tx.NewInsert().Model(&rows).Exec(ctx)
		if err != nil {
			return err
		}
		return note(ctx, tx, d.ID, who.AccountID, "plan", "", now, &receipt)
	})
	if err != nil {
		return nil, fmt.Errorf("plan a drill: %w", err)
	}
	return d, nil
}

func (d *Drill) entry(actor, action string, at time.Time) ledger.Entry {
	return ledger.Entry{
		Time: at, Kind: "drill." + action, Actor: actor, Agency: d.AgencyID, Object: d.ID, ExerciseID: d.ID,
		Digest: d.ScenarioSHA256, Detail: map[string]string{"scenario": d.ScenarioID},
	}
}

// note adds a row to the drill's history; the transaction holds its lock.
func note(ctx context.Context, tx bun.Tx, id, actor, action, detail string, at time.Time, r *ledger.Receipt) error {
	var last int
	err := tx.NewSelect().Model((*History)(nil)).ColumnExpr("coalesce(max(seq), 0)").Where("drill_id = ?", id).Scan(ctx, &last)
	if err != nil {
		return fmt.Errorf("read history of drill %s: %w", id, err)
	}
	h := &History{DrillID: id, Seq: last + 1, At: at, Actor: actor, Action: action, Detail: detail}
	if r != nil {
		index := int64(r.Index)
		h.LedgerIndex = &index
	}
	_, err = tx.NewInsert().Model(h).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write history of drill %s: %w", id, err)
	}
	return nil
}

// lock takes the drill's row for this transaction.
func (s *Service) lock(ctx context.Context, tx bun.Tx, id string) (*Drill, error) {
	if s.d.DB.Postgres() {
		_, err := tx.ExecContext(ctx, "SELECT 1 FROM drill WHERE id = ? FOR UPDATE", id)
		if err != nil {
			return nil, fmt.Errorf("lock drill %s: %w", id, err)
		}
	}
	return s.read(ctx, tx, id)
}

func (s *Service) read(ctx context.Context, db bun.IDB, id string) (*Drill, error) {
	var d Drill
	err := db.NewSelect().Model(&d).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: drill %.64q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read drill %.64q: %w", id, err)
	}
	return &d, nil
}
