package hsm

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// pinSource is where a PIN comes from. The PIN is read anew for each login and
// kept nowhere.
type pinSource interface {
	// pin reads the PIN.
	pin() (string, error)
	// state changes whenever the PIN was written anew. A PIN that the token
	// refused is not tried again in the same state (see pinGuard).
	state() (string, error)
	// marker is the file in which the refused state is kept.
	marker() string
}

// openPINSource reads the pin-source of a token URI (RFC 7512 §2.4): file:PATH
// or a plain path.
func openPINSource(source string) (pinSource, error) {
	scheme, rest, ok := strings.Cut(source, ":")
	if !ok || strings.HasPrefix(source, "/") {
		return pinFile(source), nil
	}
	switch scheme {
	case "file":
		u, err := url.Parse(source)
		if err != nil || (u.Host != "" && u.Host != "localhost") {
			return nil, fmt.Errorf("%w: pin-source %q", ErrBadRequest, source)
		}
		if u.Opaque != "" {
			path, err := url.PathUnescape(u.Opaque)
			if err != nil {
				return nil, fmt.Errorf("%w: pin-source %q", ErrBadRequest, source)
			}
			return pinFile(path), nil
		}
		return pinFile(u.Path), nil
	default:
		return nil, fmt.Errorf("%w: pin-source %s:%s; known is file:PATH", ErrUnsupported, scheme, rest)
	}
}

// pinFile is a file of mode 0600 with the PIN.
type pinFile string

func (f pinFile) pin() (string, error) { return readPIN(string(f)) }

func (f pinFile) marker() string { return string(f) + ".refused" }

func (f pinFile) state() (string, error) {
	info, err := os.Stat(string(f))
	if err != nil {
		return "", fmt.Errorf("PIN file: %w", err)
	}
	var inode uint64
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok {
		inode = st.Ino
	}
	return fmt.Sprintf("%d %d %d\n", inode, info.ModTime().UnixNano(), info.Size()), nil
}
