package profile_test

import (
	"bytes"
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
	"os"
	"os/exec"
	"path/filepath"
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
	_, err := profile.Parse("test.yaml", []byte(good))
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
		{"over three years for a renewal", "days: 1,", "days: 1, renewal_days: 1097,"},
		{"a notice over 200 characters", "days: 1,", "days: 1, notice: '" + strings.Repeat("ữ", 201) + "',"},
		{"a statement that is no address", "days: 1,", "days: 1, cps: 'ftp://x',"},
		{"an unknown protocol", "days: 1,", "days: 1, protocols: [scep],"},
		{"hold for official duty", "issuer: service,", "issuer: official, hold: true,"},
		{"a naming rule that is none", "type: CN,", "type: CN, pattern: '(',"},
		{"more characters than the standard has", "type: CN,", "type: CN, max: 65,"},
		{"a known word at the wrong place", "type: CN,", "type: CN, days: 3,"},
		{"an alias", "usages: [digitalSignature]", "usages: &a [digitalSignature]"},
		{"a qualified type that is none", "days: 1,", "days: 1, qc: {types: [seal]},"},
	} {
		_, err := profile.Parse("test.yaml", []byte(strings.Replace(good, c.old, c.new, 1)))
		if !errors.Is(err, profile.ErrInvalid) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestErrorsOfProfilesNameFileAndLine(t *testing.T) {
	const text = `profiles:
  device:
    issuer: service
    kind: machine
    usages: [digitalSignature]
    purposes: [clientAuth]
    days: 1
    policy: "1"
    keys: [EC-P256]
    subject:
      - {type: CN, value: "{machine.name}"}
`
	for _, c := range []struct {
		name, old, new string
		line           int
	}{
		{"an unknown key", "    days: 1\n", "    days: 1\n    colour: red\n", 8},
		{"an unknown key inside a list", "{type: CN,", "{type: CN, colour: red,", 11},
		{"a value out of bounds", "days: 1", "days: 9999", 7},
		{"a profile twice", "  device:\n", "  device: {}\n  device:\n", 3},
		{"a kind of key that is none", "EC-P256", "EC-P192", 9},
		{"a word where a number is expected", "days: 1", "days: many", 3},
	} {
		_, err := profile.Parse("own.yaml", []byte(strings.Replace(text, c.old, c.new, 1)))
		var place *profile.PlaceError
		if !errors.As(err, &place) || !errors.Is(err, profile.ErrInvalid) || place.File != "own.yaml" || place.Line != c.line {
			t.Errorf("%s: %v, want line %d", c.name, err, c.line)
		}
	}
}

func TestOwnProfilesAreLaidOverTheBuiltInOnes(t *testing.T) {
	path := filepath.Join(t.TempDir(), profile.OwnFile)
	set, err := profile.Load(path)
	if err != nil || len(set.All()) == 0 {
		t.Fatal(err)
	}
	before := len(set.All())
	err = os.WriteFile(path, []byte(`profiles:
  device:
    title: "Thiết bị"
    issuer: service
    kind: machine
    usages: [digitalSignature]
    purposes: [clientAuth]
    days: 30
    renewal_days: 10
    policy: "1.4"
    cps: "http://pki.example.vn/cps"
    notice: "Chỉ dùng trong mạng nội bộ"
    keys: [EC-P256]
    subject:
      - {type: CN, value: "{machine.name}", pattern: "dev-[0-9]+", min: 5, max: 12}
    names: {dns: true, dns_pattern: ".*[.]example[.]vn"}
  internal-person:
    title: "Cán bộ, đăng nhập nội bộ"
    issuer: service
    kind: person
    usages: [digitalSignature]
    purposes: [clientAuth]
    days: 365
    policy: "1.9"
    keys: [EC-P256]
    hold: true
    subject:
      - {type: CN, value: "{person.name}"}
    names: {email: true, upn: "{person.id}@noibo.example.vn"}
    qc: {compliance: true, types: [esign], legislation: [VN], retention_years: 10, pds: [{url: "https://pki.example.vn/pds.pdf", language: en}]}
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	set, err = profile.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.All()) != before+1 {
		t.Errorf("%d profiles, want %d", len(set.All()), before+1)
	}
	linter, err := profile.NewLinter()
	if err != nil {
		t.Fatal(err)
	}
	err = set.Rehearse(linter, "1.3.6.1.4.1.32473.704", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	device, err := set.Get("device")
	if err != nil {
		t.Fatal(err)
	}
	f := profile.Facts{MachineName: "dev-7", DNSNames: []string{"a.example.vn"}}
	at := place(time.Now())
	tpl, err := device.Template(f, ecKey(t, elliptic.P256()).Public(), at)
	if err != nil {
		t.Fatal(err)
	}
	c := lintCopy(t, tpl)
	if device.Renewal() != 10*24*time.Hour || len(c.Policies) != 1 {
		t.Errorf("renewal of %s, policies %v", device.Renewal(), c.Policies)
	}
	text := opensslText(t, c.Raw)
	for _, want := range []string{"CPS: http://pki.example.vn/cps", "User Notice", "Chỉ dùng trong mạng nội bộ"} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not see %q in\n%s", want, text)
		}
	}
	for _, bad := range []profile.Facts{{MachineName: "dev-x"}, {MachineName: "dev-12345678901"}, {MachineName: "dev-7", DNSNames: []string{"a.example.com"}}} {
		_, err = device.Template(bad, ecKey(t, elliptic.P256()).Public(), at)
		if !errors.Is(err, profile.ErrFacts) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	person, err := set.Get("internal-person")
	if err != nil {
		t.Fatal(err)
	}
	f = profile.Facts{PersonID: "p-1", PersonName: "Nguyễn Văn A", Email: "a@example.vn"}
	tpl, err = person.Template(f, ecKey(t, elliptic.P256()).Public(), at)
	if err != nil {
		t.Fatal(err)
	}
	c = lintCopy(t, tpl)
	_, err = linter.Check(c.Raw)
	text = opensslText(t, c.Raw)
	for _, want := range []string{"p-1@noibo.example.vn", "email:a@example.vn", "qcStatements"} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v; openssl does not see %q in\n%s", err, want, text)
		}
	}
}

// opensslText is how openssl shows a certificate.
func opensslText(t *testing.T, der []byte) string {
	t.Helper()
	cmd := exec.Command("openssl", "x509", "-inform", "DER", "-noout", "-text", "-nameopt", "utf8")
	cmd.Stdin = bytes.NewReader(der)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("openssl is not installed")
	}
	if err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	return string(out)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("profiles: {x: {issuer: service, kind: machine, usages: [digitalSignature], purposes: [clientAuth], days: 1, policy: '1', keys: [EC-P256], subject: [{type: CN, value: '{machine.name}'}]}}"))
	f.Add([]byte("profiles: &a {x: *a}"))
	f.Add([]byte("- {}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := profile.Parse("fuzz.yaml", text)
		if err != nil {
			return
		}
		for _, p := range set.All() {
			// what was taken must be fit for use: content or a refusal, no panic
			_, _ = p.Template(profile.Facts{MachineName: "m", PersonName: "p"}, nil, profile.Place{PolicyArc: "1.2.3", NotBefore: time.Unix(0, 0)})
		}
	})
}

func TestAProfileThatIsShownCanBeReadAgain(t *testing.T) {
	set, err := profile.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.All() {
		text, err := p.YAML()
		if err != nil {
			t.Fatal(err)
		}
		_, err = profile.Parse("shown.yaml", text)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}
