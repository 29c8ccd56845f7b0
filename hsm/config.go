package hsm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/antin-gov/antin/hsm/vault"
)

// DefaultModule is where Debian installs SoftHSM 2.
const DefaultModule = "/usr/lib/softhsm/libsofthsm2.so"

const (
	// maxPIN bounds a PIN; PKCS#11 tokens take at most 255 bytes.
	maxPIN = 255
	// maxSessions bounds the pool. SoftHSM gains nothing beyond a few sessions
	// for each core, and network HSMs refuse hundreds.
	maxSessions = 64
	// maxTokens bounds the tokens of one worker.
	maxTokens = 16
)

// WorkerConfig tells the key worker which tokens to open. It holds no secret:
// the PIN is named by its source.
type WorkerConfig struct {
	// Tokens name the tokens by URI (see URI); the first is where new keys are
	// made unless another is named. When empty, the fields from Module to
	// PINFile name the one token, as they did before there were several.
	Tokens []string `json:"tokens,omitempty"`
	// Vault is the Vault server that holds PINs (pin-source=vault:…), and the
	// default for tokens of the scheme "vault".
	Vault *vault.Config `json:"vault,omitempty"`
	// Environment is set in the worker before the modules are loaded: some take
	// their settings from there (TPM2_PKCS11_STORE). It must hold no secret.
	Environment map[string]string `json:"environment,omitempty"`
	// Module is the path of the PKCS#11 library; DefaultModule when empty.
	Module string `json:"module,omitempty"`
	// TokenLabel selects the token; slot numbers change and are not used.
	TokenLabel string `json:"token_label,omitempty"`
	// TokenSerial decides between tokens with the same label.
	TokenSerial string `json:"token_serial,omitempty"`
	// PINFile holds the user PIN; it must not be readable for group or others.
	PINFile string `json:"pin_file,omitempty"`
	// SocketPath is where the worker listens. Its folder is 0700.
	SocketPath string `json:"socket_path,omitempty"`
	// SoftHSMConf is the softhsm2.conf of the token; empty for other modules.
	SoftHSMConf string `json:"softhsm_conf,omitempty"`
	// Sessions bounds the sessions that sign at the same time; twice the
	// number of cores when zero.
	Sessions int `json:"sessions,omitempty"`
	// Measured are numbers of sessions by the label of the token, as a probe
	// found them best; used where neither the URI nor Sessions says otherwise.
	Measured map[string]int `json:"measured,omitempty"`
	// RecycleAfter is after how many signatures of Ed25519 the worker ends in
	// good order and is started anew: SoftHSM 2.6.1 leaks about 200 bytes at
	// each. 250,000 (50 MB) when zero.
	RecycleAfter int64 `json:"recycle_after,omitempty"`

	typed []byte // the PIN of PINTyped, in the worker only
}

// recycleAfter is RecycleAfter when that is zero.
const recycleAfter = 250_000

// tokenConfig is one token of a WorkerConfig, checked.
type tokenConfig struct {
	uri URI
	// name is unique among the tokens of the worker: the label, with "@" and
	// the serial number where labels are equal.
	name string
	// module, label, serial and pin are set for PKCS#11; pin is set for every
	// URI with a pin-source.
	module, label, serial string
	pin                   pinSource
	sessions              int
	// vault is set for the scheme of that name.
	vault vaultConfig
	// modules are shared by the tokens of a worker.
	modules *modules
}

// URIs gives the tokens by URI, whichever way they were written.
func (c WorkerConfig) URIs() ([]string, error) {
	if len(c.Tokens) > 0 {
		return c.Tokens, nil
	}
	if c.TokenLabel == "" {
		return nil, errors.New("key worker: no token label given")
	}
	if c.PINFile == "" {
		return nil, errors.New("key worker: no PIN file given")
	}
	u := URI{Scheme: schemePKCS11, Path: map[string]string{"token": c.TokenLabel}, Query: map[string]string{"pin-source": "file:" + c.PINFile}}
	if c.TokenSerial != "" {
		u.Path["serial"] = c.TokenSerial
	}
	if c.Module != "" {
		u.Query["module-path"] = c.Module
	}
	return []string{u.String()}, nil
}

// tokens reads the URIs and refuses what cannot work.
func (c WorkerConfig) tokens() ([]tokenConfig, error) {
	uris, err := c.URIs()
	if err != nil {
		return nil, err
	}
	if len(uris) > maxTokens {
		return nil, fmt.Errorf("key worker: %d tokens, at most %d", len(uris), maxTokens)
	}
	if c.SoftHSMConf != "" {
		// A missing file makes SoftHSM answer CKR_GENERAL_ERROR to everything.
		_, err := os.Stat(c.SoftHSMConf)
		if err != nil {
			return nil, fmt.Errorf("SoftHSM configuration: %w", err)
		}
	}
	out := make([]tokenConfig, 0, len(uris))
	labels := map[string]int{}
	shared := &modules{}
	for _, text := range uris {
		t, err := c.token(text)
		if err != nil {
			return nil, fmt.Errorf("key worker: %w", err)
		}
		t.modules = shared
		labels[t.label]++
		out = append(out, t)
	}
	names := map[string]bool{}
	for i := range out {
		out[i].name = out[i].label
		if out[i].name == "" {
			out[i].name = "token"
		}
		if labels[out[i].label] > 1 {
			out[i].name += "@" + out[i].serial
		}
		if names[out[i].name] {
			return nil, fmt.Errorf("key worker: the token %q is named twice; give the serial numbers", out[i].name)
		}
		names[out[i].name] = true
	}
	return out, nil
}

// only tells whether a token that was not named is the only one of the worker.
func (c WorkerConfig) only(u URI) bool { return len(c.Tokens) == 1 && u.Query["module-path"] != "" }

// token reads one URI.
func (c WorkerConfig) token(text string) (tokenConfig, error) {
	u, err := ParseURI(text)
	if err != nil {
		return tokenConfig{}, err
	}
	t := tokenConfig{uri: u, label: u.name(), serial: u.Path["serial"]}
	// A person's own token needs no name where it is the only one.
	if t.label == "" && !(u.Scheme == schemePKCS11 && c.only(u)) {
		return t, fmt.Errorf("%w: %s names no token", ErrBadRequest, text)
	}
	fallback := c.Sessions
	if fallback <= 0 {
		fallback = c.Measured[t.label]
	}
	if fallback <= 0 {
		fallback = 2 * runtime.GOMAXPROCS(0)
	}
	t.sessions, err = u.number("sessions", min(fallback, maxSessions), 1, maxSessions)
	if err != nil {
		return t, err
	}
	source := u.Query["pin-source"]
	if source != "" {
		t.pin, err = c.pinSource(source)
		if err != nil {
			return t, err
		}
	}
	if u.Scheme == schemeVault {
		if u.Query["sessions"] == "" {
			t.sessions = vaultLanes
		}
		t.vault, err = parseVault(c.Vault, u, t.sessions)
		return t, err
	}
	if t.pin == nil {
		return t, fmt.Errorf("%w: %s names no pin-source", ErrBadRequest, text)
	}
	t.module = u.Query["module-path"]
	if t.module == "" {
		t.module = DefaultModule
	}
	_, err = os.Stat(t.module)
	if err != nil {
		return t, fmt.Errorf("PKCS#11 module (install softhsm2 or set the module's path): %w", err)
	}
	return t, nil
}

// setEnvironment gives the modules their settings; in the worker only.
func (c WorkerConfig) setEnvironment() error {
	for name, value := range c.Environment {
		err := os.Setenv(name, value)
		if err != nil {
			return fmt.Errorf("environment of the module: %w", err)
		}
	}
	if c.SoftHSMConf == "" {
		return nil
	}
	err := os.Setenv("SOFTHSM2_CONF", c.SoftHSMConf)
	if err != nil {
		return fmt.Errorf("SOFTHSM2_CONF: %w", err)
	}
	return nil
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
	// Bare asks for bare loops of signatures, instead of serving.
	Bare *bareStart `json:"bare,omitempty"`
	// PIN is that of PINTyped.
	PIN []byte `json:"pin,omitempty"`
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
