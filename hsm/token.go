package hsm

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/pkcs11"
)

const (
	// maxAttempts bounds how often one request is tried inside the worker; the
	// client beyond the socket goes on until its own deadline.
	maxAttempts = 8
	// throttleWait is the pause after CKR_FUNCTION_FAILED; it doubles.
	throttleWait = 20 * time.Millisecond
)

// tokenKey is a private key in the token, found once.
type tokenKey struct {
	label  string
	id     []byte
	handle pkcs11.ObjectHandle
	pub    crypto.PublicKey
	// alwaysAuth asks for the PIN before each use (CKA_ALWAYS_AUTHENTICATE).
	alwaysAuth bool
	// extractable says that the key may leave the token encrypted.
	extractable bool
}

// token is an open token. Lock order: objects, then life.
type token struct {
	cfg tokenConfig
	log *slog.Logger
	mod *pkcs11.Ctx
	// shim signs; its functions are those of mod.
	shim *shim

	// objects serialises the making of objects and the listing of all: SoftHSM
	// 2.6.1 loses objects and answers CKR_GENERAL_ERROR otherwise.
	objects sync.Mutex

	// life is held for reading during calls of the module and for writing
	// while the module is being initialised again. It guards the fields below.
	life   sync.RWMutex
	slot   uint
	serial string
	// anchor stays open: closing the last session of a token logs out and
	// makes every handle of a private object invalid.
	anchor pkcs11.SessionHandle
	// healed counts recoveries, so that of many requests that meet the same
	// fault one heals it.
	healed uint64
	// lost says that the last re-initialisation failed.
	lost bool
	// found are the keys by label.
	found map[string]*tokenKey
	// about is what the token says of itself.
	about pkcs11.TokenInfo

	pool *sessionPool

	recoveries atomic.Uint64
	// finds counts how often the keys were found.
	finds atomic.Uint64
}

// openToken loads the module, finds the token, logs in and loads its keys.
func openToken(cfg tokenConfig, log *slog.Logger) (*token, error) {
	mod := pkcs11.New(cfg.module)
	if mod == nil {
		return nil, fmt.Errorf("%w: %s cannot be loaded as a PKCS#11 module", ErrUnavailable, cfg.module)
	}
	t := &token{cfg: cfg, log: log, mod: mod}
	t.pool = newSessionPool(cfg.sessions)
	shim, err := openShim(cfg.module)
	if err != nil {
		mod.Destroy()
		return nil, err
	}
	t.shim = shim
	err = mod.Initialize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		shim.close()
		mod.Destroy()
		return nil, fmt.Errorf("C_Initialize: %w", err)
	}
	err = t.start()
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// close ends the sessions and unloads the module.
func (t *token) close() error {
	t.life.Lock()
	defer t.life.Unlock()
	err := t.mod.Finalize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED) {
		t.log.Warn("the module did not close cleanly", slog.Any("error", err))
	}
	t.shim.close()
	t.mod.Destroy()
	return nil
}

// start does what follows C_Initialize, with the login. The caller holds life for writing or
// is the only user.
func (t *token) start() error {
	err := t.selectSlot()
	if err != nil {
		return err
	}
	t.anchor, err = t.mod.OpenSession(t.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	return t.loadKeys()
}

// selectSlot finds the token by label and serial.
func (t *token) selectSlot() error {
	slots, err := t.mod.GetSlotList(true)
	if err != nil {
		return fmt.Errorf("list slots: %w", err)
	}
	found := 0
	for _, slot := range slots {
		info, err := t.mod.GetTokenInfo(slot)
		if err != nil {
			continue // a slot whose token went away is not ours to judge
		}
		serial := strings.TrimRight(info.SerialNumber, " \x00")
		if strings.TrimRight(info.Label, " \x00") != t.cfg.label || (t.cfg.serial != "" && serial != t.cfg.serial) {
			continue
		}
		found++
		t.slot, t.serial, t.about = slot, serial, info
	}
	if found == 0 {
		return fmt.Errorf("%w: no token has the label %q", ErrTokenNotFound, t.cfg.label)
	}
	if found > 1 {
		return fmt.Errorf("%w: %d tokens have the label %q; give the serial number too", ErrTokenNotFound, found, t.cfg.label)
	}
	return nil
}

// login logs the user in on the anchor session, for all sessions of the token.
func (t *token) login() error {
	info, err := t.mod.GetTokenInfo(t.slot)
	if err != nil {
		return fmt.Errorf("token info: %w", err)
	}
	pin, err := t.cfg.pin.read(context.Background())
	if err != nil {
		return err
	}
	defer pin.wipe()
	guard := pinGuard{marker: t.cfg.pin.marker(), state: pin.state}
	err = guard.allow(info.Flags)
	if err != nil {
		return err
	}
	err = t.shim.login(t.anchor, pkcs11.CKU_USER, pin.raw)
	if err == nil || isCode(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		return guard.accepted()
	}
	if classify(err) == curePIN {
		return errors.Join(fmt.Errorf("%w by token %q: %w", ErrPIN, t.cfg.label, err), guard.refused())
	}
	return fmt.Errorf("log in to token %q: %w", t.cfg.label, err)
}

// heal does what a cure asks for, once for each epoch.
func (t *token) heal(c cure, epoch uint64) error {
	t.life.Lock()
	defer t.life.Unlock()
	if t.healed != epoch {
		return nil // another request healed it
	}
	t.recoveries.Add(1)
	var err error
	if c == cureLogin || c == cureReload {
		err = t.loadKeys()
	}
	if c == cureModule || classify(err) == cureModule || classify(err) == cureSession {
		err = t.reinitialise()
	}
	if err != nil {
		t.lost = true
		return fmt.Errorf("recover the token: %w", err)
	}
	t.lost = false
	t.healed++
	t.log.Warn("token recovered", slog.Uint64("times", t.healed))
	return nil
}

// reinitialise finalises the module and begins anew; the caller holds life.
func (t *token) reinitialise() error {
	t.pool.forget()
	err := t.mod.Finalize()
	if err != nil {
		t.log.Warn("the module did not finalise", slog.Any("error", err))
	}
	err = t.mod.Initialize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return fmt.Errorf("C_Initialize: %w", err)
	}
	return t.start()
}

// attempt runs do until it succeeds, the error cannot be healed, or the
// attempts are used up. do runs with life held for reading.
func (t *token) attempt(ctx context.Context, do func() error) error {
	wait := throttleWait
	var last error
	for range maxAttempts {
		err := ctx.Err()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		t.life.RLock()
		epoch, lost := t.healed, t.lost
		if !lost {
			last = do()
		}
		t.life.RUnlock()
		c := classify(last)
		if lost {
			c = cureModule
		}
		switch c {
		case cureNone, cureFatal:
			return last
		case curePIN:
			return fmt.Errorf("%w: %w", ErrPIN, last)
		case cureWait:
			time.Sleep(wait)
			wait *= 2
		case cureSession:
			// do has thrown its session away. The idle ones are likely lost too,
			// and each would cost an attempt.
			t.life.RLock()
			t.pool.drain(t.mod)
			t.life.RUnlock()
		default:
			err := t.heal(c, epoch)
			if err != nil {
				if errors.Is(err, ErrPIN) {
					return err
				}
				return fmt.Errorf("%w: %w", ErrUnavailable, err)
			}
		}
	}
	return fmt.Errorf("%w: after %d attempts: %w", ErrUnavailable, maxAttempts, last)
}

// lookup finds a key in memory.
func (t *token) lookup(label string) *tokenKey {
	t.life.RLock()
	defer t.life.RUnlock()
	return t.found[label]
}

// reload lists the objects again; the caller holds objects.
func (t *token) reload(ctx context.Context) error {
	t.life.Lock()
	epoch := t.healed
	c := cureModule
	var err error
	if !t.lost {
		err = t.loadKeys()
		c = classify(err)
	}
	t.life.Unlock()
	switch c {
	case cureNone:
		return ctx.Err()
	case cureFatal, curePIN:
		return err
	}
	err = t.heal(c, epoch)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return ctx.Err()
}

// keys gives all keys, sorted by label.
func (t *token) keys(ctx context.Context, fresh bool) ([]backendKey, error) {
	t.objects.Lock()
	defer t.objects.Unlock()
	if fresh {
		err := t.reload(ctx)
		if err != nil {
			return nil, err
		}
	}
	t.life.RLock()
	defer t.life.RUnlock()
	out := make([]backendKey, 0, len(t.found))
	for _, k := range t.found {
		out = append(out, k.backendKey())
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Label < out[j].Label })
	return out, nil
}

// epoch grows each time the keys are found.
func (t *token) epoch() uint64 { return t.finds.Load() }

// backendKey is the key as the rest of the worker sees it.
func (k *tokenKey) backendKey() backendKey {
	return backendKey{Label: k.label, ID: k.id, Public: k.pub, Backup: k.extractable}
}

// info describes the token without asking it.
func (t *token) info() backendInfo {
	t.life.RLock()
	defer t.life.RUnlock()
	return backendInfo{
		Kind: schemePKCS11, Label: t.cfg.label, Serial: t.serial, Manufacturer: t.about.ManufacturerID, Model: t.about.Model,
		Firmware: fmt.Sprintf("%d.%d", t.about.FirmwareVersion.Major, t.about.FirmwareVersion.Minor),
		Lanes:    t.cfg.sessions, Sessions: t.pool.count() + 1, Recoveries: t.recoveries.Load(),
	}
}

// recover initialises the module again and finds the keys.
func (t *token) recover(ctx context.Context) error {
	t.life.RLock()
	epoch := t.healed
	t.life.RUnlock()
	err := ctx.Err()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return t.heal(cureModule, epoch)
}
