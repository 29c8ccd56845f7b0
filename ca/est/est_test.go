package est_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/catest"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/est"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
	"github.com/antin-gov/antin/internal/trust"
)

func TestMain(m *testing.M) { hsmtest.Main(m) }

const agency = "thue"

var check = catest.Check

type world struct {
	*catest.World
	url string
	dir string // with root.pem
}

func newWorld(t testing.TB, db *store.DB) *world {
	t.Helper()
	w := &world{World: catest.New(t, db, clock.System{}), dir: t.TempDir()}
	server, err := est.New(est.Config{DB: db, Authority: w.Service, Desk: w.Desk, Ledger: w.Ledger, Clock: clock.System{}, Directory: directory.New(db), Logger: w.Logger})
	check(t, err)
	clients, err := trust.NewStore(w.Service.IssuersOf(ca.ServiceName), nil)
	check(t, err)
	listener := httptest.NewUnstartedServer(server.Handler())
	listener.TLS = (&trust.Peers{Store: clients, Clock: clock.System{}}).Server(&tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.VerifyClientCertIfGiven,
		Certificates: []tls.Certificate{w.serverCertificate(t)}})
	listener.StartTLS()
	t.Cleanup(listener.Close)
	_, port, err := net.SplitHostPort(listener.Listener.Addr().String())
	check(t, err)
	w.url = "https://localhost:" + port + "/.well-known/est/"
	check(t, os.WriteFile(filepath.Join(w.dir, "root.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Service.Root().Raw}), 0o600))
	return w
}

func (w *world) serverCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key := newKey(t)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"localhost"}}, key)
	check(t, err)
	row, err := w.Service.IssueService(t.Context(), ca.ServiceForm{Profile: "service", Machine: "est", DNSNames: []string{"localhost"}, CSR: der, Actor: "system:test"})
	check(t, err)
	leaf, err := row.X509()
	check(t, err)
	return tls.Certificate{Certificate: w.chain(t, leaf), PrivateKey: key}
}

func (w *world) chain(t testing.TB, leaf *x509.Certificate) [][]byte {
	t.Helper()
	chain, err := w.Service.Chain(leaf)
	check(t, err)
	var raw [][]byte
	for _, cert := range chain[:len(chain)-1] {
		raw = append(raw, cert.Raw)
	}
	return raw
}

func each(t *testing.T, body func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, catest.Schema(est.Schema()...), func(t *testing.T, db *store.DB) { body(t, newWorld(t, db)) })
}

func sqlite(t testing.TB) *world {
	t.Helper()
	return newWorld(t, storetest.SQLite(t, catest.Schema(est.Schema()...)...))
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

func csr(t testing.TB, key crypto.Signer, cn string, dns ...string) string {
	t.Helper()
	template := &x509.CertificateRequest{DNSNames: dns}
	if cn != "" {
		template.Subject = pkix.Name{CommonName: cn}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	check(t, err)
	return base64.StdEncoding.EncodeToString(der)
}

// form is a secret for one device.
func form() enrol.Form {
	return enrol.Form{Kind: enrol.KindEST, AgencyID: agency, Profiles: []string{"device"}, Machine: "may-in-7", Domains: []string{"*.so.example"}}
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	text   string
}

// ask sends a request, with a client certificate when pair is not nil.
func (w *world) ask(t testing.TB, method, path, user, secret, body string, pair *tls.Certificate) answer {
	t.Helper()
	config := &tls.Config{RootCAs: w.Root(), MinVersion: tls.VersionTLS12}
	if pair != nil {
		// Whatever authorities the server names.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	transport := &http.Transport{TLSClientConfig: config}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	check(t, err)
	r.Header.Set("Content-Type", "application/pkcs10")
	if user != "" {
		r.SetBasicAuth(user, secret)
	}
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return answer{text: err.Error()}
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	check(t, err)
	return answer{response.StatusCode, response.Header, string(b)}
}

func (a answer) want(t testing.TB, status int, word string) answer {
	t.Helper()
	if a.status != status || !strings.Contains(a.text, word) {
		t.Fatalf("status %d %q, want %d with %q", a.status, a.text, status, word)
	}
	return a
}

// certificate is the one certificate of an answer.
func (a answer) certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	a.want(t, http.StatusOK, "")
	if kind := a.header.Get("Content-Type"); kind != "application/pkcs7-mime; smime-type=certs-only" {
		t.Errorf("content type %q", kind)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(a.text), ""))
	check(t, err)
	message, err := pkcs7.Parse(der)
	check(t, err)
	if len(message.Certificates) != 1 {
		t.Fatalf("%d certificates", len(message.Certificates))
	}
	return message.Certificates[0]
}

func (w *world) pair(t *testing.T, cert *x509.Certificate, key crypto.Signer) *tls.Certificate {
	t.Helper()
	return &tls.Certificate{Certificate: w.chain(t, cert), PrivateKey: key}
}

func TestDeviceEnrolsOnceAndRenewsByItsCertificate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		c, secret := w.Credential(t, form())
		key := newKey(t)
		request := csr(t, key, "may-in-7", "may-in-7.so.example")
		first := w.ask(t, "POST", "device/simpleenroll", c.ID, secret, request, nil).certificate(t)
		if first.Subject.CommonName != "may-in-7" || first.Subject.OrganizationalUnit[0] != agency || first.VerifyHostname("may-in-7.so.example") != nil || !key.PublicKey.Equal(first.PublicKey) {
			t.Errorf("certificate %s %v", first.Subject, first.DNSNames)
		}
		again := w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).certificate(t)
		if !again.Equal(first) {
			t.Error("the same request gave another certificate")
		}
		w.ask(t, "POST", "simpleenroll", c.ID, secret, csr(t, newKey(t), "may-in-7"), nil).want(t, http.StatusForbidden, "used for another key")

		next := newKey(t)
		renewal := csr(t, next, "may-in-7", "may-in-7.so.example")
		second := w.ask(t, "POST", "simplereenroll", "", "", renewal, w.pair(t, first, key)).certificate(t)
		if second.Equal(first) || !next.PublicKey.Equal(second.PublicKey) || !bytes.Equal(second.RawSubject, first.RawSubject) || second.DNSNames[0] != "may-in-7.so.example" {
			t.Errorf("renewed %s %v", second.Subject, second.DNSNames)
		}
		if !w.ask(t, "POST", "simplereenroll", "", "", renewal, w.pair(t, first, key)).certificate(t).Equal(second) {
			t.Error("the same renewal gave another certificate")
		}
		third := w.ask(t, "POST", "simpleenroll", "", "", csr(t, next, "", "may-in-7.so.example"), w.pair(t, second, next)).certificate(t)
		if third.Equal(second) {
			t.Error("a renewal with the same key gave the old certificate")
		}
		row, err := w.Service.Get(catest.As(t, catest.Thu), profile.FormatSerial(second.SerialNumber))
		check(t, err)
		if row.Actor != "system:est" || row.AgencyID != agency || row.Profile != "device" || row.State != ca.StateIssued {
			t.Errorf("recorded as %+v", row)
		}
		if n := w.Entries(t, "ca.est.enrol"); n != 3 {
			t.Errorf("%d ledger entries, want 3", n)
		}
		_, err = w.Service.Revoke(catest.As(t, catest.Thu), profile.FormatSerial(third.SerialNumber), ca.CauseDeviceLost, "")
		check(t, err)
		w.ask(t, "POST", "simplereenroll", "", "", renewal, w.pair(t, third, next)).want(t, http.StatusForbidden, "revoked")
	})
}

func TestRequestsOutsideWhatAnOfficerWroteAreRefused(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	c, secret := w.Credential(t, form())
	key := newKey(t)
	good := csr(t, key, "may-in-7", "may-in-7.so.example")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	check(t, err)
	waiting, waitingSecret, err := w.Desk.Create(catest.As(t, catest.Minh), form())
	check(t, err)
	revoked, revokedSecret := w.Credential(t, form())
	_, err = w.Desk.Revoke(catest.As(t, catest.Thu), enrol.KindEST, revoked.ID)
	check(t, err)
	der, err := base64.StdEncoding.DecodeString(good)
	check(t, err)
	der[len(der)-1] ^= 1
	for _, x := range []struct {
		name, path, user, secret, body string
		status                         int
		word                           string
	}{
		{"nobody", "simpleenroll", "", "", good, 401, "one-time secret"},
		{"a wrong secret", "simpleenroll", c.ID, secret + "x", good, 401, "not one of this server"},
		{"an unknown id", "simpleenroll", "est-unknown", secret, good, 401, "not one of this server"},
		{"a secret that waits for approval", "simpleenroll", waiting.ID, waitingSecret, good, 403, "waiting"},
		{"a revoked secret", "simpleenroll", revoked.ID, revokedSecret, good, 403, "revoked"},
		{"another profile", "service/simpleenroll", c.ID, secret, good, 403, "profile device"},
		{"a profile that is not for machines", "official/simpleenroll", c.ID, secret, good, 404, "no profile"},
		{"another machine", "simpleenroll", c.ID, secret, csr(t, key, "may-in-8"), 403, "may-in-7"},
		{"another name", "simpleenroll", c.ID, secret, csr(t, key, "may-in-7", "www.bank.example"), 403, "www.bank.example"},
		{"a short key", "simpleenroll", c.ID, secret, csr(t, small, "may-in-7"), 400, "takes keys"},
		{"a changed request", "simpleenroll", c.ID, secret, base64.StdEncoding.EncodeToString(der), 400, "signed by its own key"},
		{"text", "simpleenroll", c.ID, secret, "không", 400, "base64"},
		{"PEM", "simpleenroll", c.ID, secret, "-----BEGIN CERTIFICATE REQUEST-----\n" + good, 400, "without PEM"},
		{"base64 of nothing", "simpleenroll", c.ID, secret, "AAAA", 400, "PKCS#10"},
		{"a body over the limit", "simpleenroll", c.ID, secret, strings.Repeat("A", 65<<10), 413, "bytes"},
		{"a renewal without a certificate", "simplereenroll", c.ID, secret, good, 401, "renewed"},
		{"a key made by the server", "serverkeygen", c.ID, secret, good, 501, "your own key"},
		{"full CMC", "fullcmc", c.ID, secret, good, 501, "not offered"},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := w.ask(t, "POST", x.path, x.user, x.secret, x.body, nil).want(t, x.status, x.word)
			if (x.status == http.StatusUnauthorized) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q", a.header.Get("WWW-Authenticate"))
			}
		})
	}
	// None of these has used the secret up.
	cert := w.ask(t, "POST", "simpleenroll", c.ID, secret, good, nil).certificate(t)
	for _, x := range []struct{ name, body, word string }{
		{"another common name", csr(t, key, "may-in-8", "may-in-7.so.example"), "the subject"},
		{"a name less", csr(t, key, "may-in-7"), "alternative names"},
		{"a name more", csr(t, key, "may-in-7", "may-in-7.so.example", "b.so.example"), "alternative names"},
	} {
		t.Run("a renewal with "+x.name, func(t *testing.T) {
			w.ask(t, "POST", "simplereenroll", "", "", x.body, w.pair(t, cert, key)).want(t, http.StatusForbidden, x.word)
		})
	}
	stranger := newKey(t)
	like := &x509.Certificate{SerialNumber: cert.SerialNumber, Subject: cert.Subject, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	self, err := x509.CreateCertificate(rand.Reader, like, like, stranger.Public(), stranger)
	check(t, err)
	a := w.ask(t, "POST", "simplereenroll", "", "", good, &tls.Certificate{Certificate: [][]byte{self}, PrivateKey: stranger})
	if a.status != 0 || !strings.Contains(a.text, "certificate") {
		t.Errorf("a certificate of elsewhere: %d %s", a.status, a.text)
	}
	for range 9 {
		w.ask(t, "POST", "simplereenroll", "", "", csr(t, newKey(t), "may-in-7", "may-in-7.so.example"), w.pair(t, cert, key)).certificate(t)
	}
	w.ask(t, "POST", "simplereenroll", "", "", good, w.pair(t, cert, key)).certificate(t)
	w.ask(t, "POST", "simplereenroll", "", "", csr(t, newKey(t), "may-in-7", "may-in-7.so.example"), w.pair(t, cert, key)).want(t, http.StatusTooManyRequests, "renew by the newest")
}

func TestRequestThatWaitsForAnOfficerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		f := form()
		f.ByOfficer = true
		for _, approve := range []bool{true, false} {
			c, secret := w.Credential(t, f)
			request := csr(t, newKey(t), "may-in-7", "may-in-7.so.example")
			a := w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).want(t, http.StatusAccepted, "waits for an officer")
			b := w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).want(t, http.StatusAccepted, "waits for an officer")
			id := strings.Fields(a.text)[1]
			if a.header.Get("Retry-After") != "300" || a.text != b.text {
				t.Errorf("%v: %q, then %q", a.header, a.text, b.text)
			}
			if !approve {
				_, err := w.Service.Reject(catest.As(t, catest.Thu), id, "không đủ hồ sơ")
				check(t, err)
				w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).want(t, http.StatusForbidden, "refused")
				continue
			}
			w.approve(t, id)
			cert, err := w.Service.Issue(catest.As(t, catest.Thu), id)
			check(t, err)
			got := w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).certificate(t)
			if !bytes.Equal(got.Raw, cert.DER) {
				t.Error("another certificate than the officer issued")
			}
		}
	})
}

func TestFaultInTheMiddleOfAnEnrolmentLeavesOneCertificate(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	c, secret := w.Credential(t, form())
	request := csr(t, newKey(t), "may-in-7")
	for _, kind := range []string{"ca.est.enrol", "ca.certificate.intent", "ca.certificate.issue"} {
		w.Ledger.Shut.Store(func(e ledger.Entry) bool { return e.Kind == kind })
		a := w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).want(t, http.StatusServiceUnavailable, "ask again")
		if a.header.Get("Retry-After") == "" {
			t.Error("no word when to ask again")
		}
	}
	w.Ledger.Shut.Store(func(ledger.Entry) bool { return false })
	w.ask(t, "POST", "simpleenroll", c.ID, secret, request, nil).certificate(t)
	n, err := w.DB.NewSelect().TableExpr("ca_certificate").Where("state IN ('signed', 'issued')").Where("machine = 'may-in-7'").Count(t.Context())
	check(t, err)
	if n != 1 {
		t.Errorf("%d certificates were signed for one enrolment", n)
	}
}

func run(t *testing.T, in string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("%s is not installed", name)
	}
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestCurlAndOpenSSLEnrolAndRenew(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	c, secret := w.Credential(t, form())
	at := func(name string) string { return filepath.Join(w.dir, name) }
	check(t, os.WriteFile(at("netrc"), []byte("machine localhost login "+c.ID+" password "+secret+"\n"), 0o600))
	curl := func(args ...string) string {
		return run(t, "", "curl", append([]string{"-sSf", "--cacert", at("root.pem")}, args...)...)
	}
	authorities := run(t, curl(w.url+"cacerts"), "sh", "-c", "base64 -d | openssl pkcs7 -inform DER -print_certs -out "+at("cas.pem")+" && openssl verify -CAfile "+at("root.pem")+" "+at("cas.pem"))
	if !strings.Contains(authorities, "OK") {
		t.Errorf("cacerts: %s", authorities)
	}
	if out := run(t, curl(w.url+"csrattrs"), "sh", "-c", "base64 -d | openssl asn1parse -inform DER"); !strings.Contains(out, "prime256v1") || !strings.Contains(out, "ecdsa-with-SHA256") {
		t.Errorf("csrattrs: %s", out)
	}
	ask := func(n string) {
		run(t, "", "sh", "-c", "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "+at(n+".key")+
			" -subj /CN=may-in-7 -addext subjectAltName=DNS:may-in-7.so.example -outform DER 2>/dev/null | base64 > "+at(n+".b64"))
	}
	keep := func(n, text string) {
		run(t, text, "sh", "-c", "base64 -d | openssl pkcs7 -inform DER -print_certs -out "+at(n+".pem"))
		if out := run(t, "", "openssl", "verify", "-CAfile", at("root.pem"), "-untrusted", at("cas.pem"), "-purpose", "sslclient", at(n+".pem")); !strings.Contains(out, "OK") {
			t.Errorf("%s: %s", n, out)
		}
	}
	ask("first")
	keep("first", curl("--netrc-file", at("netrc"), "-H", "Content-Type: application/pkcs10", "--data-binary", "@"+at("first.b64"), w.url+"simpleenroll"))
	ask("second")
	keep("second", curl("--cert", at("first.pem"), "--key", at("first.key"), "-H", "Content-Type: application/pkcs10", "--data-binary", "@"+at("second.b64"), w.url+"simplereenroll"))
}

// approve takes a request through the managing agency and an officer.
func (w *world) approve(t *testing.T, id string) {
	t.Helper()
	_, err := w.Service.Desk().Confirm(catest.As(t, catest.Minh), id, "")
	check(t, err)
	_, err = w.Service.Approve(catest.As(t, catest.Thu), id, "")
	check(t, err)
}
