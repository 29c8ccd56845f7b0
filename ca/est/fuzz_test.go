package est_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/antin-gov/antin/ca/est"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
)

// fuzzed sends bodies to the server by a good secret, without a network
// between; the server refuses them in words, or takes a request that is right.
func fuzzed(f *testing.F) func(t *testing.T, body string) {
	w := sqlite(f)
	server, err := est.New(est.Config{DB: w.DB, Authority: w.Service, Desk: w.Desk, Ledger: w.Ledger, Clock: clock.System{}, Directory: directory.New(w.DB), Logger: w.Logger})
	check(f, err)
	c, secret := w.Credential(f, form())
	return func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/.well-known/est/simpleenroll", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/pkcs10")
		r.SetBasicAuth(c.ID, secret)
		out := httptest.NewRecorder()
		server.Handler().ServeHTTP(out, r)
		if out.Code >= 500 || out.Code != http.StatusOK && out.Body.Len() == 0 {
			t.Errorf("status %d: %s", out.Code, out.Body)
		}
	}
}

// FuzzBody gives the server bodies as they come.
func FuzzBody(f *testing.F) {
	f.Add(csr(f, newKey(f), "may-in-7", "may-in-7.so.example"))
	f.Add("AAAA\r\n")
	f.Add("-----BEGIN CERTIFICATE REQUEST-----")
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, body string) { send(t, body) })
}

// FuzzRequest gives the server DER requests.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{csr(f, newKey(f), "may-in-7", "may-in-7.so.example"), csr(f, newKey(f), "")} {
		der, err := base64.StdEncoding.DecodeString(text)
		check(f, err)
		f.Add(der)
	}
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, der []byte) { send(t, base64.StdEncoding.EncodeToString(der)) })
}
