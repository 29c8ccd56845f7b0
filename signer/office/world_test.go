package office_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/internal/workdays"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/office"
	"github.com/antin-gov/antin/signer/tsp"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

// agencies is how many agencies the tests have; each has a head, a deputy, a
// clerk and a drafter.
const agencies = 5

func agency(i int) string { return fmt.Sprintf("so%d", i) }

func person(role string, i int) string { return fmt.Sprintf("p-%s%d", role, i) }

func subject(role string, i int) auth.Subject {
	roles := map[string][]string{
		"head": {auth.RoleOfficial, auth.RoleLeader}, "deputy": {auth.RoleOfficial}, "drafter": {auth.RoleOfficial}, "clerk": {auth.RoleClerk},
	}[role]
	return auth.Subject{AccountID: fmt.Sprintf("%s%d", role, i), PersonID: person(role, i), AgencyID: agency(i), Roles: roles}
}

// local is who holds the server's own files.
func local() auth.Subject {
	return auth.Subject{AccountID: "local:0", Roles: []string{auth.RoleAdmin}}
}

// world is the office among its real neighbours: the signing service with a
// token, an authority behind HTTP, a database and a ledger.
type world struct {
	*office.Service
	signer *signer.Service
	deps   office.Deps
	pki    *trusttest.PKI
	token  hsmtest.Token
	db     *store.DB
	ledger *ledger.Log
}

func schema() []store.Migration {
	return slices.Concat(directory.Schema, auth.Schema, hsm.Schema, signer.Schema, office.Schema())
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	w := &world{pki: trusttest.New(t, time.Time{}), token: hsmtest.NewToken(t), db: db}
	w.directory(t)
	_, err := w.token.Client.Generate(t.Context(), "ledger", "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	private, err := w.token.Client.Signer(t.Context(), "ledger")
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.ledger, err = ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(t.TempDir(), "ledger"), Origin: "antin.test/ledger", Signer: private, Clock: w.pki.Clock, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ledger.Close() })
	stamps, trusted := &tsp.Client{URL: w.pki.TSAURL()}, w.pki.Store(t)
	keys := keyring{&hsm.Register{DB: db, Keys: w.token.Client, Clock: w.pki.Clock}, w.token.Client}
	w.signer, err = signer.New(signer.Deps{
		DB: db, Keys: keys, Ledger: w.ledger, Clock: w.pki.Clock, Authorizer: roles{},
		Anchors: func(context.Context) (*trust.Store, error) { return trusted, nil }, Collector: w.pki.Collector(),
		Timestamp: func(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
			return stamps.Timestamp(ctx, h, digest)
		},
		Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	calendar, err := workdays.Load("")
	if err != nil {
		t.Fatal(err)
	}
	w.deps = office.Deps{
		DB: db, Signer: w.signer, Keys: keys, Directory: directory.New(db), Ledger: w.ledger, Clock: w.pki.Clock, Calendar: calendar, Authorizer: roles{},
		Dir: filepath.Join(t.TempDir(), "office"), MaxSize: 2 << 20, Logger: quiet,
	}
	w.Service, err = office.New(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) directory(t testing.TB) {
	t.Helper()
	f := &directory.File{}
	from := w.pki.Clock.Now().Add(-time.Hour)
	for i := range agencies {
		f.Agencies = append(f.Agencies, directory.Agency{ID: agency(i), Code: fmt.Sprintf("H99.%d", i+1), Name: fmt.Sprintf("Sở Số %d", i), Abbreviation: fmt.Sprintf("S%d", i), Kind: directory.KindDepartment, ValidFrom: from})
		for _, role := range []string{"head", "deputy", "clerk", "drafter"} {
			f.People = append(f.People, directory.Person{ID: person(role, i), Name: "Nguyễn Văn " + strings.ToUpper(role[:1]) + fmt.Sprint(i)})
			f.Positions = append(f.Positions, directory.Position{ID: "pos-" + person(role, i), PersonID: person(role, i), AgencyID: agency(i), Title: role, ValidFrom: from})
		}
	}
	err := directory.Load(t.Context(), w.db, f)
	if err != nil {
		t.Fatal(err)
	}
}

// equip gives an agency a seal, its head and deputy keys, and both their
// entries in the register.
func (w *world) equip(t testing.TB, i int) {
	t.Helper()
	w.key(t, "seal-"+agency(i), fmt.Sprintf("Sở Số %d", i), "", agency(i))
	for _, role := range []string{"head", "deputy"} {
		w.key(t, person(role, i), "Nguyễn Văn "+role, person(role, i), agency(i))
	}
	w.delegate(t, office.Delegation{AgencyID: agency(i), Form: office.FormHead, PersonID: person("head", i), Decision: "01/QD-UBND"})
	w.delegate(t, office.Delegation{AgencyID: agency(i), Form: office.FormKT, PersonID: person("deputy", i), GrantorID: person("head", i), Decision: "02/QD"})
}

func (w *world) delegate(t testing.TB, d office.Delegation) *office.Delegation {
	t.Helper()
	got, err := w.Delegate(as(t, local()), d)
	if err != nil {
		t.Fatalf("delegate %+v: %v", d, err)
	}
	return got
}

func (w *world) key(t testing.TB, name, holder, personID, agencyID string) {
	t.Helper()
	public, err := w.token.Client.Generate(t.Context(), name, "EC-P256")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, c := range w.pki.Issue(t, holder, public) {
		err = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if err != nil {
			t.Fatal(err)
		}
	}
	register := &hsm.Register{DB: w.db, Clock: w.pki.Clock}
	err = register.Bind(t.Context(), hsm.Entry{Name: name, Label: name, Algorithm: "EC-P256", Chain: text.String(), PersonID: personID, AgencyID: agencyID})
	if err != nil {
		t.Fatal(err)
	}
}

func directive(i int) paper.Directive {
	return paper.Directive{
		Agency: fmt.Sprintf("SỞ SỐ %d", i), Symbol: fmt.Sprintf("CT-S%d", i), Place: "Hải Phòng", Date: time.Date(2026, 11, 3, 0, 0, 0, 0, time.UTC), Undated: true,
		Abstract: "Về việc ký số", Text: "Thủ trưởng các đơn vị tổ chức thực hiện.", Signer: paper.Signer{Title: "GIÁM ĐỐC", Name: "Nguyễn Văn H"}, Recipients: []string{"Lưu: VT"},
	}
}

// draft is a document as an office writes it.
func draft(t testing.TB, i int) []byte { t.Helper(); return draftFor(t, i, office.FormHead) }

func draftFor(t testing.TB, i int, form office.Form) []byte {
	t.Helper()
	d := directive(i)
	if form != office.FormHead {
		d.Signer.Authority = []string{string(form) + ". GIÁM ĐỐC"}
	}
	p, err := d.Document().Render()
	if err != nil {
		t.Fatal(err)
	}
	return p.PDF
}

// submit brings a draft of the agency for its head, with changes.
func (w *world) submit(t testing.TB, i int, change ...func(*office.Draft)) (*office.Document, error) {
	t.Helper()
	d := office.Draft{File: office.File{Name: "chi-thi.pdf"}, Kind: "CT", SignerID: person("head", i), Form: office.FormHead}
	for _, c := range change {
		c(&d)
	}
	if d.Content == nil {
		d.Content = bytes.NewReader(draftFor(t, i, d.Form))
	}
	return w.Submit(as(t, subject("drafter", i)), d)
}

func as(t testing.TB, s auth.Subject) context.Context {
	t.Helper()
	return auth.WithSubject(t.Context(), s)
}

// use is a quick signature: no validation data is fetched.
func use() office.Use { return office.Use{Level: "B-B", Factor: signer.FactorTOTP} }

// kinds lists the ledger's entries about the document as "kind".
func (w *world) kinds(t testing.TB, id string) []string {
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
		if e.Object == id {
			list = append(list, e.Kind)
		}
	}
	return list
}

// roles is the part of the policy that the office asks; the rules themselves
// are tested where they stand.
type roles struct{}

func (roles) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	need := map[string]string{
		"sign.document": auth.RoleOfficial, "sign.seal": auth.RoleClerk, "office.draft": auth.RoleOfficial, "office.sign": auth.RoleOfficial,
		"office.number": auth.RoleClerk, "office.seal": auth.RoleClerk, "office.issue": auth.RoleClerk, "office.extend": auth.RoleClerk,
	}[action]
	deny := func(code string) error { return &auth.DeniedError{Action: action, Code: code} }
	switch {
	case s.AccountID == "":
		return deny("default")
	case s.Has(auth.RoleAdmin):
		return nil
	case need != "" && !s.Has(need):
		return deny("role")
	case action == "office.sign" && r.AssignedPerson != s.PersonID:
		return deny("person")
	case (action == "office.number" || action == "office.seal") && (r.CreatedBy == "" || r.CreatedBy == s.AccountID):
		return deny("same-person")
	case r.AgencyID != s.AgencyID:
		return deny("agency")
	}
	return nil
}

// keyring shows the real key register and the real token to the services.
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
	var err error
	key.Chain, err = e.Certificates()
	return key, err
}
