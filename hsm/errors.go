package hsm

import (
	"errors"
	"fmt"
)

// Errors that a caller can act on.
var (
	// ErrUnavailable says that the worker or the token did not answer within
	// the bounded wait; the same request may be made again later.
	ErrUnavailable = errors.New("key worker unavailable")
	// ErrSealed says that the Vault server is sealed; it is an ErrUnavailable.
	ErrSealed = fmt.Errorf("%w: vault is sealed", ErrUnavailable)
	// ErrUnreachable says that the Vault server does not answer; it is an
	// ErrUnavailable.
	ErrUnreachable = fmt.Errorf("%w: vault is unreachable", ErrUnavailable)
	// ErrDenied says that the policies of the Vault server do not allow the act.
	ErrDenied = errors.New("permission denied")
	// ErrKeyRotated says that the Vault server has a newer version of the key
	// than the one known here, and that the configuration pins none.
	ErrKeyRotated = errors.New("key was rotated")
	// ErrBusy says that the tokens have more work than they can do in time; the
	// same request may be made again later.
	ErrBusy = errors.New("token busy")
	// ErrExists says that a key or a token with that label is there already.
	ErrExists = errors.New("label already in use")
	// ErrNotFound says that no private key has that label.
	ErrNotFound = errors.New("key not found")
	// ErrUnsupported says that the key, the hash or the padding does not fit.
	ErrUnsupported = errors.New("unsupported algorithm")
	// ErrBadRequest says that the worker refused a malformed request.
	ErrBadRequest = errors.New("malformed request")
	// ErrPIN says that the token refused the PIN, or that the worker would not
	// try it (again). It is never retried: a token locks after a few failures.
	ErrPIN = errors.New("PIN refused")
	// ErrTokenNotFound says that the module shows no token with that label.
	ErrTokenNotFound = errors.New("token not found")
	// ErrWorkerRunning says that another worker serves this socket.
	ErrWorkerRunning = errors.New("another key worker serves this socket")
	// ErrKeyMismatch says that a signature does not verify with the public key
	// that the caller holds: the token answers with another key.
	ErrKeyMismatch = errors.New("signature does not match the known public key")
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("key client closed")
	// ErrWorkerFailed says that the module failed in a way that names no cause.
	ErrWorkerFailed = errors.New("key worker failed")
)

// errorCode is the name of an error on the wire.
type errorCode string

const (
	codeUnavailable   errorCode = "unavailable"
	codeBusy          errorCode = "busy"
	codeMismatch      errorCode = "mismatch"
	codeExists        errorCode = "exists"
	codeNotFound      errorCode = "not_found"
	codeUnsupported   errorCode = "unsupported"
	codeBadRequest    errorCode = "bad_request"
	codePIN           errorCode = "pin"
	codeTokenNotFound errorCode = "token_not_found"
	codeRunning       errorCode = "running"
	codeFailed        errorCode = "failed"
	codeSealed        errorCode = "sealed"
	codeUnreachable   errorCode = "unreachable"
	codeDenied        errorCode = "denied"
	codeRotated       errorCode = "rotated"
)

// codeOf names err for the wire.
func codeOf(err error) errorCode {
	switch {
	case errors.Is(err, ErrExists):
		return codeExists
	case errors.Is(err, ErrNotFound):
		return codeNotFound
	case errors.Is(err, ErrUnsupported):
		return codeUnsupported
	case errors.Is(err, ErrBadRequest):
		return codeBadRequest
	case errors.Is(err, ErrPIN):
		return codePIN
	case errors.Is(err, ErrTokenNotFound):
		return codeTokenNotFound
	case errors.Is(err, ErrWorkerRunning):
		return codeRunning
	case errors.Is(err, ErrKeyRotated):
		return codeRotated
	case errors.Is(err, ErrDenied):
		return codeDenied
	case errors.Is(err, ErrSealed):
		return codeSealed
	case errors.Is(err, ErrUnreachable):
		return codeUnreachable
	case errors.Is(err, ErrUnavailable):
		return codeUnavailable
	case errors.Is(err, ErrBusy):
		return codeBusy
	case errors.Is(err, ErrKeyMismatch):
		return codeMismatch
	default:
		return codeFailed
	}
}

// sentinel is the other direction of codeOf.
func (c errorCode) sentinel() error {
	switch c {
	case codeExists:
		return ErrExists
	case codeNotFound:
		return ErrNotFound
	case codeUnsupported:
		return ErrUnsupported
	case codeBadRequest:
		return ErrBadRequest
	case codePIN:
		return ErrPIN
	case codeTokenNotFound:
		return ErrTokenNotFound
	case codeRunning:
		return ErrWorkerRunning
	case codeUnavailable:
		return ErrUnavailable
	case codeSealed:
		return ErrSealed
	case codeUnreachable:
		return ErrUnreachable
	case codeDenied:
		return ErrDenied
	case codeRotated:
		return ErrKeyRotated
	case codeBusy:
		return ErrBusy
	case codeMismatch:
		return ErrKeyMismatch
	default:
		return ErrWorkerFailed
	}
}

// remoteError is an error told by the worker.
type remoteError struct {
	code errorCode
	text string
}

func (e *remoteError) Error() string { return e.text }

// Unwrap gives the sentinel, so that errors.Is works across the socket.
func (e *remoteError) Unwrap() error { return e.code.sentinel() }
