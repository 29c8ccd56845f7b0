package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/trust/trusttest"
)

// list is what a test says about a revocation list.
type list struct {
	number, base int64 // base 0: a complete list
	from         time.Duration
	life         time.Duration
	entries      []x509.RevocationListEntry
	points       bool   // names its deltas: freshestCRL
	scope        []byte // content of the issuing distribution point
	issuer       *x509.Certificate
	key          *ecdsa.PrivateKey
}

func (l list) make(tb testing.TB, p *trusttest.PKI) []byte {
	tb.Helper()
	if l.life == 0 {
		l.life = 24 * time.Hour
	}
	if l.issuer == nil {
		l.issuer, l.key = p.Issuer, p.IssuerKey
	}
	template := &x509.RevocationList{
		Number: big.NewInt(l.number), ThisUpdate: p.Clock.Now().Add(l.from), NextUpdate: p.Clock.Now().Add(l.from + l.life),
		RevokedCertificateEntries: l.entries,
	}
	if l.base > 0 {
		value, err := asn1.Marshal(l.base)
		if err != nil {
			tb.Fatal(err)
		}
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: value})
	}
	if l.points {
		// SEQUENCE of one point with the URI "u": openssl looks for deltas
		// of lists that name them only.
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: []byte{0x30, 9, 0x30, 7, 0xa0, 5, 0xa0, 3, 0x86, 1, 'u'}})
	}
	if l.scope != nil {
		value := append([]byte{0x30, byte(len(l.scope))}, l.scope...)
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: value})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, l.issuer, l.key)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func TestDeltaListsAreReadWithTheirBase(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	cert := p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	at := func(reason int) []x509.RevocationListEntry {
		return []x509.RevocationListEntry{{SerialNumber: cert.SerialNumber, RevocationTime: p.Clock.Now().Add(-time.Hour), ReasonCode: reason}}
	}
	const (
		old = -2 * time.Hour
		hot = -time.Minute
	)
	cases := []struct {
		name   string
		lists  []list
		status trust.RevocationStatus
		why    trust.RevocationWhy
	}{
		{"a delta revokes what its base does not know", []list{{number: 1, from: old}, {number: 2, base: 1, from: hot, entries: at(1)}}, trust.RevocationRevoked, ""},
		{"a delta that is silent leaves the base's word", []list{{number: 1, from: old, entries: at(1)}, {number: 2, base: 1, from: hot}}, trust.RevocationRevoked, ""},
		{"removeFromCRL ends a hold", []list{{number: 1, from: old, entries: at(6)}, {number: 2, base: 1, from: hot, entries: at(8)}}, trust.RevocationGood, ""},
		{"a delta alone says nothing", []list{{number: 2, base: 1, from: hot, entries: at(1)}}, trust.RevocationUnknown, trust.WhyScope},
		{"a delta of a later base is not used", []list{{number: 1, from: old}, {number: 3, base: 2, from: hot, entries: at(1)}}, trust.RevocationGood, ""},
		{"a stale delta is not used", []list{{number: 1, from: old, entries: at(6)}, {number: 2, base: 1, from: -50 * time.Hour, entries: at(8)}}, trust.RevocationRevoked, ""},
		{"a delta of another scope is not used", []list{{number: 1, from: old}, {number: 2, base: 1, from: hot, entries: at(1), scope: []byte{0x81, 1, 0xff}}}, trust.RevocationGood, ""},
		{"the newest of several deltas counts", []list{{number: 1, from: old}, {number: 3, base: 1, from: hot, entries: at(8)}, {number: 2, base: 1, from: -time.Hour, entries: at(6)}}, trust.RevocationGood, ""},
		{"a newer complete list ends a hold", []list{{number: 1, from: old, entries: at(6)}, {number: 2, from: hot}}, trust.RevocationGood, ""},
		{"but no revocation", []list{{number: 1, from: old, entries: at(1)}, {number: 2, from: hot}}, trust.RevocationRevoked, ""},
		{"an older complete list does not end a hold", []list{{number: 1, from: old}, {number: 2, from: hot, entries: at(6)}}, trust.RevocationRevoked, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var evidence trust.Evidence
			for _, l := range c.lists {
				evidence.AddCRL(l.make(t, p))
			}
			got := trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: p.Clock.Now(), Evidence: evidence})
			if got.Status != c.status || got.Why != c.why {
				t.Errorf("got %v, want %v (%s)", got, c.status, c.why)
			}
		})
	}
}

// TestOpenSSLReadsDeltaListsAsWeDo lets another reader judge the same lists.
func TestOpenSSLReadsDeltaListsAsWeDo(t *testing.T) {
	_, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	p := trusttest.New(t, time.Time{})
	cert := p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	entry := func(reason int) []x509.RevocationListEntry {
		return []x509.RevocationListEntry{{SerialNumber: cert.SerialNumber, RevocationTime: p.Clock.Now().Add(-time.Hour), ReasonCode: reason}}
	}
	root := list{number: 1, from: -time.Hour, issuer: p.Root, key: p.RootKey}.make(t, p)
	for name, lists := range map[string][2]list{
		"revoked by the delta":  {{number: 1, from: -2 * time.Hour, points: true}, {number: 2, base: 1, from: -time.Minute, entries: entry(1)}},
		"released by the delta": {{number: 1, from: -2 * time.Hour, entries: entry(6), points: true}, {number: 2, base: 1, from: -time.Minute, entries: entry(8)}},
		"untouched":             {{number: 1, from: -2 * time.Hour, points: true}, {number: 2, base: 1, from: -time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			base, delta := lists[0].make(t, p), lists[1].make(t, p)
			ours := trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: p.Clock.Now(), Evidence: trust.Evidence{CRLs: [][]byte{base, delta}}})
			dir := p.Dir(t)
			var text []byte
			for _, der := range [][]byte{root, base, delta} {
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
			}
			leaf := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
			for file, content := range map[string][]byte{"lists": text, "leaf": leaf} {
				err := os.WriteFile(filepath.Join(dir, file), content, 0o600)
				if err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command("openssl", "verify", "-crl_check_all", "-use_deltas", "-extended_crl", "-CRLfile", filepath.Join(dir, "lists"),
				"-CAfile", filepath.Join(dir, "root-test.pem"), "-untrusted", filepath.Join(dir, "issuer-test.pem"), filepath.Join(dir, "leaf")).CombinedOutput()
			if (err == nil) != (ours.Status == trust.RevocationGood) {
				t.Errorf("ours %v, openssl %v: %s", ours, err, out)
			}
		})
	}
}

func TestReasonsOfSeveralListsAreAddedUp(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	cert := p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	// keyCompromise and cACompromise; all others.
	some, others := []byte{0x83, 2, 5, 0x60}, []byte{0x83, 3, 7, 0x1f, 0x80}
	status := func(scopes ...[]byte) trust.Revocation {
		var evidence trust.Evidence
		for n, scope := range scopes {
			evidence.AddCRL(list{number: int64(n + 1), from: -time.Hour, scope: scope}.make(t, p))
		}
		return trust.CheckRevocation(trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: p.Clock.Now(), Evidence: evidence})
	}
	if got := status(some); got.Why != trust.WhyScope {
		t.Errorf("some reasons: %v", got)
	}
	if got := status(some, others); got.Status != trust.RevocationGood {
		t.Errorf("all reasons: %v", got)
	}
}

// TestAListOfAnotherSignerNeedsItsPath: a separate key of the same name signs
// the lists; it is believed with a path to the anchor only.
func TestAListOfAnotherSignerNeedsItsPath(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	cert := p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	signer := func(issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey, usage x509.KeyUsage) (*x509.Certificate, *ecdsa.PrivateKey) {
		key := trusttest.ECKey(t)
		der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
			SerialNumber: big.NewInt(77), RawSubject: p.Issuer.RawSubject, KeyUsage: usage, SubjectKeyId: []byte{1, 2, 3},
			NotBefore: p.Clock.Now().Add(-24 * time.Hour), NotAfter: p.Clock.Now().Add(24 * time.Hour),
		}, issuer, key.Public(), issuerKey)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, key
	}
	other := trusttest.New(t, time.Time{})
	good, goodKey := signer(p.Root, p.RootKey, x509.KeyUsageCRLSign)
	mute, muteKey := signer(p.Root, p.RootKey, x509.KeyUsageDigitalSignature)
	strange, strangeKey := signer(other.Root, other.RootKey, x509.KeyUsageCRLSign)
	roots := list{number: 1, from: -time.Hour, issuer: p.Root, key: p.RootKey}.make(t, p)
	revokesSigner := list{number: 2, from: -time.Hour, issuer: p.Root, key: p.RootKey, entries: []x509.RevocationListEntry{{SerialNumber: big.NewInt(77), RevocationTime: p.Clock.Now().Add(-time.Hour)}}}.make(t, p)
	for _, c := range []struct {
		name   string
		signer *x509.Certificate
		key    *ecdsa.PrivateKey
		roots  []byte
		status trust.RevocationStatus
	}{
		{"below the same anchor it is believed", good, goodKey, roots, trust.RevocationGood},
		{"without cRLSign it is not", mute, muteKey, roots, trust.RevocationUnknown},
		{"below another anchor it is not", strange, strangeKey, roots, trust.RevocationUnknown},
		{"revoked it is not", good, goodKey, revokesSigner, trust.RevocationUnknown},
		{"with its own state unknown it is not", good, goodKey, nil, trust.RevocationUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			// crypto/x509 signs lists for what may sign them; lend it the usage.
			lent := *c.signer
			lent.KeyUsage = x509.KeyUsageCRLSign
			evidence := trust.Evidence{Certificates: []*x509.Certificate{c.signer}}
			evidence.AddCRL(list{number: 5, from: -time.Hour, issuer: &lent, key: c.key}.make(t, p))
			if c.roots != nil {
				evidence.AddCRL(c.roots)
			}
			request := trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: p.Clock.Now(), Evidence: evidence, Anchor: p.Root}
			got := p.Store(t).CheckRevocation(context.Background(), request)
			if got.Status != c.status {
				t.Errorf("got %v, want %v", got, c.status)
			}
			if got := trust.CheckRevocation(request); got.Status != trust.RevocationUnknown {
				t.Errorf("without a store: %v", got)
			}
		})
	}
}

// million makes a list with many entries.
func million(tb testing.TB, p *trusttest.PKI, count int) *trust.CRL {
	tb.Helper()
	entries := make([]x509.RevocationListEntry, count)
	for n := range entries {
		entries[n] = x509.RevocationListEntry{SerialNumber: big.NewInt(int64(1)<<40 + int64(n)*7919), RevocationTime: p.Clock.Now().Add(-time.Hour), ReasonCode: n % 6}
	}
	c, err := trust.ParseCRL(list{number: 1, entries: entries}.make(tb, p))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestEveryEntryOfALargeListIsFound(t *testing.T) {
	const count = 50_000
	p := trusttest.New(t, time.Time{})
	c := million(t, p, count)
	theirs, err := x509.ParseRevocationList(c.Raw)
	if err != nil {
		t.Fatal(err)
	}
	cert := *p.Issue(t, "A", trusttest.ECKey(t).Public())[0]
	n, err := c.Len()
	if err != nil || n != count {
		t.Fatalf("%d entries: %v", n, err)
	}
	for n, entry := range theirs.RevokedCertificateEntries {
		got, ok := c.LookupSerial(cert.RawIssuer, entry.SerialNumber)
		want := entry.ReasonCode
		if want == 0 {
			want = -1 // crypto/x509 writes no reason 0
		}
		if !ok || !got.RevokedAt.Equal(entry.RevocationTime) || got.Reason != want {
			t.Fatalf("entry %d: %+v %v, want %+v", n, got, ok, entry)
		}
		_, ok = c.LookupSerial(cert.RawIssuer, new(big.Int).Add(entry.SerialNumber, big.NewInt(1)))
		if ok {
			t.Fatalf("entry %d: its neighbour is found", n)
		}
	}
}

// BenchmarkCRL shows what a certificate costs in a list with a million entries:
// the first one reads the list, the next ones do not.
func BenchmarkCRL(b *testing.B) {
	p := trusttest.New(b, time.Time{})
	list := million(b, p, 1_000_000)
	cert := p.Issue(b, "A", trusttest.ECKey(b).Public())[0]
	request := trust.RevocationRequest{Certificate: cert, Issuer: p.Issuer, At: p.Clock.Now()}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			request.Evidence = trust.Evidence{CRLs: [][]byte{list.Raw}}
			if got := trust.CheckRevocation(request); got.Status != trust.RevocationGood {
				b.Fatal(got)
			}
		}
	})
	b.Run("next", func(b *testing.B) {
		request.Evidence = trust.Evidence{Lists: []*trust.CRL{list}}
		trust.CheckRevocation(request)
		for b.Loop() {
			if got := trust.CheckRevocation(request); got.Status != trust.RevocationGood {
				b.Fatal(got)
			}
		}
	})
	b.Run("crypto-x509-parse", func(b *testing.B) {
		for b.Loop() {
			_, err := x509.ParseRevocationList(list.Raw)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
