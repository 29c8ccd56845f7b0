// Package trusttest is a small public-key infrastructure for tests: a root, an
// issuing authority, an OCSP responder, a CRL, a repository of issuers and a
// time-stamping authority, with real keys, behind a real HTTP server on
// loopback. Its time comes from a clock that the test moves.
//
// The OCSP responses and the time-stamp tokens are made by other people's
// libraries (x/crypto/ocsp, digitorus/timestamp), so that a fault of ours does
// not hide behind its mirror image.
package trusttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/trust"
)

// PKI is the running infrastructure.
type PKI struct {
	Clock                        *clock.Fake
	URL                          string // of the server, without slash
	Root, Issuer, TSA, Responder *x509.Certificate
	RootKey, IssuerKey           *ecdsa.PrivateKey
	TSAKey, ResponderKey         *ecdsa.PrivateKey
	Policy                       asn1.ObjectIdentifier // of the TSA

	mu      sync.Mutex
	serial  int64
	revoked map[string]revocation
	down    map[string]bool
	hits    map[string]int
}

type revocation struct {
	serial *big.Int
	issuer string
	at     time.Time
	reason int
}

// Services of the server, for Down and Hits.
const (
	OCSP = "/ocsp"
	CRL  = "/crl/"
	AIA  = "/aia/"
	TSA  = "/tsa"
)

// New starts an infrastructure whose clock stands at now; the zero time means
// the machine's time. It ends with the test.
func New(tb testing.TB, now time.Time) *PKI {
	tb.Helper()
	if now.IsZero() {
		now = time.Now()
	}
	p := &PKI{
		Clock: clock.NewFake(now.UTC().Truncate(time.Second)), Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1},
		revoked: make(map[string]revocation), down: make(map[string]bool), hits: make(map[string]int),
	}
	server := httptest.NewServer(p.handler())
	tb.Cleanup(server.Close)
	p.URL = server.URL
	p.RootKey, p.IssuerKey, p.TSAKey, p.ResponderKey = ECKey(tb), ECKey(tb), ECKey(tb), ECKey(tb)

	start := p.Clock.Now().Add(-365 * 24 * time.Hour)
	end := p.Clock.Now().Add(10 * 365 * 24 * time.Hour)
	authority := func(name string) *x509.Certificate {
		return &x509.Certificate{
			Subject:  pkix.Name{CommonName: name, Organization: []string{"Ban Thử nghiệm"}, Country: []string{"VN"}},
			KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
			NotBefore: start, NotAfter: end,
		}
	}
	root := authority("Gốc thử nghiệm")
	p.Root = p.sign(tb, root, root, p.RootKey.Public(), p.RootKey)
	issuer := authority("Cơ quan cấp thử nghiệm")
	p.pointers(issuer, "root")
	p.Issuer = p.sign(tb, issuer, p.Root, p.IssuerKey.Public(), p.RootKey)

	responder := &x509.Certificate{
		Subject: pkix.Name{CommonName: "OCSP thử nghiệm"}, NotBefore: start, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}},
	}
	p.Responder = p.sign(tb, responder, p.Issuer, p.ResponderKey.Public(), p.IssuerKey)
	// extendedKeyUsage must be critical, which crypto/x509 writes only when
	// it is given whole: SEQUENCE { id-kp-timeStamping }.
	tsa := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Dấu thời gian thử nghiệm"}, NotBefore: start, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
			Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 8},
		}},
	}
	p.pointers(tsa, "issuer")
	p.TSA = p.sign(tb, tsa, p.Issuer, p.TSAKey.Public(), p.IssuerKey)
	return p
}

// ListResponder gives the authority a responder whose own state is told by the
// list (it has no id-pkix-ocsp-nocheck).
func (p *PKI) ListResponder(tb testing.TB) {
	tb.Helper()
	responder := &x509.Certificate{
		Subject: pkix.Name{CommonName: "OCSP có trạng thái"}, NotBefore: p.Issuer.NotBefore, NotAfter: p.Issuer.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
		CRLDistributionPoints: []string{p.URL + CRL + "issuer.crl"},
	}
	p.Responder = p.sign(tb, responder, p.Issuer, p.ResponderKey.Public(), p.IssuerKey)
}

// ECKey makes a P-256 key.
func ECKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("make key: %v", err)
	}
	return key
}

// pointers puts the addresses of the issuer's services into a template.
func (p *PKI) pointers(template *x509.Certificate, issuer string) {
	template.OCSPServer = []string{p.URL + OCSP}
	template.CRLDistributionPoints = []string{p.URL + CRL + issuer + ".crl"}
	template.IssuingCertificateURL = []string{p.URL + AIA + issuer + ".cer"}
}

func (p *PKI) sign(tb testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	tb.Helper()
	p.mu.Lock()
	p.serial++
	template.SerialNumber = big.NewInt(0x1000 + p.serial)
	p.mu.Unlock()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		tb.Fatalf("issue %s: %v", template.Subject.CommonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("read issued %s: %v", template.Subject.CommonName, err)
	}
	return cert
}

// Issue certifies a public key for signing documents and returns the chain:
// leaf, issuer, root. Each edit may change the template before it is signed.
func (p *PKI) Issue(tb testing.TB, name string, public crypto.PublicKey, edits ...func(*x509.Certificate)) []*x509.Certificate {
	tb.Helper()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Country: []string{"VN"}},
		NotBefore: p.Clock.Now().Add(-24 * time.Hour), NotAfter: p.Clock.Now().Add(2 * 365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
	p.pointers(template, "issuer")
	for _, edit := range edits {
		edit(template)
	}
	return []*x509.Certificate{p.sign(tb, template, p.Issuer, public, p.IssuerKey), p.Issuer, p.Root}
}

// Revoke makes OCSP and CRL say that a certificate is revoked.
func (p *PKI) Revoke(cert *x509.Certificate, at time.Time, reason int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked[key(cert.RawIssuer, cert.SerialNumber)] = revocation{
		serial: cert.SerialNumber, issuer: string(cert.RawIssuer), at: at.UTC(), reason: reason,
	}
}

// Down makes a service answer 503, or work again.
func (p *PKI) Down(service string, down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down[service] = down
}

// Hits tells how often a service was asked.
func (p *PKI) Hits(service string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[service]
}

// Store trusts the root and knows nothing else.
func (p *PKI) Store(tb testing.TB) *trust.Store {
	tb.Helper()
	store, err := trust.NewStore([]*x509.Certificate{p.Root}, nil)
	if err != nil {
		tb.Fatalf("make store: %v", err)
	}
	return store
}

// Collector collects from the server by the infrastructure's clock.
func (p *PKI) Collector() *trust.Collector { return &trust.Collector{Clock: p.Clock} }

// TSAURL is the address of the time-stamping authority.
func (p *PKI) TSAURL() string { return p.URL + TSA }

// Dir writes root-test.pem and issuer-test.pem to a folder, as the trust
// folder of the command line has them.
func (p *PKI) Dir(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, cert := range map[string]*x509.Certificate{"root-test.pem": p.Root, "issuer-test.pem": p.Issuer} {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		err := os.WriteFile(filepath.Join(dir, name), text, 0o600)
		if err != nil {
			tb.Fatalf("write %s: %v", name, err)
		}
	}
	return dir
}

func key(issuer []byte, serial *big.Int) string { return string(issuer) + "/" + serial.String() }
