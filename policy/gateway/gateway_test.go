package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/policy"
	"github.com/antin-gov/antin/policy/gateway"
	"github.com/antin-gov/antin/policy/record"
	"github.com/antin-gov/antin/policy/registry"
)

var now = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

var errLedger = errors.New("ledger is full")

// switchable passes entries to the real ledger, or refuses them.
type switchable struct {
	ledger.Appender
	broken atomic.Bool
}

func (s *switchable) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	if s.broken.Load() {
		return ledger.Receipt{}, errLedger
	}
	return s.Appender.Append(ctx, e)
}

// house is a gateway over a real database, ledger, TLS and register.
type house struct {
	db       *store.DB
	log      *ledger.Log
	ledger   *switchable
	clock    *clock.Fake
	sharing  *policy.Service
	ca       *authority
	url      string
	register *registry.Register
	upstream *httptest.Server
	// asked holds the last request that reached the owner's service.
	asked   atomic.Pointer[http.Request]
	answers atomic.Pointer[http.Handler]
	revoked atomic.Bool
}

func open(tb testing.TB, db *store.DB) *house {
	tb.Helper()
	people, err := directory.Demo()
	check(tb, err)
	check(tb, directory.Load(tb.Context(), db, people))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	log, err := ledger.Open(tb.Context(), ledger.Options{Dir: tb.TempDir(), Origin: "test.antin.example/ledger", Signer: key})
	check(tb, err)
	tb.Cleanup(func() { _ = log.Close() })
	h := &house{
		db: db, log: log, ledger: &switchable{Appender: log}, clock: clock.NewFake(now), ca: newAuthority(tb, "services"),
		register: registry.New(registry.Generate(registry.DefaultSeed, registry.DefaultCount)),
	}
	quiet := slog.New(slog.DiscardHandler)
	h.sharing, err = policy.New(policy.Deps{DB: db, Ledger: h.ledger, Clock: h.clock, Directory: directory.New(db), Logger: quiet, Coordinator: "skhcn"})
	check(tb, err)
	check(tb, h.sharing.LoadDemo(tb.Context()))
	h.upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.asked.Store(r)
		handler := h.answers.Load()
		if handler != nil {
			(*handler).ServeHTTP(w, r)
			return
		}
		h.register.Handler().ServeHTTP(w, r)
	}))
	tb.Cleanup(h.upstream.Close)
	h.url = h.start(tb)
	return h
}

func (h *house) start(tb testing.TB) string {
	tb.Helper()
	target, err := url.Parse(h.upstream.URL + "/enterprises")
	check(tb, err)
	own := h.ca.server(tb)
	g, err := gateway.New(gateway.Config{
		Sharing: h.sharing, Clock: h.clock, Logger: slog.New(slog.DiscardHandler),
		Upstreams:   map[string]gateway.Upstream{"enterprises": {URL: target, Items: "items", Counts: []string{"total", "limit", "offset"}}},
		Certificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &own, nil },
		Clients:     &trust.Peers{Store: h.ca.store(tb), Clock: h.clock},
		CheckClient: func(context.Context, *x509.Certificate) error {
			if h.revoked.Load() {
				return errors.New("revoked")
			}
			return nil
		},
	})
	check(tb, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx, listener) }()
	tb.Cleanup(func() {
		cancel()
		err := <-done
		if err != nil {
			tb.Errorf("serve: %v", err)
		}
	})
	return "https://" + listener.Addr().String()
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func (h *house) client(tb testing.TB, certs ...tls.Certificate) *http.Client {
	tb.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: h.ca.pool(), Certificates: certs, MinVersion: tls.VersionTLS12, Time: h.clock.Now,
	}, MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func (h *house) of(tb testing.TB, agency string) *http.Client {
	tb.Helper()
	return h.client(tb, h.ca.client(tb, agency))
}

// get asks and reads the answer.
func (h *house) get(tb testing.TB, client *http.Client, path string, headers ...string) (*http.Response, []byte) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, h.url+path, nil)
	check(tb, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	answer, err := client.Do(request)
	check(tb, err)
	body, err := io.ReadAll(answer.Body)
	check(tb, err)
	check(tb, answer.Body.Close())
	return answer, body
}

// recorded returns the record of the answer after comparing it with its entry
// in the ledger.
func (h *house) recorded(tb testing.TB, answer *http.Response) *record.Access {
	tb.Helper()
	id := answer.Header.Get("Antin-Decision-Id")
	access, err := record.Get(tb.Context(), h.db, id)
	check(tb, err)
	digest, err := access.Digest()
	check(tb, err)
	entry, err := h.log.Entry(tb.Context(), access.LedgerIndex)
	check(tb, err)
	if entry.Object != id || entry.Digest != digest || entry.Agency != access.AgencyID || entry.Actor != "system:gateway" {
		tb.Errorf("the ledger holds %+v for %+v", entry, access)
	}
	return access
}

func problem(tb testing.TB, answer *http.Response, body []byte) gateway.Problem {
	tb.Helper()
	if answer.Header.Get("Content-Type") != "application/problem+json" {
		tb.Errorf("content type %q", answer.Header.Get("Content-Type"))
	}
	var p gateway.Problem
	check(tb, json.Unmarshal(body, &p))
	return p
}

func schema() []store.Migration { return slices.Concat(directory.Schema, policy.Schema) }

const taxPurpose = "purpose=tax-administration"

func TestPermittedRequestReturnsTheAgreedFieldsAndNoOther(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		thue := h.of(t, "thue")
		answer, body := h.get(t, thue, "/data/enterprises?limit=20&"+taxPurpose)
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("status %d: %s", answer.StatusCode, body)
		}
		var page struct {
			Items []map[string]any `json:"items"`
			Total int              `json:"total"`
		}
		check(t, json.Unmarshal(body, &page))
		want := []string{"address", "charter_capital", "code", "commune", "employees", "industry", "industry_code", "kind", "name", "registered_on", "status", "tax_debt"}
		if len(page.Items) != 20 || page.Total != registry.DefaultCount {
			t.Errorf("%d items of %d", len(page.Items), page.Total)
		}
		for _, item := range page.Items {
			var got []string
			for name := range item {
				got = append(got, name)
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		access := h.recorded(t, answer)
		sum := sha256.Sum256(body)
		if access.Status != record.StatusReleased || access.AgencyID != "thue" || access.Records != 20 || access.DataSHA256 != hex.EncodeToString(sum[:]) ||
			access.AgreementID != "tt-enterprises-thue-1/1" || !slices.Equal(access.Given, want) || access.Request != "/data/enterprises?limit=20" {
			t.Errorf("recorded %+v", access)
		}
		for _, e := range registry.Generate(registry.DefaultSeed, 20) {
			if strings.Contains(string(body), e.OwnerID) || strings.Contains(string(body), e.OwnerName) || strings.Contains(string(body), e.BankAccount) {
				t.Fatal("personal data left")
			}
		}
		first := registry.Generate(registry.DefaultSeed, 1)[0]
		answer, body = h.get(t, thue, "/data/enterprises/"+first.Code, "Antin-Purpose", "tax-administration", "Antin-Fields", "code,name,owner_id")
		if answer.StatusCode != http.StatusOK || !cmp.Equal(decode(t, body), map[string]any{"code": first.Code, "name": first.Name}) {
			t.Errorf("one record: %d %s", answer.StatusCode, body)
		}
		access = h.recorded(t, answer)
		if !slices.Contains(access.Codes, "field-outside") || !slices.Equal(access.Asked, []string{"code", "name", "owner_id"}) {
			t.Errorf("the field outside is not named: %+v", access)
		}
		answer, body = h.get(t, h.of(t, "bhxh"), "/data/enterprises/"+first.Code+"?purpose=social-insurance-collection&fields=owner_name,owner_phone")
		if answer.StatusCode != http.StatusOK || strings.Contains(string(body), first.OwnerPhone) || !strings.Contains(string(body), `"*****`+first.OwnerPhone[7:]) {
			t.Errorf("masked: %d %s", answer.StatusCode, body)
		}
		answer, body = h.get(t, thue, "/data/enterprises/none?"+taxPurpose)
		if answer.StatusCode != http.StatusNotFound || h.recorded(t, answer).Records != 0 {
			t.Errorf("a missing record: %d %s", answer.StatusCode, body)
		}
	})
}

func TestRefusedRequestTellsReasonAndLegalBasisAndTheOwnerIsNotAsked(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		for _, c := range []struct{ name, agency, path, code string }{
			{"a commune without agreement", "xa-tan-lap", "/data/enterprises?purpose=business-licensing", "no-agreement"},
			{"another purpose", "thue", "/data/enterprises?purpose=marketing", "purpose"},
			{"no purpose", "thue", "/data/enterprises", "purpose-missing"},
			{"an expired agreement", "snv", "/data/enterprises?purpose=labour-inspection", "agreement-expired"},
			{"a suspended agreement", "sct", "/data/enterprises?purpose=market-surveillance", "agreement-suspended"},
			{"a proposed agreement", "phuong-trung-tam", "/data/enterprises?purpose=business-licensing", "agreement-proposed"},
			{"another operation", "bhxh", "/data/enterprises?purpose=social-insurance-collection&operation=sync", "operation"},
			{"fields outside alone", "thue", "/data/enterprises?fields=owner_id&" + taxPurpose, "fields-none"},
			{"a filter by a field outside", "thue", "/data/enterprises?owner_id=079185001234&" + taxPurpose, "filter-field"},
			{"a database nobody knows", "thue", "/data/nothing?" + taxPurpose, "dataset-unknown"},
			{"an agency nobody knows", "so-la", "/data/enterprises?" + taxPurpose, "agency-unknown"},
			{"an agency dissolved in 2025", "stttt", "/data/enterprises?" + taxPurpose, "agency-unknown"},
		} {
			answer, body := h.get(t, h.of(t, c.agency), c.path)
			p := problem(t, answer, body)
			if answer.StatusCode != http.StatusForbidden || p.Status != http.StatusForbidden {
				t.Errorf("%s: status %d: %s", c.name, answer.StatusCode, body)
				continue
			}
			access := h.recorded(t, answer)
			if p.DecisionID != access.ID || p.Detail == "" || p.DetailEN == "" || len(p.LegalBasis) == 0 || access.Status != record.StatusRefused {
				t.Errorf("%s: %s, recorded %+v", c.name, body, access)
			}
			if !slices.Contains(access.Codes, c.code) || access.AgencyID != c.agency || len(access.Given) != 0 || access.DataSHA256 != "" {
				t.Errorf("%s: recorded %+v, want %s", c.name, access, c.code)
			}
		}
		if h.asked.Load() != nil {
			t.Errorf("the owner was asked: %s", h.asked.Load().URL)
		}
	})
}

func TestSuspensionStopsTheNextRequestOfAnOpenConnection(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		thue := h.of(t, "thue")
		answer, _ := h.get(t, thue, "/data/enterprises?"+taxPurpose)
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("status %d", answer.StatusCode)
		}
		steward := auth.WithSubject(t.Context(), auth.Subject{AccountID: "yen.ph", AgencyID: "stc", Roles: []string{auth.RoleSteward}})
		_, err := h.sharing.Suspend(steward, "tt-enterprises-thue-1", true, "Vi phạm mục đích")
		check(t, err)
		answer, _ = h.get(t, thue, "/data/enterprises?"+taxPurpose)
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("status %d after the suspension", answer.StatusCode)
		}
	})
}

func TestNoTLSSessionWithoutACertificateOfAnAgencyFromTheServiceCA(t *testing.T) {
	h := open(t, storetest.SQLite(t, schema()...))
	stranger := newAuthority(t, "stranger")
	thue, err := gateway.AgencyURI("thue")
	check(t, err)
	stc, err := gateway.AgencyURI("stc")
	check(t, err)
	for name, certs := range map[string][]tls.Certificate{
		"no certificate":                {},
		"a certificate of another CA":   {stranger.client(t, "thue")},
		"a certificate of no agency":    {h.ca.issue(t, func(*x509.Certificate) {})},
		"a certificate of two agencies": {h.ca.issue(t, func(c *x509.Certificate) { c.URIs = []*url.URL{thue, stc} })},
		"an expired certificate":        {h.ca.issue(t, func(c *x509.Certificate) { c.URIs = []*url.URL{thue}; c.NotAfter = now.Add(-time.Minute) })},
		"a server's certificate": {h.ca.issue(t, func(c *x509.Certificate) {
			c.URIs = []*url.URL{thue}
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		})},
		"an agency that is no id": {h.ca.issue(t, func(c *x509.Certificate) { c.URIs = []*url.URL{{Scheme: "urn", Opaque: "antin:agency:../x"}} })},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			config := h.client(t, certs...).Transport.(*http.Transport).TLSClientConfig.Clone()
			config.MaxVersion = version
			conn, err := tls.Dial("tcp", strings.TrimPrefix(h.url, "https://"), config)
			if err == nil {
				// In TLS 1.3 the client learns of the refusal with its first read.
				check(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
				_, _ = conn.Write([]byte("GET /data/enterprises HTTP/1.1\r\nHost: x\r\n\r\n"))
				_, err = conn.Read(make([]byte, 1))
				_ = conn.Close()
			}
			var refused *net.OpError
			if !errors.As(err, &refused) && !strings.Contains(err.Error(), "tls:") {
				t.Errorf("%s, TLS %x: got %v", name, version, err)
			}
		}
	}
	if h.asked.Load() != nil {
		t.Error("the owner was asked")
	}
	n, err := h.db.NewSelect().Model((*record.Access)(nil)).Count(t.Context())
	if err != nil || n != 0 {
		t.Errorf("%d records (%v)", n, err)
	}
}

func TestNothingIsGivenThatTheLedgerOrTheLogRefuses(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		h := open(t, db)
		thue := h.of(t, "thue")
		h.ledger.broken.Store(true)
		for _, path := range []string{"/data/enterprises?" + taxPurpose, "/data/enterprises?purpose=marketing"} {
			answer, body := h.get(t, thue, path)
			if answer.StatusCode != http.StatusServiceUnavailable || strings.Contains(string(body), "items") || len(body) > 1000 {
				t.Errorf("ledger broken: %d %.200s", answer.StatusCode, body)
			}
		}
		h.ledger.broken.Store(false)
		answer, _ := h.get(t, thue, "/data/enterprises?"+taxPurpose)
		if answer.StatusCode != http.StatusOK {
			t.Errorf("ledger healed: %d", answer.StatusCode)
		}
		_, err := db.ExecContext(t.Context(), "DROP TABLE sharing_access")
		check(t, err)
		answer, body := h.get(t, thue, "/data/enterprises?"+taxPurpose)
		if answer.StatusCode != http.StatusServiceUnavailable || strings.Contains(string(body), "items") {
			t.Errorf("log broken: %d %.200s", answer.StatusCode, body)
		}
	})
}

func TestRevokedOrExpiredCertificateIsRefusedOnAnOpenConnection(t *testing.T) {
	h := open(t, storetest.SQLite(t, schema()...))
	thue := h.of(t, "thue")
	answer, _ := h.get(t, thue, "/data/enterprises?"+taxPurpose)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	h.revoked.Store(true)
	answer, body := h.get(t, thue, "/data/enterprises?"+taxPurpose)
	if answer.StatusCode != http.StatusForbidden || !slices.Equal(h.recorded(t, answer).Codes, []string{"certificate"}) || len(problem(t, answer, body).LegalBasis) == 0 {
		t.Errorf("revoked: %d %s", answer.StatusCode, body)
	}
	h.revoked.Store(false)
	h.clock.Advance(72 * time.Hour)
	answer, body = h.get(t, thue, "/data/enterprises?"+taxPurpose)
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("expired meanwhile: %d %s", answer.StatusCode, body)
	}
}

func TestOwnersFailureIsTellingNothingAndIsRecorded(t *testing.T) {
	h := open(t, storetest.SQLite(t, schema()...))
	thue := h.of(t, "thue")
	const secret = "panic: SELECT * FROM enterprises WHERE owner_id"
	for name, handler := range map[string]http.HandlerFunc{
		"an error page":        func(w http.ResponseWriter, _ *http.Request) { http.Error(w, secret, http.StatusInternalServerError) },
		"HTML instead of JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+secret) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		},
		"JSON of another form":    func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, `{"owner_id":"079185001234"}`) },
		"JSON that breaks off":    func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, `{"items":[{"code":"1"`) },
		"a connection that ends":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"an answer without limit": func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, `{"x":"`+strings.Repeat(secret, 200_000)) },
		"no list where it lists":  func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
	} {
		var owner http.Handler = handler
		h.answers.Store(&owner)
		answer, body := h.get(t, thue, "/data/enterprises?"+taxPurpose)
		if answer.StatusCode != http.StatusBadGateway || strings.Contains(string(body), "SELECT") || strings.Contains(string(body), "079185001234") {
			t.Errorf("%s: %d %.300s", name, answer.StatusCode, body)
			continue
		}
		access := h.recorded(t, answer)
		if access.Status != record.StatusFailed || access.DataSHA256 != "" || len(access.Given) != 0 {
			t.Errorf("%s: recorded %+v", name, access)
		}
	}
	h.upstream.Close()
	answer, body := h.get(t, thue, "/data/enterprises?"+taxPurpose)
	if answer.StatusCode != http.StatusBadGateway || strings.Contains(string(body), "127.0.0.1") {
		t.Errorf("an owner that is away: %d %s", answer.StatusCode, body)
	}
	answer, _ = h.get(t, h.of(t, "bhxh"), "/data/people-of-merit?purpose=insurance-claims")
	if answer.StatusCode != http.StatusBadGateway {
		t.Errorf("a database without a service: %d", answer.StatusCode)
	}
}

func writeJSON(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text)
}

func TestNoHeaderOfTheAskerReachesTheOwnerAndNoneOfTheOwnersTheAsker(t *testing.T) {
	h := open(t, storetest.SQLite(t, schema()...))
	var owner http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "owner/1.0")
		w.Header().Set("Set-Cookie", "session=1")
		h.register.Handler().ServeHTTP(w, r)
	})
	h.answers.Store(&owner)
	answer, _ := h.get(t, h.of(t, "xa-tan-lap"), "/data/enterprises?"+taxPurpose, "X-Antin-Agency", "thue", "X-Forwarded-For", "10.2.19.1", "X-Client-Cert", "thue")
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("an agency chosen by header was served: %d", answer.StatusCode)
	}
	answer, _ = h.get(t, h.of(t, "thue"), "/data/enterprises?limit=1&"+taxPurpose,
		"X-Antin-Agency", "stc", "Authorization", "Bearer x", "Cookie", "a=b", "X-Forwarded-For", "10.0.0.1", "Accept-Language", "vi", "Te", "trailers")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	for name := range h.asked.Load().Header {
		if !slices.Contains([]string{"Accept", "User-Agent", "Antin-Decision-Id"}, name) {
			t.Errorf("the owner got %s", name)
		}
	}
	if h.asked.Load().URL.String() != "/enterprises?limit=1" {
		t.Errorf("the owner was asked %s", h.asked.Load().URL)
	}
	for _, name := range []string{"Server", "Set-Cookie"} {
		if answer.Header.Get(name) != "" {
			t.Errorf("the asker got %s", name)
		}
	}
}

func TestMalformedRequestIsAnsweredBeforeAnythingIsDecided(t *testing.T) {
	h := open(t, storetest.SQLite(t, schema()...))
	thue := h.of(t, "thue")
	for name, path := range map[string]string{
		"another path":               "/other",
		"no database":                "/data/",
		"a path that climbs":         "/data/enterprises/../land",
		"an escaped slash":           "/data/enterprises/a%2fb",
		"an escaped dot":             "/data/enterprises/%2e%2e",
		"an empty segment":           "/data/enterprises//x",
		"too many segments":          "/data/enterprises/a/b/c/d",
		"a purpose twice":            "/data/enterprises?purpose=a&purpose=b",
		"a parameter twice":          "/data/enterprises?name=a&name=b&" + taxPurpose,
		"a parameter in other words": "/data/enterprises?Owner-ID=1&" + taxPurpose,
		"a field that is no name":    "/data/enterprises?fields=a,%00&" + taxPurpose,
		"a semicolon":                "/data/enterprises?a=1;b=2&" + taxPurpose,
		"a long query":               "/data/enterprises?name=" + strings.Repeat("x", 5000),
		"a long purpose":             "/data/enterprises?purpose=" + strings.Repeat("x", 300),
	} {
		answer, body := h.get(t, thue, path)
		if answer.StatusCode != http.StatusBadRequest || problem(t, answer, body).DetailEN == "" {
			t.Errorf("%s: %d %s", name, answer.StatusCode, body)
		}
	}
	answer, _ := h.get(t, thue, "/data/enterprises?"+taxPurpose, "Antin-Purpose", "statistics")
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("two purposes in two places: %d", answer.StatusCode)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/data/enterprises?"+taxPurpose, strings.NewReader("{}"))
	check(t, err)
	answer, err = thue.Do(request)
	check(t, err)
	check(t, answer.Body.Close())
	if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET" {
		t.Errorf("POST: %d", answer.StatusCode)
	}
	if h.asked.Load() != nil {
		t.Error("the owner was asked")
	}
}

func TestNewRefusesAnIncompleteConfiguration(t *testing.T) {
	_, err := gateway.New(gateway.Config{})
	if !errors.Is(err, gateway.ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkGateway(b *testing.B) {
	h := open(b, storetest.SQLite(b, schema()...))
	client := h.of(b, "thue")
	b.Run("direct", func(b *testing.B) {
		direct := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				answer, err := direct.Get(h.upstream.URL + "/enterprises?limit=20")
				check(b, err)
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	})
	b.Run("gateway", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				answer, err := client.Get(h.url + "/data/enterprises?limit=20&" + taxPurpose)
				if err != nil || answer.StatusCode != http.StatusOK {
					b.Error(answer, err)
					return
				}
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	})
}
