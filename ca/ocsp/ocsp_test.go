package ocsp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/internal/clock"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// register is a source of states in memory.
type register struct {
	mu      sync.Mutex
	states  map[string]ocsp.Certificate // by ISSUER/SERIAL
	changes map[string][]string         // serials by issuer, in order
	down    bool
	asked   int // questions for one certificate
}

var errDown = errors.New("database down")

func (r *register) set(issuer string, serial int64, s ocsp.Status, expires time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, _ := ocsp.SerialOf(big.NewInt(serial))
	name := issuer + "/" + big.NewInt(serial).String()
	_, there := r.states[name]
	r.states[name] = ocsp.Certificate{Serial: key, Status: s, Expires: expires}
	if there {
		r.changes[issuer] = append(r.changes[issuer], name)
	}
}

func (r *register) Revisions(context.Context) (map[string]int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return nil, errDown
	}
	return map[string]int64{"a": int64(len(r.changes["a"])), "b": int64(len(r.changes["b"]))}, nil
}

func (r *register) Changes(_ context.Context, issuer string, since int64) ([]ocsp.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []ocsp.Certificate
	for _, name := range r.changes[issuer][since:] {
		list = append(list, r.states[name])
	}
	return list, nil
}

func (r *register) Find(_ context.Context, issuer string, serial *big.Int) (ocsp.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if issuer == "down" || r.down {
		return ocsp.Certificate{}, errDown
	}
	return r.states[issuer+"/"+serial.String()], nil
}

func (r *register) Each(_ context.Context, issuer string, after time.Time, take func([]ocsp.Certificate) error) error {
	r.mu.Lock()
	var list []ocsp.Certificate
	for name, c := range r.states {
		if strings.HasPrefix(name, issuer+"/") && c.Expires.After(after) {
			list = append(list, c)
		}
	}
	r.mu.Unlock()
	return take(list)
}

// key is a signer that counts and can be taken away.
type key struct {
	crypto.Signer
	mu    sync.Mutex
	count int
	gone  bool
	hold  chan struct{} // closed to let signatures go on; nil for none
}

var errToken = errors.New("token gone")

func (k *key) Sign(r io.Reader, d []byte, o crypto.SignerOpts) ([]byte, error) {
	k.mu.Lock()
	k.count++
	gone, hold := k.gone, k.hold
	k.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if gone {
		return nil, errToken
	}
	return k.Signer.Sign(r, d, o)
}

func (k *key) signatures() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count
}

func (k *key) take(gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone = gone
}

// fixture is two authorities with one responder key.
type fixture struct {
	responder *ocsp.Responder
	config    ocsp.Config
	source    *register
	key, live *key
	now       *clock.Fake
	a, b      *x509.Certificate
	revoked   time.Time
}

func signer(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return k
}

func certificate(t testing.TB, tpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tpl, parent, pub, key)
	check(t, err)
	c, err := x509.ParseCertificate(der)
	check(t, err)
	return c
}

func (f *fixture) issuer(t testing.TB, name string) ocsp.Issuer {
	t.Helper()
	key := signer(t)
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: f.now.Now().Add(-time.Hour), NotAfter: f.now.Now().Add(24 * time.Hour)}
	cert := certificate(t, tpl, tpl, key.Public(), key)
	leaf := func(pub crypto.PublicKey) *x509.Certificate {
		return certificate(t, f.leaf(name), cert, pub, key)
	}
	return ocsp.Issuer{Name: name, Certificate: cert, Ahead: ocsp.Key{Certificate: leaf(f.key.Public()), Signer: f.key},
		Live: ocsp.Key{Certificate: leaf(f.live.Public()), Signer: f.live}}
}

func (f *fixture) leaf(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name + " OCSP"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: f.now.Now().Add(-time.Hour), NotAfter: f.now.Now().Add(12 * time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: asn1.NullBytes}}}
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{key: &key{Signer: signer(t)}, live: &key{Signer: signer(t)}, now: clock.NewFake(time.Now().Truncate(time.Second))}
	f.revoked = f.now.Now().Add(-time.Minute)
	a, b, down := f.issuer(t, "a"), f.issuer(t, "b"), f.issuer(t, "down")
	f.a, f.b = a.Certificate, b.Certificate
	f.source = &register{states: map[string]ocsp.Certificate{}, changes: map[string][]string{}}
	year := f.now.Now().AddDate(1, 0, 0)
	f.source.set("a", 10, ocsp.Status{State: ocsp.Good}, year)
	f.source.set("a", 11, ocsp.Status{State: ocsp.Revoked, RevokedAt: f.revoked, Reason: 1}, year)
	f.source.set("a", 12, ocsp.Status{State: ocsp.Revoked, RevokedAt: f.revoked}, year)
	f.source.set("b", 10, ocsp.Status{State: ocsp.Good}, year)
	f.config = ocsp.Config{Issuers: []ocsp.Issuer{a, b, down}, Clock: f.now, Logger: slog.New(slog.DiscardHandler),
		Validity: time.Hour, MaxAge: time.Minute, Source: f.source}
	r, err := ocsp.New(f.config)
	check(t, err)
	f.responder = r
	return f
}

type ask struct {
	issuer *x509.Certificate
	serial int64
	hash   crypto.Hash
}

// request writes an OCSPRequest with several CertIDs and raw extensions.
func request(t testing.TB, asks []ask, extensions ...pkix.Extension) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, a := range asks {
					one, err := xocsp.CreateRequest(&x509.Certificate{SerialNumber: big.NewInt(a.serial)}, a.issuer, &xocsp.RequestOptions{Hash: a.hash})
					check(t, err)
					input := cryptobyte.String(one)
					var tbs, list, single cryptobyte.String
					if !input.ReadASN1(&tbs, cbasn1.SEQUENCE) || !tbs.ReadASN1(&list, cbasn1.SEQUENCE) ||
						!list.ReadASN1(&single, cbasn1.SEQUENCE) {
						t.Fatal("request of x/crypto is not read")
					}
					b.AddBytes(single)
				}
			})
			if len(extensions) == 0 {
				return
			}
			der, err := asn1.Marshal(extensions)
			check(t, err)
			b.AddASN1(cbasn1.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(der) })
		})
	})
	der, err := b.Bytes()
	check(t, err)
	return der
}

func nonce(t testing.TB, n int) pkix.Extension {
	t.Helper()
	der, err := asn1.Marshal(bytes.Repeat([]byte{7}, n))
	check(t, err)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}, Value: der}
}

func TestEachStateIsToldAsAnIndependentReaderSeesIt(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name   string
		serial int64
		status int
		reason int
	}{
		{"good", 10, xocsp.Good, 0},
		{"revoked with a reason", 11, xocsp.Revoked, xocsp.KeyCompromise},
		{"revoked without a reason", 12, xocsp.Revoked, xocsp.Unspecified},
		{"unknown", 13, xocsp.Unknown, 0},
	} {
		for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			answer := f.responder.Respond(t.Context(), request(t, []ask{{f.a, c.serial, hash}}))
			got, err := xocsp.ParseResponse(answer.DER, f.a)
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, hash, err)
				continue
			}
			if got.Status != c.status || got.IssuerHash != hash || got.SerialNumber.Int64() != c.serial ||
				!got.ThisUpdate.Equal(f.now.Now()) || !got.NextUpdate.Equal(f.now.Now().Add(time.Hour)) || !answer.Cacheable {
				t.Errorf("%s, %s: %+v", c.name, hash, got)
			}
			if c.status == xocsp.Revoked && (!got.RevokedAt.Equal(f.revoked) || got.RevocationReason != c.reason) {
				t.Errorf("%s, %s: %s, reason %d", c.name, hash, got.RevokedAt, got.RevocationReason)
			}
		}
	}
}

func TestSeveralCertificatesOfTwoAuthoritiesAreAnsweredInOne(t *testing.T) {
	f := newFixture(t)
	answer := f.responder.Respond(t.Context(), request(t, []ask{{f.a, 10, crypto.SHA1}, {f.a, 11, crypto.SHA256}, {f.b, 10, crypto.SHA1}}, nonce(t, 32)))
	if answer.Code != ocsp.Successful || answer.Cacheable {
		t.Fatalf("answer %+v", answer)
	}
	if !bytes.Contains(answer.DER, bytes.Repeat([]byte{7}, 32)) {
		t.Error("the nonce is not echoed")
	}
	for _, c := range []struct {
		issuer *x509.Certificate
		serial int64
		status int
	}{{f.a, 10, xocsp.Good}, {f.a, 11, xocsp.Revoked}} {
		got, err := xocsp.ParseResponseForCert(answer.DER, &x509.Certificate{SerialNumber: big.NewInt(c.serial)}, c.issuer)
		check(t, err)
		if got.Status != c.status {
			t.Errorf("%d: status %d", c.serial, got.Status)
		}
	}
}

func TestRequestsThatCannotBeAnsweredGetTheirCode(t *testing.T) {
	f := newFixture(t)
	foreign := newFixture(t).a
	good := request(t, []ask{{f.a, 10, crypto.SHA1}})
	var many []ask
	for i := range int64(65) {
		many = append(many, ask{f.a, i, crypto.SHA1})
	}
	critical := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}
	plain := pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{5, 0}}
	for _, c := range []struct {
		name string
		der  []byte
		want ocsp.Code
	}{
		{"a nonce of 1 byte", request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 1)), ocsp.Successful},
		{"a nonce of 128 bytes", request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 128)), ocsp.Successful},
		{"an empty nonce", request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 0)), ocsp.MalformedRequest},
		{"a nonce of 129 bytes", request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 129)), ocsp.MalformedRequest},
		{"two nonces", request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 16), nonce(t, 16)), ocsp.MalformedRequest},
		{"an unknown extension", request(t, []ask{{f.a, 10, crypto.SHA1}}, plain), ocsp.Successful},
		{"an unknown critical extension", request(t, []ask{{f.a, 10, crypto.SHA1}}, critical), ocsp.MalformedRequest},
		{"64 certificates", request(t, many[:64]), ocsp.Successful},
		{"65 certificates", request(t, many), ocsp.MalformedRequest},
		{"no certificate", request(t, nil), ocsp.MalformedRequest},
		{"nothing", nil, ocsp.MalformedRequest},
		{"a cut request", good[:len(good)-1], ocsp.MalformedRequest},
		{"data after the request", append(bytes.Clone(good), 0), ocsp.MalformedRequest},
		{"another authority's certificate", request(t, []ask{{foreign, 10, crypto.SHA1}}), ocsp.Unauthorized},
		{"another authority's beside ours", request(t, []ask{{foreign, 10, crypto.SHA1}, {f.a, 10, crypto.SHA1}}), ocsp.Successful},
		{"a database that is down", request(t, []ask{{f.config.Issuers[2].Certificate, 10, crypto.SHA1}}), ocsp.TryLater},
	} {
		answer := f.responder.Respond(t.Context(), c.der)
		if answer.Code != c.want {
			t.Errorf("%s: code %d, want %d", c.name, answer.Code, c.want)
			continue
		}
		if c.want != ocsp.Successful && !bytes.Equal(answer.DER, []byte{0x30, 3, 0x0a, 1, byte(c.want)}) {
			t.Errorf("%s: %x", c.name, answer.DER)
		}
	}
	f.now.Advance(13 * time.Hour) // past the responder's certificate, within the issuer's
	if answer := f.responder.Respond(t.Context(), good); answer.Code != ocsp.InternalError {
		t.Errorf("an expired responder answers with code %d", answer.Code)
	}
}

func TestNewRefusesCertificatesUnfitToAnswer(t *testing.T) {
	f := newFixture(t)
	other := newFixture(t)
	for name, change := range map[string]func(*ocsp.Config){
		"another key":                    func(c *ocsp.Config) { c.Issuers[0].Ahead.Signer = other.key },
		"another live key":               func(c *ocsp.Config) { c.Issuers[0].Live.Signer = other.key },
		"another issuer":                 func(c *ocsp.Config) { c.Issuers[0].Certificate = other.a },
		"a certificate for another work": func(c *ocsp.Config) { c.Issuers[0].Ahead.Certificate = c.Issuers[0].Certificate },
		"no issuer":                      func(c *ocsp.Config) { c.Issuers = nil },
		"no certificate":                 func(c *ocsp.Config) { c.Issuers[0].Ahead.Certificate = nil },
		"a responder not yet valid":      func(c *ocsp.Config) { c.Clock = clock.NewFake(f.now.Now().Add(-2 * time.Hour)) },
		"an age above the validity":      func(c *ocsp.Config) { c.MaxAge = 2 * c.Validity },
	} {
		cfg := f.config
		cfg.Issuers = append([]ocsp.Issuer(nil), f.config.Issuers...)
		change(&cfg)
		_, err := ocsp.New(cfg)
		if !errors.Is(err, ocsp.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHTTPRefusesOtherMethodsAndTypes(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name, method, kind string
		want               int
	}{
		{"PUT", http.MethodPut, "application/ocsp-request", http.StatusMethodNotAllowed},
		{"POST of a form", http.MethodPost, "application/x-www-form-urlencoded", http.StatusUnsupportedMediaType},
		{"POST with a parameter in the type", http.MethodPost, "application/ocsp-request; charset=binary", http.StatusOK},
	} {
		r := httptest.NewRequest(c.method, "/ocsp", bytes.NewReader(request(t, []ask{{f.a, 10, crypto.SHA1}})))
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		f.responder.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
		if w.Code == http.StatusOK && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", c.name, w.Header())
		}
	}
}

// FuzzParseRequest: whatever comes, the parser neither panics nor accepts more
// than its limits, and a request that it reads is answered in DER.
func FuzzParseRequest(f *testing.F) {
	fx := newFixture(f)
	f.Add(request(f, []ask{{fx.a, 10, crypto.SHA1}}))
	f.Add(request(f, []ask{{fx.a, 10, crypto.SHA256}, {fx.b, 11, crypto.SHA512}}, nonce(f, 16)))
	for _, name := range []string{"openssl-two-nonce.der", "openssl-signed.der"} {
		der, err := os.ReadFile(filepath.Join("testdata", name))
		check(f, err)
		r, err := ocsp.ParseRequest(der)
		if err != nil {
			f.Fatalf("%s: %v", name, err)
		}
		if len(r.IDs) == 0 {
			f.Fatalf("%s: nothing asked for", name)
		}
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ocsp.ParseRequest(der)
		if err != nil {
			if !errors.Is(err, ocsp.ErrMalformed) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if len(r.IDs) == 0 || len(r.IDs) > 64 || len(r.Nonce) > 128 {
			t.Fatalf("over the limits: %d ids, nonce of %d", len(r.IDs), len(r.Nonce))
		}
		answer := fx.responder.Respond(t.Context(), der)
		input := cryptobyte.String(answer.DER)
		var body cryptobyte.String
		if !input.ReadASN1(&body, cbasn1.SEQUENCE) || !input.Empty() {
			t.Fatalf("answer is not DER: %x", answer.DER)
		}
	})
}
