package hsm

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/miekg/pkcs11"
)

// tokenLabelSize is the fixed length of a token label (PKCS#11 v2.40 §5.5).
const tokenLabelSize = 32

// plainLabel are the characters of a label that is part of a file's name.
const plainLabel = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

// SoftToken describes a SoftHSM token to make.
type SoftToken struct {
	// Dir receives softhsm2.conf, the folder "tokens" and the PIN files.
	Dir string
	// Label names the token, at most 32 bytes.
	Label string
	// Module is the path of SoftHSM; DefaultModule when empty.
	Module string
	// PIN and SOPIN are made at random when empty. Both are written to files
	// of mode 0600 in Dir and nowhere else.
	PIN, SOPIN string
	// Beside makes one more token beside those that Dir holds; its PIN files
	// carry its label, which then is letters, digits, "-" and "_" only.
	Beside bool
	// Command and Env start the key worker, as in Options.
	Command []string
	Env     []string
	Logger  *slog.Logger
}

// InitSoftToken makes a SoftHSM token with its own configuration under s.Dir
// and returns the worker configuration for it, without SocketPath. The module
// is loaded in a child process that ends afterwards. ErrExists says that Dir
// holds a token already.
func InitSoftToken(ctx context.Context, s SoftToken) (WorkerConfig, error) {
	if s.Label == "" || len(s.Label) > tokenLabelSize {
		return WorkerConfig{}, fmt.Errorf("token label %q: 1 to %d bytes", s.Label, tokenLabelSize)
	}
	if s.Beside && strings.Trim(s.Label, plainLabel) != "" {
		return WorkerConfig{}, fmt.Errorf("%w: token label %q: letters, digits, - and _ only", ErrBadRequest, s.Label)
	}
	cfg, soPINFile, err := s.prepare()
	if err != nil {
		return WorkerConfig{}, err
	}
	child, err := spawn(ctx, s.Command, s.Env, s.Logger, workerStart{Config: cfg, Init: true, SOPINFile: soPINFile})
	if err != nil {
		return WorkerConfig{}, err
	}
	err = child.ready(ctx)
	return cfg, errors.Join(err, child.stop())
}

// prepare writes the folder of the token.
func (s SoftToken) prepare() (WorkerConfig, string, error) {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return WorkerConfig{}, "", fmt.Errorf("token folder: %w", err)
	}
	if strings.ContainsAny(dir, "\n\r") {
		return WorkerConfig{}, "", errors.New("token folder: line break in its path")
	}
	tokens := filepath.Join(dir, "tokens")
	err = os.MkdirAll(tokens, 0o700)
	if err != nil {
		return WorkerConfig{}, "", fmt.Errorf("token folder: %w", err)
	}
	cfg := WorkerConfig{
		Module: s.Module, TokenLabel: s.Label,
		PINFile: filepath.Join(dir, "pin"), SoftHSMConf: filepath.Join(dir, "softhsm2.conf"),
	}
	soPINFile := filepath.Join(dir, "so-pin")
	if s.Beside {
		cfg.PINFile += "-" + s.Label
		soPINFile += "-" + s.Label
	}
	conf := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
	// The PIN file comes first: O_EXCL makes it the guard against a second
	// initialisation of the same folder.
	files := []struct{ path, text string }{{cfg.PINFile, randomPIN(s.PIN) + "\n"}, {soPINFile, randomPIN(s.SOPIN) + "\n"}, {cfg.SoftHSMConf, conf}}
	if s.Beside {
		files = files[:2] // the settings are there
	}
	for _, f := range files {
		err := writeNew(f.path, f.text)
		if err != nil {
			return WorkerConfig{}, "", err
		}
	}
	return cfg, soPINFile, nil
}

// randomPIN gives pin, or one of 130 bits when it is empty.
func randomPIN(pin string) string {
	if pin != "" {
		return pin
	}
	return rand.Text()
}

// writeNew writes a file of mode 0600 that must not exist.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, path)
	}
	if err != nil {
		return fmt.Errorf("token folder: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// initToken runs in the child: C_InitToken and C_InitPIN on the first slot
// without a token.
func initToken(start workerStart) (err error) {
	tokens, err := start.Config.tokens()
	if err != nil {
		return err
	}
	cfg := tokens[0]
	pin, err := cfg.pin.read(context.Background())
	if err != nil {
		return err
	}
	defer pin.wipe()
	soPIN, err := readPIN(start.SOPINFile, 0o077)
	if err != nil {
		return err
	}
	defer soPIN.wipe()
	err = start.Config.setEnvironment()
	if err != nil {
		return err
	}
	mod := pkcs11.New(cfg.module)
	if mod == nil {
		return fmt.Errorf("%w: %s cannot be loaded as a PKCS#11 module", ErrUnavailable, cfg.module)
	}
	defer mod.Destroy()
	err = mod.Initialize()
	if err != nil {
		return fmt.Errorf("C_Initialize: %w", err)
	}
	defer func() { err = errors.Join(err, mod.Finalize()) }()
	slot, err := emptySlot(mod, cfg.label)
	if err != nil {
		return err
	}
	err = mod.InitToken(slot, soPIN.text(), cfg.label)
	if err != nil {
		return fmt.Errorf("C_InitToken: %w", err)
	}
	session, err := mod.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	err = mod.Login(session, pkcs11.CKU_SO, soPIN.text())
	if err != nil {
		return fmt.Errorf("log in as security officer: %w", err)
	}
	err = mod.InitPIN(session, pin.text())
	if err != nil {
		return fmt.Errorf("C_InitPIN: %w", err)
	}
	return mod.Logout(session)
}

// emptySlot finds a slot whose token is not initialised, and refuses a label
// that another token has.
func emptySlot(mod *pkcs11.Ctx, label string) (uint, error) {
	slots, err := mod.GetSlotList(true)
	if err != nil {
		return 0, fmt.Errorf("list slots: %w", err)
	}
	found, slot := false, uint(0)
	for _, s := range slots {
		info, err := mod.GetTokenInfo(s)
		if err != nil {
			return 0, fmt.Errorf("token info: %w", err)
		}
		if info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			found, slot = true, s
			continue
		}
		if strings.TrimRight(info.Label, " \x00") == label {
			return 0, fmt.Errorf("%w: token %q", ErrExists, label)
		}
	}
	if !found {
		return 0, fmt.Errorf("%w: no slot without a token", ErrTokenNotFound)
	}
	return slot, nil
}

// readReport reads the child's one line: nil means that it is ready.
func readReport(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("%w: it ended without a word: %w", ErrWorkerFailed, err)
	}
	var rep workerReport
	err = json.Unmarshal(line, &rep)
	if err != nil {
		return fmt.Errorf("%w: its report cannot be read: %w", ErrWorkerFailed, err)
	}
	return rep.err()
}
