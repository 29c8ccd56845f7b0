package pkihttp_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/ca/pkihttp"
)

func newHandler(t *testing.T, status http.Handler) *pkihttp.Handler {
	t.Helper()
	find := func(_ context.Context, name string) (pkihttp.File, error) {
		switch name {
		case "official":
			return pkihttp.File{DER: []byte{0x30, 0}, Modified: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)}, nil
		case "down":
			return pkihttp.File{}, errors.New("down")
		}
		return pkihttp.File{}, pkihttp.ErrNotFound
	}
	h, err := pkihttp.New(pkihttp.Config{Certificate: find, CRL: find, OCSP: status, TSA: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestFilesAreServedByNameOnly(t *testing.T) {
	h := newHandler(t, http.NotFoundHandler())
	for _, c := range []struct {
		name, method, path string
		want               int
	}{
		{"a certificate", "GET", "/aia/official.cer", 200},
		{"a list", "GET", "/crl/official.crl", 200},
		{"its head", "HEAD", "/crl/official.crl", 200},
		{"an unknown name", "GET", "/crl/x.crl", 404},
		{"a name that climbs", "GET", "/crl/../official.crl", 404},
		{"another ending", "GET", "/aia/official.crl", 404},
		{"another method", "POST", "/aia/official.cer", 405},
		{"a store that is down", "GET", "/crl/down.crl", 503},
		{"another path", "GET", "/etc/passwd", 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/crl/official.crl", nil))
	r := httptest.NewRequest("GET", "/crl/official.crl", nil)
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	again := httptest.NewRecorder()
	h.ServeHTTP(again, r)
	if again.Code != http.StatusNotModified || w.Header().Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("the same list again: %d, %v", again.Code, w.Header())
	}
}

func TestRequestsOverTheLimitAreToldToComeAgain(t *testing.T) {
	hold, begun := make(chan struct{}), make(chan struct{}, 256)
	h := newHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { begun <- struct{}{}; <-hold }))
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/ocsp", nil)) })
	}
	for range 256 {
		<-begun
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/ocsp", nil))
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("the 257th: %d", w.Code)
	}
	close(hold)
	wg.Wait()
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/aia/official.cer", nil))
	if w.Code != http.StatusOK {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestNewRefusesAMissingPart(t *testing.T) {
	_, err := pkihttp.New(pkihttp.Config{})
	if !errors.Is(err, pkihttp.ErrConfig) {
		t.Errorf("got %v", err)
	}
}
