package acme

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/internal/auth"

	"github.com/go-jose/go-jose/v4"
)

// maxBody holds a request with an RSA-4096 key and many names, twice encoded.
const maxBody = 64 << 10

// call is a request that has been verified: its signature, URL and nonce are
// right.
type call struct {
	*http.Request
	// key signed the request.
	key *jose.JSONWebKey
	// account is nil when the request carried a key instead.
	account *accountRow
	// payload is empty for POST-as-GET (RFC 8555 §6.3).
	payload []byte
	url     string
}

// read decodes the payload into v. Members that are not known are ignored, as
// RFC 8555 §7.1 has it for extensions.
func (c *call) read(v any) error {
	err := json.Unmarshal(c.payload, v)
	if err != nil {
		return malformed("the payload is not what this resource takes: %s", err)
	}
	return nil
}

// fetch says whether the request is a POST-as-GET.
func (c *call) fetch() bool { return len(c.payload) == 0 }

// onlyFetch refuses a payload.
func (c *call) onlyFetch() error {
	if !c.fetch() {
		return malformed("this resource is fetched by an empty payload (RFC 8555 §6.3)")
	}
	return nil
}

// answer is what goes back.
type answer struct {
	status   int // 0: 200
	location string
	links    []string
	retry    time.Duration
	nonce    bool
	// body is written as JSON; text, with its type, as it is.
	body     any
	text     []byte
	textType string
}

// Whose key signs a request.
type signedBy int

const (
	byAccount signedBy = iota
	byKey
	byEither
)

// handler is a resource that takes signed requests.
type handler struct {
	act func(*call) (*answer, error)
	by  signedBy
}

func (s *Server) post(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.verify(w, r, h.by)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		a, err := h.act(c)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		a.nonce = true
		s.write(w, r, a)
	})
}

// body reads a request's body.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/jose+json" {
		return nil, problem(kindMalformed, http.StatusUnsupportedMediaType, "the content type is application/jose+json (RFC 8555 §6.2)")
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, problem(kindMalformed, http.StatusRequestEntityTooLarge, "a request has at most %d bytes", maxBody)
	}
	if err != nil {
		return nil, malformed("the body could not be read")
	}
	return b, nil
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, a *answer) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Link", "<"+s.url(pathDirectory)+`>;rel="index"`)
	for _, link := range a.links {
		h.Add("Link", link)
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(a.retry.Seconds())))
	}
	if a.nonce {
		nonce, err := s.nonces.fresh()
		if err != nil {
			s.cfg.Logger.ErrorContext(r.Context(), "no nonce", slog.Any("error", err))
			http.Error(w, "no nonce", http.StatusInternalServerError)
			return
		}
		h.Set("Replay-Nonce", nonce)
	}
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	text := a.text
	if a.body != nil {
		var err error
		text, err = json.Marshal(a.body)
		if err != nil {
			s.cfg.Logger.ErrorContext(r.Context(), "answer not written", slog.Any("error", err))
			http.Error(w, "answer not written", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "application/json")
	}
	if a.textType != "" {
		h.Set("Content-Type", a.textType)
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // the asker has gone
}

// fail answers with a problem document.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, auth.ErrDenied), errors.Is(err, enrol.ErrScope), errors.Is(err, enrol.ErrState):
		p = unauthorized("the policy does not allow it")
	default:
		s.cfg.Logger.ErrorContext(r.Context(), "ACME request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		p = problem(kindInternal, http.StatusInternalServerError, "the server could not do it now; try again later").after(retryInternal)
	}
	s.write(w, r, &answer{status: p.Status, nonce: true, retry: p.retryAfter, location: p.location, body: p, textType: "application/problem+json"})
}

// retryInternal is when a client may try again after a fault of the server.
const retryInternal = 10 * time.Second
