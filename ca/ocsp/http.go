package ocsp

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	requestType  = "application/ocsp-request"
	responseType = "application/ocsp-response"
)

// ServeHTTP answers POST with a DER body and GET with the request as base64
// below the prefix "/ocsp/" (RFC 6960 appendix A.1, RFC 5019 §5).
func (r *Responder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var der []byte
	var err error
	switch req.Method {
	case http.MethodPost:
		der, err = readPost(w, req)
	case http.MethodGet, http.MethodHead:
		der, err = readGet(req)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, errMediaType):
		http.Error(w, "want "+requestType, http.StatusUnsupportedMediaType)
		return
	}
	answer := refuse(MalformedRequest)
	if err == nil {
		answer = r.Respond(req.Context(), der)
	}
	r.write(w, req, answer)
}

var errMediaType = errors.New("wrong media type")

func readPost(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || kind != requestType {
		return nil, errMediaType
	}
	return io.ReadAll(http.MaxBytesReader(w, req.Body, MaxRequest))
}

// readGet decodes the path. Base64 may hold "/" and "+", escaped or not, so
// the escaped path is taken as it came; base64url is understood as well.
func readGet(req *http.Request) ([]byte, error) {
	_, text, found := strings.Cut(req.URL.EscapedPath(), "/ocsp/")
	if !found || text == "" {
		return nil, fmt.Errorf("%w: no request in the path", ErrMalformed)
	}
	text, err := url.PathUnescape(text)
	if err != nil || base64.StdEncoding.DecodedLen(len(text)) > MaxRequest {
		return nil, fmt.Errorf("%w: path", ErrMalformed)
	}
	plain := []byte(strings.TrimRight(text, "="))
	for i, c := range plain {
		switch c {
		case '-', ' ':
			plain[i] = '+'
		case '_':
			plain[i] = '/'
		}
	}
	n, err := base64.RawStdEncoding.Decode(plain, plain)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrMalformed)
	}
	return plain[:n], nil
}

func (r *Responder) write(w http.ResponseWriter, req *http.Request, a Answer) {
	h := w.Header()
	h.Set("Content-Type", responseType)
	if a.Cacheable && req.Method != http.MethodPost && r.cfg.MaxAge > 0 {
		tag := r.cache(h, a)
		if req.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	} else {
		h.Set("Cache-Control", "no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(a.DER)))
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodHead {
		return
	}
	_, err := w.Write(a.DER)
	if err != nil {
		r.cfg.Logger.DebugContext(req.Context(), "OCSP client went away", "error", err)
	}
}

// tagSize is how much of a signature tells answers apart.
const tagSize = 16

// cache writes the headers of RFC 5019 §6.2 and returns the entity tag. The age
// is short although the answer is valid for longer: a revocation must show.
func (r *Responder) cache(h http.Header, a Answer) string {
	now := r.cfg.Clock.Now().UTC()
	age := max(0, min(r.cfg.MaxAge, a.NextUpdate.Sub(now)))
	// an ECDSA signature begins with its lengths: its end differs
	tag := `"` + hex.EncodeToString(a.Tag[max(0, len(a.Tag)-tagSize):]) + `"`
	// names in the form that net/http has them, and one piece of memory for all
	values := [4]string{"max-age=" + strconv.Itoa(int(age/time.Second)) + ", public, no-transform, must-revalidate",
		a.ThisUpdate.Format(http.TimeFormat), now.Add(age).Format(http.TimeFormat), tag}
	h["Cache-Control"], h["Last-Modified"], h["Expires"], h["Etag"] = values[0:1:1], values[1:2:2], values[2:3:3], values[3:4:4]
	return tag
}
