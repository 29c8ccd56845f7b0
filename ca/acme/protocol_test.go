package acme_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/catest"
	"github.com/antin-gov/antin/ca/enrol"
)

// TestRequestsThatAreWrongAreRefusedWithTheirType shares one server.
func TestRequestsThatAreWrongAreRefusedWithTheirType(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u := w.user(t, form())
	other := w.user(t, form())
	order := u.order(t, nil, "a.so.example").want(t, http.StatusCreated)
	orderURL := order.header.Get("Location")
	newOrder := map[string]any{"identifiers": []acme.Identifier{{Type: "dns", Value: "a.so.example"}}}
	const jose1 = "application/jose+json"
	send := func(url, kind string, body []byte) *reply {
		return w.do(t, http.MethodPost, u.absolute(url), kind, body)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	with := func(headers map[jose.HeaderKey]any) []byte { return u.body(t, "/acme/new-order", newOrder, headers) }
	byKey := func(alg jose.SignatureAlgorithm, key any, headers map[jose.HeaderKey]any) []byte {
		return []byte(u.sign(t, jose.SigningKey{Algorithm: alg, Key: key}, []byte("{}"), headers))
	}
	newAccount := func(key any) map[jose.HeaderKey]any {
		return map[jose.HeaderKey]any{"nonce": u.freshNonce(t), "url": w.url + "/acme/new-account", "jwk": &jose.JSONWebKey{Key: key}}
	}
	kid := func() map[jose.HeaderKey]any {
		return map[jose.HeaderKey]any{"nonce": u.freshNonce(t), "url": w.url + "/acme/new-order", "kid": u.kid}
	}
	used := u.freshNonce(t)
	for _, c := range []struct {
		name   string
		reply  func() *reply
		status int
		kind   string
	}{
		{"a nonce of our own making", func() *reply { return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"nonce": "AAAA"})) }, 400, "badNonce"},
		{"no nonce", func() *reply { return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"nonce": nil})) }, 400, "badNonce"},
		{"a nonce whose time was changed", func() *reply {
			b, err := base64.RawURLEncoding.DecodeString(u.freshNonce(t))
			check(t, err)
			b[0] ^= 1
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"nonce": base64.RawURLEncoding.EncodeToString(b)}))
		}, 400, "badNonce"},
		{"a nonce used twice", func() *reply {
			send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"nonce": used})).want(t, http.StatusCreated)
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"nonce": used}))
		}, 400, "badNonce"},
		{"another url", func() *reply {
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"url": w.url + "/acme/new-account"}))
		}, 403, "unauthorized"},
		{"a url that is no text", func() *reply { return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"url": 7})) }, 403, "unauthorized"},
		{"a kid that is nobody's", func() *reply {
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"kid": w.url + "/acme/account/nobody"}))
		}, 400, "accountDoesNotExist"},
		{"a kid of elsewhere", func() *reply {
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"kid": "https://ca.example/acme/account/1"}))
		}, 400, "accountDoesNotExist"},
		{"another account's kid", func() *reply { return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"kid": other.kid})) }, 400, "malformed"},
		{"jwk and kid", func() *reply {
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"jwk": &jose.JSONWebKey{Key: u.key.Public()}}))
		}, 400, "malformed"},
		{"jwk where kid belongs", func() *reply {
			return send("/acme/new-order", jose1, with(map[jose.HeaderKey]any{"kid": nil, "jwk": &jose.JSONWebKey{Key: u.key.Public()}}))
		}, 400, "malformed"},
		{"kid where jwk belongs", func() *reply {
			return send("/acme/new-account", jose1, u.body(t, "/acme/new-account", struct{}{}, nil))
		}, 400, "malformed"},
		{"a MAC for a signature", func() *reply { return send("/acme/new-order", jose1, byKey(jose.HS256, make([]byte, 32), kid())) }, 400, "badSignatureAlgorithm"},
		{"another key's signature", func() *reply { return send("/acme/new-order", jose1, byKey(jose.ES256, newKey(t), kid())) }, 400, "malformed"},
		{"an algorithm that is not the key's", func() *reply { return send("/acme/new-order", jose1, byKey(jose.RS256, rsaKey, kid())) }, 400, "malformed"},
		{"a short RSA key", func() *reply {
			return send("/acme/new-account", jose1, byKey(jose.RS256, weak, newAccount(weak.Public())))
		}, 400, "badPublicKey"},
		{"a private key", func() *reply {
			h := newAccount(nil)
			h["jwk"] = &jose.JSONWebKey{Key: u.key}
			return send("/acme/new-account", jose1, byKey(jose.ES256, u.key, h))
		}, 400, "malformed"},
		{"JSON that is no JWS", func() *reply { return send("/acme/new-order", jose1, []byte(`{"protected":"e30"}`)) }, 400, "badSignatureAlgorithm"},
		{"compact serialisation", func() *reply { return send("/acme/new-order", jose1, []byte("a.b.c")) }, 400, "malformed"},
		{"an unprotected header", func() *reply {
			return send("/acme/new-order", jose1, bytes.Replace(with(nil), []byte(`{`), []byte(`{"header":{"kid":"x"},`), 1))
		}, 400, "malformed"},
		{"several signatures", func() *reply { return send("/acme/new-order", jose1, []byte(`{"payload":"","signatures":[]}`)) }, 400, "malformed"},
		{"another content type", func() *reply { return send("/acme/new-order", "application/json", with(nil)) }, 415, "malformed"},
		{"a body over the limit", func() *reply { return send("/acme/new-order", jose1, bytes.Repeat([]byte("a"), 65<<10)) }, 413, "malformed"},
		{"GET of an order", func() *reply { return w.do(t, http.MethodGet, orderURL, "", nil) }, 405, "malformed"},
		{"a path that is none", func() *reply { return u.post(t, "/acme/nowhere", struct{}{}) }, 404, "malformed"},
		{"a payload where none belongs", func() *reply { return u.post(t, orderURL, struct{}{}) }, 400, "malformed"},
		{"another account's order", func() *reply { return other.get(t, orderURL) }, 403, "unauthorized"},
		{"another account's authorization", func() *reply { return other.get(t, order.json(t)["authorizations"].([]any)[0].(string)) }, 403, "unauthorized"},
		{"an order that is not ready", func() *reply { return u.post(t, orderURL+"/finalize", csr(t, newKey(t), "a.so.example")) }, 403, "orderNotReady"},
		{"an order of nothing", func() *reply { return u.order(t, nil) }, 400, "malformed"},
		{"a name that was not agreed", func() *reply { return u.order(t, nil, "www.bank.example") }, 400, "rejectedIdentifier"},
		{"the agreed domain itself, agreed for what is below it", func() *reply { return u.order(t, nil, "so.example") }, 400, "rejectedIdentifier"},
		{"an address that was not agreed", func() *reply { return u.order(t, nil, "10.0.0.1") }, 400, "rejectedIdentifier"},
		{"a wildcard", func() *reply { return u.order(t, nil, "*.so.example") }, 400, "rejectedIdentifier"},
		{"a name that is none", func() *reply { return u.order(t, nil, "a..so.example") }, 400, "malformed"},
		{"a kind of name that is not known", func() *reply {
			return u.post(t, "/acme/new-order", map[string]any{"identifiers": []acme.Identifier{{Type: "email", Value: "a@so.example"}}})
		}, 400, "unsupportedIdentifier"},
		{"a profile that was not agreed", func() *reply { return u.order(t, map[string]any{"profile": "client"}, "a.so.example") }, 400, "invalidProfile"},
		{"times of one's own", func() *reply { return u.order(t, map[string]any{"notAfter": "2030-01-01T00:00:00Z"}, "a.so.example") }, 400, "malformed"},
		{"a replaced certificate that is none", func() *reply { return u.order(t, map[string]any{"replaces": "AAAA.AAAA"}, "a.so.example") }, 404, "malformed"},
		{"a contact that is no address", func() *reply { return u.post(t, u.kid, map[string]any{"contact": []string{"mailto:a,b"}}) }, 400, "invalidContact"},
		{"a contact by telephone", func() *reply { return u.post(t, u.kid, map[string]any{"contact": []string{"tel:+84"}}) }, 400, "unsupportedContact"},
		{"a reason that is not ours", func() *reply { return u.post(t, "/acme/revoke-cert", map[string]any{"certificate": "", "reason": 6}) }, 400, "badRevocationReason"},
		{"a certificate that is none", func() *reply { return u.post(t, "/acme/revoke-cert", map[string]any{"certificate": "AAAA"}) }, 400, "malformed"},
		{"a renewal question about nothing", func() *reply { return w.do(t, http.MethodGet, w.url+"/acme/renewal-info/x", "", nil) }, 400, "malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.reply().problem(t, c.status, c.kind)
			if c.kind == "badSignatureAlgorithm" && len(p.Algorithms) == 0 {
				t.Error("the algorithms are not named")
			}
		})
	}
}

func TestSeveralRefusedNamesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	p := w.user(t, form()).order(t, nil, "a.so.example", "b.bank.example", "*.so.example").problem(t, http.StatusBadRequest, "rejectedIdentifier")
	if len(p.Subproblems) != 2 || p.Subproblems[0].Identifier.Value != "b.bank.example" {
		t.Errorf("subproblems %+v", p.Subproblems)
	}
}

func TestAccountsAreBoundByOfficersAlone(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	ask := func(u *user, binding any) *reply {
		payload := map[string]any{}
		if binding != nil {
			payload["externalAccountBinding"] = binding
		}
		return u.post(t, "/acme/new-account", payload)
	}
	fresh := func() *user { return &user{w: w, key: newKey(t)} }
	u := fresh()
	ask(u, nil).problem(t, http.StatusForbidden, "externalAccountRequired")
	waiting, secret, err := w.Desk.Create(catest.As(t, catest.Minh), form())
	check(t, err)
	if waiting.State != enrol.StateWaiting {
		t.Errorf("a new key is %s", waiting.State)
	}
	ask(u, u.binding(t, waiting.ID, secret)).problem(t, http.StatusForbidden, "unauthorized")
	_, err = w.Desk.Approve(catest.As(t, catest.Thu), enrol.KindACME, waiting.ID)
	check(t, err)
	wrong := base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	ask(u, u.binding(t, waiting.ID, wrong)).problem(t, http.StatusForbidden, "unauthorized")
	ask(u, u.binding(t, "acme-unknown", secret)).problem(t, http.StatusForbidden, "unauthorized")
	ask(u, fresh().binding(t, waiting.ID, secret)).problem(t, http.StatusBadRequest, "malformed")
	ask(u, json.RawMessage(`{"protected":1}`)).problem(t, http.StatusBadRequest, "malformed")
	made := ask(u, u.binding(t, waiting.ID, secret)).want(t, http.StatusCreated)
	again := ask(u, nil).want(t, http.StatusOK)
	if made.header.Get("Location") == "" || made.header.Get("Location") != again.header.Get("Location") {
		t.Errorf("locations %q, %q", made.header.Get("Location"), again.header.Get("Location"))
	}
	u = fresh()
	ask(u, u.binding(t, waiting.ID, secret)).problem(t, http.StatusForbidden, "unauthorized")
	u.post(t, "/acme/new-account", map[string]any{"onlyReturnExisting": true}).problem(t, http.StatusBadRequest, "accountDoesNotExist")
	bound := w.user(t, form())
	list, err := w.Desk.List(catest.As(t, catest.Thu), enrol.KindACME)
	check(t, err)
	for _, c := range list {
		if c.State == enrol.StateUsed {
			_, err = w.Desk.Revoke(catest.As(t, catest.Thu), enrol.KindACME, c.ID)
			check(t, err)
		}
	}
	bound.order(t, nil, "a.so.example").problem(t, http.StatusForbidden, "unauthorized")
}

func TestAccountIsUpdatedGivenAnotherKeyAndDeactivated(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u, other := w.user(t, form()), w.user(t, form())
	v := u.post(t, u.kid, map[string]any{"contact": []string{"mailto:moi@thue.example"}}).want(t, http.StatusOK).json(t)
	if v["contact"].([]any)[0] != "mailto:moi@thue.example" || u.get(t, u.kid).json(t)["status"] != "valid" {
		t.Errorf("account %v", v)
	}
	other.get(t, u.kid).problem(t, http.StatusForbidden, "unauthorized")

	change := func(by, next *ecdsa.PrivateKey, account string, old any, url string) *reply {
		payload, err := json.Marshal(map[string]any{"account": account, "oldKey": &jose.JSONWebKey{Key: old}})
		check(t, err)
		inner := u.sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: by}, payload, map[jose.HeaderKey]any{"jwk": &jose.JSONWebKey{Key: next.Public()}, "url": url})
		return u.post(t, "/acme/key-change", json.RawMessage(inner))
	}
	next, url := newKey(t), w.url+"/acme/key-change"
	change(u.key, next, u.kid, u.key.Public(), url).problem(t, http.StatusBadRequest, "malformed")
	change(next, next, other.kid, u.key.Public(), url).problem(t, http.StatusBadRequest, "malformed")
	change(next, next, u.kid, other.key.Public(), url).problem(t, http.StatusBadRequest, "malformed")
	change(next, next, u.kid, u.key.Public(), w.url).problem(t, http.StatusBadRequest, "malformed")
	taken := change(other.key, other.key, u.kid, u.key.Public(), url)
	taken.problem(t, http.StatusConflict, "malformed")
	if taken.header.Get("Location") != other.kid {
		t.Errorf("the key's account is %q", taken.header.Get("Location"))
	}
	change(next, next, u.kid, u.key.Public(), url).want(t, http.StatusOK)
	u.get(t, u.kid).problem(t, http.StatusBadRequest, "malformed")
	u.key, u.nonce = next, ""
	u.get(t, u.kid).want(t, http.StatusOK)
	u.issue(t, newKey(t), "doi-khoa.so.example")

	u.post(t, u.kid, map[string]any{"status": "revoked"}).problem(t, http.StatusBadRequest, "malformed")
	u.post(t, u.kid, map[string]any{"status": "deactivated"}).want(t, http.StatusOK)
	u.get(t, u.kid).problem(t, http.StatusForbidden, "unauthorized")
	for kind, want := range map[string]int{"ca.acme.account.change-key": 1, "ca.acme.account.deactivate": 1} {
		if n := w.Entries(t, kind); n != want {
			t.Errorf("%d ledger entries %s, want %d", n, kind, want)
		}
	}
}

func TestRequestMustNameWhatTheOrderNames(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u := w.user(t, form())
	order := u.prove(t, u.order(t, nil, "a.so.example", "B.so.example"))
	finalize := func(payload any) *reply { return u.post(t, order+"/finalize", payload) }
	key := newKey(t)
	for name, c := range map[string]struct {
		payload any
		kind    string
	}{
		"a name less":           {csr(t, key, "a.so.example"), "badCSR"},
		"a name more":           {csr(t, key, "a.so.example", "b.so.example", "c.so.example"), "badCSR"},
		"other names":           {csr(t, key, "a.bank.example", "b.so.example"), "badCSR"},
		"an address more":       {csr(t, key, "a.so.example", "b.so.example", "127.0.0.1"), "badCSR"},
		"the account's own key": {csr(t, u.key, "a.so.example", "b.so.example"), "badPublicKey"},
		"no request":            {map[string]any{"csr": "AAAA"}, "badCSR"},
		"text":                  {map[string]any{"csr": "không"}, "badCSR"},
	} {
		t.Run(name, func(t *testing.T) { finalize(c.payload).problem(t, http.StatusBadRequest, c.kind) })
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	finalize(csr(t, small, "a.so.example", "b.so.example")).problem(t, http.StatusBadRequest, "badPublicKey")
	v := finalize(csr(t, key, "b.so.example", "a.so.example")).want(t, http.StatusOK).json(t)
	first := u.get(t, v["certificate"].(string)).want(t, http.StatusOK)
	w.look(t, first.body, "service", "a.so.example", "b.so.example")
	if again := finalize(csr(t, key, "a.so.example", "b.so.example")).want(t, http.StatusOK).json(t); again["certificate"] != v["certificate"] {
		t.Errorf("finalised again: %v", again)
	}
	alternate := u.get(t, v["certificate"].(string)+"/1").want(t, http.StatusOK)
	if n := bytes.Count(alternate.body, []byte("BEGIN CERTIFICATE")); n != 3 || !strings.Contains(strings.Join(first.header.Values("Link"), " "), `/1>;rel="alternate"`) {
		t.Errorf("%d certificates in the alternate, links %v", n, first.header.Values("Link"))
	}
	u.get(t, v["certificate"].(string)+"/9").problem(t, http.StatusNotFound, "malformed")
	w.user(t, form()).get(t, v["certificate"].(string)).problem(t, http.StatusForbidden, "unauthorized")
}

func TestCertificateIsRevokedByItsKeyOrItsAccountAlone(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u, other := w.user(t, form()), w.user(t, form())
	key := newKey(t)
	block, _ := pem.Decode(u.get(t, u.issue(t, key, "a.so.example")).want(t, http.StatusOK).body)
	payload := map[string]any{"certificate": base64.RawURLEncoding.EncodeToString(block.Bytes), "reason": 1}
	other.post(t, "/acme/revoke-cert", payload).problem(t, http.StatusForbidden, "unauthorized")
	stranger := &user{w: w, key: newKey(t)}
	stranger.post(t, "/acme/revoke-cert", payload).problem(t, http.StatusForbidden, "unauthorized")
	(&user{w: w, key: key}).post(t, "/acme/revoke-cert", payload).want(t, http.StatusOK)
	u.post(t, "/acme/revoke-cert", payload).problem(t, http.StatusBadRequest, "alreadyRevoked")
	// A compromised key is not certified again.
	order := u.prove(t, u.order(t, nil, "a.so.example"))
	u.post(t, order+"/finalize", csr(t, key, "a.so.example")).problem(t, http.StatusBadRequest, "badPublicKey")
	// Who proves the names may revoke as well.
	block, _ = pem.Decode(u.get(t, u.issue(t, newKey(t), "a.so.example")).want(t, http.StatusOK).body)
	other.prove(t, other.order(t, nil, "a.so.example"))
	other.post(t, "/acme/revoke-cert", map[string]any{"certificate": base64.RawURLEncoding.EncodeToString(block.Bytes)}).want(t, http.StatusOK)
	cert, err := x509.ParseCertificate(block.Bytes)
	check(t, err)
	if id := base64.RawURLEncoding.EncodeToString(cert.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(cert.SerialNumber.Bytes()); cert.SerialNumber.Bytes()[0]&0x80 == 0 {
		u.order(t, map[string]any{"replaces": id}, "b.so.example").problem(t, http.StatusBadRequest, "malformed")
		other.order(t, map[string]any{"replaces": id}, "a.so.example").problem(t, http.StatusForbidden, "unauthorized")
		u.order(t, map[string]any{"replaces": id}, "a.so.example").want(t, http.StatusCreated)
		u.order(t, map[string]any{"replaces": id}, "a.so.example").problem(t, http.StatusConflict, "alreadyReplaced")
	}
}
