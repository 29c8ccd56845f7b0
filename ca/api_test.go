package ca_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/api"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// program calls the REST interface.
type program struct {
	t      *testing.T
	url    string
	client *http.Client
	token  string
	lang   string
}

func (p program) call(method, path string, in, out any) int {
	p.t.Helper()
	var body io.Reader
	kind := "application/json"
	switch v := in.(type) {
	case nil:
	case []byte:
		body, kind = bytes.NewReader(v), "application/octet-stream"
	default:
		b, err := json.Marshal(v)
		check(p.t, err)
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+api.Path+path, body)
	check(p.t, err)
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept-Language", p.lang)
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	res, err := p.client.Do(req)
	check(p.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	check(p.t, err)
	if out != nil {
		err = json.Unmarshal(b, out)
		if err != nil {
			p.t.Fatalf("%s %s: %s: %v: %.300s", method, path, res.Status, err, b)
		}
	}
	return res.StatusCode
}

// problem is what a refusal looks like.
type problem struct {
	Title, Code, Detail string
	Status              int
	TitleVI             string `json:"title_vi"`
}

// allow lets everybody see to the credentials of their own account.
type allow struct{ roles }

func (a allow) Authorize(ctx context.Context, s auth.Subject, action string, r auth.Resource) error {
	if strings.HasPrefix(action, "account.token.") && r.AssignedTo == s.AccountID {
		return nil
	}
	return a.roles.Authorize(ctx, s, action, r)
}

// programs serves the interface; the result makes a credential for an account.
func programs(t *testing.T, w *world, db *store.DB, now clock.Clock) (tokens *auth.Tokens, of func(s auth.Subject, scopes ...string) program) {
	t.Helper()
	accounts, err := auth.OpenAccounts(db, now, t.TempDir())
	check(t, err)
	tokens = &auth.Tokens{DB: db, Accounts: accounts, Ledger: w.ledger, Clock: now, Authorizer: allow{}}
	handler, err := api.New(context.WithoutCancel(t.Context()), api.Deps{CA: w.service, Tokens: tokens, Logger: slog.New(slog.DiscardHandler), Clock: now, Issue: w.service.Issue,
		RunBulk: func(ctx context.Context, id string, run ra.Run) (*ra.Job, error) {
			return w.service.RunBulk(ctx, id, run, nil)
		},
		Client: func(ctx context.Context, chain []*x509.Certificate) error {
			for _, issuer := range w.service.IssuersOf(ca.ServiceName) {
				if chain[0].CheckSignatureFrom(issuer) != nil {
					continue
				}
				row, err := w.service.Get(as(t, thu), serialOf(chain[0]))
				if err == nil && row.RevokedAt == nil {
					return nil
				}
			}
			return errors.New("not in force")
		}})
	check(t, err)
	srv := httptest.NewUnstartedServer(handler)
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	t.Cleanup(func() { srv.Close(); check(t, handler.Close()) })
	return tokens, func(s auth.Subject, scopes ...string) program {
		account := &auth.Account{ID: s.AccountID, PersonID: s.PersonID, AgencyID: s.AgencyID, RoleList: strings.Join(s.Roles, " "), TOTP: []byte{}, CreatedAt: now.Now()}
		_, err := db.NewInsert().Model(account).On("CONFLICT (id) DO NOTHING").Exec(t.Context())
		check(t, err)
		p := program{t: t, url: srv.URL, client: srv.Client(), lang: "en"}
		if len(scopes) > 0 {
			_, p.token, err = tokens.Create(as(t, s), auth.NewToken{AccountID: s.AccountID, Name: "test", Scopes: scopes, Life: time.Hour})
			check(t, err)
		}
		return p
	}
}

func serialOf(c *x509.Certificate) string {
	text := c.SerialNumber.Text(16)
	return strings.Repeat("0", max(0, 32-len(text))) + text
}

func TestRequestsGoTheWholeWayOverREST(t *testing.T) {
	t.Parallel()
	storetest.Each(t, append(schema(), append(auth.Schema, auth.TokenSchema()...)...), func(t *testing.T, db *store.DB) {
		now := clock.NewFake(monday)
		w := newWorld(t, db, now)
		_, of := programs(t, w, db, now)
		asker, officer := of(minh, api.ScopeRead, api.ScopeRequest), of(thu, api.Scopes()...)
		managing := of(registrarUBND, api.ScopeDecide)
		var r ra.Request
		form := map[string]any{"profile": "agency-seal", "agency": "stc", "csr": string(csr(t, p256(t)))}
		if got := asker.call("POST", "/requests", form, &r); got != http.StatusCreated || r.State != ra.StateConfirmed {
			t.Fatalf("create: %d %+v", got, r)
		}
		var own ra.Request
		stc := of(registrarSTC, api.ScopeRequest)
		form["csr"] = string(csr(t, p256(t)))
		if got := stc.call("POST", "/requests", form, &own); got != http.StatusCreated || own.State != ra.StateRequested {
			t.Fatalf("create: %d %+v", got, own)
		}
		if got := managing.call("POST", "/requests/"+own.ID+"/confirm", map[string]any{}, &own); got != 200 || own.State != ra.StateConfirmed {
			t.Errorf("confirm: %d %+v", got, own)
		}
		if got := asker.call("POST", "/requests/"+r.ID+"/documents?name=q.pdf", []byte("%PDF-1.7 x"), nil); got != http.StatusCreated {
			t.Errorf("attach: %d", got)
		}
		var c struct{ Serial, PEM, Chain string }
		for verb, want := range map[string]int{"approve": 200} {
			if got := officer.call("POST", "/requests/"+r.ID+"/"+verb, map[string]any{"note": "đủ hồ sơ"}, &r); got != want {
				t.Errorf("%s: %d", verb, got)
			}
		}
		if got := officer.call("POST", "/requests/"+r.ID+"/issue", nil, &c); got != 200 || strings.Count(c.Chain, "BEGIN CERTIFICATE") != 3 {
			t.Fatalf("issue: %d %+v", got, c)
		}
		var view struct {
			Request   ra.Request
			History   []ra.Event
			Documents []ra.Document
		}
		if got := officer.call("GET", "/requests/"+r.ID, nil, &view); got != 200 || view.Request.State != ra.StateIssued || len(view.History) != 4 || len(view.Documents) != 1 {
			t.Errorf("get: %d %+v", got, view)
		}
		var page struct{ Requests []ra.Request }
		if got := officer.call("GET", "/requests?state=issued&limit=10", nil, &page); got != 200 || len(page.Requests) != 1 {
			t.Errorf("list: %d %+v", got, page)
		}
		var certs struct{ Certificates []ca.Certificate }
		if got := officer.call("GET", "/certificates?agency=stc&revoked=false", nil, &certs); got != 200 || len(certs.Certificates) != 1 {
			t.Errorf("certificates: %d %+v", got, certs)
		}
		var revoked ca.Certificate
		if got := officer.call("POST", "/certificates/"+c.Serial+"/revoke", map[string]any{"cause": "key-exposed"}, &revoked); got != 200 || revoked.RevokedAt == nil {
			t.Errorf("revoke: %d %+v", got, revoked)
		}
	})
}

func TestFileOfRequestsGoesTheWholeWayOverREST(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, append(schema(), append(auth.Schema, auth.TokenSchema()...)...)...)
	now := clock.NewFake(monday)
	w := newWorld(t, db, now)
	_, of := programs(t, w, db, now)
	asker, managing, officer := of(minh, api.Scopes()...), of(registrarUBND, api.Scopes()...), of(thu, api.Scopes()...)
	ids := w.staff(t, 2)
	content := requestsFile(t, []string{"official", ids[0], "", string(csr(t, p256(t)))}, []string{"official", "nobody", "", string(csr(t, p256(t)))})
	var checked ra.Checked
	if got := asker.call("POST", "/bulk/check", content, &checked); got != 200 || checked.Good != 1 || len(checked.Problems) != 1 {
		t.Errorf("check: %d %+v", got, checked)
	}
	var job ra.Job
	if got := asker.call("POST", "/bulk?name=x.xlsx", content, &job); got != http.StatusCreated {
		t.Fatalf("submit: %d", got)
	}
	if got := managing.call("POST", "/bulk/"+job.ID+"/confirm", map[string]any{}, &job); got != 200 {
		t.Errorf("confirm: %d", got)
	}
	if got := officer.call("POST", "/bulk/"+job.ID+"/approve", map[string]any{}, &job); got != 200 {
		t.Errorf("approve: %d", got)
	}
	if got := officer.call("POST", "/bulk/"+job.ID+"/run", nil, &job); got != http.StatusAccepted {
		t.Errorf("run: %d", got)
	}
	for deadline := time.Now().Add(time.Minute); job.State != ra.JobDone && time.Now().Before(deadline); {
		officer.call("GET", "/bulk/"+job.ID, nil, &job)
		time.Sleep(100 * time.Millisecond)
	}
	var items []ra.Item
	if got := officer.call("GET", "/bulk/"+job.ID+"/items", nil, &items); got != 200 || len(items) != 2 || items[0].Serial == "" || items[1].Reason == "" {
		t.Errorf("items: %d %+v", got, items)
	}
	if got := officer.call("GET", "/bulk/"+job.ID+"/result?format=csv", nil, nil); got != 200 {
		t.Errorf("result: %d", got)
	}
}

func TestRESTRefusesWithProblemsInBothLanguages(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, append(schema(), append(auth.Schema, auth.TokenSchema()...)...)...)
	now := clock.NewFake(monday)
	w := newWorld(t, db, now)
	tokens, of := programs(t, w, db, now)
	asker, reader, nobody := of(minh, api.Scopes()...), of(thu, api.ScopeRead), of(lan)
	stranger := of(lan, api.Scopes()...)
	forged := reader
	forged.token = reader.token[:len(reader.token)-1] + "x"
	var r ra.Request
	if got := asker.call("POST", "/requests", map[string]any{"profile": "official", "person": "p-yen", "csr": string(csr(t, p256(t)))}, &r); got != http.StatusCreated {
		t.Fatalf("create: %d", got)
	}
	for _, c := range []struct {
		name         string
		who          program
		method, path string
		in           any
		status       int
		code         string
	}{
		{"nobody", nobody, "GET", "/requests", nil, 401, "sign-in"},
		{"a token that is wrong", forged, "GET", "/requests", nil, 401, "sign-in"},
		{"a credential without the scope", reader, "POST", "/requests/" + r.ID + "/approve", map[string]any{}, 403, "scope"},
		{"who asked approves", asker, "POST", "/requests/" + r.ID + "/approve", map[string]any{}, 403, "same-person"},
		{"an account without the right", stranger, "POST", "/requests/" + r.ID + "/issue", nil, 403, "denied"},
		{"a request that is none", asker, "GET", "/requests/rq-x", nil, 404, "not-found"},
		{"issue before approval", asker, "POST", "/requests/" + r.ID + "/issue", nil, 409, "state"},
		{"a profile that is none", asker, "POST", "/requests", map[string]any{"profile": "x", "person": "p-yen", "csr": "x"}, 422, "profile"},
		{"a field that is none", asker, "POST", "/requests", map[string]any{"profil": "official"}, 422, "call"},
		{"a body that is too large", asker, "POST", "/requests", map[string]any{"note": strings.Repeat("x", 300<<10)}, 413, "call"},
		{"a file that is none", asker, "POST", "/bulk", []byte{0xff, 0xfe}, 422, "form"},
		{"a path that is none", asker, "GET", "/nothing", nil, 404, ""},
	} {
		var p problem
		var out any = &p
		if c.code == "" {
			out = nil
		}
		got := c.who.call(c.method, c.path, c.in, out)
		if got != c.status || p.Code != c.code || c.code != "" && (p.TitleVI == "" || p.Title == p.TitleVI) {
			t.Errorf("%s: %d %+v, want %d %s", c.name, got, p, c.status, c.code)
		}
	}
	vi := asker
	vi.lang = "vi-VN,vi;q=0.9"
	var p problem
	vi.call("GET", "/requests/rq-x", nil, &p)
	if p.Title != p.TitleVI {
		t.Errorf("in Vietnamese: %+v", p)
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]any
	}
	if got := nobody.call("GET", "/openapi.json", nil, &doc); got != 200 || len(doc.Paths) < 20 {
		t.Errorf("OpenAPI: %d, %d paths", got, len(doc.Paths))
	}
	many := 0
	for range 100 {
		if reader.call("GET", "/requests?limit=1", nil, nil) == http.StatusTooManyRequests {
			many++
		}
	}
	if many == 0 {
		t.Error("100 calls at once were all answered")
	}
	list, err := tokens.List(as(t, thu), "thu.vt")
	check(t, err)
	check(t, tokens.Revoke(as(t, thu), list[0].ID))
	if got := reader.call("GET", "/requests", nil, nil); got != 401 && got != 429 {
		t.Errorf("a revoked token: %d", got)
	}
	now.Advance(2 * time.Hour)
	if got := asker.call("GET", "/requests", nil, nil); got != 401 {
		t.Errorf("an expired token: %d", got)
	}
	_, _, err = tokens.Create(as(t, lan), auth.NewToken{AccountID: "thu.vt", Name: "x", Scopes: []string{"ca.read"}, Life: time.Hour})
	if !errors.Is(err, auth.ErrDenied) {
		t.Errorf("a token for another account: %v", err)
	}
}

func TestClientCertificateIsACredentialUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t, append(schema(), append(auth.Schema, auth.TokenSchema()...)...)...)
	w := newWorld(t, db, clock.System{})
	tokens, of := programs(t, w, db, clock.System{})
	p := of(thu)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	_, row := w.whole(t, ra.Form{Profile: "client", AgencyID: "stc", Machine: "stc-hr", CSR: csr(t, key)})
	cert, err := row.X509()
	check(t, err)
	transport := p.client.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	p.client = &http.Client{Transport: transport}
	if got := p.call("GET", "/certificates", nil, nil); got != 401 {
		t.Errorf("a certificate that is nobody's credential: %d", got)
	}
	_, secret, err := tokens.Create(as(t, thu), auth.NewToken{AccountID: "thu.vt", Name: "stc-hr", Scopes: []string{api.ScopeRead}, Life: time.Hour, Certificate: cert})
	check(t, err)
	if got := p.call("GET", "/certificates", nil, nil); got != 200 || secret != "" {
		t.Errorf("with its certificate: %d", got)
	}
	_, err = w.service.Revoke(as(t, thu), row.Serial, ca.CauseStopped, "")
	check(t, err)
	if got := p.call("GET", "/certificates", nil, nil); got != 401 {
		t.Errorf("after its revocation: %d", got)
	}
}
