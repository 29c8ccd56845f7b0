package csc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/csc"
	"github.com/antin-gov/antin/signer/csc/client"
)

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// browser is a person signed in to the console with these pages.
type browser struct {
	*world
	url    string
	cookie *http.Cookie
}

func (w *world) browser(t testing.TB, account string) *browser {
	t.Helper()
	site, err := web.New(web.Deps{
		Accounts: w.accounts, Sessions: w.sessions, Passkeys: w.passkeys, Directory: directory.New(w.db), Clock: w.pki.Clock, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	err = csc.RegisterPages(site, w.server)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := site.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	b := &browser{world: w, url: srv.URL}
	if account == "" {
		return b
	}
	token, err := w.sessions.Start(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	b.cookie = &http.Cookie{Name: web.CookieSession, Value: token}
	return b
}

// do opens a page, or sends a form; redirects are shown and not followed.
func (b *browser) do(t testing.TB, path string, form url.Values) (status int, location *url.URL, page string) {
	t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, err = url.Parse(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, location, string(text)
}

func query(change map[string]string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"soan-thao"}, "redirect_uri": {redirect}, "state": {"abc"}, "scope": {"service"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for name, value := range change {
		q.Set(name, value)
	}
	return csc.Path + "/oauth2/authorize?" + q.Encode()
}

// token calls oauth2/token.
func (w *world) exchange(t testing.TB, code string, change map[string]string) (int, map[string]any) {
	t.Helper()
	f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"soan-thao"}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	for name, value := range change {
		f.Set(name, value)
	}
	res, err := http.PostForm(w.url+"/oauth2/token", f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out map[string]any
	err = json.NewDecoder(res.Body).Decode(&out)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

// codeFor takes a request the whole way to a code.
func (b *browser) codeFor(t testing.TB, change map[string]string, form url.Values) string {
	t.Helper()
	status, location, _ := b.do(t, query(change), nil)
	if status != http.StatusSeeOther || !strings.HasPrefix(location.Path, "/remote-signing/") {
		t.Fatalf("authorize: HTTP %d, %s", status, location)
	}
	status, _, page := b.do(t, location.Path, nil)
	if status != http.StatusOK || !strings.Contains(page, "soan-thao") {
		t.Fatalf("page of the request: HTTP %d", status)
	}
	status, location, page = b.do(t, location.Path, form)
	if status != http.StatusSeeOther || location.Query().Get("state") != "abc" || location.Query().Get("code") == "" || !strings.HasPrefix(location.String(), redirect+"?") {
		t.Fatalf("answer: HTTP %d, %s, %s", status, location, page)
	}
	return location.Query().Get("code")
}

func TestAProgramGetsATokenForTheServiceByACodeThatWorksOnce(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	b := w.browser(t, "binh.nv")
	allow := url.Values{"answer": {"allow"}}
	for name, change := range map[string]map[string]string{
		"another verifier": {"code_verifier": strings.Repeat("x", 43)}, "no verifier": {"code_verifier": ""}, "another address": {"redirect_uri": redirect + "/"},
	} {
		code := b.codeFor(t, nil, allow)
		status, out := w.exchange(t, code, change)
		if status != 400 || out["error"] != "invalid_grant" {
			t.Errorf("%s: HTTP %d, %v", name, status, out)
		}
		status, out = w.exchange(t, code, nil)
		if status != 400 || out["error"] != "invalid_grant" {
			t.Errorf("%s, then the right one: a code serves once: HTTP %d, %v", name, status, out)
		}
	}
	late := b.codeFor(t, nil, allow)
	w.pki.Clock.Advance(61 * time.Second)
	status, out := w.exchange(t, late, nil)
	if status != 400 || out["error"] != "invalid_grant" {
		t.Errorf("after a minute: HTTP %d, %v", status, out)
	}
	code := b.codeFor(t, nil, allow)
	status, out = w.exchange(t, code, nil)
	if status != 200 || out["token_type"] != "Bearer" {
		t.Fatalf("HTTP %d, %v", status, out)
	}
	again, _ := w.exchange(t, code, nil)
	if again != 400 {
		t.Errorf("the code again: HTTP %d", again)
	}
	c := &client.Client{Base: w.url + "/v2", Token: out["access_token"].(string), HTTP: http.DefaultClient}
	ids, err := c.List(t.Context())
	if err != nil || len(ids) != 2 {
		t.Fatalf("got %v, %v", ids, err)
	}
	res, err := http.PostForm(w.url+"/oauth2/revoke", url.Values{"token": {c.Token}, "client_id": {"soan-thao"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	got := refused(t, c, "credentials/list", map[string]any{})
	if res.StatusCode != http.StatusNoContent || got.Status != 401 {
		t.Errorf("revoked: HTTP %d, then %v", res.StatusCode, got)
	}
}

func TestATokenForACredentialSignsItsHashesAndNothingElse(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	b := w.browser(t, "binh.nv")
	list := digests(3, "oauth")
	var words []string
	for _, d := range list[:2] {
		words = append(words, base64.RawURLEncoding.EncodeToString(d))
	}
	want := map[string]string{"scope": "credential", "credentialID": "binh-ec", "numSignatures": "2", "hashes": strings.Join(words, ","), "description": "Công văn 12"}
	status, location, _ := b.do(t, query(want), nil)
	if status != http.StatusSeeOther {
		t.Fatalf("HTTP %d", status)
	}
	status, _, _ = b.do(t, location.Path, url.Values{"answer": {"allow"}, "code": {"000000"}})
	if status != http.StatusUnprocessableEntity {
		t.Errorf("a wrong code: HTTP %d", status)
	}
	other := w.browser(t, "lan.tt")
	status, _, _ = other.do(t, location.Path, nil)
	if status != http.StatusNotFound {
		t.Errorf("another person opens the request: HTTP %d", status)
	}
	code := b.codeFor(t, want, url.Values{"answer": {"allow"}, "code": {w.code(t, "binh.nv")}})
	status, out := w.exchange(t, code, nil)
	if status != 200 || out["credentialID"] != "binh-ec" {
		t.Fatalf("HTTP %d, %v", status, out)
	}
	c := &client.Client{Base: w.url + "/v2", Token: out["access_token"].(string), HTTP: http.DefaultClient}
	in := func(credential string, list [][]byte) map[string]any {
		return map[string]any{"credentialID": credential, "hashes": list, "signAlgo": ecdsaSHA256}
	}
	for name, k := range map[string]struct {
		method string
		in     map[string]any
		status int
	}{
		"another hash":       {"signatures/signHash", in("binh-ec", list[2:]), 400},
		"another credential": {"signatures/signHash", in("binh-rsa", list[:1]), 400},
		"another method":     {"credentials/list", map[string]any{}, 401},
	} {
		got := refused(t, c, k.method, k.in)
		if got.Status != k.status {
			t.Errorf("%s: got %v", name, got)
		}
	}
	_, err := c.Call(t.Context(), "signatures/signHash", in("binh-ec", list[:2]), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := refused(t, c, "signatures/signHash", in("binh-ec", list[:2]))
	if got.Status != 401 {
		t.Errorf("used up: got %v", got)
	}
}

func TestAnAuthorizationIsAskedOfThePersonInTheConsole(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	b := w.browser(t, "binh.nv")
	c := w.as("binh.nv", "v2")
	list := digests(1, "handle")
	ask := func() string {
		var out struct{ Handle string }
		status, err := c.Call(t.Context(), "credentials/authorize", map[string]any{"credentialID": "binh-ec", "numSignatures": 1, "hashes": list, "description": "Công văn 13"}, &out)
		if err != nil || status != http.StatusAccepted {
			t.Fatalf("HTTP %d, %v", status, err)
		}
		return out.Handle
	}
	check := func(handle string, out any) (int, error) {
		return c.Call(t.Context(), "credentials/authorizeCheck", map[string]any{"handle": handle}, out)
	}
	path := func() string {
		status, _, page := b.do(t, "/remote-signing", nil)
		at := strings.Index(page, `href="/remote-signing/`)
		if status != http.StatusOK || at < 0 || !strings.Contains(page, "Công văn 13") {
			t.Fatalf("HTTP %d: no request on the page", status)
		}
		return page[at+len(`href="`) : at+len(`href="`)+strings.Index(page[at+len(`href="`):], `"`)]
	}
	handle := ask()
	status, err := check(handle, nil)
	if err != nil || status != http.StatusAccepted {
		t.Errorf("waiting: HTTP %d, %v", status, err)
	}
	got := refused(t, w.as("lan.tt", "v2"), "credentials/authorizeCheck", map[string]any{"handle": handle})
	if got.Description != "Invalid parameter handle" {
		t.Errorf("another user's handle: got %v", got)
	}
	at, _, _ := b.do(t, path(), url.Values{"answer": {"allow"}, "code": {w.code(t, "binh.nv")}})
	if at != http.StatusSeeOther {
		t.Fatalf("allowed: HTTP %d", at)
	}
	var out struct{ SAD string }
	status, err = check(handle, &out)
	if err != nil || status != http.StatusOK {
		t.Fatalf("HTTP %d, %v", status, err)
	}
	desk{w, "v2"}.signs(t, "binh.nv", "binh-ec", out.SAD, list)
	got = refused(t, c, "credentials/authorizeCheck", map[string]any{"handle": handle})
	if got.Description != "Invalid parameter handle" {
		t.Errorf("the handle again: got %v", got)
	}
	handle = ask()
	at, _, _ = b.do(t, path(), url.Values{"answer": {"refuse"}})
	got = refused(t, c, "credentials/authorizeCheck", map[string]any{"handle": handle})
	if at != http.StatusSeeOther || got.Code != "access_denied" {
		t.Errorf("refused: HTTP %d, then %v", at, got)
	}
}

func TestAnUnsoundAuthorizationRequestGoesBackOrNowhere(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	b := w.browser(t, "binh.nv")
	for name, change := range map[string]map[string]string{
		"an unknown program": {"client_id": "x"}, "an address that only begins alike": {"redirect_uri": redirect + "/../x"}, "no address": {"redirect_uri": ""},
	} {
		status, location, _ := b.do(t, query(change), nil)
		if status != http.StatusBadRequest || location.String() != "" {
			t.Errorf("%s: HTTP %d, %s", name, status, location)
		}
	}
	for name, k := range map[string]struct {
		change map[string]string
		code   string
	}{
		"plain PKCE":                {map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		"no PKCE":                   {map[string]string{"code_challenge": ""}, "invalid_request"},
		"a token at once":           {map[string]string{"response_type": "token"}, "unsupported_response_type"},
		"an unknown scope":          {map[string]string{"scope": "everything"}, "invalid_scope"},
		"another user's credential": {map[string]string{"scope": "credential", "credentialID": "lan-ec", "numSignatures": "1", "hashes": "x"}, "invalid_request"},
		"no hashes":                 {map[string]string{"scope": "credential", "credentialID": "binh-ec", "numSignatures": "1"}, "invalid_request"},
	} {
		status, location, _ := b.do(t, query(k.change), nil)
		if status != http.StatusSeeOther || location.Query().Get("error") != k.code || location.Query().Get("state") != "abc" {
			t.Errorf("%s: HTTP %d, %s", name, status, location)
		}
	}
	stranger := w.browser(t, "")
	status, location, _ := stranger.do(t, query(nil), nil)
	if status != http.StatusSeeOther || location.Path != "/login" {
		t.Errorf("nobody signed in: HTTP %d, %s", status, location)
	}
}

func FuzzARequestIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{
		`{"credentialID":"a","numSignatures":1,"hashes":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"authData":[{"id":"OTP","value":"1"}]}`,
		`{"documents":[{"document":"JVBERg==","signature_format":"P","signAlgo":"1.2.840.113549.1.1.10","signAlgoParams":"MAA="}]}`,
		`{"returnValidationInfo":true,"documentDigests":[{"hashes":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"signature_format":"X","conformance_level":"Ades-B-LT","signed_envelope_property":"Detached","hashAlgorithmOID":"2.16.840.1.101.3.4.2.1","signAlgo":"1.2.840.113549.1.1.1"}]}`,
		`{"documents":[{"document":"eA==","signature_format":"C","signed_envelope_property":"Parallel","signAlgo":"1.2.840.10045.4.3.4","signed_props":[{"attribute_name":"Reason","attribute_value":"eA=="}]}]}`, `{"a":null}`, `[`, `{"a":1,"a":2}`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) { csc.ReadForFuzzing(b) })
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
