// Package catest gives tests of enrolment a real authority: a SoftHSM token
// behind a key worker, a database, a ledger and the demonstration's directory.
package catest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/seal"
	"github.com/antin-gov/antin/internal/store"
)

// Officers and others of the demonstration.
var (
	Minh = auth.Subject{AccountID: "minh.pq", PersonID: "p-minh", AgencyID: "ttcds", Roles: []string{auth.RoleRegistrar, auth.RoleCAOfficer}}
	Thu  = auth.Subject{AccountID: "thu.vt", PersonID: "p-thu", AgencyID: "ttcds", Roles: []string{auth.RoleCAOfficer}}
	Lan  = auth.Subject{AccountID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
)

// Roles is a policy by role, as small as the tests need; the policy that is
// shipped is tested in its own room.
type Roles struct {
	// OneOfficer lets who makes a credential approve it.
	OneOfficer atomic.Bool
}

// Authorize implements auth.Authorizer.
func (p *Roles) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	own := s.Has(auth.RoleEnrolment) && r.AgencyID != "" && r.AgencyID == s.AgencyID
	officer := s.Has(auth.RoleCAOfficer)
	var ok bool
	switch action {
	case ca.ActionIssueService, ra.ActionCreate, ca.ActionRevoke, ra.ActionRead:
		ok = own || officer
	case enrol.ActionApprove, ra.ActionApprove:
		ok = officer && (s.AccountID != r.CreatedBy || p.OneOfficer.Load())
	case ca.ActionRead:
		ok = s.AccountID != ""
	default:
		ok = officer
	}
	if !ok {
		return &auth.DeniedError{Action: action, Code: "role"}
	}
	return nil
}

// Gate is the real ledger with a door that a test can shut.
type Gate struct {
	*ledger.Log
	// Shut holds a func(ledger.Entry) bool that says what is refused.
	Shut atomic.Value
}

// Append refuses what Shut says, and else appends.
func (g *Gate) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	shut, ok := g.Shut.Load().(func(ledger.Entry) bool)
	if ok && shut(e) {
		return ledger.Receipt{}, context.DeadlineExceeded
	}
	return g.Log.Append(ctx, e)
}

// World is an authority with what stands around it.
type World struct {
	DB      *store.DB
	Clock   clock.Clock
	Ledger  *Gate
	Roles   *Roles
	Seal    *seal.Key
	Logger  *slog.Logger
	Service *ca.Service
	Desk    *enrol.Desk
}

// Schema is the schema that a World needs, with what the test adds.
func Schema(more ...store.Migration) []store.Migration {
	return slices.Concat(directory.Schema, ca.Schema(), enrol.Schema(), more)
}

// New makes a World on the database, whose schema must be Schema.
func New(t testing.TB, db *store.DB, now clock.Clock) *World {
	t.Helper()
	w := &World{DB: db, Clock: now, Roles: new(Roles), Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Check(t, err)
	log, err := ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(t.TempDir(), "ledger"), Origin: "antin.test/ledger", Signer: signer,
		Logger: slog.New(slog.DiscardHandler)})
	Check(t, err)
	t.Cleanup(func() { Check(t, log.Close()) })
	w.Ledger = &Gate{Log: log}
	demo, err := directory.Demo()
	Check(t, err)
	Check(t, directory.Load(t.Context(), db, demo))
	deps := ca.Deps{DB: db, Keys: hsmtest.New(t), Ledger: w.Ledger, Clock: now, Directory: directory.New(db), Authorizer: w.Roles, Logger: w.Logger,
		Config: ca.Config{BaseURL: server.URL}}
	Check(t, ca.Init(t.Context(), deps, deps.Config))
	w.Service, err = ca.New(t.Context(), deps)
	Check(t, err)
	handler = w.Service.Handler()
	w.Seal, err = seal.Open(filepath.Join(t.TempDir(), "secrets.key"))
	Check(t, err)
	var names []string
	for _, p := range w.Service.MachineProfiles() {
		names = append(names, p.Name)
	}
	w.Desk, err = enrol.New(enrol.Config{DB: db, Ledger: w.Ledger, Clock: now, Directory: directory.New(db), Authorizer: w.Roles, Seal: w.Seal, Profiles: names})
	Check(t, err)
	return w
}

// As is a context in which the subject acts.
func As(t testing.TB, s auth.Subject) context.Context { return auth.WithSubject(t.Context(), s) }

// Credential makes a credential by one officer and has it approved by another.
func (w *World) Credential(t testing.TB, f enrol.Form) (*enrol.Credential, string) {
	t.Helper()
	c, secret, err := w.Desk.Create(As(t, Minh), f)
	Check(t, err)
	c, err = w.Desk.Approve(As(t, Thu), f.Kind, c.ID)
	Check(t, err)
	return c, secret
}

// Entries counts the ledger's entries of a kind.
func (w *World) Entries(t testing.TB, kind string) int {
	t.Helper()
	size, err := w.Ledger.Size(t.Context())
	Check(t, err)
	n := 0
	for i := range size {
		e, err := w.Ledger.Entry(t.Context(), i)
		Check(t, err)
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// Root is the trust anchor as a pool.
func (w *World) Root() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(w.Service.Root())
	return pool
}

// Check ends the test on an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
