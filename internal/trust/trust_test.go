package trust_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/testkit"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

func TestPathIsAcceptedOrRefusedWithATypedReason(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	other := trusttest.New(t, time.Time{})
	now := p.Clock.Now()
	shortKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec := trusttest.ECKey(t)
	plain := p.Issue(t, "A", ec.Public())
	cases := []struct {
		name    string
		leaf    *x509.Certificate
		request trust.Request
		reason  trust.PathReason
	}{
		{"a signer under the root is accepted", plain[0], trust.Request{At: now, Purpose: trust.PurposeSignature}, ""},
		{"a time-stamping certificate is accepted for time-stamping", p.TSA, trust.Request{At: now, Purpose: trust.PurposeTimestamp}, ""},
		{"a signer is not a time-stamping authority", plain[0], trust.Request{At: now, Purpose: trust.PurposeTimestamp}, trust.PathKeyUsage},
		{"a signer is not an OCSP responder", plain[0], trust.Request{At: now, Purpose: trust.PurposeOCSP}, trust.PathKeyUsage},
		{"a signer of another root is refused", other.Issue(t, "B", ec.Public())[0], trust.Request{At: now}, trust.PathNoAnchor},
		{"an expired signer is refused", plain[0], trust.Request{At: plain[0].NotAfter.Add(time.Second)}, trust.PathExpired},
		{"a signer of tomorrow is refused", plain[0], trust.Request{At: plain[0].NotBefore.Add(-time.Second)}, trust.PathNotYetValid},
		{"a short RSA key is refused", p.Issue(t, "C", shortKey.Public())[0], trust.Request{At: now}, trust.PathWeak},
		{"an unknown critical extension is refused", p.Issue(t, "D", ec.Public(), func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		})[0], trust.Request{At: now}, trust.PathCritical},
		{"a key for encryption only does not sign", p.Issue(t, "E", ec.Public(), func(c *x509.Certificate) {
			c.KeyUsage = x509.KeyUsageKeyEncipherment
		})[0], trust.Request{At: now, Purpose: trust.PurposeSignature}, trust.PathKeyUsage},
	}
	store := p.Store(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.request.Intermediates = []*x509.Certificate{p.Issuer}
			path, err := store.ValidatePath(context.Background(), c.leaf, c.request)
			if c.reason == "" {
				if err != nil || len(path.Certificates) != 3 || !path.Anchor().Equal(p.Root) {
					t.Fatalf("path %v, error %v", path, err)
				}
				return
			}
			var failure *trust.PathError
			if !errors.As(err, &failure) || failure.Reason != c.reason {
				t.Fatalf("got %v, want %s", err, c.reason)
			}
			if c.reason == trust.PathExpired && failure.Otherwise == nil {
				t.Error("the path that would stand in time is not told")
			}
		})
	}
}

func TestAnExpiredSignerOfAStrangerIsAStrangerFirst(t *testing.T) {
	p, other := trusttest.New(t, time.Time{}), trusttest.New(t, time.Time{})
	leaf := other.Issue(t, "B", trusttest.ECKey(t).Public())[0]
	_, err := p.Store(t).ValidatePath(context.Background(), leaf, trust.Request{At: leaf.NotAfter.Add(time.Hour)})
	var failure *trust.PathError
	if !errors.As(err, &failure) || failure.Reason != trust.PathNoAnchor {
		t.Fatalf("got %v", err)
	}
}

func TestStoreIsReadFromAFolder(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	dir := p.Dir(t)
	store, err := trust.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !store.IsAnchor(p.Root) || store.IsAnchor(p.Issuer) || len(store.Intermediates()) != 1 {
		t.Error("root-*.pem is not the only anchor")
	}
	err = os.Remove(filepath.Join(dir, "root-test.pem"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = trust.LoadDir(dir)
	if !errors.Is(err, trust.ErrNoAnchor) {
		t.Errorf("a folder without a root: %v", err)
	}
	err = os.WriteFile(filepath.Join(dir, "root-key.pem"), []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = trust.LoadDir(dir)
	if err == nil || !strings.Contains(err.Error(), "root-key.pem") {
		t.Errorf("a key in the trust folder: %v", err)
	}
}

func TestRevocationIsJudgedAtTheTimeAsked(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	cert := p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	start := p.Clock.Now()
	before := crl(t, p)
	p.Clock.Advance(2 * time.Hour)
	revokedAt := p.Clock.Now()
	p.Revoke(cert, revokedAt, 1)
	p.Clock.Advance(time.Hour)
	after := crl(t, p)
	ocsp, err := p.OCSPResponse(cert.SerialNumber, p.Issuer, p.Responder, p.ResponderKey, crypto.SHA1)
	if err != nil {
		t.Fatal(err)
	}
	end := p.Clock.Now()
	cases := []struct {
		name     string
		at, now  time.Time
		evidence trust.Evidence
		status   trust.RevocationStatus
		why      trust.RevocationWhy
	}{
		{"a fresh list without the certificate says good", start, start, trust.Evidence{CRLs: [][]byte{before}}, trust.RevocationGood, ""},
		{"a list with the certificate says revoked", end, end, trust.Evidence{CRLs: [][]byte{after}}, trust.RevocationRevoked, ""},
		{"revoked wins over an older good", end, end, trust.Evidence{CRLs: [][]byte{before, after}}, trust.RevocationRevoked, ""},
		{"revoked later is good for an earlier time", start.Add(time.Hour), end, trust.Evidence{CRLs: [][]byte{after}}, trust.RevocationGood, ""},
		{"the same from an OCSP response", start.Add(time.Hour), end, trust.Evidence{OCSPs: [][]byte{ocsp}}, trust.RevocationGood, ""},
		{"a list from the future is not taken", start, start, trust.Evidence{CRLs: [][]byte{after}}, trust.RevocationUnknown, trust.WhyTime},
		{"a stale list is not taken", start.Add(48 * time.Hour), start.Add(48 * time.Hour), trust.Evidence{CRLs: [][]byte{before}}, trust.RevocationUnknown, trust.WhyTime},
		{"no evidence is not good", start, start, trust.Evidence{}, trust.RevocationUnknown, trust.WhyNoEvidence},
		{"rubbish is not good", start, start, trust.Evidence{CRLs: [][]byte{{1, 2}}}, trust.RevocationUnknown, trust.WhyMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: c.at, Now: c.now, Evidence: c.evidence})
			if got.Status != c.status || got.Why != c.why {
				t.Errorf("got %v, want %v (%s)", got, c.status, c.why)
			}
		})
	}
}

func crl(t *testing.T, p *trusttest.PKI) []byte {
	t.Helper()
	der, err := p.CRLFor(p.Issuer, p.IssuerKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestScopeOfACRLIsRespected(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	cert := p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	now := p.Clock.Now()
	idp := func(value ...byte) []pkix.Extension {
		return []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: append([]byte{0x30, byte(len(value))}, value...)}}
	}
	cases := []struct {
		name       string
		extensions []pkix.Extension
		status     trust.RevocationStatus
		why        trust.RevocationWhy
	}{
		{"only users covers a user", idp(0x81, 1, 0xff), trust.RevocationGood, ""},
		{"only authorities does not", idp(0x82, 1, 0xff), trust.RevocationUnknown, trust.WhyScope},
		{"some reasons cannot say good", idp(0x83, 2, 7, 0x80), trust.RevocationUnknown, trust.WhyScope},
		{"an indirect list speaks for its own issuer too", idp(0x84, 1, 0xff), trust.RevocationGood, ""},
		{"an attribute list is not used", idp(0x85, 1, 0xff), trust.RevocationUnknown, trust.WhyScope},
		{"another distribution point is not ours", idp(0xa0, 5, 0xa0, 3, 0x86, 1, 'x'), trust.RevocationUnknown, trust.WhyScope},
		{"a delta is not a full list", []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}, trust.RevocationUnknown, trust.WhyScope},
		{"an unknown critical extension", []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}, trust.RevocationUnknown, trust.WhyCritical},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
				Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour), ExtraExtensions: c.extensions,
			}, p.Issuer, p.IssuerKey)
			if err != nil {
				t.Fatal(err)
			}
			got := trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: now, Evidence: trust.Evidence{CRLs: [][]byte{der}}})
			if got.Status != c.status || got.Why != c.why {
				t.Errorf("got %v, want %v (%s)", got, c.status, c.why)
			}
		})
	}
}

func TestPKITSListsAreReadWithoutPanic(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testkit.Data(t, "pkits/crls"), "*.crl"))
	if err != nil {
		t.Fatal(err)
	}
	read, refused := 0, 0
	for _, file := range files {
		der, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = trust.ParseCRL(der)
		switch {
		case err == nil:
			read++
		case errors.Is(err, trust.ErrCRLMalformed):
			refused++
		default:
			t.Errorf("%s: %v", filepath.Base(file), err)
		}
	}
	t.Logf("%d lists read, %d refused", read, refused)
	if read < 160 {
		t.Errorf("only %d of %d lists read", read, len(files))
	}
}
