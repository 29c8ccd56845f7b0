package ca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// TestMain lets more tests run at a time than there are cores: they mostly wait
// for disks, tokens and databases.
func TestMain(m *testing.M) {
	hsmtest.RunIfWorker()
	flag.Parse()
	err := flag.Set("test.parallel", "6")
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func schema() []store.Migration { return append(slices.Clone(directory.Schema), ca.Schema()...) }

// roles is a policy by role, as small as the tests need.
type roles struct{}

func (roles) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	allowed := map[string][]string{
		ra.ActionCreate: {auth.RoleRegistrar}, ra.ActionConfirm: {auth.RoleRegistrar}, ra.ActionConfirmTop: {auth.RoleCAOfficer}, ra.ActionApprove: {auth.RoleCAOfficer}, ra.ActionReject: {auth.RoleCAOfficer}, ra.ActionReturn: {auth.RoleCAOfficer}, ra.ActionHandOver: {auth.RoleCAOfficer},
		ra.ActionIssue: {auth.RoleCAOfficer}, ra.ActionRead: {auth.RoleCAOfficer}, ca.ActionRevoke: {auth.RoleCAOfficer}, ca.ActionHold: {auth.RoleCAOfficer}, ca.ActionRelease: {auth.RoleCAOfficer},
		ca.ActionRead: {auth.RoleCAOfficer}, ca.ActionStatus: {auth.RoleCAOfficer}, ca.ActionAudit: {auth.RoleCAOfficer}, ca.ActionIssueService: {auth.RoleAdmin},
		ca.ActionManageAuthorities: {auth.RoleAdmin}, ca.ActionReadAuthorities: {auth.RoleAdmin},
	}
	if action == ra.ActionConfirm && s.AgencyID != r.AgencyID {
		return &auth.DeniedError{Action: action, Code: "agency"}
	}
	owner := r.CreatedBy != "" && r.CreatedBy == s.AccountID && (action == ra.ActionResubmit || action == ra.ActionWithdraw || action == ra.ActionAttach)
	if owner || action == ra.ActionCreateOwn || slices.ContainsFunc(allowed[action], s.Has) {
		return nil
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

var (
	minh = auth.Subject{AccountID: "minh.pq", PersonID: "p-minh", AgencyID: "ttcds", Roles: []string{auth.RoleRegistrar, auth.RoleCAOfficer}}
	thu  = auth.Subject{AccountID: "thu.vt", PersonID: "p-thu", AgencyID: "ttcds", Roles: []string{auth.RoleCAOfficer}}
	lan  = auth.Subject{AccountID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
)

// systemClock is the machine's clock: openssl reads it too.
var systemClock = clock.System{}

func as(t testing.TB, s auth.Subject) context.Context { return auth.WithSubject(t.Context(), s) }

// gate is the real ledger with a door that a test can shut.
type gate struct {
	*ledger.Log
	mu   sync.Mutex
	shut func(ledger.Entry) bool
}

var errShut = errors.New("shut by the test")

func (g *gate) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil && shut(e) {
		return ledger.Receipt{}, errShut
	}
	return g.Log.Append(ctx, e)
}

func (g *gate) close(shut func(ledger.Entry) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
}

// world is an authority on a real token, database and ledger, behind a real
// listener.
type world struct {
	keys    *hsm.Client
	ledger  *gate
	deps    ca.Deps
	service *ca.Service
	url     string
	dir     string // exported certificates
	serveBy func(*ca.Service)
	// home is a data folder with the ledger, whose key is ledgerKey.
	home      string
	ledgerKey crypto.Signer
}

func newWorld(t testing.TB, db *store.DB, now clock.Clock) *world {
	t.Helper()
	w := &world{keys: hsmtest.New(t), dir: t.TempDir()}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.url = server.URL
	// The ledger's key is not in the token here: the token ends with the test's
	// context, before the ledger's last checkpoint.
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	w.home, w.ledgerKey = t.TempDir(), signer
	log, err := ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(w.home, "ledger"), Origin: "antin.test/ledger", Signer: signer,
		Logger: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	w.ledger = &gate{Log: log}
	demo, err := directory.Demo()
	check(t, err)
	check(t, directory.Load(t.Context(), db, demo))
	w.deps = ca.Deps{DB: db, Keys: w.keys, Ledger: w.ledger, Clock: now, Directory: directory.New(db), Authorizer: roles{},
		Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})), History: w.ledger,
		Config: ca.Config{BaseURL: server.URL}}
	check(t, ca.Init(t.Context(), w.deps, w.deps.Config))
	w.service, err = ca.New(t.Context(), w.deps)
	check(t, err)
	handler = w.service.Handler()
	w.serveBy = func(s *ca.Service) { handler = s.Handler() }
	for name, text := range w.service.Export() {
		check(t, os.WriteFile(filepath.Join(w.dir, name), text, 0o600))
	}
	return w
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) { w.t.Logf("%s", p); return len(p), nil }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// official makes a key, and has it certified for the chairman by two persons.
func (w *world) official(t testing.TB, label, algorithm string) *ca.Certificate {
	t.Helper()
	_, err := w.keys.Generate(t.Context(), label, algorithm)
	check(t, err)
	r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-binh", KeyLabel: label})
	check(t, err)
	_, err = w.service.Approve(as(t, thu), r.ID, "")
	check(t, err)
	c, err := w.service.Issue(as(t, thu), r.ID)
	check(t, err)
	return c
}

// file writes the certificate as PEM and returns its path.
func (w *world) file(t testing.TB, c *ca.Certificate) string {
	t.Helper()
	path := filepath.Join(w.dir, "leaf-"+c.Serial+".crt")
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER}), 0o600))
	return path
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func openssl(t testing.TB, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "openssl", args...).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("openssl is not installed")
	}
	return string(out), err
}

// csr is a request by a key outside the token, as PEM.
func csr(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	check(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// each runs body over both databases, each with a fresh world on the machine's
// clock.
func each(t *testing.T, body func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) { body(t, newWorld(t, db, clock.System{})) })
}

func sqlite(t testing.TB, now clock.Clock) *world {
	t.Helper()
	return newWorld(t, storetest.SQLite(t, schema()...), now)
}

func (w *world) count(t testing.TB, table, where string, args ...any) int {
	t.Helper()
	n, err := w.deps.DB.NewSelect().TableExpr(table).Where(where, args...).Count(t.Context())
	check(t, err)
	return int(n)
}

func (w *world) size(t testing.TB) uint64 {
	t.Helper()
	n, err := w.ledger.Size(t.Context())
	check(t, err)
	return n
}
