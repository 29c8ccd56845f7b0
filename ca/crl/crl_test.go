package crl_test

import (
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
	"testing"
	"time"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/internal/clock"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shelf is a store in memory.
type shelf struct {
	revision int64
	revoked  []crl.Revoked
	list     *crl.List
	// meanwhile runs before a Put, as another process would.
	meanwhile func(*shelf)
}

func (s *shelf) Revision(context.Context, string) (int64, int64, error) {
	if s.list == nil {
		return s.revision, 0, nil
	}
	return s.revision, s.list.Number, nil
}

func (s *shelf) Revoked(context.Context, string) ([]crl.Revoked, error) { return s.revoked, nil }

func (s *shelf) Latest(context.Context, string) (*crl.List, error) {
	if s.list == nil {
		return nil, crl.ErrNone
	}
	return s.list, nil
}

func (s *shelf) Put(_ context.Context, l *crl.List) error {
	if s.meanwhile != nil {
		act := s.meanwhile
		s.meanwhile = nil
		act(s)
	}
	if s.list != nil && l.Number <= s.list.Number {
		return crl.ErrNotNewer
	}
	s.list = l
	return nil
}

var errToken = errors.New("token gone")

// token is a key that can be taken away.
type token struct {
	crypto.Signer
	gone bool
}

func (k *token) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if k.gone {
		return nil, errToken
	}
	return k.Signer.Sign(r, digest, o)
}

func fixture(t *testing.T) (*crl.Publisher, *shelf, *token, *clock.Fake, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	now := clock.NewFake(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC))
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, NotBefore: now.Now(), NotAfter: now.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	check(t, err)
	cert, err := x509.ParseCertificate(der)
	check(t, err)
	store, k := &shelf{}, &token{Signer: key}
	p, err := crl.New(crl.Config{Issuers: []crl.Issuer{{Name: "ca", Certificate: cert, Signer: k}}, Store: store, Clock: now,
		Logger: slog.New(slog.DiscardHandler), Validity: 48 * time.Hour})
	check(t, err)
	return p, store, k, now, cert
}

func TestAListIsMadeAnewForARevocationAndForItsAge(t *testing.T) {
	p, store, _, now, cert := fixture(t)
	first, err := p.Current(t.Context(), "ca")
	check(t, err)
	parsed, err := x509.ParseRevocationList(first.DER)
	check(t, err)
	check(t, parsed.CheckSignatureFrom(cert))
	if parsed.Number.Int64() != now.Now().UnixNano() || len(parsed.RevokedCertificateEntries) != 0 {
		t.Errorf("first list %v", parsed.Number)
	}
	expired := false
	for _, e := range parsed.Extensions {
		expired = expired || e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 60})
	}
	if !expired {
		t.Error("expiredCertsOnCRL is missing")
	}
	same, err := p.Current(t.Context(), "ca")
	check(t, err)
	if same.Number != first.Number {
		t.Error("made anew without need")
	}
	// The clock stands still: the number must grow all the same.
	store.revision, store.revoked = 1, []crl.Revoked{{Serial: big.NewInt(7), At: now.Now(), Reason: 1}, {Serial: big.NewInt(9), At: now.Now()}}
	second, err := p.Current(t.Context(), "ca")
	check(t, err)
	parsed, err = x509.ParseRevocationList(second.DER)
	check(t, err)
	if second.Number <= first.Number || len(parsed.RevokedCertificateEntries) != 2 ||
		parsed.RevokedCertificateEntries[0].ReasonCode != 1 || len(parsed.RevokedCertificateEntries[1].Extensions) != 0 {
		t.Errorf("second list %d: %+v", second.Number, parsed.RevokedCertificateEntries)
	}
	now.Advance(24 * time.Hour)
	third, err := p.Current(t.Context(), "ca")
	check(t, err)
	if third.Number <= second.Number || !third.NextUpdate.Equal(now.Now().Add(48*time.Hour)) {
		t.Error("not made anew at half its life")
	}
}

func TestTheStoredListServesWhileTheTokenIsGone(t *testing.T) {
	p, store, k, now, _ := fixture(t)
	first, err := p.Current(t.Context(), "ca")
	check(t, err)
	k.gone = true
	store.revision = 1
	stale, err := p.Current(t.Context(), "ca")
	if err != nil || stale.Number != first.Number {
		t.Errorf("got %v, %v", stale, err)
	}
	now.Advance(49 * time.Hour)
	_, err = p.Current(t.Context(), "ca")
	if !errors.Is(err, errToken) {
		t.Errorf("after nextUpdate: %v", err)
	}
}

func TestAListOvertakenByAnotherProcessIsMadeAgain(t *testing.T) {
	p, store, _, now, _ := fixture(t)
	store.meanwhile = func(s *shelf) {
		s.revision, s.revoked = 1, []crl.Revoked{{Serial: big.NewInt(7), At: now.Now()}}
		s.list = &crl.List{Issuer: "ca", Number: now.Now().UnixNano() + 5, Revision: 1}
	}
	l, err := p.Publish(t.Context(), "ca")
	check(t, err)
	parsed, err := x509.ParseRevocationList(l.DER)
	check(t, err)
	if l.Number != now.Now().UnixNano()+6 || l.Revision != 1 || len(parsed.RevokedCertificateEntries) != 1 {
		t.Errorf("list %d, revision %d", l.Number, l.Revision)
	}
}

func TestNewRefusesAnIssuerThatMayNotSignLists(t *testing.T) {
	_, err := crl.New(crl.Config{Issuers: []crl.Issuer{{Name: "x", Certificate: &x509.Certificate{}}}, Store: &shelf{},
		Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler), Validity: time.Hour})
	if !errors.Is(err, crl.ErrConfig) {
		t.Errorf("got %v", err)
	}
}
