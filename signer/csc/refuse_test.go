package csc_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/csc"
	"github.com/antin-gov/antin/signer/csc/client"
)

const ecdsaSHA256 = "1.2.840.10045.4.3.2"

// desk is a world seen through one version.
type desk struct {
	*world
	version string
}

func (d desk) array() string {
	if d.version == "v1" {
		return "hash"
	}
	return "hashes"
}

// authorization is a request of credentials/authorize by binh.nv.
func (d desk) authorization(credential, code string, number any, list any) map[string]any {
	in := map[string]any{"credentialID": credential, "numSignatures": number, d.array(): list}
	if d.version == "v1" {
		in["OTP"] = code
	} else {
		in["authData"] = []map[string]string{{"id": "OTP", "value": code}}
	}
	return in
}

func (d desk) signing(credential, sad string, list any) map[string]any {
	return map[string]any{"credentialID": credential, "SAD": sad, d.array(): list, "signAlgo": ecdsaSHA256}
}

func (d desk) sad(t testing.TB, account, credential string, list [][]byte) string {
	t.Helper()
	sad, err := d.as(account, d.version).Authorize(t.Context(), credential, d.code(t, account), list)
	if err != nil {
		t.Fatal(err)
	}
	return sad
}

func (d desk) signs(t testing.TB, account, credential, sad string, list [][]byte) {
	t.Helper()
	_, err := d.as(account, d.version).Call(t.Context(), "signatures/signHash", d.signing(credential, sad, list), nil)
	if err != nil {
		t.Fatal(err)
	}
}

type refusal struct {
	status            int
	code, description string
}

// refusals are the table of what is refused at signatures/signHash: each case
// makes its request and says who sends it.
func refusals() map[string]struct {
	want refusal
	make func(t testing.TB, d desk) (account string, in map[string]any)
} {
	type made = func(t testing.TB, d desk) (string, map[string]any)
	list := digests(3, "refusals")
	bad := func(description string) refusal { return refusal{400, "invalid_request", description} }
	return map[string]struct {
		want refusal
		make made
	}{
		"a SAD that was used up is replayed": {bad("Invalid parameter SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			sad := d.sad(t, "binh.nv", "binh-ec", list[:1])
			d.signs(t, "binh.nv", "binh-ec", sad, list[:1])
			return "binh.nv", d.signing("binh-ec", sad, list[:1])
		}},
		"a hash that was signed comes again while others are left": {bad("Hash is not authorized by the SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			sad := d.sad(t, "binh.nv", "binh-ec", list)
			d.signs(t, "binh.nv", "binh-ec", sad, list[:1])
			return "binh.nv", d.signing("binh-ec", sad, list[:1])
		}},
		"a hash stands twice in the request and once in the SAD": {bad("Hash is not authorized by the SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), [][]byte{list[0], list[0]})
		}},
		"a hash was not authorised": {bad("Hash is not authorized by the SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list[:2]), list[2:])
		}},
		"one hash of several was not authorised": {bad("Hash is not authorized by the SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list[:2]), list[1:])
		}},
		"more hashes than the SAD allows": {bad("Hash is not authorized by the SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list[:2]), list)
		}},
		"more hashes than any SAD allows": {bad("Numbers of signatures is too high"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), digests(101, "many"))
		}},
		"the credential is another user's": {bad("Invalid parameter credentialID"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("lan-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
		}},
		"the credential is unknown: the same answer": {bad("Invalid parameter credentialID"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("no-such-key", d.sad(t, "binh.nv", "binh-ec", list), list)
		}},
		"the credential is the agency's seal: the same answer": {bad("Invalid parameter credentialID"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("ubnd-seal", d.sad(t, "binh.nv", "binh-ec", list), list)
		}},
		"the SAD is another user's": {bad("Invalid parameter SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "lan.tt", d.signing("lan-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
		}},
		"the SAD is another credential's": {bad("Invalid parameter SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			in := d.signing("binh-rsa", d.sad(t, "binh.nv", "binh-ec", list), list)
			in["signAlgo"] = "1.2.840.113549.1.1.11"
			return "binh.nv", in
		}},
		"the SAD is unknown": {bad("Invalid parameter SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", "antinsad_"+strings.Repeat("A", 52), list)
		}},
		"there is no SAD": {bad("Missing (or invalid type) string parameter SAD"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", "", list)
		}},
		"the SAD is over its time": {bad("SAD expired"), func(t testing.TB, d desk) (string, map[string]any) {
			sad := d.sad(t, "binh.nv", "binh-ec", list)
			d.pki.Clock.Advance(5*time.Minute + time.Second)
			return "binh.nv", d.signing("binh-ec", sad, list)
		}},
		"no hash": {bad("Empty hash array"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), []string{})
		}},
		"a hash that is no base64": {bad("Invalid Base64 hash string parameter"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), []string{"%%%"})
		}},
		"a hash that is cut short": {bad("Invalid digest value length"), func(t testing.TB, d desk) (string, map[string]any) {
			return "binh.nv", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), [][]byte{list[0][:20]})
		}},
		"an algorithm that is not the key's": {bad("Invalid parameter signAlgo"), func(t testing.TB, d desk) (string, map[string]any) {
			in := d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
			in["signAlgo"] = "1.2.840.113549.1.1.11"
			return "binh.nv", in
		}},
		"SHA-1": {bad("Invalid parameter signAlgo"), func(t testing.TB, d desk) (string, map[string]any) {
			in := d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
			in["signAlgo"] = "1.2.840.10045.4.1"
			return "binh.nv", in
		}},
		"who holds no role that signs": {bad("Invalid parameter credentialID"), func(t testing.TB, d desk) (string, map[string]any) {
			return "hoa.lt", d.signing("hoa-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
		}},
		"no access token": {refusal{401, "invalid_token", "The access token is not valid"}, func(t testing.TB, d desk) (string, map[string]any) {
			return "", d.signing("binh-ec", d.sad(t, "binh.nv", "binh-ec", list), list)
		}},
	}
}

func TestWhatIsNotAuthorisedIsRefusedByTheStandardsErrorAndNothingIsSigned(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for _, version := range []string{"v1", "v2"} {
			for name, c := range refusals() {
				d := desk{w, version}
				w.endAll(t)
				account, in := c.make(t, d)
				before, _ := w.signatures(t)
				got := refused(t, w.as(account, version), "signatures/signHash", in)
				if (refusal{got.Status, got.Code, got.Description}) != c.want {
					t.Errorf("%s, %s: got %d %s %q, want %v", version, name, got.Status, got.Code, got.Description, c.want)
				}
				after, _ := w.signatures(t)
				if after != before {
					t.Errorf("%s, %s: a key was used", version, name)
				}
			}
		}
	})
}

// endAll ends the authorizations that a case left behind, as time would.
func (w *world) endAll(t testing.TB) {
	t.Helper()
	_, err := w.db.NewUpdate().Model((*csc.Grant)(nil)).Set("ended_at = ?", w.pki.Clock.Now()).Where("ended_at IS NULL").Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAuthorizationNeedsItsSecondFactorAndStaysWithinItsLimits(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for _, version := range []string{"v1", "v2"} {
		d := desk{w, version}
		c := w.as("binh.nv", version)
		list := digests(101, "limits")
		wrong := refusal{400, "invalid_otp", "The OTP is invalid"}
		if version == "v2" {
			wrong = refusal{400, "invalid_authentication_data", "The authentication data is invalid"}
		}
		used := w.code(t, "binh.nv")
		sad, err := c.Authorize(t.Context(), "binh-ec", used, list[:1])
		if err != nil {
			t.Fatal(err)
		}
		d.signs(t, "binh.nv", "binh-ec", sad, list[:1])
		bad := func(description string) refusal { return refusal{400, "invalid_request", description} }
		cases := []struct {
			name string
			in   map[string]any
			want refusal
		}{
			{"a code that was used", d.authorization("binh-ec", used, 1, list[:1]), wrong},
			{"a wrong code", d.authorization("binh-ec", "000000", 1, list[:1]), wrong},
			{"more signatures than one authorization may allow", d.authorization("binh-ec", used, 101, list[:100]), bad("Numbers of signatures is too high")},
			{"more hashes than one authorization may allow", d.authorization("binh-ec", used, 100, list), bad("Numbers of signatures is too high")},
			{"more hashes than signatures", d.authorization("binh-ec", used, 1, list[:2]), bad("Numbers of signatures is too high")},
			{"no signature", d.authorization("binh-ec", used, 0, list[:1]), bad("Invalid value for parameter numSignatures")},
			{"a number that is text", d.authorization("binh-ec", used, "1", list[:1]), bad("Missing (or invalid type) integer parameter numSignatures")},
			{"no hashes: the credential is of SCAL 2", d.authorization("binh-ec", used, 1, nil), bad("Missing (or invalid type) array parameter " + d.array())},
			{"another user's credential", d.authorization("lan-ec", used, 1, list[:1]), bad("Invalid parameter credentialID")},
			{"an unknown credential", d.authorization("nobody", used, 1, list[:1]), bad("Invalid parameter credentialID")},
			{"a credential that is a number", map[string]any{"credentialID": 7}, bad("Missing (or invalid type) string parameter credentialID")},
		}
		for _, k := range cases {
			got := refused(t, c, "credentials/authorize", k.in)
			if (refusal{got.Status, got.Code, got.Description}) != k.want {
				t.Errorf("%s, %s: got %d %s %q", version, k.name, got.Status, got.Code, got.Description)
			}
		}
	}
}

func TestOnlyAFewAuthorizationsAreLiveAtATime(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	d := desk{w, "v1"}
	list := digests(1, "live")
	for range 3 { // 90 seconds apart, 5 minutes long: the first ones would end before the sixth
		d.sad(t, "binh.nv", "binh-ec", list)
	}
	_, err := w.db.NewUpdate().Model((*csc.Grant)(nil)).Set("expires_at = ?", w.pki.Clock.Now().Add(time.Hour)).Where("1 = 1").Exec(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.sad(t, "binh.nv", "binh-ec", list)
	sad := d.sad(t, "binh.nv", "binh-ec", list)
	code := w.code(t, "binh.nv")
	got := refused(t, w.as("binh.nv", "v1"), "credentials/authorize", d.authorization("binh-ec", code, 1, list))
	if got.Status != http.StatusTooManyRequests {
		t.Errorf("a sixth: got %v", got)
	}
	d.signs(t, "binh.nv", "binh-ec", sad, list)
	_, err = w.as("binh.nv", "v1").Authorize(t.Context(), "binh-ec", code, list)
	if err != nil {
		t.Errorf("after one was used, with the code that was not spent: %v", err)
	}
}

func TestCallsAtOnceSignEachOccurrenceOfAHashOnce(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		d := desk{w, "v2"}
		one := digests(1, "race")[0]
		sad := d.sad(t, "binh.nv", "binh-ec", [][]byte{one, one, one})
		var wg sync.WaitGroup
		var mu sync.Mutex
		signed := 0
		for range 12 {
			wg.Go(func() {
				_, err := w.as("binh.nv", "v2").Call(t.Context(), "signatures/signHash", d.signing("binh-ec", sad, [][]byte{one}), nil)
				var refusal *client.Error
				if err != nil && !errors.As(err, &refusal) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					signed++
				}
			})
		}
		wg.Wait()
		if signed != 3 {
			t.Errorf("%d signatures for three occurrences", signed)
		}
	})
}

func TestNothingIsSignedThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	d := desk{w, "v2"}
	list := digests(3, "record")
	w.weak.failAt("sign.remote.authorize")
	got := refused(t, w.as("binh.nv", "v2"), "credentials/authorize", d.authorization("binh-ec", w.code(t, "binh.nv"), 3, list))
	if got.Status != 500 || got.Code != "server_error" {
		t.Errorf("authorization: got %v", got)
	}
	for _, kind := range []string{"sign.begin", "sign.release"} {
		w.weak.failAt("")
		sad := d.sad(t, "binh.nv", "binh-ec", list)
		w.weak.failAt(kind)
		got := refused(t, w.as("binh.nv", "v2"), "signatures/signHash", d.signing("binh-ec", sad, list))
		if got.Status != 500 || got.Code != "server_error" {
			t.Errorf("%s: got %v", kind, got)
		}
		w.weak.failAt("")
		got = refused(t, w.as("binh.nv", "v2"), "signatures/signHash", d.signing("binh-ec", sad, list))
		if got.Description != "Invalid parameter SAD" {
			t.Errorf("%s: what failed is not tried again with the same SAD: got %v", kind, got)
		}
	}
	_, released := w.signatures(t)
	if released != 0 {
		t.Errorf("%d acts say that a signature left", released)
	}
}

func TestARevokedCertificateDoesNotSign(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	d := desk{w, "v2"}
	list := digests(2, "revoked")
	sad := d.sad(t, "binh.nv", "binh-ec", list)
	info, err := w.as("binh.nv", "v2").Info(t.Context(), "binh-ec")
	if err != nil {
		t.Fatal(err)
	}
	w.pki.Revoke(info.Chain[0], w.pki.Clock.Now(), 1)
	w.pki.Clock.Advance(time.Second)
	got := refused(t, w.as("binh.nv", "v2"), "signatures/signHash", d.signing("binh-ec", sad, list[:1]))
	if got.Description != "The credential identified by credentialID is disabled" {
		t.Errorf("signHash: got %v", got)
	}
	got = refused(t, w.as("binh.nv", "v2"), "credentials/authorize", d.authorization("binh-ec", w.code(t, "binh.nv"), 1, list[:1]))
	if got.Description != "The credential identified by credentialID is disabled" {
		t.Errorf("authorize: got %v", got)
	}
	info, err = w.as("binh.nv", "v2").Info(t.Context(), "binh-ec")
	if err != nil || info.Key.Status != "disabled" || info.Cert.Status != "revoked" {
		t.Errorf("info: got %+v, %v", info, err)
	}
	begun, _ := w.signatures(t)
	if begun != 0 {
		t.Error("the key was used")
	}
}

func TestTheServiceTellsWhatItIsAndRefusesWhatIsNoRequest(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, schema()...))
	for _, version := range []string{"v1", "v2"} {
		var info struct {
			Specs   string
			Methods []string
			Logo    string
		}
		_, err := w.as("", version).Call(t.Context(), "info", map[string]any{"lang": "en-US"}, &info)
		if err != nil || !strings.HasPrefix(info.Specs, version[1:]) || len(info.Methods) < 10 {
			t.Errorf("%s: got %+v, %v", version, info, err)
		}
		for name, text := range map[string]string{
			"text that is no JSON": "{", "an array": "[]", "a parameter twice": `{"credentialID":"a","credentialID":"b"}`, "something after the object": "{} {}",
			"nothing but an opening": "[[[[", "a number": "1",
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/"+version+"/credentials/info", strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+w.secrets["binh.nv"])
			r.Header.Set("Content-Type", "application/json")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s, %s: HTTP %d", version, name, res.StatusCode)
			}
		}
		got := refused(t, w.as("binh.nv", version), "auth/none", map[string]any{})
		if got.Status != http.StatusNotImplemented {
			t.Errorf("%s: auth/none: got %v", version, got)
		}
		got = refused(t, w.as("binh.nv", version), "credentials/list", map[string]any{"userID": "lan.tt"})
		if got.Description != "userID parameter MUST be null" {
			t.Errorf("%s: got %v", version, got)
		}
		ids, err := w.as("hoa.lt", version).List(t.Context())
		if err != nil || len(ids) != 0 {
			t.Errorf("%s: a clerk's credentials: %v, %v", version, ids, err)
		}
		ids, err = w.as("binh.nv", version).List(t.Context())
		if err != nil || strings.Join(ids, " ") != "binh-ec binh-rsa" {
			t.Errorf("%s: own credentials: %v, %v", version, ids, err)
		}
	}
	large := bytes.Repeat([]byte("a"), 2<<20)
	got := refused(t, w.as("binh.nv", "v2"), "credentials/info", map[string]any{"credentialID": string(large)})
	if got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("two megabytes: got %v", got)
	}
}
