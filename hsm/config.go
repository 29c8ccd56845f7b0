package hsm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// DefaultModule is where Debian installs SoftHSM 2.
const DefaultModule = "/usr/lib/softhsm/libsofthsm2.so"

const (
	// maxPINFile bounds the PIN file; PKCS#11 tokens take at most 255 bytes.
	maxPINFile = 512
	// maxSessions bounds the pool. SoftHSM gains nothing beyond a few sessions
	// for each core, and network HSMs refuse hundreds.
	maxSessions = 64
)

// WorkerConfig tells the key worker which token to open. It holds no secret:
// the PIN is named by file.
type WorkerConfig struct {
	// Module is the path of the PKCS#11 library; DefaultModule when empty.
	Module string `json:"module,omitempty"`
	// TokenLabel selects the token; slot numbers change and are not used.
	TokenLabel string `json:"token_label"`
	// TokenSerial decides between tokens with the same label.
	TokenSerial string `json:"token_serial,omitempty"`
	// PINFile holds the user PIN; it must not be readable for group or others.
	PINFile string `json:"pin_file"`
	// SocketPath is where the worker listens. Its folder is 0700.
	SocketPath string `json:"socket_path,omitempty"`
	// SoftHSMConf is the softhsm2.conf of the token; empty for other modules.
	SoftHSMConf string `json:"softhsm_conf,omitempty"`
	// Sessions bounds the sessions that sign at the same time; twice the
	// number of cores when zero.
	Sessions int `json:"sessions,omitempty"`
}

// withDefaults fills what was left out and refuses what cannot work.
func (c WorkerConfig) withDefaults() (WorkerConfig, error) {
	if c.Module == "" {
		c.Module = DefaultModule
	}
	if c.TokenLabel == "" {
		return c, errors.New("key worker: no token label given")
	}
	if c.PINFile == "" {
		return c, errors.New("key worker: no PIN file given")
	}
	if c.Sessions <= 0 {
		c.Sessions = 2 * runtime.GOMAXPROCS(0)
	}
	c.Sessions = min(c.Sessions, maxSessions)
	_, err := os.Stat(c.Module)
	if err != nil {
		return c, fmt.Errorf("PKCS#11 module (install softhsm2 or set the module's path): %w", err)
	}
	if c.SoftHSMConf != "" {
		// A missing file makes SoftHSM answer CKR_GENERAL_ERROR to everything.
		_, err := os.Stat(c.SoftHSMConf)
		if err != nil {
			return c, fmt.Errorf("SoftHSM configuration: %w", err)
		}
	}
	return c, nil
}

// readPIN reads a PIN file that only its owner can read.
func readPIN(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("PIN file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("PIN file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%w: PIN file %s must be a regular file of mode 0600, it is %s", ErrPIN, path, info.Mode())
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxPINFile+1))
	if err != nil {
		return "", fmt.Errorf("PIN file: %w", err)
	}
	pin := strings.TrimRight(string(raw), "\r\n")
	if len(raw) > maxPINFile || pin == "" {
		return "", fmt.Errorf("%w: PIN file %s holds %d bytes", ErrPIN, path, len(raw))
	}
	return pin, nil
}

// workerStart is the one line that the parent writes to the child's standard
// input. The input stays open after it: its end tells the child that the
// parent is gone.
type workerStart struct {
	Config WorkerConfig `json:"config"`
	// Init asks to initialise the token and to exit, instead of serving.
	Init bool `json:"init,omitempty"`
	// SOPINFile holds the security officer's PIN, for Init.
	SOPINFile string `json:"so_pin_file,omitempty"`
}

// workerReport is the one line that the child writes to its standard output.
type workerReport struct {
	Ready   bool      `json:"ready,omitempty"`
	Error   errorCode `json:"error,omitempty"`
	Message string    `json:"message,omitempty"`
}

// err turns the report into an error.
func (r workerReport) err() error {
	if r.Ready {
		return nil
	}
	return &remoteError{code: r.Error, text: r.Message}
}

// maxStartLine bounds the line on standard input.
const maxStartLine = 64 << 10

// parseStart reads the start line.
func parseStart(line []byte) (workerStart, error) {
	var s workerStart
	err := json.Unmarshal(line, &s)
	if err != nil {
		return s, fmt.Errorf("key worker configuration: %w", err)
	}
	return s, nil
}
