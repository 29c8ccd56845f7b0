package acme_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/antin-gov/antin/ca/acme"
	"github.com/antin-gov/antin/ca/catest"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

// web serves http-01 for a user on the world's port.
func (w *world) web(t *testing.T, h http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port(w.httpPort)))
	check(t, err)
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

// fault tries a challenge and gives the fault it ends with.
func (u *user) fault(t *testing.T, kind string, names ...string) map[string]any {
	t.Helper()
	authz := u.order(t, nil, names...).want(t, http.StatusCreated).json(t)["authorizations"].([]any)[0].(string)
	url, _ := u.challenge(t, authz, kind)
	u.post(t, url, struct{}{}).want(t, http.StatusOK)
	v := u.await(t, url, "pending", "processing")
	if v["status"] != "invalid" {
		t.Fatalf("challenge %v", v)
	}
	if s := u.get(t, authz).json(t)["status"]; s != "invalid" {
		t.Errorf("authorization %v", s)
	}
	return v["error"].(map[string]any)
}

func TestServerConnectsToAllowedNetworksAlone(t *testing.T) {
	t.Parallel()
	w := sqlite(t, func(c *acme.Config) {
		c.Validation.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	u := w.user(t, form())
	for _, kind := range []string{"http-01", "tls-alpn-01"} {
		for _, name := range []string{"a.so.example", "127.0.0.1"} {
			p := u.fault(t, kind, name)
			if !strings.HasSuffix(p["type"].(string), ":connection") || !strings.Contains(p["detail"].(string), "acme.networks") {
				t.Errorf("%s of %s: %v", kind, name, p)
			}
		}
	}
}

func TestProofsThatAreWrongSayWhy(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u := w.user(t, form())
	elsewhere := freePort(t)
	hits := make(chan struct{}, 100)
	w.web(t, func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.Host, "wrong."):
			fmt.Fprint(rw, "wrong")
		case strings.HasPrefix(r.Host, "large."):
			_, _ = rw.Write(make([]byte, 1<<20))
		case strings.HasPrefix(r.Host, "away."):
			http.Redirect(rw, r, fmt.Sprintf("http://127.0.0.1:%d/", elsewhere), http.StatusFound)
		case strings.HasPrefix(r.Host, "file."):
			http.Redirect(rw, r, "ftp://127.0.0.1/", http.StatusFound)
		case strings.HasPrefix(r.Host, "round."):
			hits <- struct{}{}
			http.Redirect(rw, r, r.URL.String(), http.StatusFound)
		default:
			http.NotFound(rw, r)
		}
	})
	for _, c := range []struct{ kind, name, want string }{
		{"http-01", "wrong.so.example", "incorrectResponse"},
		{"http-01", "large.so.example", "incorrectResponse"},
		{"http-01", "none.so.example", "unauthorized"},
		{"http-01", "away.so.example", "connection"},
		{"http-01", "file.so.example", "connection"},
		{"http-01", "round.so.example", "connection"},
		{"dns-01", "none.so.example", "dns"},
		{"tls-alpn-01", "none.so.example", "connection"},
	} {
		p := u.fault(t, c.kind, c.name)
		if !strings.HasSuffix(p["type"].(string), ":"+c.want) {
			t.Errorf("%s of %s: %v, want %s", c.kind, c.name, p, c.want)
		}
	}
	if n := len(hits); n == 0 || n > 3*7 {
		t.Errorf("%d requests in a round of redirects", n)
	}
}

func TestFaultInTheMiddleOfAnIssueLeavesOneCertificate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, catest.Schema(acme.Schema()...), func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, clock.System{}, nil)
		u := w.user(t, form())
		order := u.prove(t, u.order(t, nil, "a.so.example"))
		key := newKey(t)
		for _, kind := range []string{"ca.acme.order.finalise", "ca.certificate.intent", "ca.certificate.issue"} {
			w.Ledger.Shut.Store(func(e ledger.Entry) bool { return e.Kind == kind })
			r := u.post(t, order+"/finalize", csr(t, key, "a.so.example"))
			r.problem(t, http.StatusInternalServerError, "serverInternal")
			if r.header.Get("Retry-After") == "" || u.get(t, order).json(t)["status"] != "ready" {
				t.Errorf("after %s: %v", kind, u.get(t, order).json(t))
			}
		}
		w.Ledger.Shut.Store(func(ledger.Entry) bool { return false })
		v := u.post(t, order+"/finalize", csr(t, key, "a.so.example")).want(t, http.StatusOK).json(t)
		w.look(t, u.get(t, v["certificate"].(string)).body, "service", "a.so.example")
		n, err := db.NewSelect().TableExpr("ca_certificate").Where("state IN ('signed', 'issued')").Where("machine = 'a.so.example'").Count(t.Context())
		check(t, err)
		if n != 1 {
			t.Errorf("%d certificates were signed for one order", n)
		}
	})
}

func TestInterruptedOrderIsTakenUpByAnotherReplica(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u := w.user(t, form())
	order := u.prove(t, u.order(t, nil, "a.so.example"))
	v := u.post(t, order+"/finalize", csr(t, newKey(t), "a.so.example")).want(t, http.StatusOK).json(t)
	id := order[strings.LastIndex(order, "/")+1:]
	// As if the process had ended after the certificate was made.
	_, err := w.DB.ExecContext(t.Context(), "UPDATE acme_order SET state = 'processing', serial = '', claimed_at = ? WHERE id = ?", time.Now().UTC().Add(-time.Hour), id)
	check(t, err)
	check(t, w.server.Sweep(t.Context()))
	again := u.get(t, order).want(t, http.StatusOK).json(t)
	if again["status"] != "valid" || again["certificate"] != v["certificate"] {
		t.Errorf("order %v, the certificate was %v", again, v["certificate"])
	}
}

func TestChallengeThatNobodyWorksAtIsTakenUp(t *testing.T) {
	t.Parallel()
	w := sqlite(t, nil)
	u := w.user(t, form())
	authz := u.order(t, nil, "a.so.example").json(t)["authorizations"].([]any)[0].(string)
	url, token := u.challenge(t, authz, "http-01")
	w.web(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprintln(rw, u.keyAuthorization(t, token)) })
	_, err := w.DB.ExecContext(t.Context(), "UPDATE acme_challenge SET state = 'processing' WHERE id = ?", url[strings.LastIndex(url, "/")+1:])
	check(t, err)
	check(t, w.server.Sweep(t.Context()))
	if v := u.await(t, url, "processing"); v["status"] != "valid" || v["validated"] == nil {
		t.Errorf("challenge %v", v)
	}
}

func TestAgreedNamesSkipChallengesOnlyWhereTheSettingSaysSo(t *testing.T) {
	t.Parallel()
	f := form()
	f.Preauthorised = true
	for _, skip := range []bool{false, true} {
		w := sqlite(t, func(c *acme.Config) { c.Validation.SkipChallenges = skip })
		want := map[bool]string{false: "pending", true: "ready"}[skip]
		if s := w.user(t, f).order(t, nil, "a.so.example").json(t)["status"]; s != want {
			t.Errorf("setting %v: the order is %v, want %s", skip, s, want)
		}
		if s := w.user(t, form()).order(t, nil, "a.so.example").json(t)["status"]; s != "pending" {
			t.Errorf("setting %v, a key without the word: the order is %v", skip, s)
		}
	}
}

func TestLimitsHoldAndListsHavePages(t *testing.T) {
	t.Parallel()
	w := sqlite(t, func(c *acme.Config) {
		c.Limits = acme.Limits{OrdersPerHour: 55, OpenOrders: 2, FailuresPerHour: 1}
	})
	u := w.user(t, form())
	u.fault(t, "tls-alpn-01", "a.so.example")
	u.order(t, nil, "a.so.example").problem(t, http.StatusTooManyRequests, "rateLimited")
	u.order(t, nil, "b.so.example").want(t, http.StatusCreated)
	last := u.order(t, nil, "c.so.example").want(t, http.StatusCreated)
	if r := u.order(t, nil, "d.so.example"); r.header.Get("Retry-After") == "" {
		t.Error("no word when to ask again")
	} else {
		r.problem(t, http.StatusTooManyRequests, "rateLimited")
	}
	for range 52 { // an authorization that is given up frees its order's place
		authz := last.json(t)["authorizations"].([]any)[0].(string)
		u.post(t, authz, map[string]any{"status": "deactivated"}).want(t, http.StatusOK)
		last = u.order(t, nil, "c.so.example").want(t, http.StatusCreated)
	}
	u.post(t, last.json(t)["authorizations"].([]any)[0].(string), map[string]any{"status": "deactivated"}).want(t, http.StatusOK)
	u.order(t, nil, "c.so.example").problem(t, http.StatusTooManyRequests, "rateLimited")
	seen, url := map[string]bool{}, u.kid+"/orders"
	for url != "" {
		r := u.get(t, url).want(t, http.StatusOK)
		for _, o := range r.json(t)["orders"].([]any) {
			seen[o.(string)] = true
		}
		url = ""
		for _, link := range r.header.Values("Link") {
			if strings.Contains(link, `rel="next"`) {
				url = link[1:strings.Index(link, ">")]
			}
		}
	}
	if len(seen) != 55 {
		t.Errorf("%d orders in the list, want 55", len(seen))
	}
}

func TestExpiredThingsGoAndExpiredOrdersAreInvalid(t *testing.T) {
	t.Parallel()
	now := clock.NewFake(time.Now())
	w := newWorld(t, storetest.SQLite(t, catest.Schema(acme.Schema()...)...), now, nil)
	u := w.user(t, form())
	order := u.order(t, nil, "a.so.example").want(t, http.StatusCreated)
	url := order.header.Get("Location")
	old := u.freshNonce(t)
	now.Advance(25 * time.Hour)
	w.do(t, http.MethodPost, url, "application/jose+json", u.body(t, url, nil, map[jose.HeaderKey]any{"nonce": old})).problem(t, http.StatusBadRequest, "badNonce")
	u.nonce = ""
	if s := u.get(t, url).json(t)["status"]; s != "invalid" {
		t.Errorf("an order past its time is %v", s)
	}
	u.post(t, url+"/finalize", csr(t, newKey(t), "a.so.example")).problem(t, http.StatusForbidden, "orderNotReady")
	now.Advance(8 * 24 * time.Hour)
	check(t, w.server.Clean(t.Context()))
	for _, table := range []string{"acme_nonce", "acme_order", "acme_authz", "acme_challenge"} {
		n, err := w.DB.NewSelect().TableExpr(table).Count(t.Context())
		check(t, err)
		if n != 0 {
			t.Errorf("%d rows stay in %s", n, table)
		}
	}
}
