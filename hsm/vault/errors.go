package vault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// Errors that a caller can act on. ErrSealed, ErrUnreachable and ErrBusy pass
// by themselves or when somebody unseals; the others speak of the request or of
// what the server allows.
var (
	// ErrSealed says that the server answers and is sealed or not initialised.
	ErrSealed = errors.New("vault is sealed")
	// ErrUnreachable says that the server did not answer in time, did not prove
	// its identity, or failed.
	ErrUnreachable = errors.New("vault is unreachable")
	// ErrBusy says that the server asks to come later (rate limit, a replica
	// that is behind).
	ErrBusy = errors.New("vault is busy")
	// ErrPermission says that the login is good and its policies do not allow
	// the act.
	ErrPermission = errors.New("vault denies permission")
	// ErrCredential says that the server refused the login, or that the file
	// with the credential cannot be used. It is not tried again at once.
	ErrCredential = errors.New("vault refused the login")
	// ErrNotFound says that there is nothing under that name.
	ErrNotFound = errors.New("not found in vault")
	// ErrExists says that the name is taken.
	ErrExists = errors.New("name already in use in vault")
	// ErrRefused says that the server took the request for a wrong one.
	ErrRefused = errors.New("vault refused the request")
	// ErrAnswer says that the answer is not what the API promises.
	ErrAnswer = errors.New("unexpected answer of vault")
	// ErrWrapSpent says that a wrapping token was used or has ended: when
	// nobody here used it, somebody else has read what it wrapped.
	ErrWrapSpent = errors.New("wrapping token is spent")
)

// Temporary says whether the same request may succeed later.
func Temporary(err error) bool {
	return errors.Is(err, ErrSealed) || errors.Is(err, ErrUnreachable) || errors.Is(err, ErrBusy)
}

// maxDetail bounds what an error repeats of the server's own words.
const maxDetail = 300

// classify gives an error of the API its type. A sealed server is told from a
// failing one by the caller (see Session.explain).
func classify(err error) error {
	if err == nil || errors.Is(err, ErrAnswer) {
		return err
	}
	var re *api.ResponseError
	if !errors.As(err, &re) {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	kind := ErrUnreachable
	switch re.StatusCode {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge:
		kind = ErrRefused
	case http.StatusForbidden, http.StatusUnauthorized:
		kind = ErrPermission
	case http.StatusNotFound:
		kind = ErrNotFound
	case http.StatusTooManyRequests, http.StatusPreconditionFailed:
		kind = ErrBusy
	}
	detail := strings.Join(re.Errors, "; ")
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	return &statusError{kind: kind, status: re.StatusCode, detail: strings.Join(strings.Fields(detail), " ")}
}

// statusError is an answer that is not a success.
type statusError struct {
	kind   error
	status int
	detail string
}

func (e *statusError) Error() string {
	if e.detail == "" {
		return fmt.Sprintf("%s: HTTP status %d", e.kind, e.status)
	}
	return fmt.Sprintf("%s: HTTP status %d: %s", e.kind, e.status, e.detail)
}

func (e *statusError) Unwrap() error { return e.kind }

// statusOf is the HTTP status in err; 0 when there was no answer.
func statusOf(err error) int {
	var s *statusError
	if errors.As(err, &s) {
		return s.status
	}
	return 0
}
