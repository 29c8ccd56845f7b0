package hsm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// envCredentials names the folder in which systemd shows a service its
// credentials (systemd.exec(5), LoadCredential=).
const envCredentials = "CREDENTIALS_DIRECTORY"

// pinFile is a file of mode 0600 with the PIN.
type pinFile string

func (f pinFile) marker() string { return string(f) + ".refused" }

func (f pinFile) read(context.Context) (pinValue, error) {
	return readPIN(string(f), 0o077)
}

// pinCredential is a credential of the service.
type pinCredential struct{ name, refused string }

func newPINCredential(name, marker string) (pinSource, error) {
	if name == "" || name != filepath.Base(name) || name == "." || name == ".." {
		return nil, fmt.Errorf("%w: pin-source credential:%s; a credential's name is no path", ErrBadRequest, name)
	}
	return pinCredential{name, marker}, nil
}

func (c pinCredential) marker() string { return c.refused }

func (c pinCredential) read(context.Context) (pinValue, error) {
	dir := os.Getenv(envCredentials)
	if dir == "" {
		return pinValue{}, fmt.Errorf("%w: no credential %q: %s is not set (LoadCredential= or LoadCredentialEncrypted= in the service)", ErrPIN, c.name, envCredentials)
	}
	// systemd shows a credential to the service's user by an access list, whose
	// mask stands where the rights of the group would.
	return readPIN(filepath.Join(dir, c.name), 0o037)
}

// readPIN reads a PIN from a file that has none of the rights in forbidden.
func readPIN(path string, forbidden fs.FileMode) (pinValue, error) {
	f, err := os.Open(path)
	if err != nil {
		return pinValue{}, fmt.Errorf("PIN file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return pinValue{}, fmt.Errorf("PIN file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&forbidden != 0 {
		return pinValue{}, fmt.Errorf("%w: PIN file %s must be a regular file of mode 0600, it is %s", ErrPIN, path, info.Mode())
	}
	raw := make([]byte, maxPIN+3) // a line's end, and one byte too many
	n, err := io.ReadFull(f, raw)
	if err == nil || !(errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)) {
		clear(raw)
		return pinValue{}, errors.Join(fmt.Errorf("%w: PIN file %s holds %d bytes or more", ErrPIN, path, n), err)
	}
	var inode uint64
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok {
		inode = st.Ino
	}
	return checkPIN(pinValue{
		raw:   raw[:n],
		state: fmt.Sprintf("%d %d %d\n", inode, info.ModTime().UnixNano(), info.Size()),
	}, "PIN file "+path)
}

// pinMarker names the file that remembers a refused PIN of a source that is no
// file of ours, beside the worker's socket.
func (c WorkerConfig) pinMarker(source string) string {
	sum := sha256.Sum256([]byte(source))
	return filepath.Join(filepath.Dir(c.SocketPath), "pin-"+hex.EncodeToString(sum[:8])+".refused")
}
