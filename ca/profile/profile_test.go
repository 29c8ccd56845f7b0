package profile_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca/profile"
)

func ecKey(t *testing.T, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func facts(p *profile.Profile) profile.Facts {
	f := profile.Facts{
		Organization: "Ủy ban nhân dân tỉnh", AgencyID: "ubnd", AgencyCode: "H99", AgencyName: "Ủy ban nhân dân tỉnh",
		PersonID: "p-binh", PersonName: "Nguyễn Văn Bình", PositionTitle: "Chủ tịch", MachineName: "console",
	}
	if p.Names.Email {
		f.Email = "binh.nv@demo.antin.example"
	}
	if p.Names.DNS {
		f.DNSNames = []string{"console.antin.example"}
	}
	if p.Names.IP {
		f.IPs = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	return f
}

func place(now time.Time) profile.Place {
	return profile.Place{OCSP: "http://127.0.0.1:8080/ocsp", IssuerURL: "http://127.0.0.1:8080/aia/official.cer",
		CRL: "http://127.0.0.1:8080/crl/official.crl", PolicyArc: "1.3.6.1.4.1.32473.704", NotBefore: now}
}

func lintCopy(t *testing.T, tpl *x509.Certificate) *x509.Certificate {
	t.Helper()
	dummy := ecKey(t, elliptic.P256())
	id, err := profile.SubjectKeyID(dummy.Public())
	if err != nil {
		t.Fatal(err)
	}
	issuer := &x509.Certificate{Subject: pkix.Name{Country: []string{"VN"}, CommonName: "Issuer"}, SubjectKeyId: id}
	tpl.SerialNumber = new(big.Int).Lsh(big.NewInt(7), 100)
	c, err := profile.LintCopy(tpl, issuer, dummy)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryProfilePassesTheLints(t *testing.T) {
	set, err := profile.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	linter, err := profile.NewLinter()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)
	for _, p := range set.All() {
		t.Run(p.Name, func(t *testing.T) {
			var pub crypto.PublicKey = ecKey(t, elliptic.P384()).Public()
			tpl, err := p.Template(facts(p), pub, place(now))
			if err != nil {
				t.Fatal(err)
			}
			c := lintCopy(t, tpl)
			warnings, err := linter.Check(c.Raw)
			if err != nil {
				t.Errorf("refused: %v", err)
			}
			t.Logf("warnings: %v", warnings)
			if c.NotAfter.Sub(c.NotBefore)+time.Second != p.Validity() {
				t.Errorf("valid %s to %s", c.NotBefore, c.NotAfter)
			}
		})
	}
}

func TestLintRefusesContentThatBreaksTheStandard(t *testing.T) {
	set, err := profile.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Get("official")
	if err != nil {
		t.Fatal(err)
	}
	linter, err := profile.NewLinter()
	if err != nil {
		t.Fatal(err)
	}
	tpl, err := p.Template(facts(p), ecKey(t, elliptic.P256()).Public(), place(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	// RFC 5280 §4.2.1.3: keyCertSign without the CA bit.
	tpl.KeyUsage |= x509.KeyUsageCertSign
	_, err = linter.Check(lintCopy(t, tpl).Raw)
	var refused *profile.LintError
	if !errors.As(err, &refused) || !errors.Is(err, profile.ErrLint) {
		t.Fatalf("got %v", err)
	}
	t.Log(refused)
}

func TestTemplateRefusesFactsThatDoNotFit(t *testing.T) {
	set, err := profile.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := ecKey(t, elliptic.P256()).Public()
	for _, c := range []struct {
		name, profile string
		pub           crypto.PublicKey
		change        func(*profile.Facts)
		want          error
	}{
		{"a person without a position", "official", good, func(f *profile.Facts) { f.PositionTitle = "" }, profile.ErrFacts},
		{"a title over 64 characters", "official", good, func(f *profile.Facts) { f.PositionTitle = strings.Repeat("ữ", 65) }, profile.ErrFacts},
		{"a control character in the name", "official", good, func(f *profile.Facts) { f.PersonName = "A\x00B" }, profile.ErrFacts},
		{"an address with a display name", "official", good, func(f *profile.Facts) { f.Email = "B <b@example.org>" }, profile.ErrFacts},
		{"a DNS name for an official", "official", good, func(f *profile.Facts) { f.DNSNames = []string{"a.example"} }, profile.ErrFacts},
		{"a wildcard host", "service", good, func(f *profile.Facts) { f.DNSNames = []string{"*.example"} }, profile.ErrFacts},
		{"a service without a name", "service", good, func(f *profile.Facts) { f.DNSNames, f.IPs = nil, nil }, profile.ErrFacts},
		{"RSA of 1024 bits", "official", weak.Public(), func(*profile.Facts) {}, profile.ErrKey},
		{"P-521", "official", ecKey(t, elliptic.P521()).Public(), func(*profile.Facts) {}, profile.ErrKey},
		{"P-256 for a root", "root", good, func(*profile.Facts) {}, profile.ErrKey},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := set.Get(c.profile)
			if err != nil {
				t.Fatal(err)
			}
			f := facts(p)
			c.change(&f)
			_, err = p.Template(f, c.pub, place(time.Now()))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestParseRefusesProfilesThatBreakARule(t *testing.T) {
	const good = "profiles: {x: {issuer: service, kind: machine, usages: [digitalSignature], purposes: [clientAuth], days: 1, policy: '1', keys: [EC-P256], subject: [{type: CN, value: '{machine.name}'}]}}"
	_, err := profile.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new string }{
		{"over five years for a subscriber", "days: 1,", "days: 1828,"},
		{"an unknown word", "days: 1,", "days: 1, dayz: 2,"},
		{"an unknown usage", "digitalSignature", "decipherAll"},
		{"an unknown purpose", "clientAuth", "anyExtendedKeyUsage"},
		{"a weak kind of key", "EC-P256", "RSA-1024"},
		{"an unknown fact", "{machine.name}", "{machine.secret}"},
		{"a fact that is not closed", "{machine.name}", "{machine.name"},
		{"a path length without authority", "days: 1,", "days: 1, path_length: 0,"},
		{"no purpose", "[clientAuth]", "[]"},
	} {
		_, err := profile.Parse([]byte(strings.Replace(good, c.old, c.new, 1)))
		if !errors.Is(err, profile.ErrInvalid) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
