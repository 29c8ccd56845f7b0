package tsa_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/clock"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// journal is a journal in memory.
type journal struct {
	mu       sync.Mutex
	reserved map[string]tsa.Stamp
	complete map[string][sha256.Size]byte
	reserve  error // what Reserve answers
	finish   error // what Complete answers
	last     time.Time
}

func (j *journal) Reserve(_ context.Context, s tsa.Stamp) (time.Time, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.reserve != nil {
		return time.Time{}, j.reserve
	}
	if s.Ordered {
		if !s.GenTime.After(j.last) {
			s.GenTime = j.last.Add(time.Millisecond)
		}
		j.last = s.GenTime
	}
	j.reserved[s.Serial.String()] = s
	return s.GenTime, nil
}

func (j *journal) Complete(_ context.Context, s tsa.Stamp, token [sha256.Size]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.finish != nil {
		return j.finish
	}
	j.complete[s.Serial.String()] = token
	return nil
}

func policies() []tsa.Policy {
	sha2 := []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}
	below := func(n int) asn1.ObjectIdentifier { return append(policy()[:len(policy())-1:len(policy())-1], n) }
	return []tsa.Policy{
		{Name: "general", OID: policy(), Hashes: sha2, Accuracy: time.Second},
		{Name: "archive", OID: below(2), Hashes: []crypto.Hash{crypto.SHA3_256, crypto.SHA3_384, crypto.SHA3_512}, Accuracy: 250*time.Millisecond + 5*time.Microsecond},
		{Name: "ordered", OID: below(3), Hashes: sha2, Accuracy: time.Second, Ordering: true},
		{Name: "compact", OID: below(4), Hashes: sha2, Accuracy: time.Second, NoCertificates: true},
	}
}

func policy() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 704, 2, 1} }

// fixture is an authority with keys in memory.
type fixture struct {
	authority *tsa.Authority
	config    tsa.Config
	journal   *journal
	now       *clock.Fake
}

func newFixture(t testing.TB, key crypto.Signer) *fixture {
	t.Helper()
	f := &fixture{now: clock.NewFake(time.Now()), journal: &journal{reserved: map[string]tsa.Stamp{}, complete: map[string][sha256.Size]byte{}}}
	root, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	issuer := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Issuer"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: f.now.Now().Add(-time.Hour), NotAfter: f.now.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, issuer, issuer, root.Public(), root)
	check(t, err)
	issuer, err = x509.ParseCertificate(der)
	check(t, err)
	purpose, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	check(t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "TSA"}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: f.now.Now().Add(-time.Hour), NotAfter: f.now.Now().Add(12 * time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: purpose}}}
	der, err = x509.CreateCertificate(rand.Reader, leaf, issuer, key.Public(), root)
	check(t, err)
	leaf, err = x509.ParseCertificate(der)
	check(t, err)
	f.config = tsa.Config{Unit: tsa.Unit{Chain: []*x509.Certificate{leaf, issuer}, Signer: key}, Policies: policies(), Journal: f.journal, Clock: f.now,
		Logger: slog.New(slog.DiscardHandler)}
	f.authority, err = tsa.New(f.config)
	check(t, err)
	return f
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	check(t, err)
	return k
}

// req mirrors TimeStampReq for encoding/asn1.
type req struct {
	Version        int
	MessageImprint struct {
		Hash   pkix.AlgorithmIdentifier
		Digest []byte
	}
	Policy     asn1.ObjectIdentifier `asn1:"optional"`
	Nonce      *big.Int              `asn1:"optional"`
	CertReq    bool                  `asn1:"optional,default:false"`
	Extensions []pkix.Extension      `asn1:"tag:0,optional"`
}

func request(t testing.TB, change func(*req)) []byte {
	t.Helper()
	r := req{Version: 1, Nonce: big.NewInt(424242)}
	sum := sha256.Sum256([]byte("Quyết định"))
	r.MessageImprint.Hash = pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}, Parameters: asn1.NullRawValue}
	r.MessageImprint.Digest = sum[:]
	if change != nil {
		change(&r)
	}
	der, err := asn1.Marshal(r)
	check(t, err)
	return der
}

func TestTokenIsReadByAnIndependentParser(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 3072)
	check(t, err)
	for name, key := range map[string]crypto.Signer{"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()), "RSA-3072": rsaKey} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, key)
			der, err := f.authority.Respond(t.Context(), request(t, func(r *req) { r.CertReq = true; r.Policy = policy() }))
			check(t, err)
			got, err := timestamp.ParseResponse(der)
			check(t, err)
			if !got.Time.Equal(f.now.Now().Truncate(time.Second)) || got.Accuracy != time.Second || !got.Policy.Equal(policy()) ||
				got.Nonce.Int64() != 424242 || got.HashAlgorithm != crypto.SHA256 || len(got.Certificates) != 2 || !got.AddTSACertificate {
				t.Errorf("read as %+v", got)
			}
			stamp, there := f.journal.reserved[got.SerialNumber.String()]
			if !there || !bytes.Equal(stamp.Imprint, got.HashedMessage) || f.journal.complete[got.SerialNumber.String()] != sha256.Sum256(got.RawToken) {
				t.Error("the journal does not have the token")
			}
		})
	}
}

func TestEachRefusalHasItsReason(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	sha1 := asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	for _, c := range []struct {
		name string
		der  []byte
		want tsa.FailureInfo
	}{
		{"SHA-1", request(t, func(r *req) { r.MessageImprint.Hash.Algorithm = sha1; r.MessageImprint.Digest = make([]byte, 20) }), tsa.BadAlg},
		{"a digest of another length", request(t, func(r *req) { r.MessageImprint.Digest = make([]byte, 31) }), tsa.BadDataFormat},
		{"version 2", request(t, func(r *req) { r.Version = 2 }), tsa.BadRequest},
		{"another policy", request(t, func(r *req) { r.Policy = asn1.ObjectIdentifier{1, 2, 3} }), tsa.UnacceptedPolicy},
		{"an extension", request(t, func(r *req) {
			r.Extensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}}
		}), tsa.UnacceptedExtension},
		{"a nonce of 80 bytes", request(t, func(r *req) { r.Nonce = new(big.Int).Lsh(big.NewInt(1), 640) }), tsa.BadDataFormat},
		{"a digest that the policy does not accept", request(t, func(r *req) { r.Policy = policies()[1].OID }), tsa.BadAlg},
		{"certificates of a policy without", request(t, func(r *req) { r.Policy = policies()[3].OID; r.CertReq = true }), tsa.AddInfoNotAvailable},
		{"nothing", nil, tsa.BadDataFormat},
		{"text", []byte("GET / HTTP/1.1"), tsa.BadDataFormat},
	} {
		der, err := f.authority.Respond(t.Context(), c.der)
		var refusal *tsa.Failure
		if !errors.As(err, &refusal) || refusal.Info != c.want {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_, err = timestamp.ParseResponse(der)
		var response struct {
			Status struct {
				Status   int
				Text     []string       `asn1:"optional,utf8"`
				FailInfo asn1.BitString `asn1:"optional"`
			}
		}
		rest, parseErr := asn1.Unmarshal(der, &response)
		if err == nil || parseErr != nil || len(rest) != 0 || response.Status.Status != 2 || response.Status.FailInfo.At(int(c.want)) != 1 ||
			response.Status.FailInfo.BitLength != int(c.want)+1 {
			t.Errorf("%s: response %x: %v", c.name, der, parseErr)
		}
	}
	if len(f.journal.reserved) != 0 {
		t.Error("a refused request was recorded")
	}
}

func TestNoTokenLeavesWithoutItsRecord(t *testing.T) {
	down := errors.New("down")
	for _, c := range []struct {
		name            string
		reserve, finish error
		want            tsa.FailureInfo
	}{
		{"the intent is not recorded", down, nil, tsa.SystemFailure},
		{"the token is not recorded", nil, down, tsa.SystemFailure},
		{"the clock is not trusted", tsa.ErrClock, nil, tsa.TimeNotAvailable},
	} {
		f := newFixture(t, ecKey(t, elliptic.P256()))
		f.journal.reserve, f.journal.finish = c.reserve, c.finish
		der, err := f.authority.Respond(t.Context(), request(t, nil))
		var refusal *tsa.Failure
		if !errors.As(err, &refusal) || refusal.Info != c.want || len(der) > 100 {
			t.Errorf("%s: %v, %d bytes", c.name, err, len(der))
		}
	}
	f := newFixture(t, ecKey(t, elliptic.P256()))
	f.now.Advance(13 * time.Hour)
	_, err := f.authority.Stamp(t.Context(), request(t, nil))
	if !errors.Is(err, tsa.ErrConfig) {
		t.Errorf("an expired unit stamps: %v", err)
	}
}

func TestNewRefusesACertificateUnfitToStamp(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	for name, change := range map[string]func(*tsa.Config){
		"another key":             func(c *tsa.Config) { c.Unit.Signer = ecKey(t, elliptic.P256()) },
		"an authority's":          func(c *tsa.Config) { c.Unit.Chain = c.Unit.Chain[1:] },
		"a chain that breaks":     func(c *tsa.Config) { c.Unit.Chain = []*x509.Certificate{c.Unit.Chain[0], c.Unit.Chain[0]} },
		"no journal":              func(c *tsa.Config) { c.Journal = nil },
		"no policy":               func(c *tsa.Config) { c.Policies = nil },
		"a policy twice":          func(c *tsa.Config) { c.Policies = append(policies(), policies()[0]) },
		"an accuracy of minutes":  func(c *tsa.Config) { c.Policies = policies(); c.Policies[0].Accuracy = time.Minute },
		"a policy with SHA-1":     func(c *tsa.Config) { c.Policies = policies(); c.Policies[0].Hashes = []crypto.Hash{crypto.SHA1} },
		"a certificate too early": func(c *tsa.Config) { c.Clock = clock.NewFake(f.now.Now().Add(-2 * time.Hour)) },
	} {
		cfg := f.config
		change(&cfg)
		_, err := tsa.New(cfg)
		if !errors.Is(err, tsa.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHTTPRefusesOtherMethodsTypesAndSizes(t *testing.T) {
	f := newFixture(t, ecKey(t, elliptic.P256()))
	for _, c := range []struct {
		name, method, kind string
		body               []byte
		want               int
	}{
		{"GET", http.MethodGet, "application/timestamp-query", nil, http.StatusMethodNotAllowed},
		{"text", http.MethodPost, "text/plain", nil, http.StatusUnsupportedMediaType},
		{"a large body", http.MethodPost, "application/timestamp-query", make([]byte, tsa.MaxRequest+1), http.StatusRequestEntityTooLarge},
		{"a request", http.MethodPost, "application/timestamp-query", request(t, nil), http.StatusOK},
	} {
		r := httptest.NewRequest(c.method, "/tsa", bytes.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		f.authority.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
	}
}

// FuzzParseRequest: whatever comes, the parser neither panics nor lets a weak
// digest through, and its error is one that the client can be told.
func FuzzParseRequest(f *testing.F) {
	f.Add(request(f, nil))
	f.Add(request(f, func(r *req) { r.CertReq = true; r.Policy = policy() }))
	for _, name := range []string{"openssl-policy-cert.tsq", "openssl-sha512.tsq"} {
		der, err := os.ReadFile(filepath.Join("testdata", name))
		check(f, err)
		_, err = tsa.ParseRequest(der)
		check(f, err)
		f.Add(der)
	}
	fx := newFixture(f, ecKey(f, elliptic.P256()))
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := tsa.ParseRequest(der)
		if err != nil {
			var refusal *tsa.Failure
			if !errors.As(err, &refusal) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if len(r.Imprint) < 32 || len(r.Imprint) != r.Hash.Size() {
			t.Fatalf("imprint of %d bytes for %s", len(r.Imprint), r.Hash)
		}
		response, err := fx.authority.Respond(t.Context(), der)
		if err != nil {
			return // another policy than ours
		}
		_, err = timestamp.ParseResponse(response)
		if err != nil {
			t.Fatalf("the token is not read: %v", err)
		}
	})
}
