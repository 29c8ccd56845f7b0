package csc_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/csc/client"
)

// session takes a program through the browser to its tokens.
func (w *world) session(t testing.TB) (access, again string) {
	t.Helper()
	b := w.browser(t, "binh.nv")
	status, out := w.exchange(t, b.codeFor(t, nil, url.Values{"answer": {"allow"}}), nil)
	if status != http.StatusOK {
		t.Fatalf("HTTP %d, %v", status, out)
	}
	return out["access_token"].(string), out["refresh_token"].(string)
}

func (w *world) refresh(t testing.TB, secret, client string) (int, map[string]any) {
	t.Helper()
	w.pki.Clock.Advance(time.Second)
	return w.exchange(t, "", map[string]string{"grant_type": "refresh_token", "refresh_token": secret, "client_id": client})
}

// lists says whether an access token still lists credentials.
func (w *world) lists(ctx context.Context, access string) bool {
	w.pki.Clock.Advance(time.Second)
	c := client.Client{Base: w.url + "/v2", Token: access, HTTP: http.DefaultClient}
	ids, err := c.List(ctx)
	return err == nil && len(ids) == 2
}

func TestARefreshTokenChangesAndASecondUseEndsThemAll(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.start(t, map[string][]string{"soan-thao": {redirect}, "other": {"https://other.example/"}})
		access, first := w.session(t)
		status, out := w.refresh(t, first, "other")
		if status != http.StatusBadRequest || out["error"] != "invalid_grant" {
			t.Errorf("another program's: HTTP %d, %v", status, out)
		}
		status, out = w.refresh(t, first, "soan-thao")
		if status != http.StatusOK {
			t.Fatalf("HTTP %d, %v", status, out)
		}
		fresh, second := out["access_token"].(string), out["refresh_token"].(string)
		if w.lists(t.Context(), access) || !w.lists(t.Context(), fresh) || second == first {
			t.Error("the old access token still lists, or the new one does not")
		}
		status, out = w.refresh(t, first, "soan-thao")
		if status != http.StatusBadRequest || out["error"] != "invalid_grant" {
			t.Errorf("used twice: HTTP %d, %v", status, out)
		}
		if w.lists(t.Context(), fresh) {
			t.Error("used twice: the access token of the family still lists")
		}
		status, _ = w.refresh(t, second, "soan-thao")
		if status != http.StatusBadRequest {
			t.Errorf("used twice: the family lives: HTTP %d", status)
		}
		if n := w.kinds(t, "sign.remote.end"); n != 1 {
			t.Errorf("ledger: %d ends of a session, want 1", n)
		}
	})
}

func TestASessionEndsByRevocationAndByTime(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	access, again := w.session(t)
	for _, c := range []struct{ token, client string }{{again, "nobody"}, {again, "soan-thao"}, {"antinref_none", "soan-thao"}} {
		res, err := http.PostForm(w.url+"/oauth2/revoke", url.Values{"token": {c.token}, "client_id": {c.client}, "token_type_hint": {"refresh_token"}})
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if (res.StatusCode == http.StatusNoContent) != (c.client == "soan-thao") {
			t.Errorf("%s by %s: HTTP %d", c.token, c.client, res.StatusCode)
		}
	}
	if w.lists(t.Context(), access) {
		t.Error("revoked, and the access token lists")
	}
	access, again = w.session(t)
	_, token, err := w.tokens.ByBearer(t.Context(), access)
	if err == nil {
		err = w.tokens.Revoke(auth.WithSubject(t.Context(), binh), token.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	status, _ := w.refresh(t, again, "soan-thao")
	if status != http.StatusBadRequest {
		t.Errorf("its access token was revoked by its holder: HTTP %d", status)
	}
	_, again = w.session(t)
	w.pki.Clock.Advance(12*time.Hour + time.Second)
	status, _ = w.refresh(t, again, "soan-thao")
	if status != http.StatusBadRequest {
		t.Errorf("after its time: HTTP %d", status)
	}
}

// login calls auth/login of version 1.
func (w *world) login(t testing.TB, user, secret string, in map[string]any) (int, map[string]any) {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/auth/login", strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if user != "" {
		r.SetBasicAuth(user, secret)
	}
	res, err := http.DefaultClient.Do(r)
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

func TestAnOlderProgramLogsInWithBothFactorsAndOut(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for name, secret := range map[string]string{
		"the password alone": password, "a wrong code": password + "000000", "a wrong password": "sai" + w.code(t, "binh.nv"), "nothing": "",
	} {
		w.pki.Clock.Advance(time.Second)
		status, out := w.login(t, "binh.nv", secret, map[string]any{})
		if status != http.StatusUnauthorized || out["error"] != "authentication_error" {
			t.Errorf("%s: HTTP %d, %v", name, status, out)
		}
	}
	status, out := w.login(t, "nobody", password+"123456", map[string]any{})
	if status != http.StatusUnauthorized || out["error"] != "authentication_error" {
		t.Errorf("nobody, the same answer: HTTP %d, %v", status, out)
	}
	w.pki.Clock.Advance(time.Hour)
	status, out = w.login(t, "binh.nv", password+w.code(t, "binh.nv"), map[string]any{"rememberMe": true})
	if status != http.StatusOK {
		t.Fatalf("HTTP %d, %v", status, out)
	}
	if !w.lists(t.Context(), out["access_token"].(string)) {
		t.Error("the access token does not list")
	}
	status, out = w.login(t, "", "", map[string]any{"refresh_token": out["refresh_token"]})
	if status != http.StatusOK {
		t.Fatalf("refreshed: HTTP %d, %v", status, out)
	}
	access := out["access_token"].(string)
	got := refused(t, w.as("lan.tt", "v1"), "auth/revoke", map[string]any{"token": access})
	if got.Description != "Invalid parameter token" || !w.lists(t.Context(), access) {
		t.Errorf("another account's token: got %v", got)
	}
	own := client.Client{Base: w.url + "/v1", Token: access, HTTP: http.DefaultClient}
	code, err := own.Call(t.Context(), "auth/revoke", map[string]any{"token": out["refresh_token"], "token_type_hint": "refresh_token"}, nil)
	if err != nil || code != http.StatusNoContent || w.lists(t.Context(), access) {
		t.Errorf("out: HTTP %d, %v", code, err)
	}
}

func TestAProgramPushesWhatItAsksFor(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	push := func(change url.Values) (int, map[string]any) {
		f, err := url.ParseQuery(strings.SplitN(query(nil), "?", 2)[1])
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range change {
			f[name] = v
		}
		res, err := http.PostForm(w.url+"/oauth2/pushed_authorize", f)
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
	for name, change := range map[string]url.Values{
		"an unknown program": {"client_id": {"x"}}, "an unknown address": {"redirect_uri": {"https://x.example/"}}, "an address of another request": {"request_uri": {"urn:x"}},
	} {
		status, _ := push(change)
		if status != http.StatusBadRequest {
			t.Errorf("%s: HTTP %d", name, status)
		}
	}
	status, out := push(nil)
	if status != http.StatusCreated {
		t.Fatalf("HTTP %d, %v", status, out)
	}
	b := w.browser(t, "binh.nv")
	open := "/csc/oauth2/authorize?" + url.Values{"client_id": {"soan-thao"}, "request_uri": {out["request_uri"].(string)}}.Encode()
	foreign := "/csc/oauth2/authorize?" + url.Values{"client_id": {"other"}, "request_uri": {out["request_uri"].(string)}}.Encode()
	for _, step := range []struct {
		name, path string
		status     int
	}{{"of another program", foreign, http.StatusBadRequest}, {"once", open, http.StatusSeeOther}, {"twice", open, http.StatusBadRequest}} {
		status, location, _ := b.do(t, step.path, nil)
		if status != step.status || status == http.StatusSeeOther && !strings.HasPrefix(location.Path, "/remote-signing/") {
			t.Errorf("%s: HTTP %d, %s", step.name, status, location)
		}
	}
}
