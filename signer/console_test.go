package signer

import (
	"bytes"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
)

const password = "đúng mật khẩu"

// console is the real shell with the pages of signing, over TLS.
type console struct {
	*world
	accounts *auth.Accounts
	url      string
	client   func() *http.Client
}

func newConsole(t testing.TB, w *world) *console {
	t.Helper()
	f, err := directory.Demo()
	if err != nil {
		t.Fatal(err)
	}
	err = directory.Load(t.Context(), w.db, f)
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.OpenAccounts(w.db, w.pki.Clock, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []auth.Subject{binh, lan, hoa} {
		_, err = accounts.Create(t.Context(), auth.NewAccount{ID: s.AccountID, PersonID: s.PersonID, AgencyID: s.AgencyID, Roles: s.Roles, Password: password, Demo: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	address := "https://localhost:" + port
	passkeys, err := auth.NewPasskeys(w.db, accounts, "localhost", []string{address})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New(web.Deps{
		Accounts: accounts, Sessions: auth.NewSessions(w.db, w.pki.Clock), Passkeys: passkeys, Directory: directory.New(w.db), Clock: w.pki.Clock,
		Logger: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = RegisterPages(site, w.Service)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(handler)
	_ = srv.Listener.Close()
	srv.Listener = listener
	srv.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return &console{world: w, accounts: accounts, url: address, client: func() *http.Client {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Client{Transport: hostless{srv.Client().Transport}, Jar: jar}
	}}
}

// testLog writes the console's errors to the test's log.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// hostless lets the test's certificate, which is for example.com and
// 127.0.0.1, serve "localhost".
type hostless struct{ http.RoundTripper }

func (h hostless) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	r.URL.Host = "127.0.0.1:" + r.URL.Port()
	res, err := h.RoundTripper.RoundTrip(r)
	return res, err
}

// code is a code that was not used yet.
func (c *console) code(t testing.TB, account string) string {
	t.Helper()
	c.pki.Clock.Advance(90 * time.Second)
	code, err := c.accounts.DemoCode(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// answer is a page as it came.
type answer struct {
	*http.Response
	body string
	path string
}

// visit makes a request as one person in one language.
type visit struct {
	*console
	client *http.Client
}

func (c *console) visitor(t testing.TB, account, lang string) *visit {
	t.Helper()
	v := &visit{console: c, client: c.client()}
	if lang != "" {
		v.post(t, "/language", url.Values{"lang": {lang}})
	}
	if account != "" {
		a := v.post(t, "/login", url.Values{"account": {account}, "password": {password}, "code": {c.code(t, account)}, "next": {"/sign"}})
		if a.path != "/sign" {
			t.Fatalf("log-in of %s led to %s (%d)", account, a.path, a.StatusCode)
		}
	}
	return v
}

func (v *visit) done(t testing.TB, res *http.Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Response: res, body: string(b), path: res.Request.URL.Path}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		translated(t, a)
	}
	return a
}

func (v *visit) get(t testing.TB, path string) answer {
	t.Helper()
	res, err := v.client.Get(v.url + path)
	return v.done(t, res, err)
}

func (v *visit) post(t testing.TB, path string, form url.Values) answer {
	t.Helper()
	res, err := v.client.PostForm(v.url+path, form)
	return v.done(t, res, err)
}

func (v *visit) upload(t testing.TB, path, name string, content []byte) answer {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, err := m.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = part.Write(content)
	if err != nil {
		t.Fatal(err)
	}
	err = m.Close()
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.client.Post(v.url+path, m.FormDataContentType(), &body)
	return v.done(t, res, err)
}

var (
	assetNames = regexp.MustCompile(`/assets/[a-z]+\.(js|css)`)
	localeKey  = regexp.MustCompile(`\b(sign|verify|verdict|login|error|shell|nav|account)\.[a-zA-Z][a-zA-Z.-]*`)
	tags       = regexp.MustCompile(`<[^>]*>`)
	attributes = regexp.MustCompile(`(title|aria-label|data-[a-z-]+|placeholder|value)="([^"]*)"`)
)

// translated fails when a locale key stands where its text should.
func translated(t testing.TB, a answer) {
	t.Helper()
	page := assetNames.ReplaceAllString(a.body, "")
	seen := tags.ReplaceAllString(page, " ")
	for _, m := range attributes.FindAllStringSubmatch(page, -1) {
		seen += " " + m[2]
	}
	for _, key := range localeKey.FindAllString(seen, -1) {
		t.Errorf("%s shows the key %q", a.path, key)
	}
	if strings.Contains(a.body, "<no value>") || strings.Contains(a.body, "%!") {
		t.Errorf("%s shows a template's fault", a.path)
	}
}
