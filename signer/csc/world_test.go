package csc_test

import (
	"context"
	"crypto"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/csc"
	"github.com/antin-gov/antin/signer/csc/client"
	"github.com/antin-gov/antin/signer/tsp"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

const password = "đúng mật khẩu"

// The people of the tests: two officials, and a clerk, who does not sign.
var (
	binh = auth.Subject{AccountID: "binh.nv", PersonID: "p-binh", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
	lan  = auth.Subject{AccountID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
	hoa  = auth.Subject{AccountID: "hoa.lt", PersonID: "p-hoa", AgencyID: "ubnd", Roles: []string{auth.RoleClerk}}
)

func schema() []store.Migration {
	return slices.Concat(directory.Schema, auth.Schema, auth.TokenSchema(), hsm.Schema, signer.Schema, csc.Schema())
}

// world is the service among its real neighbours.
type world struct {
	pki      *trusttest.PKI
	token    hsmtest.Token
	db       *store.DB
	ledger   *ledger.Log
	weak     *weakLedger
	accounts *auth.Accounts
	sessions *auth.Sessions
	passkeys *auth.Passkeys
	tokens   *auth.Tokens
	signer   *signer.Service
	server   *csc.Server
	url      string
	secrets  map[string]string // access tokens by account
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	w := &world{pki: trusttest.New(t, time.Time{}), token: hsmtest.NewToken(t), db: db, secrets: map[string]string{}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.token.Client.Generate(t.Context(), "ledger", "EC-P256")
	must(err)
	private, err := w.token.Client.Signer(t.Context(), "ledger")
	must(err)
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.ledger, err = ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(t.TempDir(), "ledger"), Origin: "antin.test/ledger", Signer: private, Clock: w.pki.Clock, Logger: quiet})
	must(err)
	t.Cleanup(func() { _ = w.ledger.Close() })
	w.weak = &weakLedger{Appender: w.ledger}
	trusted := w.pki.Store(t)
	stamps := &tsp.Client{URL: w.pki.TSAURL()}
	w.signer, err = signer.New(signer.Deps{
		DB: db, Keys: keyring{&hsm.Register{DB: db, Keys: w.token.Client, Clock: w.pki.Clock}, w.token.Client}, Ledger: w.weak, Clock: w.pki.Clock,
		Authorizer: roles{}, Anchors: func(context.Context) (*trust.Store, error) { return trusted, nil }, Collector: w.pki.Collector(),
		Timestamp: stamps.Timestamp, Documents: filepath.Join(t.TempDir(), "documents"), SecondOpinionMax: 16 << 20, MaxUpload: 2 << 20, Logger: quiet,
	})
	must(err)
	w.accounts, err = auth.OpenAccounts(db, w.pki.Clock, t.TempDir())
	must(err)
	w.sessions = auth.NewSessions(db, w.pki.Clock)
	w.passkeys, err = auth.NewPasskeys(db, w.accounts, "localhost", []string{"https://localhost"})
	must(err)
	w.tokens = &auth.Tokens{DB: db, Accounts: w.accounts, Ledger: w.weak, Clock: w.pki.Clock, Authorizer: roles{}}
	for _, s := range []auth.Subject{binh, lan, hoa} {
		_, err = w.accounts.Create(t.Context(), auth.NewAccount{ID: s.AccountID, PersonID: s.PersonID, AgencyID: s.AgencyID, Roles: s.Roles, Password: password, Demo: true})
		must(err)
		_, w.secrets[s.AccountID], err = w.tokens.Create(auth.WithSubject(t.Context(), s), auth.NewToken{AccountID: s.AccountID, Name: "test", Scopes: []string{csc.Scope}, Life: 30 * 24 * time.Hour})
		must(err)
	}
	w.key(t, "binh-ec", "EC-P256", "p-binh")
	w.key(t, "binh-rsa", "RSA-2048", "p-binh")
	w.key(t, "lan-ec", "EC-P256", "p-lan")
	w.key(t, "hoa-ec", "EC-P256", "p-hoa")
	w.key(t, "ubnd-seal", "EC-P256", "")
	w.start(t, map[string][]string{"soan-thao": {redirect}})
	return w
}

// start starts the service, over the same database as the one before.
func (w *world) start(t testing.TB, clients map[string][]string) {
	t.Helper()
	stamps := &tsp.Client{URL: w.pki.TSAURL()}
	var err error
	w.server, err = csc.New(csc.Deps{
		DB: w.db, Signer: w.signer, Accounts: w.accounts, Passkeys: w.passkeys, Tokens: w.tokens, Ledger: w.weak, Clock: w.pki.Clock, Authorizer: roles{},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Timestamp: func(ctx context.Context, h crypto.Hash, digest []byte, nonce *big.Int) ([]byte, error) {
			c := *stamps
			c.Nonce = nonce
			return c.Timestamp(ctx, h, digest)
		},
		Config: csc.Config{URL: "https://localhost:8443", MaxSignatures: 100, MaxLive: 5, Life: 5 * time.Minute, Clients: clients},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(w.server)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { _ = w.server.Close() })
	w.url = srv.URL + csc.Path
}

const redirect = "https://soan-thao.example/callback"

func (w *world) key(t testing.TB, name, algorithm, person string) {
	t.Helper()
	public, err := w.token.Client.Generate(t.Context(), name, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, c := range w.pki.Issue(t, "Nguyễn Văn "+name, public) {
		err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if err != nil {
			t.Fatal(err)
		}
	}
	register := &hsm.Register{DB: w.db, Clock: w.pki.Clock}
	err = register.Bind(t.Context(), hsm.Entry{Name: name, Label: name, Algorithm: algorithm, Chain: text.String(), PersonID: person, AgencyID: "ubnd"})
	if err != nil {
		t.Fatal(err)
	}
}

// as is a client of a version for an account.
func (w *world) as(account, version string) *client.Client {
	return &client.Client{Base: w.url + "/" + version, Token: w.secrets[account], HTTP: http.DefaultClient}
}

// code is a code that was not used yet.
func (w *world) code(t testing.TB, account string) string {
	t.Helper()
	w.pki.Clock.Advance(90 * time.Second)
	code, err := w.accounts.DemoCode(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// signatures counts the acts of signing that were released, and the uses of
// keys that were begun.
func (w *world) signatures(t testing.TB) (begun, released int) {
	t.Helper()
	var acts []signer.Act
	err := w.db.NewSelect().Model(&acts).Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range acts {
		if a.State == signer.StateReleased {
			released++
		}
	}
	return len(acts), released
}

// kinds counts the ledger's entries of a kind.
func (w *world) kinds(t testing.TB, kind string) int {
	t.Helper()
	n, err := w.ledger.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for i := range n {
		e, err := w.ledger.Entry(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == kind {
			count++
		}
	}
	return count
}

// refused says what a call was refused with.
func refused(t testing.TB, c *client.Client, method string, in any) *client.Error {
	t.Helper()
	var out json.RawMessage
	status, err := c.Call(t.Context(), method, in, &out)
	var refusal *client.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%s: want a refusal, got HTTP %d, %v, %s", method, status, err, out)
	}
	return refusal
}

type keyring struct {
	register *hsm.Register
	client   *hsm.Client
}

func (k keyring) Key(ctx context.Context, name string) (*signer.Key, error) {
	e, err := k.register.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return ringKey(e)
}

func (k keyring) List(ctx context.Context) ([]signer.Key, error) {
	entries, err := k.register.List(ctx)
	if err != nil {
		return nil, err
	}
	var keys []signer.Key
	for _, e := range entries {
		key, err := ringKey(e)
		if err != nil {
			return nil, err
		}
		keys = append(keys, *key)
	}
	return keys, nil
}

func (k keyring) Signer(ctx context.Context, label string) (crypto.Signer, error) {
	return k.client.Signer(ctx, label)
}

func ringKey(e hsm.Entry) (*signer.Key, error) {
	key := &signer.Key{Name: e.Name, Label: e.Label, PersonID: e.PersonID, AgencyID: e.AgencyID}
	if e.Chain == "" {
		return key, nil
	}
	var err error
	key.Chain, err = e.Certificates()
	return key, err
}

// roles is the part of the policy that is asked here.
type roles struct{}

func (roles) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	own := strings.HasPrefix(action, "account.token.") && r.AssignedTo == s.AccountID && s.AccountID != ""
	sign := (action == "sign.document" || action == csc.ActionRemote) && s.Has(auth.RoleOfficial) && s.AgencyID == r.AgencyID
	if own || sign {
		return nil
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

var errFull = errors.New("no space left on device")

// weakLedger is the real ledger that can be made to fail at a kind of entry.
type weakLedger struct {
	ledger.Appender
	mu   sync.Mutex
	fail string // guarded by mu
}

func (l *weakLedger) failAt(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = kind
}

func (l *weakLedger) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	l.mu.Lock()
	fail := l.fail == e.Kind
	l.mu.Unlock()
	if fail {
		return ledger.Receipt{}, errFull
	}
	return l.Appender.Append(ctx, e)
}
