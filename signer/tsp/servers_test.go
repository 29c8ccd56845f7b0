package tsp_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/trust/trusttest"
	"github.com/antin-gov/antin/signer/cms"
	"github.com/antin-gov/antin/signer/tsp"
)

func TestTheSecondAuthorityAnswersWhenTheFirstFails(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	quiet := slog.New(slog.DiscardHandler)
	sum := sha256.Sum256([]byte("công văn"))
	other := sha256.Sum256([]byte("công văn khác"))
	// over answers as an authority would, about a digest of its own choice.
	over := func(digest []byte) http.Handler {
		token, err := p.Stamp(crypto.SHA256, digest, nil)
		if err != nil {
			t.Fatal(err)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = w.Write(token)
		})
	}
	text := func(status int, kind, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	for name, first := range map[string]http.Handler{
		"is down":                    nil,
		"is ill":                     text(http.StatusServiceUnavailable, "text/plain", "down"),
		"answers with a page":        text(http.StatusOK, "text/html", "<html>"),
		"answers with rubbish":       text(http.StatusOK, "application/timestamp-reply", "rubbish"),
		"refuses":                    text(http.StatusOK, "application/timestamp-reply", "\x30\x05\x30\x03\x02\x01\x02"),
		"stamps another hash":        over(other[:]),
		"replays without our nonce":  over(sum[:]),
		"answers with an empty body": text(http.StatusOK, "application/timestamp-reply", ""),
	} {
		t.Run(name, func(t *testing.T) {
			hits := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				hits++
				first.ServeHTTP(w, r)
			}))
			if first == nil {
				server.Close()
			} else {
				defer server.Close()
			}
			servers, err := tsp.NewServers(p.Clock, quiet, &tsp.Client{URL: server.URL, Attempts: 1}, &tsp.Client{URL: p.TSAURL()})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				ctx, answers := tsp.WithAnswers(t.Context())
				der, err := servers.Timestamp(ctx, crypto.SHA256, sum[:])
				if err != nil {
					t.Fatal(err)
				}
				token, err := tsp.ParseToken(der)
				if err != nil || !bytes.Equal(token.Imprint, sum[:]) || !slices.Equal(answers.URLs(), []string{p.TSAURL()}) {
					t.Errorf("%v, answered %v", err, answers.URLs())
				}
			}
			if first != nil && hits != 1 {
				t.Errorf("asked %d times within a minute of its failure", hits)
			}
			p.Clock.Advance(2 * time.Minute)
			_, err = servers.Timestamp(t.Context(), crypto.SHA256, sum[:])
			if err != nil || first != nil && hits != 2 {
				t.Errorf("after a minute: %v, asked %d times", err, hits)
			}
		})
	}
}

func TestWhenNoAuthorityAnswersAllAreNamed(t *testing.T) {
	p := trusttest.New(t, time.Time{})
	p.Down(trusttest.TSA, true)
	quiet := slog.New(slog.DiscardHandler)
	sum := sha256.Sum256(nil)
	servers, err := tsp.NewServers(p.Clock, quiet, &tsp.Client{URL: p.TSAURL(), Attempts: 1}, &tsp.Client{URL: p.URL + "/none", Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, answers := tsp.WithAnswers(t.Context())
	_, err = servers.Timestamp(ctx, crypto.SHA256, sum[:])
	var status *tsp.HTTPError
	if !errors.As(err, &status) || len(answers.URLs()) != 0 || !bytes.Contains([]byte(err.Error()), []byte("/none")) || !bytes.Contains([]byte(err.Error()), []byte(p.TSAURL())) {
		t.Errorf("%v, answered %v", err, answers.URLs())
	}
	before := p.Hits(trusttest.TSA)
	_, err = servers.Timestamp(t.Context(), crypto.SHA1, make([]byte, 20))
	if !errors.Is(err, cms.ErrRefused) || p.Hits(trusttest.TSA) != before {
		t.Errorf("SHA-1: %v", err)
	}
	_, err = tsp.NewServers(p.Clock, quiet)
	if !errors.Is(err, tsp.ErrNoServer) {
		t.Errorf("no authority: %v", err)
	}
}
