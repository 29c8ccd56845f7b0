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
	// reloadEvery bounds how often an unknown label makes the worker list all
	// objects again: with 1,000 keys SoftHSM takes about 50 ms for it.
	reloadEvery = 2 * time.Second
)

// tokenKey is a private key in the token, found once.
type tokenKey struct {
	label  string
	id     []byte
	handle pkcs11.ObjectHandle
	pub    crypto.PublicKey
	// alwaysAuth asks for the PIN before each use (CKA_ALWAYS_AUTHENTICATE).
	alwaysAuth bool
}

// token is an open token. Lock order: objects, then life.
type token struct {
	cfg WorkerConfig
	log *slog.Logger
	mod *pkcs11.Ctx

	// objects serialises the making of objects and the listing of all: SoftHSM
	// 2.6.1 loses objects and answers CKR_GENERAL_ERROR otherwise.
	objects sync.Mutex
	// lastReload is guarded by objects.
	lastReload time.Time

	// life is held for reading during calls of the module and for writing
	// while the module is being initialised again. It guards the fields below.
	life   sync.RWMutex
	slot   uint
	serial string
	// anchor stays open: closing the last session of a token logs out and
	// makes every handle of a private object invalid.
	anchor pkcs11.SessionHandle
	// epoch counts recoveries, so that of many requests that meet the same
	// fault one heals it.
	epoch uint64
	// lost says that the last re-initialisation failed.
	lost bool
	keys map[string]*tokenKey

	pool *sessionPool

	// pinRefused is closed once the token refused the PIN.
	pinRefused chan struct{}
	pinOnce    sync.Once

	signatures atomic.Uint64
	recoveries atomic.Uint64
	refused    atomic.Uint64
}

// openToken loads the module, finds the token, logs in and loads its keys.
func openToken(cfg WorkerConfig, log *slog.Logger) (*token, error) {
	mod := pkcs11.New(cfg.Module)
	if mod == nil {
		return nil, fmt.Errorf("%w: %s cannot be loaded as a PKCS#11 module", ErrUnavailable, cfg.Module)
	}
	t := &token{cfg: cfg, log: log, mod: mod, pinRefused: make(chan struct{})}
	t.pool = newSessionPool(cfg.Sessions)
	err := mod.Initialize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		mod.Destroy()
		return nil, fmt.Errorf("C_Initialize: %w", err)
	}
	err = t.start()
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// close ends the sessions and unloads the module.
func (t *token) close() {
	t.life.Lock()
	defer t.life.Unlock()
	err := t.mod.Finalize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED) {
		t.log.Warn("the module did not close cleanly", slog.Any("error", err))
	}
	t.mod.Destroy()
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
		if strings.TrimRight(info.Label, " \x00") != t.cfg.TokenLabel || (t.cfg.TokenSerial != "" && serial != t.cfg.TokenSerial) {
			continue
		}
		found++
		t.slot, t.serial = slot, serial
	}
	if found == 0 {
		return fmt.Errorf("%w: no token has the label %q", ErrTokenNotFound, t.cfg.TokenLabel)
	}
	if found > 1 {
		return fmt.Errorf("%w: %d tokens have the label %q; give the serial number too", ErrTokenNotFound, found, t.cfg.TokenLabel)
	}
	return nil
}

// login logs the user in on the anchor session, for all sessions of the token.
func (t *token) login() error {
	guard, err := newPINGuard(t.cfg.PINFile)
	if err != nil {
		return err
	}
	info, err := t.mod.GetTokenInfo(t.slot)
	if err != nil {
		return fmt.Errorf("token info: %w", err)
	}
	err = guard.allow(info.Flags)
	if err != nil {
		t.refusePIN()
		return err
	}
	pin, err := readPIN(t.cfg.PINFile)
	if err != nil {
		return err
	}
	err = t.mod.Login(t.anchor, pkcs11.CKU_USER, pin)
	if err == nil || isCode(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN) {
		return guard.accepted()
	}
	if classify(err) == curePIN {
		t.refusePIN()
		return errors.Join(fmt.Errorf("%w by token %q: %w", ErrPIN, t.cfg.TokenLabel, err), guard.refused())
	}
	return fmt.Errorf("log in to token %q: %w", t.cfg.TokenLabel, err)
}

// refusePIN makes the worker stop: a supervisor that started it again would
// lock the token.
func (t *token) refusePIN() { t.pinOnce.Do(func() { close(t.pinRefused) }) }

// heal does what a cure asks for, once for each epoch.
func (t *token) heal(c cure, epoch uint64) error {
	t.life.Lock()
	defer t.life.Unlock()
	if t.epoch != epoch {
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
	t.epoch++
	t.log.Warn("token recovered", slog.Uint64("epoch", t.epoch))
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
		epoch, lost := t.epoch, t.lost
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
			t.refusePIN()
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

// find gives a key by label, listing the objects again when it is unknown:
// another program may have made it.
func (t *token) find(ctx context.Context, label string) (*tokenKey, error) {
	err := checkLabel(label)
	if err != nil {
		return nil, err
	}
	key := t.lookup(label)
	if key != nil {
		return key, nil
	}
	t.objects.Lock()
	defer t.objects.Unlock()
	if time.Since(t.lastReload) >= reloadEvery {
		err := t.reload(ctx)
		if err != nil {
			return nil, err
		}
	}
	key = t.lookup(label)
	if key == nil {
		return nil, fmt.Errorf("%w: %q", ErrNotFound, label)
	}
	return key, nil
}

// lookup finds a key in memory.
func (t *token) lookup(label string) *tokenKey {
	t.life.RLock()
	defer t.life.RUnlock()
	return t.keys[label]
}

// reload lists the objects again; the caller holds objects.
func (t *token) reload(ctx context.Context) error {
	t.lastReload = time.Now()
	t.life.Lock()
	epoch := t.epoch
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

// list gives all keys, sorted by label.
func (t *token) list(ctx context.Context) ([]*tokenKey, error) {
	t.objects.Lock()
	defer t.objects.Unlock()
	if time.Since(t.lastReload) >= reloadEvery {
		err := t.reload(ctx)
		if err != nil {
			return nil, err
		}
	}
	t.life.RLock()
	defer t.life.RUnlock()
	out := make([]*tokenKey, 0, len(t.keys))
	for _, k := range t.keys {
		out = append(out, k)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].label < out[j].label })
	return out, nil
}
