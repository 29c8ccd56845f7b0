package acme_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/miekg/dns"

	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/catest"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

// agency has the credentials of these tests.
const agency = "thue"

var check = catest.Check

// world is a running ACME server over a real authority, with a DNS server that
// has every name below so.example at 127.0.0.1.
type world struct {
	*catest.World
	server   *acme.Server
	url      string
	client   *http.Client
	httpPort int
	tlsPort  int
	zone     *zone
	listener *httptest.Server
}

func newWorld(t testing.TB, db *store.DB, now clock.Clock, change func(*acme.Config)) *world {
	t.Helper()
	w := &world{World: catest.New(t, db, now), httpPort: freePort(t), tlsPort: freePort(t), zone: newZone(t)}
	listener := httptest.NewUnstartedServer(nil)
	w.url = "https://" + listener.Listener.Addr().String()
	cfg := acme.Config{DB: db, Authority: w.Service, Desk: w.Desk, Ledger: w.Ledger, Clock: now, Directory: directory.New(db), Seal: w.Seal, BaseURL: w.url,
		Validation: acme.Validation{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: w.zone.addr,
			HTTPPort: w.httpPort, TLSPort: w.tlsPort, Timeout: 5 * time.Second, RetryWait: 20 * time.Millisecond},
		Logger: w.Logger}
	if change != nil {
		change(&cfg)
	}
	var err error
	w.server, err = acme.New(cfg)
	check(t, err)
	listener.Config.Handler = w.server.Handler()
	listener.StartTLS()
	t.Cleanup(listener.Close)
	w.client, w.listener = listener.Client(), listener
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- w.server.Run(ctx) }()
	t.Cleanup(func() { cancel(); check(t, <-done) })
	return w
}

func sqlite(t testing.TB, change func(*acme.Config)) *world {
	t.Helper()
	return newWorld(t, storetest.SQLite(t, catest.Schema(acme.Schema()...)...), clock.System{}, change)
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// zone is a DNS server.
type zone struct {
	addr string
	mu   sync.Mutex
	txt  map[string]string
}

func newZone(t testing.TB) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	z := &zone{addr: conn.LocalAddr().String(), txt: map[string]string{}}
	server := &dns.Server{PacketConn: conn, Handler: z}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return z
}

func (z *zone) set(name, text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.txt[name] = text
}

// ServeDNS answers A and TXT.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	name := q.Question[0].Name
	z.mu.Lock()
	text, ok := z.txt[name]
	z.mu.Unlock()
	head := dns.RR_Header{Name: name, Class: dns.ClassINET, Ttl: 1}
	switch {
	case q.Question[0].Qtype == dns.TypeA && strings.HasSuffix(name, ".so.example."):
		head.Rrtype = dns.TypeA
		m.Answer = append(m.Answer, &dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)})
	case q.Question[0].Qtype == dns.TypeTXT && ok:
		head.Rrtype = dns.TypeTXT
		m.Answer = append(m.Answer, &dns.TXT{Hdr: head, Txt: []string{text}})
	case !strings.HasSuffix(name, ".so.example."):
		m.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(m)
}

// form is a credential for names below so.example.
func form() enrol.Form {
	return enrol.Form{Kind: enrol.KindACME, AgencyID: agency, Profiles: []string{"service", "sensor"}, Domains: []string{"*.so.example"},
		Networks: []string{"127.0.0.1"}}
}

// user is an ACME client that can be wrong on purpose.
type user struct {
	w     *world
	key   *ecdsa.PrivateKey
	kid   string
	nonce string
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

// user registers an account with a credential of its own.
func (w *world) user(t testing.TB, f enrol.Form) *user {
	t.Helper()
	c, secret := w.Credential(t, f)
	u := &user{w: w, key: newKey(t)}
	r := u.post(t, "/acme/new-account", map[string]any{"contact": []string{"mailto:quan-tri@thue.example"}, "externalAccountBinding": u.binding(t, c.ID, secret)})
	r.want(t, http.StatusCreated)
	u.kid = r.header.Get("Location")
	return u
}

// binding is an external account binding.
func (u *user) binding(t testing.TB, id, secret string) json.RawMessage {
	t.Helper()
	key, err := base64.RawURLEncoding.DecodeString(secret)
	check(t, err)
	jwk, err := (&jose.JSONWebKey{Key: u.key.Public()}).MarshalJSON()
	check(t, err)
	return json.RawMessage(u.sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: key}, jwk, map[jose.HeaderKey]any{"kid": id, "url": u.w.url + "/acme/new-account"}))
}

func (u *user) sign(t testing.TB, key jose.SigningKey, payload []byte, headers map[jose.HeaderKey]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: headers})
	check(t, err)
	jws, err := signer.Sign(payload)
	check(t, err)
	return jws.FullSerialize()
}

// reply is what the server answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r *reply) want(t testing.TB, status int) *reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

func (r *reply) problem(t testing.TB, status int, kind string) *acme.Problem {
	t.Helper()
	var p acme.Problem
	err := json.Unmarshal(r.body, &p)
	if err != nil || r.status != status || p.Type != "urn:ietf:params:acme:error:"+kind || r.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("status %d %s, want %d %s (%v)", r.status, r.body, status, kind, err)
	}
	return &p
}

func (r *reply) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	err := json.Unmarshal(r.body, &v)
	if err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return v
}

func (w *world) do(t testing.TB, method, url, kind string, body []byte) *reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	check(t, err)
	r.Header.Set("Content-Type", kind)
	response, err := w.client.Do(r)
	check(t, err)
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	check(t, err)
	return &reply{status: response.StatusCode, header: response.Header, body: b}
}

func (u *user) freshNonce(t testing.TB) string {
	t.Helper()
	r := u.w.do(t, http.MethodHead, u.w.url+"/acme/new-nonce", "", nil).want(t, http.StatusOK)
	return r.header.Get("Replay-Nonce")
}

// absolute makes a path a URL.
func (u *user) absolute(url string) string {
	if strings.HasPrefix(url, "/") {
		return u.w.url + url
	}
	return url
}

// body is a signed request; nil as payload is POST-as-GET.
func (u *user) body(t testing.TB, url string, payload any, headers map[jose.HeaderKey]any) []byte {
	t.Helper()
	b := []byte{}
	if payload != nil {
		var err error
		b, err = json.Marshal(payload)
		check(t, err)
	}
	all := map[jose.HeaderKey]any{"url": u.absolute(url)}
	if u.kid != "" {
		all["kid"] = u.kid
	} else {
		all["jwk"] = &jose.JSONWebKey{Key: u.key.Public()}
	}
	all["nonce"] = u.nonce
	if u.nonce == "" {
		all["nonce"] = u.freshNonce(t)
	}
	u.nonce = ""
	for name, value := range headers {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return []byte(u.sign(t, jose.SigningKey{Algorithm: jose.ES256, Key: u.key}, b, all))
}

func (u *user) post(t testing.TB, url string, payload any) *reply {
	t.Helper()
	r := u.w.do(t, http.MethodPost, u.absolute(url), "application/jose+json", u.body(t, url, payload, nil))
	u.nonce = r.header.Get("Replay-Nonce")
	return r
}

func (u *user) get(t testing.TB, url string) *reply { t.Helper(); return u.post(t, url, nil) }

// order places an order.
func (u *user) order(t testing.TB, more map[string]any, names ...string) *reply {
	t.Helper()
	ids := []acme.Identifier{}
	for _, n := range names {
		id := acme.Identifier{Type: "dns", Value: n}
		if net.ParseIP(n) != nil {
			id.Type = "ip"
		}
		ids = append(ids, id)
	}
	payload := map[string]any{"identifiers": ids}
	for k, v := range more {
		payload[k] = v
	}
	return u.post(t, "/acme/new-order", payload)
}

// challenge gives the URL and token of a challenge of an order's authorization.
func (u *user) challenge(t testing.TB, authz, kind string) (url, token string) {
	t.Helper()
	for _, c := range u.get(t, authz).want(t, http.StatusOK).json(t)["challenges"].([]any) {
		m := c.(map[string]any)
		if m["type"] == kind {
			return m["url"].(string), m["token"].(string)
		}
	}
	t.Fatalf("no challenge %s", kind)
	return "", ""
}

func (u *user) keyAuthorization(t testing.TB, token string) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: u.key.Public()}).Thumbprint(crypto.SHA256)
	check(t, err)
	return token + "." + base64.RawURLEncoding.EncodeToString(sum)
}

// await polls a resource until it leaves the states of waiting.
func (u *user) await(t testing.TB, url string, waiting ...string) map[string]any {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for {
		v := u.get(t, url).want(t, http.StatusOK).json(t)
		state := fmt.Sprint(v["status"])
		still := false
		for _, s := range waiting {
			still = still || s == state
		}
		if !still {
			return v
		}
		if time.Now().After(end) {
			t.Fatalf("%s stays %s", url, state)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// prove proves every name of an order by dns-01.
func (u *user) prove(t testing.TB, order *reply) string {
	t.Helper()
	for _, a := range order.want(t, http.StatusCreated).json(t)["authorizations"].([]any) {
		authz := a.(string)
		name := u.get(t, authz).want(t, http.StatusOK).json(t)["identifier"].(map[string]any)["value"].(string)
		url, token := u.challenge(t, authz, "dns-01")
		sum := sha256.Sum256([]byte(u.keyAuthorization(t, token)))
		u.w.zone.set("_acme-challenge."+name+".", base64.RawURLEncoding.EncodeToString(sum[:]))
		u.post(t, url, struct{}{}).want(t, http.StatusOK)
		v := u.await(t, authz, "pending")
		if v["status"] != "valid" {
			t.Fatalf("authorization %v", v)
		}
	}
	return order.header.Get("Location")
}

func csr(t testing.TB, key crypto.Signer, names ...string) map[string]any {
	t.Helper()
	template := &x509.CertificateRequest{}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	check(t, err)
	return map[string]any{"csr": base64.RawURLEncoding.EncodeToString(der)}
}

// issue has a certificate made and returns its URL.
func (u *user) issue(t testing.TB, key crypto.Signer, names ...string) string {
	t.Helper()
	order := u.prove(t, u.order(t, nil, names...))
	v := u.post(t, order+"/finalize", csr(t, key, names...)).want(t, http.StatusOK).json(t)
	if v["status"] != "valid" {
		t.Fatalf("order %v", v)
	}
	return v["certificate"].(string)
}

func port(n int) string { return strconv.Itoa(n) }
