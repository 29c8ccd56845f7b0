package hsm

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"unsafe"
)

// pinSource is where a PIN comes from. The PIN is read anew for each login and
// kept nowhere.
type pinSource interface {
	// read fetches the PIN; the caller wipes it after use. ErrUnavailable says
	// that the source is away and may come back, ErrPIN that what it holds
	// cannot be used.
	read(ctx context.Context) (pinValue, error)
	// marker is the file in which a refused PIN is remembered (see pinGuard).
	marker() string
}

// pinValue is a PIN in memory.
type pinValue struct {
	raw []byte
	// state changes whenever the PIN was written anew. A PIN that the token
	// refused is not tried again in the same state (see pinGuard).
	state string
}

// text shows the PIN to a function that wants a string; it is of no use after
// wipe.
func (p pinValue) text() string { return unsafe.String(unsafe.SliceData(p.raw), len(p.raw)) }

// wipe overwrites the PIN.
func (p pinValue) wipe() { clear(p.raw) }

// checkPIN leaves out the end of a line, which editors and shells add, and
// refuses what no token takes for a PIN.
func checkPIN(p pinValue, from string) (pinValue, error) {
	p.raw = bytes.TrimRight(p.raw, "\r\n")
	if len(p.raw) == 0 || len(p.raw) > maxPIN {
		p.wipe()
		return pinValue{}, fmt.Errorf("%w: %s holds a PIN of %d bytes", ErrPIN, from, len(p.raw))
	}
	return p, nil
}

// PINTyped is the pin-source of a PIN that a person typed (Options.PIN).
const PINTyped = "typed:"

// pinSource reads the pin-source of a token URI (RFC 7512 §2.4): file:PATH or a
// plain path, credential:NAME (systemd), vault:MOUNT/PATH#FIELD, or
// vault-wrapped:FILE#FIELD.
func (c WorkerConfig) pinSource(source string) (pinSource, error) {
	if source == PINTyped {
		return pinTyped{raw: c.typed, refused: c.pinMarker(source)}, nil
	}
	scheme, rest, ok := strings.Cut(source, ":")
	if !ok || strings.HasPrefix(source, "/") {
		return pinFile(source), nil
	}
	switch scheme {
	case "file":
		// The URI was decoded already; a path may hold any character.
		if local, ok := strings.CutPrefix(rest, "//"); ok {
			host, path, _ := strings.Cut(local, "/")
			if host != "" && host != "localhost" {
				return nil, fmt.Errorf("%w: pin-source %q", ErrBadRequest, source)
			}
			rest = "/" + path
		}
		if rest == "" {
			return nil, fmt.Errorf("%w: pin-source %q", ErrBadRequest, source)
		}
		return pinFile(rest), nil
	case "credential":
		return newPINCredential(rest, c.pinMarker(source))
	case "vault":
		return newPINVault(c.Vault, rest, c.pinMarker(source))
	case "vault-wrapped":
		return newPINWrapped(c.Vault, rest)
	default:
		return nil, fmt.Errorf("%w: pin-source %s:%s; known are file:PATH, credential:NAME, vault:MOUNT/PATH#FIELD and vault-wrapped:FILE#FIELD",
			ErrUnsupported, scheme, rest)
	}
}
