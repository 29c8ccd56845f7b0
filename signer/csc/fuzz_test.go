package csc_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/signer/csc"
)

// FuzzAnyRequestIsAnsweredAndOnlyWhatIsAuthorisedIsSigned sends requests to the
// whole service, with a live authorization for one hash at hand.
func FuzzAnyRequestIsAnsweredAndOnlyWhatIsAuthorisedIsSigned(f *testing.F) {
	w := newWorld(f, storetest.SQLite(f, schema()...))
	paths := []string{
		"/v2/info", "/v2/credentials/list", "/v2/credentials/info", "/v2/credentials/authorize", "/v2/credentials/authorizeCheck",
		"/v2/credentials/getChallenge", "/v2/credentials/extendTransaction", "/v2/signatures/signHash", "/v2/signatures/signDoc", "/v2/signatures/timestamp",
		"/v1/info", "/v1/credentials/list", "/v1/credentials/info", "/v1/credentials/authorize", "/v1/credentials/extendTransaction",
		"/v1/credentials/sendOTP", "/v1/signatures/signHash", "/v1/signatures/timestamp", "/oauth2/token", "/oauth2/revoke", "/v2/nothing",
		"/v2/signatures/signPolling", "/v1/auth/login", "/v1/auth/revoke", "/oauth2/pushed_authorize",
	}
	const only = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	digest, err := base64.StdEncoding.DecodeString(only)
	if err != nil {
		f.Fatal(err)
	}
	// The authorization's name is the same in every run: the seeds carry a
	// word that is replaced by it.
	sad, err := w.as("binh.nv", "v2").Authorize(f.Context(), "binh-ec", w.code(f, "binh.nv"), [][]byte{digest})
	if err != nil {
		f.Fatal(err)
	}
	for path, body := range map[byte]string{
		0: `{"lang":"vi"}`, 1: `{"credentialInfo":true,"certificates":"chain","authInfo":true,"certInfo":true}`, 2: `{"credentialID":"binh-ec","certificates":"single"}`,
		3: `{"credentialID":"binh-ec","numSignatures":1,"hashes":["` + only + `"],"hashAlgorithmOID":"2.16.840.1.101.3.4.2.1","authData":[{"id":"OTP","value":"123456"}]}`,
		4: `{"handle":"x"}`, 5: `{"credentialID":"binh-ec"}`, 6: `{"credentialID":"binh-ec","SAD":"@","hashes":["` + only + `"],"hashAlgorithmOID":"2.16.840.1.101.3.4.2.1"}`,
		7: `{"credentialID":"binh-ec","SAD":"@","hashes":["BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"hashAlgorithmOID":"2.16.840.1.101.3.4.2.1","signAlgo":"1.2.840.10045.4.3.2"}`,
		8: `{"credentialID":"binh-ec","SAD":"@","documents":[{"document":"JVBERg==","signature_format":"P","conformance_level":"AdES-B-B","signAlgo":"1.2.840.10045.4.3.2"}]}`,
		9: `{"hash":"` + only + `","hashAlgo":"2.16.840.1.101.3.4.2.1","nonce":"7"}`, 13: `{"credentialID":"binh-ec","numSignatures":1,"hash":["` + only + `"],"OTP":"123456"}`,
		16: `{"credentialID":"binh-ec","SAD":"@","hash":["` + only + `"],"signAlgo":"1.2.840.10045.4.3.2"}`, 18: "grant_type=authorization_code&client_id=soan-thao&code=x&code_verifier=y", 19: "token=x&client_id=soan-thao",
		21: `{"responseID":"antinjob_A"}`, 22: `{"rememberMe":true,"refresh_token":"antinref_A"}`, 23: `{"token":"antinref_A","token_type_hint":"refresh_token"}`,
		24: "client_id=soan-thao&redirect_uri=https%3A%2F%2Fsoan-thao.example%2Fcallback&response_type=code&scope=credential&hashes=AAAA",
		20: `{"a":1,"a":2}`, 14: `[`, 15: ``, 11: `{"maxResults":1,"pageToken":"MQ"}`,
	} {
		f.Add(path, true, body)
		f.Add(path, false, body)
	}
	for _, body := range []string{
		`{"credentialID":"binh-ec","SAD":"@","documents":[{"document":"PGEvPg==","signature_format":"X","signed_envelope_property":"Enveloped","signAlgo":"1.2.840.10045.4.3.2"},{"document":"eA==","signature_format":"C","signed_envelope_property":"Parallel","signAlgo":"1.2.840.10045.4.3.3"}]}`,
		`{"credentialID":"binh-ec","SAD":"@","operationMode":"A","validity_period":1000,"returnValidationInfo":true,"documentDigests":[{"hashes":["BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],"hashAlgorithmOID":"2.16.840.1.101.3.4.2.1","signature_format":"C","conformance_level":"AdES-B-LTA","signAlgo":"1.2.840.10045.4.3.2","signed_props":[{"attribute_name":"Reason","attribute_value":"eA=="}]}]}`,
	} {
		f.Add(byte(8), true, body)
	}
	signed := 0
	f.Fuzz(func(t *testing.T, path byte, known bool, body string) {
		// The limit of calls a second and of tries is not what is looked for.
		w.pki.Clock.Advance(100 * time.Millisecond)
		at := paths[int(path)%len(paths)]
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, csc.Path+at, strings.NewReader(strings.ReplaceAll(body, "@", sad)))
		r.Header.Set("Content-Type", "application/json")
		if strings.HasPrefix(at, "/oauth2/") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if known {
			r.Header.Set("Authorization", "Bearer "+w.secrets["binh.nv"])
		}
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if rec.Code >= http.StatusInternalServerError && rec.Code != http.StatusNotImplemented && !strings.HasSuffix(at, "/timestamp") {
			t.Fatalf("%s answers HTTP %d: %s", at, rec.Code, rec.Body)
		}
		if rec.Body.Len() > 0 && !json.Valid(rec.Body.Bytes()) {
			t.Fatalf("%s answers no JSON: %q", at, rec.Body)
		}
		if rec.Code != http.StatusOK || !strings.Contains(at, "/signatures/sign") || !bytes.Contains(rec.Body.Bytes(), []byte("ignature")) {
			return
		}
		signed++
		if !known || signed > 1 {
			t.Fatalf("%s signed what was not authorised: %s", at, rec.Body)
		}
	})
}
