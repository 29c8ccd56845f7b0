package acme_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/antin-gov/antin/ca/acme"
)

// send hands a body to the server without a network between.
func (w *world) send(path string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/jose+json")
	out := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(out, r)
	return out
}

// refusedInWords fails when the server answered with anything but a problem
// of the asker.
func refusedInWords(t *testing.T, out *httptest.ResponseRecorder) {
	t.Helper()
	var p acme.Problem
	err := json.Unmarshal(out.Body.Bytes(), &p)
	if err != nil || out.Code < 400 || out.Code >= 500 || p.Type == "" {
		t.Errorf("status %d: %s", out.Code, out.Body)
	}
}

// FuzzJWS gives the server bodies that nobody signed.
func FuzzJWS(f *testing.F) {
	w := sqlite(f, nil)
	u := &user{w: w, key: newKey(f)}
	f.Add([]byte(`{"protected":"eyJhbGciOiJFUzI1NiJ9","payload":"","signature":"AAAA"}`))
	f.Add(u.body(f, "/acme/new-account", map[string]any{"contact": []string{}}, map[jose.HeaderKey]any{"nonce": "AAAA"}))
	u.kid = w.url + "/acme/account/x"
	f.Add(u.body(f, "/acme/new-order", nil, map[jose.HeaderKey]any{"nonce": "AAAA"}))
	f.Add([]byte(`{"protected":"eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19","payload":"","signature":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/acme/new-account", "/acme/new-order", "/acme/revoke-cert"} {
			refusedInWords(t, w.send(path, body))
		}
	})
}

// FuzzPayload gives the server payloads that an account signed.
func FuzzPayload(f *testing.F) {
	w := sqlite(f, func(c *acme.Config) {
		c.Limits = acme.Limits{OrdersPerHour: 1 << 30, OpenOrders: 1 << 30, FailuresPerHour: 1 << 30}
	})
	u := w.user(f, form())
	order := u.order(f, nil, "a.so.example")
	authz := order.json(f)["authorizations"].([]any)[0].(string)
	ready := u.prove(f, u.order(f, nil, "b.so.example"))
	paths := []string{"/acme/new-order", u.kid, authz, ready + "/finalize", "/acme/revoke-cert", "/acme/key-change", "/acme/new-account"}
	for i, seed := range []string{`{"identifiers":[{"type":"dns","value":"a.so.example"}],"profile":"service","replaces":"AA.AA"}`, `{"contact":["mailto:a@b"]}`, `{"status":"valid"}`,
		`{"csr":"AAAA"}`, `{"certificate":"AAAA","reason":1}`, `{"protected":"e30","payload":"","signature":""}`, `{"externalAccountBinding":{"protected":"e30"}}`} {
		f.Add(uint8(i), []byte(seed))
	}
	kid := u.kid
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		path := paths[int(which)%len(paths)]
		if bytes.Contains(payload, []byte("deactivated")) { // would end the account that asks
			return
		}
		headers := map[jose.HeaderKey]any{"url": u.absolute(path), "nonce": w.nonce(), "kid": kid}
		if path == "/acme/new-account" {
			delete(headers, "kid")
			headers["jwk"] = &jose.JSONWebKey{Key: u.key.Public()}
		}
		if payload == nil {
			payload = []byte{}
		}
		body := u.sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: u.key}, payload, headers)
		out := w.send(u.absolute(path)[len(w.url):], []byte(body))
		if out.Code >= 500 {
			t.Errorf("%s: status %d: %s", path, out.Code, out.Body)
		}
	})
}

// nonce asks for one without a network between.
func (w *world) nonce() string {
	out := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(out, httptest.NewRequest(http.MethodHead, "/acme/new-nonce", nil))
	return out.Header().Get("Replay-Nonce")
}
