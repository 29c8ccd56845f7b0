package ca_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/offline"
	"github.com/antin-gov/antin/hsm/hsmtest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

var admin = auth.Subject{AccountID: "quan.tri", Roles: []string{auth.RoleAdmin}}

// machine is a token, a database and a ledger, with or without a centre on it.
type machine struct {
	deps    ca.Deps
	service *ca.Service
	url     string
	dir     string
	vkey    string // of the ledger
	handler atomic.Pointer[http.Handler]
}

func newMachine(t testing.TB, db *store.DB, cfg ca.Config) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*m.handler.Load()).ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	m.url = server.URL
	cfg.BaseURL = server.URL
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	m.vkey, err = ledger.VerifierKey("antin.test/machine", signer.Public())
	check(t, err)
	log, err := ledger.Open(context.WithoutCancel(t.Context()), ledger.Options{Dir: filepath.Join(t.TempDir(), "ledger"), Origin: "antin.test/machine",
		Signer: signer, Logger: slog.New(slog.DiscardHandler)})
	check(t, err)
	t.Cleanup(func() { check(t, log.Close()) })
	demo, err := directory.Demo()
	check(t, err)
	check(t, directory.Load(t.Context(), db, demo))
	m.deps = ca.Deps{DB: db, Keys: hsmtest.New(t), Ledger: log, Clock: clock.System{}, Directory: directory.New(db), Authorizer: roles{},
		Logger: slog.New(slog.DiscardHandler), Config: cfg}
	return m
}

// start starts the centre as a process does.
func (m *machine) start(t testing.TB) {
	t.Helper()
	var err error
	m.service, err = ca.New(t.Context(), m.deps)
	check(t, err)
	h := m.service.Handler()
	m.handler.Store(&h)
	for name, text := range m.service.Export() {
		check(t, os.WriteFile(filepath.Join(m.dir, name), text, 0o600))
	}
}

func (m *machine) authorities(t testing.TB) *ca.Authorities {
	t.Helper()
	a, err := ca.OpenAuthorities(t.Context(), m.deps)
	check(t, err)
	return a
}

// device issues to a machine and writes the certificate to a file.
func (m *machine) device(t testing.TB, name string) (*ca.Certificate, string) {
	t.Helper()
	c, err := m.service.IssueService(t.Context(), ca.ServiceForm{Profile: "device", Machine: name, CSR: csr(t, p256(t)), Actor: "system:test"})
	check(t, err)
	return c, m.write(t, name+".crt", c.DER)
}

func (m *machine) write(t testing.TB, name string, certs ...[]byte) string {
	t.Helper()
	var text []byte
	for _, der := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	path := filepath.Join(m.dir, name)
	check(t, os.WriteFile(path, text, 0o600))
	return path
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

// list fetches a list over HTTP and writes it as PEM.
func (m *machine) list(t testing.TB, name string) string {
	t.Helper()
	resp, err := http.Get(m.url + "/crl/" + name + ".crl")
	check(t, err)
	defer resp.Body.Close()
	var der bytes.Buffer
	_, err = der.ReadFrom(resp.Body)
	check(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("list of %s: %s", name, resp.Status)
	}
	path := m.path(name + ".crl.pem")
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der.Bytes()}), 0o600))
	return path
}

func verifies(t testing.TB, args ...string) {
	t.Helper()
	text, err := openssl(t, append([]string{"verify", "-x509_strict"}, args...)...)
	if err != nil {
		t.Fatalf("openssl verify %v: %v: %s", args, err, text)
	}
}

func refuses(t testing.TB, why string, args ...string) {
	t.Helper()
	text, err := openssl(t, append([]string{"verify", "-x509_strict"}, args...)...)
	if err == nil || !strings.Contains(text, why) {
		t.Fatalf("openssl verify %v: %v: %s, want %q", args, err, text, why)
	}
}

func TestARootElsewhereCertifiesByRequestAndAnswer(t *testing.T) {
	t.Parallel()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		centre := newMachine(t, db, ca.Config{Root: ca.RootAway})
		rootMachine := newMachine(t, storetest.SQLite(t, schema()...), ca.Config{Root: ca.RootOnly})
		check(t, ca.Init(t.Context(), rootMachine.deps, rootMachine.deps.Config))
		err := ca.Init(t.Context(), centre.deps, centre.deps.Config)
		if !errors.Is(err, ca.ErrWaiting) {
			t.Fatalf("a centre without its root's answer: %v", err)
		}
		_, err = ca.New(t.Context(), centre.deps)
		if !errors.Is(err, ca.ErrWaiting) {
			t.Fatalf("a centre without its root's answer serves: %v", err)
		}
		request, digest, err := centre.authorities(t).RequestRoot(as(t, admin))
		check(t, err)
		_, err = rootMachine.authorities(t).AnswerRequest(as(t, admin), request, strings.Repeat("0", 64))
		if !errors.Is(err, ca.ErrImport) {
			t.Fatalf("a request with another digest than the people's: %v", err)
		}
		answer, err := rootMachine.authorities(t).AnswerRequest(as(t, admin), request, digest)
		check(t, err)
		again, err := rootMachine.authorities(t).AnswerRequest(as(t, admin), request, digest)
		check(t, err)
		if !bytes.Equal(again, answer) {
			t.Error("the second answer to a request is another one")
		}
		_, err = centre.authorities(t).ImportAnswer(as(t, admin), answer, "")
		if !errors.Is(err, ca.ErrImport) {
			t.Fatalf("a root that nobody compared: %v", err)
		}
		parsed, _, _, err := offline.OpenAnswer(answer)
		check(t, err)
		root, err := x509.ParseCertificate(parsed.Root)
		check(t, err)
		rootPEM := centre.write(t, "compared-root.pem", root.Raw)
		list, err := rootMachine.authorities(t).List(as(t, admin))
		check(t, err)
		infos, err := centre.authorities(t).ImportAnswer(as(t, admin), answer, list[0].SHA256)
		check(t, err)
		if len(infos) != 3 {
			t.Errorf("%d authorities certified", len(infos))
		}
		_, err = centre.authorities(t).ImportAnswer(as(t, admin), answer, list[0].SHA256)
		if !errors.Is(err, ca.ErrState) {
			t.Errorf("an answer taken twice: %v", err)
		}
		check(t, ca.Init(t.Context(), centre.deps, centre.deps.Config))
		centre.start(t)
		_, leaf := centre.device(t, "device-1")
		verifies(t, "-CAfile", rootPEM, "-untrusted", centre.path("issuer-service.pem"), "-crl_check_all",
			"-CRLfile", centre.list(t, "g1"), "-CRLfile", centre.list(t, "service"), leaf)
		report, err := centre.service.Audit(t.Context())
		check(t, err)
		if len(report.Findings) != 0 {
			t.Errorf("audit: %+v", report.Findings)
		}

		// The revocation of an issuing authority takes the same way.
		issuing, err := centre.authorities(t).List(as(t, admin))
		check(t, err)
		for _, info := range issuing {
			if info.Name == ca.ServiceName {
				_, err = centre.service.Revoke(as(t, thu), info.Serial, ca.CauseStopped, "")
				check(t, err)
			}
		}
		request, digest, err = centre.authorities(t).RequestRoot(as(t, admin))
		check(t, err)
		answer, err = rootMachine.authorities(t).AnswerRequest(as(t, admin), request, digest)
		check(t, err)
		_, err = centre.authorities(t).ImportAnswer(as(t, admin), answer, "") // the root is known now
		check(t, err)
		refuses(t, "certificate revoked", "-CAfile", rootPEM, "-untrusted", centre.path("issuer-service.pem"), "-crl_check_all",
			"-CRLfile", centre.list(t, "g1"), "-CRLfile", centre.list(t, "service"), leaf)
	})
}

func TestARootRefusesARequestOfSomebodyElse(t *testing.T) {
	t.Parallel()
	rootMachine := newMachine(t, storetest.SQLite(t, schema()...), ca.Config{Root: ca.RootOnly})
	check(t, ca.Init(t.Context(), rootMachine.deps, rootMachine.deps.Config))
	office := rootMachine.authorities(t)
	key := p256(t)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, p256(t))
	check(t, err)
	good := func() *offline.Request {
		return &offline.Request{Format: offline.FormatRequest, CreatedAt: time.Now(), CreatedBy: "x", BaseURL: "http://pki.example", ListDays: 180}
	}
	order := offline.Order{Authority: "official", Profile: "issuer", CSR: der}
	for name, change := range map[string]func(*offline.Request){
		"a stranger's key":  func(r *offline.Request) { r.Certificates = []offline.Order{order} },
		"nothing asked for": func(*offline.Request) {},
		"another root":      func(r *offline.Request) { r.Root = strings.Repeat("ab", 32) },
		"an https address":  func(r *offline.Request) { r.BaseURL = "https://pki.example"; r.Certificates = []offline.Order{order} },
		"a list for ever":   func(r *offline.Request) { r.ListDays = 4000; r.Certificates = []offline.Order{order} },
		"a request that is none": func(r *offline.Request) {
			r.Certificates = []offline.Order{{Authority: "x", Profile: "issuer", CSR: []byte{1}}}
		},
		"a revocation of a certificate that is not the root's": func(r *offline.Request) {
			r.Revocations = []offline.Revocation{{Serial: strings.Repeat("1", 32), At: time.Now(), Cause: "expired"}}
		},
	} {
		r := good()
		change(r)
		file, digest, err := offline.Seal(r, key)
		check(t, err)
		entries, err := rootMachine.deps.DB.NewSelect().TableExpr("ca_certificate").Count(t.Context())
		check(t, err)
		_, err = office.AnswerRequest(as(t, admin), file, digest)
		if !errors.Is(err, ca.ErrImport) && !errors.Is(err, ca.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		after, err := rootMachine.deps.DB.NewSelect().TableExpr("ca_certificate").Count(t.Context())
		check(t, err)
		if after != entries {
			t.Errorf("%s: something was made", name)
		}
	}
	_, err = office.AnswerRequest(as(t, thu), nil, "")
	if err == nil {
		t.Error("somebody without the right answered")
	}
}

// outsideRoot is a root made by openssl, that certifies requests.
type outsideRoot struct{ key, cert string }

func newOutsideRoot(t testing.TB, m *machine) outsideRoot {
	t.Helper()
	o := outsideRoot{m.path("outside.key"), m.path("outside.pem")}
	text, err := openssl(t, "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", o.key, "-out", o.cert, "-days", "3000",
		"-subj", "/C=VN/O=Root of somebody else/CN=Outside Root", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	if err != nil {
		t.Fatalf("openssl req: %s", text)
	}
	return o
}

// certify has openssl certify a request and returns the chain.
func (o outsideRoot) certify(t testing.TB, m *machine, csr []byte, name string) []byte {
	t.Helper()
	in, out, ext := m.path(name+".csr"), m.path(name+".outside.pem"), m.path(name+".ext")
	check(t, os.WriteFile(in, csr, 0o600))
	check(t, os.WriteFile(ext, []byte("authorityKeyIdentifier=keyid\n"), 0o600))
	text, err := openssl(t, "x509", "-req", "-in", in, "-CA", o.cert, "-CAkey", o.key, "-CAcreateserial", "-days", "1000",
		"-copy_extensions", "copyall", "-extfile", ext, "-out", out)
	if err != nil {
		t.Fatalf("openssl x509: %s", text)
	}
	cert, err := os.ReadFile(out)
	check(t, err)
	root, err := os.ReadFile(o.cert)
	check(t, err)
	return append(cert, root...)
}

func TestAnOutsideRootCertifiesByRequestAndChain(t *testing.T) {
	t.Parallel()
	m := newMachine(t, storetest.SQLite(t, schema()...), ca.Config{})
	check(t, ca.Init(t.Context(), m.deps, m.deps.Config))
	m.start(t)
	_, before := m.device(t, "before")
	outside := newOutsideRoot(t, m)

	// The authority that exists gets a second certificate: both roots verify.
	request, err := m.authorities(t).ExportCSR(as(t, admin), "service")
	check(t, err)
	chain := outside.certify(t, m, request, "service")
	_, err = m.authorities(t).ImportChain(as(t, admin), "service", chain)
	check(t, err)
	verifies(t, "-CAfile", m.path("root-g1.pem"), "-untrusted", m.path("issuer-service.pem"), before)
	verifies(t, "-CAfile", outside.cert, "-untrusted", m.path("service.outside.pem"), before)

	// The next generation is certified by the outside root alone.
	request, err = m.authorities(t).ExportCSR(as(t, admin), "service-g2")
	check(t, err)
	chain = outside.certify(t, m, request, "service-g2")
	for name, broken := range map[string][]byte{
		"without its root": chain[:bytes.LastIndex(chain, []byte("-----BEGIN"))],
		"of another key":   outside.certify(t, m, csr(t, p256(t)), "stranger"),
		"nothing":          nil,
		"text":             []byte("hello"),
	} {
		_, err = m.authorities(t).ImportChain(as(t, admin), "service-g2", broken)
		if !errors.Is(err, ca.ErrImport) {
			t.Errorf("a chain %s: %v", name, err)
		}
	}
	info, err := m.authorities(t).ImportChain(as(t, admin), "service-g2", chain)
	check(t, err)
	if info.State != ca.AuthorityNext || info.Anchor != "Outside Root" {
		t.Errorf("imported as %+v", info)
	}
	_, err = m.authorities(t).Switch(as(t, admin), "service")
	check(t, err)
	m.start(t)
	after, leaf := m.device(t, "after")
	if after.Issuer != "service-g2" {
		t.Errorf("issued by %s", after.Issuer)
	}
	// both generations serve
	verifies(t, "-CAfile", outside.cert, "-untrusted", m.path("issuer-service-g2.pem"), "-crl_check", "-CRLfile", m.list(t, "service-g2"), leaf)
	verifies(t, "-CAfile", m.path("root-g1.pem"), "-untrusted", m.path("issuer-service.pem"), "-crl_check", "-CRLfile", m.list(t, "service"), before)
	cert, err := after.X509()
	check(t, err)
	full, err := m.service.Chain(cert)
	check(t, err)
	if len(full) != 3 || full[2].Subject.CommonName != "Outside Root" || len(m.service.Anchors()) != 2 {
		t.Errorf("chain of %d, %d anchors", len(full), len(m.service.Anchors()))
	}
	for _, c := range []struct{ issuer, leaf, root string }{
		{"issuer-service-g2.pem", leaf, outside.cert}, {"issuer-service.pem", before, m.path("root-g1.pem")},
	} {
		text, err := openssl(t, "ocsp", "-issuer", m.path(c.issuer), "-cert", c.leaf, "-url", m.url+"/ocsp", "-CAfile", c.root, "-verify_other", m.path(c.issuer), "-nonce")
		if err != nil || !strings.Contains(text, "Response verify OK") || !strings.Contains(text, ": good") {
			t.Errorf("OCSP by %s: %v: %s", c.issuer, err, text)
		}
	}
}

func TestGenerationsRollOverAndCertifyEachOther(t *testing.T) {
	t.Parallel()
	m := newMachine(t, storetest.SQLite(t, schema()...), ca.Config{})
	check(t, ca.Init(t.Context(), m.deps, m.deps.Config))
	m.start(t)
	old, oldLeaf := m.device(t, "old")
	_, err := m.authorities(t).Rollover(as(t, thu), "service")
	if err == nil {
		t.Fatal("somebody without the right rolled over")
	}
	// a new root, then a new generation of an issuing line below it
	_, err = m.authorities(t).Rollover(as(t, admin), "root")
	check(t, err)
	_, err = m.authorities(t).Rollover(as(t, admin), "root")
	if !errors.Is(err, ca.ErrState) {
		t.Errorf("a third generation before the second issues: %v", err)
	}
	_, err = m.authorities(t).Switch(as(t, admin), "root")
	check(t, err)
	info, err := m.authorities(t).Rollover(as(t, admin), "service")
	check(t, err)
	if info.Name != "service-g2" || !strings.HasSuffix(info.Anchor, "G2") {
		t.Errorf("made %+v", info)
	}
	m.start(t)
	between, _ := m.device(t, "between")
	if between.Issuer != "service" {
		t.Errorf("before the switch %s issues", between.Issuer)
	}
	_, err = m.authorities(t).Switch(as(t, admin), "service")
	check(t, err)
	_, err = m.authorities(t).Rollover(as(t, admin), "tsa")
	check(t, err)
	_, err = m.authorities(t).Switch(as(t, admin), "tsa")
	check(t, err)
	m.start(t)
	_, newLeaf := m.device(t, "new")
	var crosses []string
	for name := range m.service.Export() {
		if strings.HasPrefix(name, "cross-") {
			crosses = append(crosses, m.path(name))
		}
	}
	if len(crosses) != 2 {
		t.Fatalf("%d cross-certificates", len(crosses))
	}
	// Each leaf verifies by its own root, and by the other one over the
	// cross-certificates.
	verifies(t, "-CAfile", m.path("root-g1.pem"), "-untrusted", m.path("issuer-service.pem"), oldLeaf)
	verifies(t, "-CAfile", m.path("root-g2.pem"), "-untrusted", m.path("issuer-service-g2.pem"), newLeaf)
	verifies(t, "-CAfile", m.path("root-g1.pem"), "-untrusted", m.path("issuer-service-g2.pem"), "-untrusted", crosses[0], "-untrusted", crosses[1], newLeaf)
	verifies(t, "-CAfile", m.path("root-g2.pem"), "-untrusted", m.path("issuer-service.pem"), "-untrusted", crosses[0], "-untrusted", crosses[1], oldLeaf)
	// The older generation still tells a revocation.
	_, err = m.service.Revoke(as(t, thu), old.Serial, ca.CauseStopped, "")
	check(t, err)
	refuses(t, "certificate revoked", "-CAfile", m.path("root-g1.pem"), "-untrusted", m.path("issuer-service.pem"), "-crl_check", "-CRLfile", m.list(t, "service"), oldLeaf)
	report, err := m.service.Audit(t.Context())
	check(t, err)
	if len(report.Findings) != 0 {
		t.Errorf("audit: %+v", report.Findings)
	}

	// An outside authority is certified by ours.
	outside := newOutsideRoot(t, m)
	text, err := os.ReadFile(outside.cert)
	check(t, err)
	cert, err := x509.ParseCertificate(pemBytes(t, text))
	check(t, err)
	cross, err := m.authorities(t).Cross(as(t, admin), "", cert, "g2")
	check(t, err)
	verifies(t, "-CAfile", m.path("root-g2.pem"), "-untrusted", m.write(t, "crossed.pem", cross.Raw), m.write(t, "their.pem", cross.Raw))
}
