package web_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
)

const password = "đúng mật khẩu"

type console struct {
	site     *web.Site
	accounts *auth.Accounts
}

func newConsole(t *testing.T) console {
	t.Helper()
	db := storetest.SQLite(t, append(append([]store.Migration{}, directory.Schema...), auth.Schema...)...)
	f, err := directory.Demo()
	if err != nil {
		t.Fatal(err)
	}
	err = directory.Load(t.Context(), db, f)
	if err != nil {
		t.Fatal(err)
	}
	as, err := auth.OpenAccounts(db, clock.System{}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = as.Create(t.Context(), auth.NewAccount{ID: "binh.nv", PersonID: "p-binh", AgencyID: "ubnd", Roles: []string{auth.RoleOfficial}, Password: password, Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	pk, err := auth.NewPasskeys(db, as, "localhost", []string{"https://localhost"})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Deps{
		Accounts: as, Sessions: auth.NewSessions(db, clock.System{}), Passkeys: pk, Directory: directory.New(db),
		Clock: clock.System{}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return console{site: site, accounts: as}
}

func (c console) serve(t *testing.T) (*httptest.Server, *http.Client) {
	t.Helper()
	h, err := c.site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(h)
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.Jar, err = cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return srv, client
}

func body(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSignedInPageAsksForTheLogInAndReturns(t *testing.T) {
	c := newConsole(t)
	c.site.Handle("GET /mine", web.SignedIn, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "mine of "+auth.SubjectFrom(r.Context()).AccountID)
	})
	srv, client := c.serve(t)
	res, err := client.Get(srv.URL + "/mine")
	page := body(t, res, err)
	if res.Request.URL.Path != "/login" || !strings.Contains(page, "Đăng nhập") {
		t.Fatalf("got %s", res.Request.URL)
	}
	code, err := c.accounts.DemoCode(t.Context(), "binh.nv")
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"account": {"binh.nv"}, "password": {password}, "code": {code}, "next": {"/mine"}}
	res, err = client.PostForm(srv.URL+"/login", form)
	if got := body(t, res, err); got != "mine of binh.nv" {
		t.Errorf("after the log-in: %q", got)
	}
	res, err = client.PostForm(srv.URL+"/login", form)
	if got := body(t, res, err); res.StatusCode != http.StatusUnauthorized || !strings.Contains(got, "Sai tài khoản") {
		t.Errorf("a code used twice: %d", res.StatusCode)
	}
	res, err = client.PostForm(srv.URL+"/logout", nil)
	_ = body(t, res, err)
	res, err = client.Get(srv.URL + "/mine")
	_ = body(t, res, err)
	if res.Request.URL.Path != "/login" {
		t.Errorf("after the log-out: %s", res.Request.URL)
	}
}

func TestLanguageIsVietnameseUntilSwitched(t *testing.T) {
	srv, client := newConsole(t).serve(t)
	res, err := client.Get(srv.URL + "/login")
	if got := body(t, res, err); !strings.Contains(got, `<html lang="vi">`) || !strings.Contains(got, "Mật khẩu") {
		t.Error("the first page is not Vietnamese")
	}
	res, err = client.PostForm(srv.URL+"/language", url.Values{"lang": {"en"}, "next": {"//evil.example/"}})
	if got := body(t, res, err); res.Request.URL.Host != srv.Listener.Addr().String() || !strings.Contains(got, `<html lang="en">`) {
		t.Errorf("after the switch: %s", res.Request.URL)
	}
}

func TestRequestFromAnotherSiteIsRefused(t *testing.T) {
	srv, client := newConsole(t).serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := client.Do(req)
	_ = body(t, res, err)
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestWhatIsNoTextReachesNoPage(t *testing.T) {
	c := newConsole(t)
	reached := 0
	c.site.Handle("GET /thing/{id}", web.Public, func(http.ResponseWriter, *http.Request) { reached++ })
	c.site.Handle("POST /thing/{id}", web.Public, func(_ http.ResponseWriter, r *http.Request) {
		if r.FormValue("a") == "b" {
			reached++
		}
	})
	srv, client := c.serve(t)
	ask := func(path, form string) int {
		t.Helper()
		send := func() (*http.Response, error) {
			if form == "" {
				return client.Get(srv.URL + path)
			}
			return client.Post(srv.URL+path, "application/x-www-form-urlencoded; charset=UTF-8", strings.NewReader(form))
		}
		res, err := send()
		_ = body(t, res, err)
		return res.StatusCode
	}
	for _, bad := range [][2]string{{"/thing/%00", ""}, {"/thing/%ff", ""}, {"/thing/1?q=%00", ""}, {"/thing/1?%ff=1", ""}, {"/thing/1", "a=b&c=%00"}, {"/thing/1", "a=b&%c3=1"}} {
		status := ask(bad[0], bad[1])
		if status != http.StatusNotFound {
			t.Errorf("%s %s: status %d", bad[0], bad[1], status)
		}
	}
	if ask("/thing/1?q=%E1%BA%A4n", "") != http.StatusOK || ask("/thing/1", "a=b&c=%E1%BA%A4n") != http.StatusOK || reached != 2 {
		t.Errorf("text reached the page %d times", reached)
	}
}

func TestPanicOfAPageIsAnErrorPage(t *testing.T) {
	c := newConsole(t)
	c.site.Handle("GET /broken", web.Public, func(w http.ResponseWriter, r *http.Request) {
		var none []int
		w.Header().Set("X", string(rune(none[len(r.Header)])))
	})
	srv, client := c.serve(t)
	res, err := client.Get(srv.URL + "/broken")
	if got := body(t, res, err); res.StatusCode != http.StatusInternalServerError || !strings.Contains(got, "Hệ thống gặp lỗi") {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestPageOfAnExerciseCarriesItsFrame(t *testing.T) {
	c := newConsole(t)
	room := fstest.MapFS{
		"templates/x.html": {Data: []byte(`{{define "main"}}{{t "x.hello" "Name" .View}}{{end}}`)},
		"locales/vi.json":  {Data: []byte(`{"x.hello": "Chào {{.Name}}"}`)},
		"locales/en.json":  {Data: []byte(`{"x.hello": "Hello {{.Name}}"}`)},
	}
	pages, err := c.site.Pages(room)
	if err != nil {
		t.Fatal(err)
	}
	c.site.Handle("GET /x", web.Public, func(w http.ResponseWriter, r *http.Request) {
		pages.Render(w, r, "x", web.Page{Title: "home.title", ExerciseID: "ex-1", View: "<b>"})
	})
	srv, client := c.serve(t)
	res, err := client.Get(srv.URL + "/x")
	got := body(t, res, err)
	for _, want := range []string{"DIỄN TẬP", "exercise-banner", "Chào &lt;b&gt;"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestConsoleDoesNotStartWithATextInOneLanguageOnly(t *testing.T) {
	c := newConsole(t)
	_, err := c.site.Pages(fstest.MapFS{
		"templates/x.html": {Data: []byte(`{{define "main"}}{{end}}`)},
		"locales/vi.json":  {Data: []byte(`{"x.only": "chỉ tiếng Việt"}`)},
		"locales/en.json":  {Data: []byte(`{}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.site.Handler()
	if err == nil || !strings.Contains(err.Error(), "en:x.only") {
		t.Errorf("got %v", err)
	}
}

func TestPasskeyIsAddedOnlyWithACodeOfItsOwn(t *testing.T) {
	c := newConsole(t)
	srv, client := c.serve(t)
	code, err := c.accounts.DemoCode(t.Context(), "binh.nv")
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.PostForm(srv.URL+"/login", url.Values{"account": {"binh.nv"}, "password": {password}, "code": {code}})
	_ = body(t, res, err)
	for name, given := range map[string]string{"no code": "", "the code of the log-in": code} {
		res, err = client.PostForm(srv.URL+"/account/passkey/begin", url.Values{"code": {given}})
		text := body(t, res, err)
		if res.StatusCode != http.StatusForbidden || strings.Contains(text, "challenge") {
			t.Errorf("%s: %d %q", name, res.StatusCode, text)
		}
	}
	code, err = c.accounts.DemoCode(t.Context(), "binh.nv")
	if err != nil {
		t.Fatal(err)
	}
	res, err = client.PostForm(srv.URL+"/account/passkey/begin", url.Values{"code": {code}})
	text := body(t, res, err)
	if res.StatusCode != http.StatusOK || !strings.Contains(text, `"challenge"`) {
		t.Errorf("the next code: %d %q", res.StatusCode, text)
	}
}

func TestLogInLeadsToNoOtherSite(t *testing.T) {
	c := newConsole(t)
	srv, client := c.serve(t)
	for next, want := range map[string]string{
		"/sign?x=1": "/sign?x=1", "": "/", "https://other.example/": "/", "//other.example/": "/", "/\\other.example": "/",
		"/\t/other.example": "/", "/\n/other.example": "/", "\t//other.example": "/",
	} {
		res, err := client.Get(srv.URL + "/login?next=" + url.QueryEscape(next))
		page := body(t, res, err)
		if !strings.Contains(page, `name="next" value="`+want+`"`) {
			t.Errorf("%q is not taken as %q", next, want)
		}
	}
}
