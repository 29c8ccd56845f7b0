package incident_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
)

// tableRule answers as the policy's table of roles does.
type tableRule struct{}

func (tableRule) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	grants := map[string][]string{
		"incident.read":        {auth.RoleAnalyst, auth.RoleIncidentLead, auth.RoleLeader, auth.RoleAuditor},
		"incident.acknowledge": {auth.RoleAnalyst, auth.RoleIncidentLead},
		"incident.assign":      {auth.RoleAnalyst, auth.RoleIncidentLead},
		"incident.comment":     {auth.RoleAnalyst, auth.RoleIncidentLead},
		"incident.close":       {auth.RoleIncidentLead},
		"incident.report":      {auth.RoleIncidentLead},
	}
	if slices.ContainsFunc(grants[action], s.Has) || action == "incident.close" && s.Has(auth.RoleAnalyst) && r.AssignedTo == s.AccountID {
		return nil
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

// console is the console with the pages of incidents over a real database.
type console struct {
	*bench
	handler  http.Handler
	accounts *auth.Accounts
	sessions *auth.Sessions
}

func newConsole(t *testing.T) *console {
	t.Helper()
	db := storetest.SQLite(t, append(schema(), auth.Schema...)...)
	b := newBench(t, db)
	dir := directory.New(db)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	var err error
	b.Service, err = incident.New(incident.Deps{DB: db, Ledger: b.book, Clock: b.clock, Directory: dir, Authorizer: tableRule{}, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	c := &console{bench: b, sessions: auth.NewSessions(db, b.clock)}
	c.accounts, err = auth.OpenAccounts(db, b.clock, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The rows are written as they are: nobody logs in with a password here.
	people := []auth.Account{
		{ID: "dung.ht", PersonID: "p-dung", AgencyID: "ttgsattt", RoleList: auth.RoleAnalyst},
		{ID: "mai.dn", PersonID: "p-mai", AgencyID: "ttgsattt", RoleList: auth.RoleIncidentLead},
		{ID: "kiem.tv", PersonID: "p-kiem", AgencyID: "ubnd", RoleList: auth.RoleAuditor},
		{ID: "hoa.lt", PersonID: "p-hoa", AgencyID: "vpub", RoleList: auth.RoleClerk},
	}
	for i := range people {
		people[i].TOTP, people[i].CreatedAt = []byte{}, start
	}
	_, err = db.NewInsert().Model(&people).Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	passkeys, err := auth.NewPasskeys(db, c.accounts, "localhost", []string{"https://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Deps{Accounts: c.accounts, Sessions: c.sessions, Passkeys: passkeys, Directory: dir, Clock: b.clock, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	err = incident.RegisterPages(site, b.Service, incident.PageDeps{Directory: dir, Accounts: c.accounts})
	if err != nil {
		t.Fatal(err)
	}
	c.handler, err = site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// reader is a browser of one person.
type reader struct {
	t      *testing.T
	client *http.Client
	url    string
}

func (c *console) as(t *testing.T, account string) *reader {
	t.Helper()
	srv := httptest.NewTLSServer(c.handler)
	t.Cleanup(srv.Close)
	token, err := c.sessions.Start(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	client := srv.Client()
	client.Jar, err = cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar.SetCookies(u, []*http.Cookie{{Name: web.CookieSession, Value: token, Path: "/", Secure: true}})
	return &reader{t: t, client: client, url: srv.URL}
}

func (r *reader) read(res *http.Response, err error) (page string, status int, at string) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b), res.StatusCode, res.Request.URL.RequestURI()
}

func (r *reader) get(path string) (page string, status int, at string) {
	r.t.Helper()
	return r.read(r.client.Get(r.url + path))
}

func (r *reader) post(path string, form url.Values) (page string, status int, at string) {
	r.t.Helper()
	return r.read(r.client.PostForm(r.url+path, form))
}

func want(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}

func lacks(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("the page has %q", text)
		}
	}
}

// fill brings three cases: SC-2026-0001 of a commune, acknowledged by the
// analyst, SC-2026-0002 a day later, new, and DT-2026-0001 of a drill.
func fill(t *testing.T, c *console) {
	t.Helper()
	take(t, c.bench, attack(t, "r1", "", 0))
	_, err := c.Acknowledge(analyst(t.Context()), "SC-2026-0001")
	if err != nil {
		t.Fatal(err)
	}
	take(t, c.bench, attack(t, "r2", "dt-1", 0))
	c.clock.Advance(23 * time.Hour)
	take(t, c.bench, attack(t, "r3", "", 23*time.Hour))
	_, err = c.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}
