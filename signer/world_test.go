package signer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"os"
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
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/tsp"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

// The people of the tests.
var (
	binh = auth.Subject{AccountID: "binh.nv", PersonID: "p-binh", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
	lan  = auth.Subject{AccountID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}}
	hoa  = auth.Subject{AccountID: "hoa.lt", PersonID: "p-hoa", AgencyID: "ubnd", Roles: []string{auth.RoleClerk}}
	// own is the platform itself, which the roles below let sign as an official.
	own  = auth.Subject{AccountID: "system:reports", AgencyID: "ubnd", Roles: []string{auth.RolePlatform, auth.RoleOfficial}}
	dung = auth.Subject{AccountID: "dung.ht", PersonID: "p-dung", AgencyID: "ttgsattt", Roles: []string{auth.RoleAnalyst}}
)

func schema() []store.Migration {
	return slices.Concat(directory.Schema, auth.Schema, hsm.Schema, Schema)
}

// world is the service among its real neighbours: a token, an authority
// behind HTTP, a database and a ledger.
type world struct {
	*Service
	pki    *trusttest.PKI
	token  hsmtest.Token
	db     *store.DB
	ledger *ledger.Log
	weak   *weakLedger
	dir    string // of documents
	out    string // of results
}

func newWorld(t testing.TB, db *store.DB, change ...func(*Deps)) *world {
	t.Helper()
	w := &world{pki: trusttest.New(t, time.Time{}), token: hsmtest.NewToken(t), db: db, dir: filepath.Join(t.TempDir(), "documents"), out: t.TempDir()}
	key, err := w.token.Client.Generate(t.Context(), "ledger", "EC-P256")
	if err != nil {
		t.Fatalf("ledger key %T: %v", key, err)
	}
	private, err := w.token.Client.Signer(t.Context(), "ledger")
	if err != nil {
		t.Fatalf("open ledger key: %v", err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.ledger, err = ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(t.TempDir(), "ledger"), Origin: "antin.test/ledger", Signer: private, Clock: w.pki.Clock, Logger: quiet})
	if err != nil {
		t.Fatalf("open ledger: %v", err)
	}
	t.Cleanup(func() {
		err := w.ledger.Close()
		if err != nil {
			t.Errorf("close ledger: %v", err)
		}
	})
	w.weak = &weakLedger{Appender: w.ledger}
	stamps, err := tsp.NewServers(w.pki.Clock, slog.New(slog.DiscardHandler), &tsp.Client{URL: w.pki.TSAURL()})
	if err != nil {
		t.Fatal(err)
	}
	trusted := w.pki.Store(t)
	d := Deps{
		DB: db, Keys: keyring{&hsm.Register{DB: db, Keys: w.token.Client, Clock: w.pki.Clock}, w.token.Client}, Ledger: w.weak, Clock: w.pki.Clock,
		Authorizer: roles{}, Anchors: func(context.Context) (*trust.Store, error) { return trusted, nil }, Collector: w.pki.Collector(),
		Timestamp: func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
			return stamps.Timestamp(ctx, h, digest)
		},
		Documents: w.dir, SecondOpinionMax: 16 << 20, MaxUpload: 2 << 20, Logger: quiet,
	}
	for _, c := range change {
		c(&d)
	}
	w.Service, err = New(d)
	if err != nil {
		t.Fatalf("service: %v", err)
	}
	return w
}

// key makes a key in the token and a certificate for it; person is empty for
// the agency's seal.
func (w *world) key(t testing.TB, name, algorithm, person string) *x509.Certificate {
	t.Helper()
	public, err := w.token.Client.Generate(t.Context(), name, algorithm)
	if err != nil {
		t.Fatalf("make key %s: %v", name, err)
	}
	holder := "Nguyễn Văn Bình"
	if person == "" {
		holder = "Ủy ban nhân dân tỉnh"
	}
	chain := w.pki.Issue(t, holder, public)
	w.bind(t, name, algorithm, person, chain)
	return chain[0]
}

func (w *world) bind(t testing.TB, name, algorithm, person string, chain []*x509.Certificate) {
	t.Helper()
	var text strings.Builder
	for _, c := range chain {
		err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if err != nil {
			t.Fatal(err)
		}
	}
	register := &hsm.Register{DB: w.db, Clock: w.pki.Clock}
	err := register.Bind(t.Context(), hsm.Entry{Name: name, Label: name, Algorithm: algorithm, Chain: text.String(), PersonID: person, AgencyID: "ubnd"})
	if err != nil {
		t.Fatalf("bind key %s: %v", name, err)
	}
}

// sign signs the directive of the tests and returns the path of the result.
func (w *world) sign(t testing.TB, who auth.Subject, q Request) (*Act, string, error) {
	t.Helper()
	if q.In == nil {
		pdf := directive(t)
		q.In, q.Size, q.Name = bytes.NewReader(pdf), int64(len(pdf)), "chi-thi.pdf"
	}
	if q.Factor == "" {
		q.Factor = FactorTOTP
	}
	f, err := os.MkdirTemp(w.out, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(f, "signed.pdf")
	act, err := w.Sign(auth.WithSubject(t.Context(), who), q, path)
	return act, path, err
}

// kinds lists the ledger's entries as "kind object".
func (w *world) kinds(t testing.TB) []string {
	t.Helper()
	n, err := w.ledger.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range n {
		e, err := w.ledger.Entry(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e.Kind+" "+e.Object)
	}
	return list
}

func (w *world) acts(t testing.TB) []Act {
	t.Helper()
	var acts []Act
	err := w.db.NewSelect().Model(&acts).OrderExpr("begun_at, id").Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return acts
}

// leftovers are the half-made files below a folder.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func directive(t testing.TB) []byte {
	t.Helper()
	return read(t, testkit.Data(t, "pdf/real/chi-thi-libreoffice.pdf"))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keyring shows the real key register and the real token to the service.
type keyring struct {
	register *hsm.Register
	client   *hsm.Client
}

func (k keyring) Key(ctx context.Context, name string) (*Key, error) {
	e, err := k.register.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return ringKey(e)
}

func (k keyring) List(ctx context.Context) ([]Key, error) {
	entries, err := k.register.List(ctx)
	if err != nil {
		return nil, err
	}
	var keys []Key
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

func ringKey(e hsm.Entry) (*Key, error) {
	key := &Key{Name: e.Name, Label: e.Label, PersonID: e.PersonID, AgencyID: e.AgencyID}
	if e.Chain == "" {
		return key, nil
	}
	var err error
	key.Chain, err = e.Certificates()
	return key, err
}

// roles is the part of the policy that signing asks: officials sign, clerks
// seal, both for their own agency.
type roles struct{}

func (roles) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	need := map[string]string{"sign.document": auth.RoleOfficial, "sign.seal": auth.RoleClerk, "sign.extend": auth.RoleOfficial, "sign.levels.declare": auth.RoleLeader}[action]
	if need == "" || !s.Has(need) {
		return &auth.DeniedError{Action: action, Code: "role"}
	}
	if s.AgencyID != r.AgencyID {
		return &auth.DeniedError{Action: action, Code: "agency"}
	}
	return nil
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

func sqlite(t testing.TB) *store.DB { t.Helper(); return storetest.SQLite(t, schema()...) }

func trusttestKey(t testing.TB) crypto.PublicKey { t.Helper(); return trusttest.ECKey(t).Public() }
