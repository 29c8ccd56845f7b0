package crl_test

import (
	"cmp"
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
	"slices"
	"sync"
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

// change is a line of the table of revocations.
type change struct {
	entry     crl.Entry
	partition int
}

// shelf is a store in memory.
type shelf struct {
	mu      sync.Mutex
	changes []change // revision is the place, from 1
	lists   map[crl.Scope][]*crl.List
	number  map[crl.Scope]int64
	owner   map[crl.Scope]string
	until   map[crl.Scope]time.Time
	most    int
	down    bool
	puts    int
	// meanwhile runs before a Put, as another process would.
	meanwhile func(*shelf)
	revoked   int // how often everything was read
}

var errDown = errors.New("store down")

func newShelf() *shelf {
	return &shelf{lists: map[crl.Scope][]*crl.List{}, number: map[crl.Scope]int64{}, owner: map[crl.Scope]string{}, until: map[crl.Scope]time.Time{}}
}

func (s *shelf) add(serial int64, at time.Time, reason int, partition int) {
	s.changes = append(s.changes, change{crl.Entry{Serial: big.NewInt(serial), At: at, Reason: reason}, partition})
}

func (s *shelf) release(serial int64, at time.Time) {
	s.changes = append(s.changes, change{crl.Entry{Serial: big.NewInt(serial), At: at, Removed: true}, 0})
}

func (s *shelf) Head(_ context.Context, sc crl.Scope) (crl.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return crl.Head{}, errDown
	}
	h := crl.Head{Revision: int64(len(s.changes)), Number: s.number[sc]}
	for _, l := range s.lists[sc] {
		if l.Delta {
			h.Delta = l.Number
		} else {
			h.Complete = l.Number
		}
	}
	return h, nil
}

func (s *shelf) Revoked(ctx context.Context, sc crl.Scope) ([]crl.Entry, error) {
	s.revoked++
	all, err := s.Changes(ctx, sc, 0)
	return slices.DeleteFunc(all, func(e crl.Entry) bool { return e.Removed }), err
}

func (s *shelf) Changes(_ context.Context, sc crl.Scope, since int64) ([]crl.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := map[string]crl.Entry{}
	for _, c := range s.changes[since:] {
		if sc.Partition == 0 || c.partition == sc.Partition {
			last[c.entry.Serial.String()] = c.entry
		}
	}
	var list []crl.Entry
	for _, e := range last {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b crl.Entry) int { return a.Serial.Cmp(b.Serial) })
	return list, nil
}

func (s *shelf) Latest(_ context.Context, sc crl.Scope, delta bool) (*crl.List, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range slices.Backward(s.lists[sc]) {
		if l.Delta == delta {
			return l, nil
		}
	}
	return nil, crl.ErrNone
}

func (s *shelf) Oldest(_ context.Context, sc crl.Scope, at time.Time) (*crl.List, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lists[sc] {
		if !l.Delta && l.NextUpdate.After(at) {
			return l, nil
		}
	}
	return nil, crl.ErrNone
}

func (s *shelf) Partitions(context.Context, string) (int, error) { return s.most, nil }

func (s *shelf) Lease(_ context.Context, sc crl.Scope, owner string, now, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner[sc] != "" && s.owner[sc] != owner && now.Before(s.until[sc]) {
		return false, nil
	}
	s.owner[sc], s.until[sc] = owner, until
	return true, nil
}

func (s *shelf) Put(_ context.Context, owner string, lists []*crl.List, sc crl.Scope) error {
	if s.meanwhile != nil {
		act := s.meanwhile
		s.meanwhile = nil
		act(s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lists {
		if owner != "" && s.owner[l.Scope] != owner {
			return crl.ErrLease
		}
		if l.Number <= s.number[l.Scope] {
			return crl.ErrNotNewer
		}
	}
	for _, l := range lists {
		s.number[l.Scope] = l.Number
		s.lists[l.Scope] = append(s.lists[l.Scope], l)
	}
	if s.owner[sc] == owner {
		s.owner[sc] = ""
	}
	if len(lists) > 0 {
		s.puts++
	}
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

// fixture is a publisher over a store in memory.
type fixture struct {
	p     *crl.Publisher
	store *shelf
	key   *token
	now   *clock.Fake
	cert  *x509.Certificate
	cfg   crl.Config
}

func newFixture(t testing.TB, change func(*crl.Config)) *fixture {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	f := &fixture{store: newShelf(), key: &token{Signer: key}, now: clock.NewFake(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC))}
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, SubjectKeyId: []byte{1, 2, 3},
		KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, NotBefore: f.now.Now(), NotAfter: f.now.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	check(t, err)
	f.cert, err = x509.ParseCertificate(der)
	check(t, err)
	f.cfg = crl.Config{Issuers: []crl.Issuer{{Name: "ca", Certificate: f.cert, Signer: f.key}}, Store: f.store, Clock: f.now, Owner: "one",
		Address: func(name string) string { return "http://crl.test/" + name + ".crl" }, Logger: slog.New(slog.DiscardHandler), Validity: 48 * time.Hour}
	if change != nil {
		change(&f.cfg)
	}
	f.p, err = crl.New(f.cfg)
	check(t, err)
	return f
}

func deltas(c *crl.Config) { c.DeltaValidity = 6 * time.Hour }

func (f *fixture) current(t testing.TB, name string) (*crl.List, *x509.RevocationList) {
	t.Helper()
	l, err := f.p.Current(t.Context(), name)
	check(t, err)
	parsed, err := x509.ParseRevocationList(l.DER)
	check(t, err)
	check(t, parsed.CheckSignatureFrom(f.cert))
	if parsed.Number.Int64() != l.Number || !parsed.ThisUpdate.Equal(l.ThisUpdate) || !parsed.NextUpdate.Equal(l.NextUpdate) ||
		len(parsed.RevokedCertificateEntries) != l.Entries || l.Name() != name {
		t.Errorf("%s: the list is not what its record says: %+v", name, l)
	}
	return l, parsed
}

func value(l *x509.RevocationList, oid ...int) []byte {
	for _, e := range l.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier(oid)) {
			return e.Value
		}
	}
	return nil
}

// told is serial:reason of each entry in order of serials.
func told(l *x509.RevocationList) map[int64]int {
	m := map[int64]int{}
	for _, e := range l.RevokedCertificateEntries {
		m[e.SerialNumber.Int64()] = e.ReasonCode
	}
	return m
}

func same(a, b map[int64]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, there := b[k]
		if !there || v != w {
			return false
		}
	}
	return true
}

func TestAListIsMadeAnewForARevocationAndForItsAge(t *testing.T) {
	f := newFixture(t, nil)
	first, parsed := f.current(t, "ca")
	if first.Number != f.now.Now().UnixNano() || len(parsed.RevokedCertificateEntries) != 0 || value(parsed, 2, 5, 29, 60) == nil ||
		value(parsed, 2, 5, 29, 28) != nil || value(parsed, 2, 5, 29, 46) != nil {
		t.Errorf("first list %+v", parsed)
	}
	same1, _ := f.current(t, "ca")
	if same1.Number != first.Number {
		t.Error("made anew without need")
	}
	// The clock stands still: the number must grow all the same.
	f.store.add(7, f.now.Now(), 1, 0)
	f.store.add(9, f.now.Now(), 0, 0)
	second, parsed := f.current(t, "ca")
	if second.Number <= first.Number || !same(told(parsed), map[int64]int{7: 1, 9: 0}) || len(parsed.RevokedCertificateEntries[1].Extensions) != 0 {
		t.Errorf("second list %d: %v", second.Number, told(parsed))
	}
	f.now.Advance(24 * time.Hour)
	third, _ := f.current(t, "ca")
	if third.Number <= second.Number || !third.NextUpdate.Equal(f.now.Now().Add(48*time.Hour)) {
		t.Error("not made anew at half its life")
	}
	if f.store.revoked != 1 {
		t.Errorf("everything was read %d times", f.store.revoked)
	}
	if _, err := f.p.Current(t.Context(), "ca-delta"); !errors.Is(err, crl.ErrNone) {
		t.Errorf("a delta list where there is none: %v", err)
	}
}

func TestHeldRevokedAndReleasedCertificatesStandOnTheListsAsTheyAre(t *testing.T) {
	f := newFixture(t, deltas)
	_, base := f.current(t, "ca")
	if value(base, 2, 5, 29, 46) == nil {
		t.Error("the complete list does not name the delta list")
	}
	f.now.Advance(time.Minute)
	f.store.add(5, f.now.Now(), crl.ReasonHold, 0)
	f.store.add(6, f.now.Now(), crl.ReasonHold, 0)
	f.store.add(7, f.now.Now(), 1, 0)
	_, complete := f.current(t, "ca")
	_, delta := f.current(t, "ca-delta")
	want := map[int64]int{5: 6, 6: 6, 7: 1}
	if !same(told(complete), want) || !same(told(delta), want) || complete.Number.Cmp(delta.Number) != 0 {
		t.Errorf("complete %v, delta %v", told(complete), told(delta))
	}
	f.now.Advance(time.Minute)
	f.store.release(5, f.now.Now())
	f.store.add(6, f.now.Now(), 1, 0) // held, then revoked
	_, complete = f.current(t, "ca")
	_, delta = f.current(t, "ca-delta")
	if !same(told(complete), map[int64]int{6: 1, 7: 1}) || !same(told(delta), map[int64]int{5: crl.ReasonRemove, 6: 1, 7: 1}) {
		t.Errorf("complete %v, delta %v", told(complete), told(delta))
	}
	var number int64
	_, err := asn1.Unmarshal(value(delta, 2, 5, 29, 27), &number)
	check(t, err)
	if number != base.Number.Int64() {
		t.Errorf("delta relative to %d, the oldest complete list in force is %d", number, base.Number)
	}
	// Once nobody can hold the first list any more, the delta is relative to a later one.
	f.now.Advance(47*time.Hour + 58*time.Minute + 30*time.Second)
	_, delta = f.current(t, "ca-delta")
	if !same(told(delta), map[int64]int{5: crl.ReasonRemove, 6: 1}) {
		t.Errorf("delta after the first list's end: %v", told(delta))
	}
}

func TestAPartitionSpeaksForItsOwnCertificatesAndNamesItself(t *testing.T) {
	f := newFixture(t, func(c *crl.Config) { deltas(c); c.Issuers[0].Partitions = 2 })
	f.store.add(1, f.now.Now(), 1, 0)
	f.store.add(2, f.now.Now(), 1, 1)
	f.store.add(3, f.now.Now(), 1, 2)
	_, all := f.current(t, "ca")
	_, first := f.current(t, "ca-p1")
	if !same(told(all), map[int64]int{1: 1, 2: 1, 3: 1}) || !same(told(first), map[int64]int{2: 1}) {
		t.Errorf("all %v, first %v", told(all), told(first))
	}
	point := value(first, 2, 5, 29, 28)
	if string(point[len(point)-len("http://crl.test/ca-p1.crl"):]) != "http://crl.test/ca-p1.crl" {
		t.Errorf("issuing distribution point %x", point)
	}
	_, delta := f.current(t, "ca-p1-delta")
	if string(value(delta, 2, 5, 29, 28)) != string(point) {
		t.Error("the delta list has another distribution point than its complete list")
	}
	one, _ := f.current(t, "ca-p1")
	f.store.add(4, f.now.Now(), 1, 2)
	again, _ := f.current(t, "ca-p1")
	if again.Number != one.Number {
		t.Error("a change in another partition had the list made anew")
	}
	if _, err := f.p.Current(t.Context(), "ca-p3"); !errors.Is(err, crl.ErrNone) {
		t.Errorf("a partition there is not: %v", err)
	}
	// Fewer partitions later: what certificates name stays.
	check(t, f.p.SetIssuers([]crl.Issuer{{Name: "ca", Certificate: f.cert, Signer: f.key}}))
	f.store.most = 2
	_, second := f.current(t, "ca-p2")
	if !same(told(second), map[int64]int{3: 1, 4: 1}) {
		t.Errorf("the second partition afterwards %v", told(second))
	}
}

func TestNamesOfListsAreReadBack(t *testing.T) {
	for _, s := range []crl.Scope{{Issuer: "official"}, {Issuer: "official", Partition: 3}, {Issuer: "official-g2"}, {Issuer: "official-g2", Partition: 1024}, {Issuer: "a-p0"}, {Issuer: "x-p1025"}} {
		for _, delta := range []bool{false, true} {
			got, d := crl.ParseName(s.Name(delta))
			if got != s || d != delta {
				t.Errorf("%q read as %+v %v", s.Name(delta), got, d)
			}
		}
	}
	for _, name := range []string{"x-delta", "x-p7"} {
		if crl.CheckIssuerName(name) == nil {
			t.Errorf("an issuer may be called %q", name)
		}
	}
}

func TestTheStoredListServesWhileTheTokenOrTheStoreIsGone(t *testing.T) {
	f := newFixture(t, nil)
	first, _ := f.current(t, "ca")
	f.key.gone = true
	f.store.add(7, f.now.Now(), 1, 0)
	stale, _ := f.current(t, "ca")
	f.store.down = true
	still, _ := f.current(t, "ca")
	if stale.Number != first.Number || still.Number != first.Number {
		t.Errorf("got %d and %d", stale.Number, still.Number)
	}
	f.store.down = false
	f.now.Advance(30 * time.Hour)
	states, err := f.p.Refresh(t.Context())
	check(t, err)
	if len(states) != 1 || states[0].Late || states[0].Left != 18*time.Hour {
		t.Errorf("18 hours before its end: %+v", states)
	}
	f.now.Advance(10 * time.Hour)
	states, err = f.p.Refresh(t.Context())
	check(t, err)
	if !states[0].Late || states[0].Error != "" {
		t.Errorf("8 hours before its end: %+v", states)
	}
	f.now.Advance(9 * time.Hour)
	_, err = f.p.Current(t.Context(), "ca")
	if !errors.Is(err, errToken) {
		t.Errorf("after nextUpdate: %v", err)
	}
	states, err = f.p.Refresh(t.Context())
	check(t, err)
	if !states[0].Late || states[0].Error == "" {
		t.Errorf("after its end: %+v", states)
	}
}

func TestAListOvertakenByAnotherProcessIsMadeAgain(t *testing.T) {
	f := newFixture(t, nil)
	s := crl.Scope{Issuer: "ca"}
	f.store.meanwhile = func(store *shelf) {
		store.add(7, f.now.Now(), 1, 0)
		store.lists[s] = append(store.lists[s], &crl.List{Scope: s, Number: f.now.Now().UnixNano() + 5, Revision: 1})
		store.number[s] = f.now.Now().UnixNano() + 5
	}
	l, parsed := f.current(t, "ca")
	if l.Number != f.now.Now().UnixNano()+6 || l.Revision != 1 || !same(told(parsed), map[int64]int{7: 1}) {
		t.Errorf("list %d, revision %d", l.Number, l.Revision)
	}
}

func TestTwoProcessesNeverMakeAListAtTheSameTime(t *testing.T) {
	f := newFixture(t, nil)
	cfg := f.cfg
	cfg.Owner = "two"
	other, err := crl.New(cfg)
	check(t, err)
	var wg sync.WaitGroup
	for _, p := range []*crl.Publisher{f.p, other} {
		for range 8 {
			wg.Go(func() {
				l, err := p.Current(t.Context(), "ca")
				if err != nil || l.Number == 0 {
					t.Errorf("%v", err)
				}
			})
		}
	}
	wg.Wait()
	if f.store.puts != 1 {
		t.Errorf("the list was made %d times", f.store.puts)
	}
	// One that died with the lease holds the others up no longer than it lasts.
	f.store.owner[crl.Scope{Issuer: "ca"}], f.store.until[crl.Scope{Issuer: "ca"}] = "dead", f.now.Now().Add(time.Minute)
	f.store.add(7, f.now.Now(), 1, 0)
	done := make(chan error, 1)
	go func() { done <- f.p.Publish(t.Context(), crl.Scope{Issuer: "ca"}) }()
	select {
	case err := <-done:
		t.Fatalf("the lease did not hold: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	f.now.Advance(2 * time.Minute)
	check(t, <-done)
}

func TestALargeListIsLeftToItsDeltaList(t *testing.T) {
	f := newFixture(t, func(c *crl.Config) { deltas(c); c.Large = 3; c.LargeEvery = 10 * time.Minute })
	for i := range int64(3) {
		f.store.add(i+1, f.now.Now(), 1, 0)
	}
	first, _ := f.current(t, "ca")
	f.now.Advance(time.Minute)
	f.store.add(9, f.now.Now(), 1, 0)
	check(t, f.p.Changed(t.Context(), crl.Scope{Issuer: "ca"}))
	second, _ := f.current(t, "ca")
	_, delta := f.current(t, "ca-delta")
	if second.Number != first.Number || !same(told(delta), map[int64]int{9: 1}) {
		t.Errorf("complete list made anew: %v; delta %v", second.Number != first.Number, told(delta))
	}
	f.now.Advance(10 * time.Minute)
	third, _ := f.current(t, "ca")
	if third.Entries != 4 {
		t.Errorf("%d entries after ten minutes", third.Entries)
	}
}

func TestAListSignedElsewhereIsTakenOnlyWhenItHolds(t *testing.T) {
	f := newFixture(t, nil)
	key := f.key.Signer
	check(t, f.p.SetIssuers([]crl.Issuer{{Name: "ca", Certificate: f.cert}}))
	_, err := f.p.Current(t.Context(), "ca")
	if !errors.Is(err, crl.ErrAway) {
		t.Fatalf("got %v", err)
	}
	list := func(number int64, next time.Time, k crypto.Signer) []byte {
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(number), ThisUpdate: f.now.Now(), NextUpdate: next}, f.cert, k)
		check(t, err)
		return der
	}
	month := f.now.Now().AddDate(0, 1, 0)
	l, err := f.p.Import(t.Context(), "ca", list(10, month, key))
	check(t, err)
	got, _ := f.current(t, "ca")
	if got.Number != l.Number {
		t.Errorf("list %d", got.Number)
	}
	_, err = f.p.Import(t.Context(), "ca", list(10, month, key))
	if !errors.Is(err, crl.ErrNotNewer) {
		t.Errorf("the same number again: %v", err)
	}
	for name, der := range map[string][]byte{"past its end": list(11, f.now.Now(), key), "text": []byte("x")} {
		_, err = f.p.Import(t.Context(), "ca", der)
		if !errors.Is(err, crl.ErrImport) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := newFixture(t, nil)
	_, err = other.p.Import(t.Context(), "ca", list(11, month, key))
	if !errors.Is(err, crl.ErrImport) {
		t.Errorf("of another key: %v", err)
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	f := newFixture(t, nil)
	for name, change := range map[string]func(*crl.Config){
		"an issuer that may not sign lists": func(c *crl.Config) { c.Issuers = []crl.Issuer{{Name: "x", Certificate: &x509.Certificate{}}} },
		"no issuer":                         func(c *crl.Config) { c.Issuers = nil },
		"no owner":                          func(c *crl.Config) { c.Owner = "" },
		"a validity under an hour":          func(c *crl.Config) { c.Validity = time.Minute },
		"a delta validity above it":         func(c *crl.Config) { c.DeltaValidity = 100 * time.Hour },
		"too many partitions": func(c *crl.Config) {
			c.Issuers = []crl.Issuer{{Name: "ca", Certificate: f.cert, Partitions: crl.MaxPartitions + 1}}
		},
	} {
		cfg := f.cfg
		change(&cfg)
		_, err := crl.New(cfg)
		if !errors.Is(err, crl.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAHundredThousandEntriesAreNotEncodedAnewForOneRevocation bounds the work,
// not the time: one revocation must cost far less than the first list.
func TestAHundredThousandEntriesAreNotEncodedAnewForOneRevocation(t *testing.T) {
	f := newFixture(t, nil)
	const n = 100_000
	at := f.now.Now()
	for i := range int64(n) {
		f.store.add(i+1_000_000, at, 1, 0)
	}
	began := time.Now()
	check(t, f.p.Publish(t.Context(), crl.Scope{Issuer: "ca"}))
	first := time.Since(began)
	const more = 5
	began = time.Now()
	for i := range int64(more) {
		f.now.Advance(time.Minute)
		f.store.add(i+1, f.now.Now(), 1, 0)
		check(t, f.p.Publish(t.Context(), crl.Scope{Issuer: "ca"}))
	}
	each := time.Since(began) / more
	l, parsed := f.current(t, "ca")
	t.Logf("first list of %d entries %s, each further revocation %s, %d bytes", n, first, each, len(l.DER))
	if len(parsed.RevokedCertificateEntries) != n+more || f.store.revoked != 1 {
		t.Errorf("%d entries, everything read %d times", len(parsed.RevokedCertificateEntries), f.store.revoked)
	}
	if each > cmp.Or(first, time.Second) {
		t.Errorf("a revocation costs %s, the whole list %s", each, first)
	}
}
