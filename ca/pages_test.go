package ca_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
)

// browser is one person in front of the console.
type browser struct {
	t      *testing.T
	client *http.Client
	url    string
}

func (b browser) read(res *http.Response, err error) (string, int) {
	b.t.Helper()
	check(b.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	check(b.t, err)
	return string(text), res.StatusCode
}

func (b browser) get(path string) (string, int) { return b.read(b.client.Get(b.url + path)) }
func (b browser) post(path string, form url.Values) (string, int) {
	return b.read(b.client.PostForm(b.url+path, form))
}

// consoleOf serves the authority's pages; the result opens a browser for an
// account.
func consoleOf(t *testing.T, w *world) func(account string) browser {
	t.Helper()
	db, log := w.deps.DB, slog.New(slog.DiscardHandler)
	accounts, err := auth.OpenAccounts(db, w.deps.Clock, t.TempDir())
	check(t, err)
	sessions := auth.NewSessions(db, w.deps.Clock)
	people := []auth.Account{
		{ID: "minh.pq", PersonID: "p-minh", AgencyID: "ttcds", RoleList: auth.RoleRegistrar + " " + auth.RoleCAOfficer},
		{ID: "thu.vt", PersonID: "p-thu", AgencyID: "ttcds", RoleList: auth.RoleCAOfficer},
		{ID: "lan.tt", PersonID: "p-lan", AgencyID: "ubnd", RoleList: auth.RoleOfficial},
	}
	for i := range people {
		people[i].TOTP, people[i].CreatedAt = []byte{}, w.deps.Clock.Now()
	}
	_, err = db.NewInsert().Model(&people).Exec(t.Context())
	check(t, err)
	passkeys, err := auth.NewPasskeys(db, accounts, "localhost", []string{"https://localhost"})
	check(t, err)
	site, err := web.New(web.Deps{Accounts: accounts, Sessions: sessions, Passkeys: passkeys, Directory: directory.New(db), Clock: w.deps.Clock, Logger: log})
	check(t, err)
	check(t, ca.RegisterPages(site, w.service, ca.PageDeps{}))
	handler, err := site.Handler()
	check(t, err)
	srv := httptest.NewTLSServer(handler)
	t.Cleanup(srv.Close)
	return func(account string) browser {
		token, err := sessions.Start(t.Context(), account)
		check(t, err)
		jar, err := cookiejar.New(nil)
		check(t, err)
		u, err := url.Parse(srv.URL)
		check(t, err)
		jar.SetCookies(u, []*http.Cookie{{Name: web.CookieSession, Value: token, Path: "/", Secure: true}})
		client := *srv.Client()
		client.Jar = jar
		return browser{t: t, client: &client, url: srv.URL}
	}
}

func TestRequestsAreApprovedIssuedAndRevokedInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t, append(schema(), auth.Schema...)...), systemClock)
	open := consoleOf(t, w)
	r, err := w.service.Request(as(t, minh), ra.Form{Profile: "official", PersonID: "p-lan", CSR: csr(t, p256(t)), Note: "<b>gấp</b>"})
	check(t, err)
	asker, officer, outsider := open("minh.pq"), open("thu.vt"), open("lan.tt")

	page, status := asker.get("/ca")
	if status != 200 || !strings.Contains(page, "Trần Thị Lan") || !strings.Contains(page, "người khác phải duyệt") ||
		strings.Contains(page, "/approve") || strings.Contains(page, "<b>gấp</b>") {
		t.Errorf("the asker sees %d: %s", status, page)
	}
	page, status = asker.post("/ca/requests/"+r.ID+"/approve", nil)
	if status != http.StatusConflict || !strings.Contains(page, "không được tự duyệt") {
		t.Errorf("the asker approves: %d", status)
	}
	page, _ = outsider.get("/ca")
	if strings.Contains(page, r.ID) {
		t.Error("an outsider sees the request")
	}
	_, status = outsider.get("/ca/status")
	if status != http.StatusForbidden {
		t.Errorf("an outsider sees the state: %d", status)
	}
	page, _ = officer.get("/ca?lang=en")
	if !strings.Contains(page, "/ca/requests/"+r.ID+"/approve") {
		t.Errorf("the officer sees no button: %s", page)
	}
	_, status = officer.post("/ca/requests/"+r.ID+"/reject", url.Values{})
	if status != http.StatusConflict {
		t.Errorf("a refusal without reason: %d", status)
	}
	page, status = officer.post("/ca/requests/"+r.ID+"/approve", nil)
	if status != 200 || !strings.Contains(page, "Đã duyệt, chờ cấp") {
		t.Errorf("approve: %d", status)
	}
	page, status = officer.post("/ca/requests/"+r.ID+"/issue", nil)
	if status != 200 || !strings.Contains(page, "Đã cấp") {
		t.Errorf("issue: %d", status)
	}
	done, err := w.service.GetRequest(as(t, thu), r.ID)
	check(t, err)
	page, status = officer.post("/ca/certificates/"+done.Serial+"/revoke", url.Values{"cause": {"x"}})
	if status != http.StatusConflict || !strings.Contains(page, "Thiếu lý do hoặc nguyên nhân") {
		t.Errorf("revoke without a cause: %d", status)
	}
	page, status = officer.post("/ca/certificates/"+done.Serial+"/revoke", url.Values{"cause": {string(ca.CauseResigned)}})
	if status != 200 || !strings.Contains(page, "Đã thu hồi") || !strings.Contains(page, "Thôi việc") {
		t.Errorf("revoke: %d", status)
	}
	for path, part := range map[string]string{
		"/ca/requests/" + r.ID: done.Serial[:12], "/ca?state=all": r.ID, "/ca/certificates?q=Trần": done.Serial, "/ca/certificates?status=revoked": done.Serial,
		"/ca/certificates?q=" + done.Serial[:10]: done.Serial, "/ca/certificates/" + done.Serial: "Thôi việc", "/ca/certificates/" + done.Serial + "/file": "BEGIN CERTIFICATE",
		"/ca/status": "OCSP", "/ca/requests/new": `name="csr"`,
	} {
		page, status = officer.get(path)
		if status != 200 || !strings.Contains(page, part) {
			t.Errorf("%s: %d, no %q", path, status, part)
		}
	}
	page, _ = officer.get("/ca/certificates?status=valid&q=" + done.Serial)
	if strings.Contains(page, "/ca/certificates/"+done.Serial) {
		t.Error("a revoked certificate is found among the valid ones")
	}
	page, status = officer.post("/ca/requests", url.Values{"kind": {"new"}, "profile": {"official"}, "person": {"nobody"}})
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `value="nobody"`) {
		t.Errorf("a request for nobody: %d", status)
	}
	for _, path := range []string{"/ca/requests/none/approve", "/ca/certificates/00/revoke", "/ca/requests/" + r.ID + "/burn"} {
		_, status = officer.post(path, url.Values{"cause": {string(ca.CauseResigned)}})
		if status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}
