package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/antin-gov/antin/incident/clocks"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Errors of the service.
var (
	ErrNotFound = errors.New("incident: not found")
	ErrInvalid  = errors.New("incident: invalid request")
	// ErrState means that the act does not fit the state of the case: a closed
	// case is not acknowledged.
	ErrState = errors.New("incident: the case is not in a state for this")
	// ErrBroken means that a case's history does not hang together.
	ErrBroken = errors.New("incident: history broken")
)

// ActorSystem is the actor of what the platform does by itself.
const ActorSystem = "system:incident"

// Windows of correlation; see the package comment for the rule.
const (
	// AlertWindow: a rule that was silent for an hour says something new.
	AlertWindow = time.Hour
	// CaseWindow: half an hour of silence ends an attack. Longer would pull the
	// next day's unrelated alert of a busy host into yesterday's case.
	CaseWindow = 30 * time.Minute
)

// maxEvidence is how many events an alert links as evidence; further ones are
// counted and found through the alert's hosts and times.
const maxEvidence = 200

// AgencyFinder finds whose network an address is in: the directory.
type AgencyFinder interface {
	AgencyAt(ctx context.Context, site string, addr netip.Addr) (*directory.Agency, error)
}

// Matcher evaluates detection rules over one event: the Sigma engine.
type Matcher interface {
	Match(ev *event.Event) []RuleMatch
}

// RuleMatch is a rule that an event meets.
type RuleMatch struct {
	RuleID string
	Title  string
	Level  string
	Tags   []string
}

// Documents signs a PDF with the agency's key for the purpose: the signer
// through its service interface.
type Documents interface {
	SignReport(ctx context.Context, pdf []byte, purpose string) ([]byte, error)
}

// Deps is what the service needs.
type Deps struct {
	DB         *store.DB
	Ledger     ledger.Appender
	Clock      clock.Clock
	Directory  AgencyFinder
	Authorizer auth.Authorizer
	// Rules may be nil: then only the sensors' own alerts count.
	Rules Matcher
	// Profile names the clocks; empty is clocks.Default.
	Profile string
	Logger  *slog.Logger
}

// Service keeps the events, alerts and cases.
type Service struct {
	db      *store.DB
	ledger  ledger.Appender
	clock   clock.Clock
	authz   auth.Authorizer
	rules   Matcher
	profile *clocks.Profile
	classes *classes
	agency  *agencyCache
	log     *slog.Logger
	hub     *Hub
}

// New returns a service over a database that carries Schema.
func New(d Deps) (*Service, error) {
	switch {
	case d.DB == nil, d.Ledger == nil, d.Clock == nil, d.Directory == nil, d.Authorizer == nil, d.Logger == nil:
		return nil, fmt.Errorf("%w: the service needs a database, ledger, clock, directory, authorizer and logger", ErrInvalid)
	}
	if d.Profile == "" {
		d.Profile = clocks.Default
	}
	profile, err := clocks.Load(d.Profile)
	if err != nil {
		return nil, err
	}
	table, err := loadClasses()
	if err != nil {
		return nil, err
	}
	return &Service{
		db: d.DB, ledger: d.Ledger, clock: d.Clock, authz: d.Authorizer, rules: d.Rules, profile: profile,
		classes: table, agency: newAgencyCache(d.Directory, d.Clock), log: d.Logger, hub: newHub(),
	}, nil
}

// now is the time as both databases keep it: microseconds, UTC.
func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Microsecond) }
