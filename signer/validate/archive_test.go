package validate_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/pades"
	"github.com/antin-gov/antin/signer/tsp"
	"github.com/antin-gov/antin/signer/validate"
)

const year = 365 * 24 * time.Hour

// newTSA gives the authority a new time-stamping certificate that ends then.
func newTSA(t testing.TB, p *trusttest.PKI, name string, end time.Time) *x509.Certificate {
	t.Helper()
	key := trusttest.ECKey(t)
	p.TSAKey = key
	p.TSA = p.Issue(t, name, key.Public(), func(c *x509.Certificate) {
		c.NotAfter, c.KeyUsage = end, x509.KeyUsageDigitalSignature
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 8},
		})
	})[0]
	p.Hits(trusttest.TSA) // orders the change before the next request
	return p.TSA
}

// signed signs the little document.
func signed(t testing.TB, p *trusttest.PKI, key crypto.Signer, chain []*x509.Certificate, level pades.Level) []byte {
	t.Helper()
	in := newPDF().data
	out, err := os.Create(filepath.Join(t.TempDir(), "out.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	_, err = pades.Sign(context.Background(), bytes.NewReader(in), int64(len(in)), out, pades.Options{
		Signer: key, Chain: chain, Hash: crypto.SHA384, Level: level, Timestamp: (&tsp.Client{URL: p.TSAURL()}).Timestamp,
		Collect: p.Collector().Collect, Now: p.Clock.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return contents(t, out.Name())
}

func extended(t testing.TB, p *trusttest.PKI, in []byte, level pades.Level) ([]byte, *pades.Extended) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	e, err := pades.Extend(context.Background(), bytes.NewReader(in), int64(len(in)), out, pades.ExtendOptions{
		Level: level, Timestamp: (&tsp.Client{URL: p.TSAURL()}).Timestamp, Collect: p.Collector().Collect, Now: p.Clock.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	data := contents(t, out.Name())
	if !bytes.HasPrefix(data, in) || int64(len(data)) != e.Size {
		t.Fatal("the input is not the beginning of the output")
	}
	return data, e
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A document is kept for nine years: its signer's certificate is revoked and
// ends, two time-stamping certificates end, one is revoked. Each renewal came in
// time, so it is passed; what was not kept so is not.
func TestADocumentThatIsRenewedInTimeOutlivesItsCertificates(t *testing.T) {
	p := trusttest.New(t, time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
	start := p.Clock.Now()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	chain := p.Issue(t, "Nguyễn Văn A", key.Public())
	first := newTSA(t, p, "Dấu thời gian 1", start.Add(3*year))
	archive := signed(t, p, key, chain, pades.LevelLTA)
	stampedOnly := signed(t, p, key, chain, pades.LevelT)
	bare := signed(t, p, key, chain, pades.LevelB)
	p.Revoke(chain[0], start.Add(year), 1)
	p.Revoke(first, start.Add(2*year+300*24*time.Hour), 1)
	online := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock}
	judge := func(what string, data []byte, o validate.Options, verdict validate.Verdict, sub validate.SubIndication, level string) {
		t.Helper()
		report := run(t, data, o)
		s := report.Signatures[0]
		if s.Verdict != verdict || s.SubIndication != sub || s.Level != level {
			t.Errorf("%s at %s: %s", what, p.Clock.Now().Format(time.DateOnly), explain(report))
		}
		if verdict == validate.Passed && report.Verdict != validate.Passed {
			t.Errorf("%s at %s: the file: %s", what, p.Clock.Now().Format(time.DateOnly), explain(report))
		}
	}
	judge("archived", archive, online, validate.Passed, "", "B-LTA")
	judge("stamped", stampedOnly, online, validate.Passed, "", "B-T")

	p.Clock.Set(start.Add(year + year/2)) // revoked, not ended
	judge("archived", archive, online, validate.Passed, "", "B-LTA")
	judge("stamped", stampedOnly, online, validate.Passed, "", "B-T")
	judge("bare", bare, online, validate.Indeterminate, validate.SubRevokedNoPOE, "B-B")

	p.Clock.Set(start.Add(2*year + year/2)) // the signer's certificate has ended
	newTSA(t, p, "Dấu thời gian 2", start.Add(6*year))
	archive, e := extended(t, p, archive, pades.LevelLTA)
	if len(e.Stamps) != 1 || e.Signatures != 1 {
		t.Errorf("renewed: %+v", e)
	}
	judge("archived", archive, online, validate.Passed, "", "B-LTA")

	p.Clock.Set(start.Add(5*year + year/2)) // so have the first two time-stamps'
	newTSA(t, p, "Dấu thời gian 3", start.Add(9*year+year/2))
	archive, _ = extended(t, p, archive, pades.LevelLTA)

	p.Clock.Set(start.Add(9 * year))
	judge("archived", archive, online, validate.Passed, "", "B-LTA")
	// The signer's algorithms have been retired, the newest time-stamp's not.
	later := online
	later.Policy = algorithms(t, "{hash: {SHA-256: , SHA-384: 2030-01-01}, key: [{kind: RSA, bits: 2048, until: 2030-01-01}, {kind: EC, bits: 256}]}")
	judge("archived", archive, later, validate.Passed, "", "B-LTA")
	judge("stamped", stampedOnly, online, validate.Indeterminate, validate.SubOutOfBounds, "B-T")
	judge("bare", bare, online, validate.Indeterminate, validate.SubOutOfBounds, "B-B")

	p.Clock.Set(start.Add(9*year + 3*year/4)) // too late to renew: nothing proves the newest any more
	judge("archived", archive, online, validate.Indeterminate, validate.SubOutOfBounds, "B-LTA")
}

func algorithms(t testing.TB, text string) *validate.Policy {
	t.Helper()
	p, err := validate.DefaultPolicy()
	if err != nil {
		t.Fatal(err)
	}
	p.Algorithms, err = validate.ReadAlgorithms(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Whether an algorithm was strong is asked at the time proven.
func TestARetiredAlgorithmNeedsAProofFromBefore(t *testing.T) {
	p := trusttest.New(t, time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	chain := p.Issue(t, "Nguyễn Văn A", key.Public())
	bare, stamped := signed(t, p, key, chain, pades.LevelB), signed(t, p, key, chain, pades.LevelT)
	p.Clock.Set(p.Clock.Now().Add(year))
	for _, c := range []struct {
		name, policy  string
		bare, stamped validate.SubIndication
	}{
		{"nothing is retired", "{hash: {SHA-256: , SHA-384: }, key: [{kind: RSA, bits: 2048}, {kind: EC, bits: 256}]}", "", ""},
		{"the hash of signature and time-stamp", "{hash: {SHA-256: , SHA-384: 2026-06-30}, key: [{kind: RSA, bits: 2048}, {kind: EC, bits: 256}]}", validate.SubCryptoNoPOE, validate.SubCryptoNoPOE},
		{"the key's size", "{hash: {SHA-256: , SHA-384: }, key: [{kind: RSA, bits: 2048, until: 2026-06-30}, {kind: RSA, bits: 3072}, {kind: EC, bits: 256}]}", validate.SubCryptoNoPOE, ""},
		{"the hash before the time-stamp", "{hash: {SHA-256: , SHA-384: 2025-12-31}, key: [{kind: RSA, bits: 2048}, {kind: EC, bits: 256}]}", validate.SubCryptoNoPOE, validate.SubCryptoNoPOE},
		{"the time-stamp's own hash", "{hash: {SHA-256: 2026-06-30, SHA-384: }, key: [{kind: RSA, bits: 2048}, {kind: EC, bits: 256}]}", validate.SubCryptoNoPOE, validate.SubCryptoNoPOE},
	} {
		o := validate.Options{Store: p.Store(t), Collector: p.Collector(), Clock: p.Clock, Policy: algorithms(t, c.policy)}
		for what, data := range map[validate.SubIndication][]byte{c.bare + " bare": bare, c.stamped + " stamped": stamped} {
			report := run(t, data, o)
			want, _, _ := strings.Cut(string(what), " ")
			if s := report.Signatures[0]; string(s.SubIndication) != want || (s.Verdict == validate.Passed) != (want == "") {
				t.Errorf("%s: %s: %s", c.name, what, explain(report))
			}
		}
	}
}

func TestAFileOfAlgorithmsIsReadWholeOrRefused(t *testing.T) {
	_, err := validate.DefaultAlgorithms()
	if err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "hash: {}", "{hash: {SHA-256: }, key: [{kind: DSA, bits: 2048}]}", "{hash: {SHA-256: soon}, key: [{kind: EC, bits: 256}]}", "{hashes: {}}", strings.Repeat("#", 70000)} {
		_, err := validate.ReadAlgorithms(strings.NewReader(text))
		if !errors.Is(err, validate.ErrAlgorithms) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// What others signed without a time-stamp gets one first.
func TestABareSignatureIsRaisedToEveryLevel(t *testing.T) {
	for _, level := range []pades.Level{pades.LevelLT, pades.LevelLTA} {
		for _, from := range []pades.Level{pades.LevelB, pades.LevelT, pades.LevelLT, pades.LevelLTA} {
			t.Run(string(from)+" to "+string(level), func(t *testing.T) {
				p := trusttest.New(t, time.Time{})
				key := trusttest.ECKey(t)
				chain := p.Issue(t, "Nguyễn Văn A", key.Public())
				data, e := extended(t, p, signed(t, p, key, chain, from), level)
				p.Clock.Set(p.Clock.Now().Add(3 * year)) // the signer's certificate has ended
				report := run(t, data, validate.Options{Store: p.Store(t), Clock: p.Clock, Collector: p.Collector()})
				want := string(level)
				stamps := 0
				if from == pades.LevelB {
					stamps++
				}
				if level == pades.LevelLTA {
					stamps++
				}
				if from == pades.LevelB || from == pades.LevelLTA {
					want = "B-LTA" // a document time-stamp stands in the file
				}
				if report.Verdict != validate.Passed || report.Signatures[0].Level != want || len(e.Stamps) != stamps {
					t.Errorf("%d stamps: %s", len(e.Stamps), explain(report))
				}
			})
		}
	}
}
