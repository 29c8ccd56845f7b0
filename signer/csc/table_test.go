package csc_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/csc/client"
)

// endpoint is one of the standard's, with a request that holds; nil for one
// that this service does not have.
type endpoint struct {
	name string
	in   func() map[string]any
	want int
}

// TestEveryMethodThatInfoNamesWorksAndNoOtherIsThere walks the tables of
// endpoints of v1.0.4.0 §11 and v2.0.0.2 §11.
func TestEveryMethodThatInfoNamesWorksAndNoOtherIsThere(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	list := digests(4, "table")
	plain := func(in map[string]any) func() map[string]any { return func() map[string]any { return in } }
	own := map[string]any{"credentialID": "binh-ec"}
	stamp := map[string]any{"hash": list[0], "hashAlgo": "2.16.840.1.101.3.4.2.1"}
	// A SAD for the first digest and one more signature; its holder goes on with it.
	authorize := func(version, array string, factor func() (string, any)) func() map[string]any {
		return func() map[string]any {
			in := map[string]any{"credentialID": "binh-ec", "numSignatures": 3, array: list[:2]}
			name, value := factor()
			if name != "" {
				in[name] = value
			}
			return in
		}
	}
	otp := func() (string, any) { return "OTP", w.code(t, "binh.nv") }
	data := func() (string, any) {
		return "authData", []map[string]string{{"id": "OTP", "value": w.code(t, "binh.nv")}}
	}
	var told struct{ SAD, Handle, ResponseID string }
	with := func(more map[string]any) func() map[string]any {
		return func() map[string]any {
			in := map[string]any{"credentialID": "binh-ec", "SAD": told.SAD, "signAlgo": algoECDSA}
			for name, value := range more {
				in[name] = value
			}
			return in
		}
	}
	doc := map[string]any{"documentDigests": []any{map[string]any{"hashes": list[3:], "signature_format": "C", "signAlgo": algoECDSA}}}
	for version, table := range map[string][]endpoint{
		"v1": {
			{"info", plain(map[string]any{}), 200}, {"auth/login", nil, 200}, {"auth/revoke", plain(map[string]any{"token": "?"}), 204},
			{"credentials/list", plain(map[string]any{"maxResults": 1}), 200}, {"credentials/info", plain(own), 200},
			{"credentials/authorize", authorize("v1", "hash", otp), 200}, {"credentials/sendOTP", nil, 501},
			{"signatures/signHash", with(map[string]any{"hash": list[:1]}), 200},
			{"credentials/extendTransaction", with(map[string]any{"hash": list[2:3]}), 200}, {"signatures/timestamp", plain(stamp), 200},
			{"oauth2/authorize", nil, 0}, {"oauth2/token", nil, 0}, {"oauth2/revoke", nil, 0}, {"oauth2/pushed_authorize", nil, 0},
		},
		"v2": {
			{"info", plain(map[string]any{}), 200}, {"auth/login", nil, 501}, {"auth/revoke", nil, 501}, {"credentials/list", plain(map[string]any{"credentialInfo": true, "onlyValid": true}), 200},
			{"credentials/info", plain(own), 200}, {"credentials/getChallenge", nil, 400}, {"credentials/authorize", authorize("v2", "hashes", func() (string, any) { return "", nil }), 202},
			{"credentials/authorizeCheck", func() map[string]any { return map[string]any{"handle": told.Handle} }, 202}, {"credentials/authorize", authorize("v2", "hashes", data), 200},
			{"signatures/signHash", with(map[string]any{"hashes": list[:1], "operationMode": "A"}), 200},
			{"signatures/signPolling", func() map[string]any { return map[string]any{"responseID": told.ResponseID} }, 200},
			{"credentials/extendTransaction", with(map[string]any{"hashes": list[3:]}), 200}, {"signatures/signDoc", with(doc), 200}, {"signatures/timestamp", plain(stamp), 200},
			{"oauth2/authorize", nil, 0}, {"oauth2/token", nil, 0}, {"oauth2/revoke", nil, 0}, {"oauth2/pushed_authorize", nil, 0},
		},
	} {
		c := w.as("binh.nv", version)
		var info struct{ Methods []string }
		_, err := c.Call(t.Context(), "info", map[string]any{}, &info)
		if err != nil {
			t.Fatal(err)
		}
		var known []string
		for _, e := range table {
			known = append(known, e.name)
			w.pki.Clock.Advance(time.Second)
			listed := slices.Contains(info.Methods, e.name)
			if listed == (e.want == http.StatusNotImplemented) {
				t.Errorf("%s %s: info names it: %v", version, e.name, listed)
			}
			switch {
			case strings.HasPrefix(e.name, "oauth2/"):
				w.isThere(t, e.name)
				continue
			case e.name == "auth/login" && e.want == http.StatusOK:
				status, out := w.login(t, "binh.nv", password+w.code(t, "binh.nv"), map[string]any{})
				if status != http.StatusOK {
					t.Errorf("%s %s: HTTP %d, %v", version, e.name, status, out)
				}
				told.SAD, _ = out["access_token"].(string)
				continue
			case e.name == "auth/revoke" && e.want == http.StatusNoContent:
				e.in = plain(map[string]any{"token": told.SAD})
			case e.in == nil:
				e.in = plain(map[string]any{})
			}
			w.answers(t, c, version, e, &told)
		}
		for _, name := range info.Methods {
			if !slices.Contains(known, name) {
				t.Errorf("%s: info names %s, which the standard does not have", version, name)
			}
		}
	}
}

// answers calls a method until its work is done, and keeps what it tells.
func (w *world) answers(t *testing.T, c *client.Client, version string, e endpoint, told any) {
	t.Helper()
	in := e.in()
	for range 1000 {
		var raw json.RawMessage
		status, err := c.Call(t.Context(), e.name, in, &raw)
		if e.name == "signatures/signPolling" && status == http.StatusAccepted {
			w.pki.Clock.Advance(time.Second)
			time.Sleep(5 * time.Millisecond) // as a program would
			continue
		}
		if status != e.want || err != nil && e.want < 400 && e.want != http.StatusNoContent {
			t.Errorf("%s %s: HTTP %d, want %d: %v", version, e.name, status, e.want, err)
		}
		if len(raw) > 0 {
			_ = json.Unmarshal(raw, told)
		}
		return
	}
	t.Errorf("%s %s: no outcome", version, e.name)
}

// isThere asks an endpoint of the authorization server; what a form lacks is
// its matter. The page of oauth2/authorize is the console's.
func (w *world) isThere(t *testing.T, name string) {
	t.Helper()
	if name == "oauth2/authorize" {
		status, _, _ := w.browser(t, "binh.nv").do(t, query(nil), nil)
		if status != http.StatusSeeOther {
			t.Errorf("%s: HTTP %d", name, status)
		}
		return
	}
	res, err := http.PostForm(w.url+"/"+name, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("%s: HTTP %d", name, res.StatusCode)
	}
}

func TestAListComesInPages(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	c := w.as("binh.nv", "v1")
	type page struct {
		CredentialIDs []string
		NextPageToken string
	}
	var first, second page
	_, err := c.Call(t.Context(), "credentials/list", map[string]any{"maxResults": 1}, &first)
	if err != nil || strings.Join(first.CredentialIDs, " ") != "binh-ec" || first.NextPageToken == "" {
		t.Fatalf("first page: %+v, %v", first, err)
	}
	_, err = c.Call(t.Context(), "credentials/list", map[string]any{"maxResults": 1, "pageToken": first.NextPageToken}, &second)
	if err != nil || strings.Join(second.CredentialIDs, " ") != "binh-rsa" || second.NextPageToken != "" {
		t.Errorf("second page: %+v, %v", second, err)
	}
	for name, in := range map[string]map[string]any{
		"a token of nobody": {"pageToken": "?"}, "another account's credential": {"pageToken": "bGFuLWVj"}, "no results": {"maxResults": 0}, "a text": {"maxResults": "x"},
	} {
		got := refused(t, c, "credentials/list", in)
		if got.Status != http.StatusBadRequest {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
