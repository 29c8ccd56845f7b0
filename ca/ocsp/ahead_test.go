package ocsp_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/ca/ocsp"
)

func (f *fixture) ask(t testing.TB, serial int64) (*xocsp.Response, ocsp.Answer) {
	t.Helper()
	answer := f.responder.Respond(t.Context(), request(t, []ask{{f.a, serial, crypto.SHA1}}))
	if answer.Code != ocsp.Successful {
		return nil, answer
	}
	got, err := xocsp.ParseResponse(answer.DER, f.a)
	check(t, err)
	return got, answer
}

// again makes a responder that learns of each change at once.
func (f *fixture) again(t testing.TB, change func(*ocsp.Config)) {
	t.Helper()
	f.config.Poll = time.Nanosecond
	if change != nil {
		change(&f.config)
	}
	var err error
	f.responder, err = ocsp.New(f.config)
	check(t, err)
}

func TestAnAnswerIsSignedOnceAndServedUntilHalfOfItsValidity(t *testing.T) {
	f := newFixture(t)
	_, first := f.ask(t, 10)
	for range 5 {
		_, again := f.ask(t, 10)
		if !bytes.Equal(again.DER, first.DER) {
			t.Fatal("another answer")
		}
	}
	if f.key.signatures() != 1 || f.live.signatures() != 0 || f.source.asked != 1 {
		t.Errorf("%d signatures in advance, %d live, %d questions", f.key.signatures(), f.live.signatures(), f.source.asked)
	}
	// Other digests have their own answer; a nonce, several certificates and an
	// unknown one are signed live.
	for name, der := range map[string][]byte{
		"a nonce":              request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 16)),
		"several certificates": request(t, []ask{{f.a, 10, crypto.SHA1}, {f.a, 11, crypto.SHA1}}),
		"an unknown one":       request(t, []ask{{f.a, 99, crypto.SHA1}}),
		"SHA-512":              request(t, []ask{{f.a, 10, crypto.SHA512}}),
	} {
		before := f.live.signatures()
		if answer := f.responder.Respond(t.Context(), der); answer.Code != ocsp.Successful || f.live.signatures() != before+1 {
			t.Errorf("%s: code %d, %d live signatures", name, answer.Code, f.live.signatures()-before)
		}
	}
	if f.key.signatures() != 1 {
		t.Errorf("%d signatures in advance", f.key.signatures())
	}
	f.now.Advance(59 * time.Minute)
	if got, _ := f.ask(t, 10); !got.ThisUpdate.Equal(first.ThisUpdate) {
		t.Error("made anew before its end without need")
	}
	f.now.Advance(time.Minute)
	if got, _ := f.ask(t, 10); !got.ThisUpdate.Equal(f.now.Now()) {
		t.Error("served after its end")
	}
}

func TestARevocationByAnotherProcessReplacesTheAnswerInMemory(t *testing.T) {
	f := newFixture(t)
	f.again(t, nil)
	if got, _ := f.ask(t, 10); got.Status != xocsp.Good {
		t.Fatal("not good")
	}
	year := f.now.Now().AddDate(1, 0, 0)
	f.source.set("a", 10, ocsp.Status{State: ocsp.Revoked, RevokedAt: f.revoked, Reason: 6}, year)
	if got, _ := f.ask(t, 10); got.Status != xocsp.Revoked || got.RevocationReason != xocsp.CertificateHold {
		t.Errorf("status %d, reason %d", got.Status, got.RevocationReason)
	}
	f.source.set("a", 10, ocsp.Status{State: ocsp.Good}, year)
	if got, _ := f.ask(t, 10); got.Status != xocsp.Good {
		t.Error("not good after the release")
	}
	// One's own change is known without asking.
	f.config.Poll = 0
	f.again(t, func(c *ocsp.Config) { c.Poll = time.Hour; c.MaxStale = 2 * time.Hour })
	f.ask(t, 10)
	serial, _ := ocsp.SerialOf(big.NewInt(10))
	f.responder.Changed("a", ocsp.Certificate{Serial: serial, Status: ocsp.Status{State: ocsp.Revoked, RevokedAt: f.revoked}, Expires: year})
	if got, _ := f.ask(t, 10); got.Status != xocsp.Revoked {
		t.Error("the own change is not known")
	}
}

func TestWithoutItsTokenTheResponderServesWhatIsMadeAndRefusesTheRest(t *testing.T) {
	f := newFixture(t)
	f.again(t, nil)
	f.ask(t, 10)
	f.key.take(true)
	f.live.take(true)
	if got, _ := f.ask(t, 10); got == nil || got.Status != xocsp.Good {
		t.Error("the answer that was made does not serve")
	}
	for name, der := range map[string][]byte{"one that was not made": request(t, []ask{{f.a, 11, crypto.SHA1}}), "a nonce": request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 16))} {
		if answer := f.responder.Respond(t.Context(), der); answer.Code != ocsp.TryLater {
			t.Errorf("%s: code %d", name, answer.Code)
		}
	}
	// What is known to be revoked is never told to be good.
	f.source.set("a", 10, ocsp.Status{State: ocsp.Revoked, RevokedAt: f.revoked}, f.now.Now().AddDate(1, 0, 0))
	if _, answer := f.ask(t, 10); answer.Code != ocsp.TryLater {
		t.Errorf("after the revocation: code %d", answer.Code)
	}
}

func TestNothingIsAnsweredFromMemoryOnceTheRegisterIsSilentForTooLong(t *testing.T) {
	f := newFixture(t)
	f.again(t, func(c *ocsp.Config) { c.MaxStale = 200 * time.Millisecond })
	f.ask(t, 10)
	f.source.mu.Lock()
	f.source.down = true
	f.source.mu.Unlock()
	if got, _ := f.ask(t, 10); got == nil || got.Status != xocsp.Good {
		t.Error("memory does not serve at once")
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, answer := f.ask(t, 10)
		if answer.Code == ocsp.TryLater {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("memory serves for ever")
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.source.mu.Lock()
	f.source.down = false
	f.source.mu.Unlock()
	if got, _ := f.ask(t, 10); got == nil || got.Status != xocsp.Good {
		t.Error("does not serve again")
	}
}

func TestAFloodOfNoncesDoesNotHoldUpAnswersInMemory(t *testing.T) {
	f := newFixture(t)
	f.ask(t, 10)
	f.live.hold = make(chan struct{})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			f.responder.Respond(context.WithoutCancel(t.Context()), request(t, []ask{{f.a, 10, crypto.SHA1}}, nonce(t, 16)))
		})
	}
	for f.live.signatures() < 4 {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	for range 100 {
		f.ask(t, 10)
	}
	if took := time.Since(began); took > time.Second || f.live.signatures() != 4 {
		t.Errorf("100 answers from memory took %s while %d nonces were being signed", took, f.live.signatures())
	}
	close(f.live.hold)
	wg.Wait()
}

func TestRunMakesAnswersInAdvanceAndKeepsThemOverARestart(t *testing.T) {
	f := newFixture(t)
	file := filepath.Join(t.TempDir(), "answers")
	expired := f.now.Now().Add(-time.Hour)
	f.source.set("a", 13, ocsp.Status{State: ocsp.Good}, expired)
	run := func(want int) {
		t.Helper()
		f.again(t, func(c *ocsp.Config) { c.File = file; c.Poll = 5 * time.Millisecond })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.responder.Run(ctx) }()
		deadline := time.Now().Add(10 * time.Second)
		for f.responder.Stats().Answers < want && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
		check(t, <-done)
		if s := f.responder.Stats(); s.Answers != want || s.Certificates != want {
			t.Fatalf("in memory: %+v", s)
		}
	}
	run(4) // the expired one is not made in advance
	if f.key.signatures() != 4 {
		t.Errorf("%d signatures", f.key.signatures())
	}
	f.source.set("a", 11, ocsp.Status{State: ocsp.Good}, f.now.Now().AddDate(1, 0, 0)) // changed while it was not running
	run(4)
	if n := f.key.signatures(); n != 5 {
		t.Errorf("after the restart %d more signatures, want 1", n-4)
	}
	if got, _ := f.ask(t, 10); got == nil || got.Status != xocsp.Good || f.key.signatures() != 5 {
		t.Error("a kept answer does not serve")
	}
	if got, _ := f.ask(t, 13); got == nil || got.Status != xocsp.Good {
		t.Error("an expired certificate is not answered for")
	}
	// A kept answer that does not verify is made anew.
	b, err := os.ReadFile(file)
	check(t, err)
	for i := 60; i < len(b); i += 40 {
		b[i] ^= 1
	}
	check(t, os.WriteFile(file, b, 0o600))
	run(4)
	for _, serial := range []int64{10, 11, 12} {
		if got, _ := f.ask(t, serial); got == nil {
			t.Errorf("%d is not answered", serial)
		}
	}
	// A file of text is no file of answers.
	check(t, os.WriteFile(file, []byte("hello"), 0o600))
	run(4)
}

func TestARenewedResponderTakesEffectAtOnce(t *testing.T) {
	f := newFixture(t)
	f.ask(t, 10)
	fresh := f.issuer(t, "a") // another authority with the same name
	check(t, f.responder.SetIssuers([]ocsp.Issuer{f.config.Issuers[0], f.config.Issuers[1]}))
	f.ask(t, 10)
	if f.key.signatures() != 1 {
		t.Error("the answers in memory are gone")
	}
	check(t, f.responder.SetIssuers([]ocsp.Issuer{fresh, f.config.Issuers[1]}))
	answer := f.responder.Respond(t.Context(), request(t, []ask{{fresh.Certificate, 10, crypto.SHA1}}))
	if answer.Code != ocsp.Successful || f.key.signatures() != 2 {
		t.Errorf("code %d, %d signatures", answer.Code, f.key.signatures())
	}
	if _, answer := f.ask(t, 10); answer.Code != ocsp.Unauthorized {
		t.Errorf("the authority that went: code %d", answer.Code)
	}
}

func TestGETComesWithTheHeadersOfRFC5019(t *testing.T) {
	f := newFixture(t)
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(request(t, []ask{{f.a, 10, crypto.SHA256}}))
	get := func(tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		f.responder.ServeHTTP(w, r)
		return w
	}
	w := get("")
	h := w.Header()
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	check(t, err)
	expires, err := http.ParseTime(h.Get("Expires"))
	check(t, err)
	if w.Code != 200 || h.Get("Cache-Control") != "max-age=60, public, no-transform, must-revalidate" || !modified.Equal(f.now.Now()) ||
		!expires.Equal(f.now.Now().Add(time.Minute)) || h.Get("ETag") == "" {
		t.Errorf("%d %v", w.Code, h)
	}
	if again := get(h.Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("the same again: %d", again.Code)
	}
	f.now.Advance(59*time.Minute + 30*time.Second)
	if h := get("").Header(); h.Get("Cache-Control") != "max-age=30, public, no-transform, must-revalidate" {
		t.Errorf("shortly before its end: %v", h)
	}
}

func BenchmarkAnswerFromMemory(b *testing.B) {
	f := newFixture(b)
	path := "/ocsp/" + base64.RawURLEncoding.EncodeToString(request(b, []ask{{f.a, 10, crypto.SHA1}}))
	r := httptest.NewRequest(http.MethodGet, path, nil)
	f.ask(b, 10)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		f.responder.ServeHTTP(w, r)
		if w.Body.Len() < 100 {
			b.Fatal(w.Code)
		}
	}
}
