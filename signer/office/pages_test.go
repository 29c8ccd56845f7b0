package office_test

import (
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/office"
)

// console is the real shell with the pages of the office.
type console struct {
	*world
	accounts *auth.Accounts
	sessions *auth.Sessions
	url      string
	handler  http.Handler
}

func newConsole(t testing.TB) *console {
	t.Helper()
	w := newWorld(t, storetest.SQLite(t, schema()...))
	w.equip(t, 0)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	accounts, err := auth.OpenAccounts(w.db, w.pki.Clock, t.TempDir())
	must(err)
	for _, role := range []string{"head", "drafter", "clerk"} {
		s := subject(role, 0)
		_, err = accounts.Create(t.Context(), auth.NewAccount{ID: s.AccountID, PersonID: s.PersonID, AgencyID: s.AgencyID, Roles: s.Roles, Password: "đúng mật khẩu", Demo: true})
		must(err)
	}
	sessions := auth.NewSessions(w.db, w.pki.Clock)
	passkeys, err := auth.NewPasskeys(w.db, accounts, "localhost", []string{"https://localhost"})
	must(err)
	site, err := web.New(web.Deps{Accounts: accounts, Sessions: sessions, Passkeys: passkeys, Directory: directory.New(w.db), Clock: w.pki.Clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	must(err)
	must(office.RegisterPages(site, w.Service))
	handler, err := site.Handler()
	must(err)
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return &console{world: w, accounts: accounts, sessions: sessions, url: srv.URL, handler: handler}
}

// visit is one person at the console.
type visit struct {
	*console
	account, cookie, lang string
}

func (c *console) visitor(t testing.TB, role, lang string) *visit {
	t.Helper()
	account := subject(role, 0).AccountID
	token, err := c.sessions.Start(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return &visit{console: c, account: account, cookie: token, lang: lang}
}

var untranslated = regexp.MustCompile(`\boffice\.[a-z][a-zA-Z.-]+`)

// do opens a page, or sends a form; redirects are shown and not followed.
func (v *visit) do(t testing.TB, path string, form url.Values) (status int, location, page string) {
	t.Helper()
	if form == nil {
		return v.send(t, http.MethodGet, path, "", nil)
	}
	return v.send(t, http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func (v *visit) send(t testing.TB, method, path, contentType string, body io.Reader) (status int, location, page string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.AddCookie(&http.Cookie{Name: web.CookieSession, Value: v.cookie})
	r.AddCookie(&http.Cookie{Name: "antin-lang", Value: v.lang})
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		if key := untranslated.FindString(string(text)); key != "" {
			t.Errorf("%s shows the key %q", path, key)
		}
	}
	return res.StatusCode, res.Header.Get("Location"), html.UnescapeString(string(text))
}

func (v *visit) code(t testing.TB) string {
	t.Helper()
	v.pki.Clock.Advance(90 * time.Second)
	code, err := v.accounts.DemoCode(t.Context(), v.account)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func hidden(t testing.TB, page, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `"[^>]* value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no field %q", name)
	}
	return m[1]
}

// step makes a binding move by the form of the page, as it was filled in.
func (v *visit) step(t testing.TB, id, do, code string) (status int, page string) {
	t.Helper()
	here := "/office/document/" + id
	_, _, page = v.do(t, here, nil)
	form := url.Values{"do": {do}, "code": {code}, "digest": {hidden(t, page, "digest")}}
	if strings.Contains(page, `name="page"`) {
		for _, name := range []string{"page", "x", "y", "width", "height"} {
			form.Set(name, hidden(t, page, name))
		}
	}
	status, _, page = v.do(t, here, form)
	return status, page
}

func TestOnTheConsoleADocumentGoesFromPersonToNumberToSealToIssue(t *testing.T) {
	c := newConsole(t)
	doc, err := c.submit(t, 0, func(d *office.Draft) { d.Abstract = "Về việc <ký số>" })
	if err != nil {
		t.Fatal(err)
	}
	head, clerk, drafter := c.visitor(t, "head", "vi"), c.visitor(t, "clerk", "en"), c.visitor(t, "drafter", "vi")
	_, _, page := head.do(t, "/office", nil)
	if !strings.Contains(page, "Về việc <ký số>") || !strings.Contains(page, "Chờ ký") {
		t.Error("what waits for the head is not shown")
	}
	_, _, page = clerk.do(t, "/office", nil)
	if !strings.Contains(page, "Nothing waits for you") {
		t.Error("the clerk is shown what does not wait for them")
	}
	status, page := head.step(t, doc.ID, "sign", "000000")
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, `role="alert"`) {
		t.Errorf("a wrong code: HTTP %d", status)
	}
	status, _, _ = head.do(t, "/office/document/"+doc.ID, url.Values{"do": {"sign"}, "code": {head.code(t)}, "digest": {strings.Repeat("0", 64)}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("another file than the one that was shown: HTTP %d", status)
	}
	_, _, page = drafter.do(t, "/office/document/"+doc.ID, nil)
	if strings.Contains(page, `value="sign"`) || !strings.Contains(page, "Chờ người có thẩm quyền ký") {
		t.Error("the drafter is offered to sign, or cannot follow the document")
	}
	for _, move := range []struct {
		who *visit
		do  string
	}{{head, "sign"}, {clerk, "number"}, {clerk, "seal"}} {
		status, page = move.who.step(t, doc.ID, move.do, move.who.code(t))
		if status != http.StatusSeeOther {
			t.Fatalf("%s: HTTP %d, %s", move.do, status, page)
		}
	}
	status, _, _ = clerk.do(t, "/office/document/"+doc.ID, url.Values{"do": {"issue"}})
	got, err := c.Get(as(t, subject("clerk", 0)), doc.ID)
	if status != http.StatusSeeOther || err != nil || got.State != office.StateIssued {
		t.Fatalf("issue: HTTP %d, %+v, %v", status, got, err)
	}
	for query, want := range map[string]bool{"q=" + url.QueryEscape(got.Symbol): true, "q=khong-co": false, "state=issued": true, "state=draft": false} {
		_, _, page = drafter.do(t, "/office?view=archive&"+query, nil)
		if strings.Contains(page, doc.ID) != want {
			t.Errorf("the archive with %s: want found %v", query, want)
		}
	}
	_, _, page = drafter.do(t, "/office/document/"+doc.ID, nil)
	for _, want := range []string{"Trình ký", "Đã ký", "Đã cấp số", "Đã đóng dấu", "Đã phát hành", "/ledger/"} {
		if !strings.Contains(page, want) {
			t.Errorf("the trail lacks %q", want)
		}
	}
	status, _, file := drafter.do(t, "/office/document/"+doc.ID+"/file?download=1", nil)
	if status != http.StatusOK || !strings.HasPrefix(file, "%PDF-") {
		t.Errorf("the file: HTTP %d", status)
	}
}

func TestOneCodeSignsTheDocumentsThatWereShownAndNoOther(t *testing.T) {
	c := newConsole(t)
	ids := url.Values{}
	for range 3 {
		doc, err := c.submit(t, 0)
		if err != nil {
			t.Fatal(err)
		}
		ids.Add("id", doc.ID)
	}
	head, clerk := c.visitor(t, "head", "en"), c.visitor(t, "clerk", "vi")
	status, location, _ := clerk.do(t, "/office/many?"+ids.Encode(), nil)
	if status != http.StatusSeeOther || location != "/office" {
		t.Errorf("the clerk, who signs nothing: HTTP %d, %s", status, location)
	}
	_, _, page := head.do(t, "/office/many?"+url.Values{"id": ids["id"][:2]}.Encode(), nil)
	shown := hidden(t, page, "shown")
	status, _, _ = head.do(t, "/office/many", url.Values{"id": ids["id"], "shown": {shown}, "code": {head.code(t)}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("three where two were shown: HTTP %d", status)
	}
	status, _, page = head.do(t, "/office/many", url.Values{"id": ids["id"][:2], "shown": {shown}, "code": {head.code(t)}})
	if status != http.StatusOK || strings.Count(page, `data-outcome="signed"`) != 2 {
		t.Errorf("HTTP %d, %s", status, page)
	}
	left, err := c.List(as(t, subject("head", 0)), office.Filter{Waiting: true})
	if err != nil || len(left) != 1 {
		t.Errorf("left %+v, %v", left, err)
	}
}
