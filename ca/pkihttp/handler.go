// Package pkihttp is the public HTTP side of the authority, in clear as the
// standards have it: AIA certificates (RFC 5280 §4.2.2.1), revocation lists,
// status requests and time-stamps. Everything served is signed or public.
package pkihttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// ErrConfig says that a part is missing.
var ErrConfig = errors.New("pkihttp: handler refused")

// Ages that proxies may give what they keep. A list is short-lived because a
// revocation must show; a certificate never changes under its name's life.
const (
	maxAgeCRL         = 60 * time.Second
	maxAgeCertificate = 24 * time.Hour
)

// maxInFlight bounds the requests that are answered at once; each may cost a
// signature of the token. Above it clients are told to come again.
const maxInFlight = 256

// maxBody is what is read of a request at most: above the limits of the
// services (a status request of some hundred certificates), so that they still
// see a request that is too large as such.
const maxBody = 256 << 10

// File is something to serve under a name.
type File struct {
	DER      []byte
	Modified time.Time
	// Until is when the file is out of date; zero for never.
	Until time.Time
}

// ErrNotFound is what a finder returns for a name it does not know.
var ErrNotFound = errors.New("pkihttp: no such file")

// Config is what the handler serves.
type Config struct {
	Certificate func(ctx context.Context, name string) (File, error)
	CRL         func(ctx context.Context, name string) (File, error)
	// Proof finds the proof that a certificate stands in the ledger, by its
	// serial number; nil when there are none.
	Proof     func(ctx context.Context, serial string) (File, error)
	OCSP, TSA http.Handler
	Logger    *slog.Logger
}

// Handler serves /aia/NAME.cer, /crl/NAME.crl, /ocsp, /tsa (also /tsa/POLICY)
// and /proof/SERIAL.json.
type Handler struct {
	cfg      Config
	inFlight chan struct{}
}

// New returns the handler.
func New(cfg Config) (*Handler, error) {
	if cfg.Certificate == nil || cfg.CRL == nil || cfg.OCSP == nil || cfg.TSA == nil || cfg.Logger == nil {
		return nil, fmt.Errorf("%w: a part is missing", ErrConfig)
	}
	return &Handler{cfg: cfg, inFlight: make(chan struct{}, maxInFlight)}, nil
}

// ServeHTTP finds the service by the path. http.ServeMux is not used: it
// redirects paths that hold "//", and the base64 of a status request may.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// The body is read before a place is taken: a slow sender holds its own
	// connection and nobody's place. What is over a service's own limit is
	// refused by the service.
	if r.Body != http.NoBody {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		if err != nil {
			http.Error(w, "the request did not arrive whole", http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	select {
	case h.inFlight <- struct{}{}:
		defer func() { <-h.inFlight }()
	default:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy, try later", http.StatusServiceUnavailable)
		return
	}
	path := r.URL.Path
	switch {
	case path == "/ocsp", strings.HasPrefix(path, "/ocsp/"):
		h.cfg.OCSP.ServeHTTP(w, r)
	case path == "/tsa", strings.HasPrefix(path, "/tsa/"):
		h.cfg.TSA.ServeHTTP(w, r)
	case strings.HasPrefix(path, "/aia/"):
		h.file(w, r, h.cfg.Certificate, "/aia/", ".cer", "application/pkix-cert", maxAgeCertificate) // RFC 2585 §4
	case strings.HasPrefix(path, "/crl/"):
		h.file(w, r, h.cfg.CRL, "/crl/", ".crl", "application/pkix-crl", maxAgeCRL)
	case h.cfg.Proof != nil && strings.HasPrefix(path, "/proof/"):
		h.file(w, r, h.cfg.Proof, "/proof/", ".json", "application/json", maxAgeCRL)
	default:
		http.NotFound(w, r)
	}
}

func (h *Handler) file(w http.ResponseWriter, r *http.Request, find func(context.Context, string) (File, error),
	prefix, suffix, kind string, age time.Duration) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, prefix), suffix)
	if !ok {
		http.NotFound(w, r)
		return
	}
	f, err := find(r.Context(), name)
	if errors.Is(err, ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		h.cfg.Logger.ErrorContext(r.Context(), "public file failed", "prefix", prefix, "error", err)
		w.Header().Set("Retry-After", "5")
		http.Error(w, "try later", http.StatusServiceUnavailable)
		return
	}
	sum := sha256.Sum256(f.DER)
	w.Header().Set("Content-Type", kind)
	if !f.Until.IsZero() {
		age = max(0, min(age, time.Until(f.Until)))
		w.Header().Set("Expires", time.Now().Add(age).UTC().Format(http.TimeFormat))
	}
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(age.Seconds())))
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", f.Modified, bytes.NewReader(f.DER))
}
