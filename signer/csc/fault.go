package csc

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
)

// Fault is an error in the standard's form (CSC v2 §10): a status, a code and a
// description. The descriptions are the standard's own texts, which clients
// compare.
type Fault struct {
	Status      int    `json:"-"`
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error implements error.
func (f *Fault) Error() string { return f.Code + ": " + f.Description }

// invalid is the standard's answer to a request that cannot be carried out.
func invalid(description string) *Fault {
	return &Fault{http.StatusBadRequest, "invalid_request", description}
}

// badParameter is the one answer to a value that is wrong, unknown or somebody
// else's, so that nobody learns which.
func badParameter(name string) *Fault { return invalid("Invalid parameter " + name) }

func missing(kind, name string) *Fault {
	return invalid("Missing (or invalid type) " + kind + " parameter " + name)
}

func errToken() *Fault {
	return &Fault{http.StatusUnauthorized, "invalid_token", "The access token is not valid"}
}

func errBusy() *Fault {
	return &Fault{http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests: wait a moment"}
}

func errDenied() *Fault {
	return &Fault{http.StatusBadRequest, "access_denied", "The policy of the service does not allow this"}
}

func errServer() *Fault {
	return &Fault{http.StatusInternalServerError, "server_error", "The service could not do this; nothing was signed"}
}

// faultOf is the answer to an error; what has no form of its own is logged and
// told as an error of the server.
func (s *Server) faultOf(ctx context.Context, method string, err error) *Fault {
	var fault *Fault
	var refused *cos.RefusedError
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.Is(err, auth.ErrDenied):
		return errDenied()
	case errors.Is(err, signer.ErrCertificate):
		return invalid("The credential identified by credentialID is disabled")
	case errors.Is(err, signer.ErrKey):
		return badParameter("credentialID")
	case errors.As(err, &refused):
		return invalid("The document cannot be signed: " + refused.Code)
	case errors.Is(err, pades.ErrOptions), errors.Is(err, signer.ErrRequest):
		s.d.Logger.InfoContext(ctx, "remote signing refused", slog.String("method", method), slog.Any("error", err))
		return invalid("The parameters contradict one another")
	case errors.Is(err, context.Canceled):
		return &Fault{http.StatusServiceUnavailable, "temporarily_unavailable", "The request was given up"}
	}
	s.d.Logger.ErrorContext(ctx, "remote signing failed", slog.String("method", method), slog.Any("error", err))
	return errServer()
}

// secondFactor turns a refused second factor into the answer of a version.
func secondFactor(err error, code, text string) error {
	switch {
	case errors.Is(err, auth.ErrLocked):
		return invalid("Credential locked")
	case errors.Is(err, auth.ErrCredentials), errors.Is(err, auth.ErrPasskey):
		return &Fault{http.StatusBadRequest, code, text}
	}
	return err
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	if v == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the caller has gone
}

func writeFault(w http.ResponseWriter, f *Fault) {
	switch f.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="antin", error="`+f.Code+`"`)
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, f.Status, f)
}
