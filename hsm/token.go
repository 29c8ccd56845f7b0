package hsm

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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

// token is an open PKCS#11 token. Lock order: objects, healing, the module's
// life, life.
type token struct {
	cfg    tokenConfig
	log    *slog.Logger
	module *module
	// mod and shim are the module's; shim signs, mod does everything else.
	mod  *pkcs11.Ctx
	shim *shim

	// objects serialises the making of objects and the listing of all: SoftHSM
	// 2.6.1 loses objects and answers CKR_GENERAL_ERROR otherwise.
	objects sync.Mutex

	// healing is held by the one who heals the token.
	healing sync.Mutex
	// life is held for reading during calls of the module and for writing
	// while the token is found again. It guards the fields below.
	life sync.RWMutex
	// born is the epoch of the module in which the handles were made.
	born   uint64
	slot   uint
	serial string
	// anchor stays open: closing the last session of a token logs out and
	// makes every handle of a private object invalid.
	anchor pkcs11.SessionHandle
	// healed counts recoveries, so that of many requests that meet the same
	// fault one heals it.
	healed uint64
	// lost says that the token is gone until recover brings it back.
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
	if cfg.modules == nil {
		cfg.modules = &modules{}
	}
	m, err := cfg.modules.use(cfg.module, log)
	if err != nil {
		return nil, err
	}
	t := &token{cfg: cfg, log: log, module: m, mod: m.lib, shim: m.shim, pool: newSessionPool(cfg.sessions)}
	err = t.begin()
	if classify(err) == cureModule {
		// Another token of the module may have left it in a bad state.
		err = m.reinitialise(t.born)
		if err == nil {
			err = t.begin()
		}
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// begin finds the token in the module as it is now.
func (t *token) begin() error {
	t.module.life.RLock()
	defer t.module.life.RUnlock()
	t.life.Lock()
	defer t.life.Unlock()
	t.pool.forget()
	t.born = t.module.epoch
	return t.start()
}

// close ends the sessions and gives the module back.
func (t *token) close() error {
	t.module.life.RLock()
	t.life.Lock()
	if t.born == t.module.epoch && t.anchor != 0 {
		err := t.mod.CloseAllSessions(t.slot)
		if err != nil {
			t.log.Warn("the sessions did not close cleanly", slog.Any("error", err))
		}
	}
	t.life.Unlock()
	t.module.life.RUnlock()
	t.cfg.modules.release(t.module)
	return nil
}

// start does what follows C_Initialize, with the login; the caller holds life
// for writing.
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
	var there []string
	for _, slot := range slots {
		info, err := t.mod.GetTokenInfo(slot)
		if err != nil {
			continue // a slot whose token went away is not ours to judge
		}
		serial, label := strings.TrimRight(info.SerialNumber, " \x00"), strings.TrimRight(info.Label, " \x00")
		if info.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 {
			continue
		}
		there = append(there, fmt.Sprintf("%q (serial number %s)", label, serial))
		if (t.cfg.label != "" && label != t.cfg.label) || (t.cfg.serial != "" && serial != t.cfg.serial) {
			continue
		}
		found++
		t.slot, t.serial, t.about = slot, serial, info
	}
	if len(there) == 0 {
		return fmt.Errorf("%w: the module shows none; is it plugged in?", ErrTokenNotFound)
	}
	if found == 0 {
		return fmt.Errorf("%w: no token has the label %q%s; there are %s", ErrTokenNotFound, t.cfg.label, t.cfg.wanted(), strings.Join(there, ", "))
	}
	if found > 1 && t.cfg.label == "" {
		return fmt.Errorf("%w: name one of %s", ErrTokenNotFound, strings.Join(there, ", "))
	}
	if found > 1 {
		return fmt.Errorf("%w: %d tokens have the label %q; give the serial number too", ErrTokenNotFound, found, t.cfg.label)
	}
	return nil
}

// wanted names the serial number that was asked for.
func (c tokenConfig) wanted() string {
	if c.serial == "" {
		return ""
	}
	return " and the serial number " + c.serial
}

// warning says what a token's flags tell of the tries that are left (PKCS#11
// v2.40 §3.2); tokens do not count them for others.
func warning(flags uint) string {
	switch {
	case flags&pkcs11.CKF_USER_PIN_LOCKED != 0:
		return "the token is locked now: its security officer must set a new PIN"
	case flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0:
		return "one try is left before the token locks"
	case flags&pkcs11.CKF_USER_PIN_COUNT_LOW != 0:
		return "a few tries are left before the token locks"
	}
	return "the token does not say how many tries are left"
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
		tries := ""
		after, unknown := t.mod.GetTokenInfo(t.slot)
		if unknown == nil {
			tries = "; " + warning(after.Flags)
		}
		return errors.Join(fmt.Errorf("%w by token %q: %w%s", ErrPIN, strings.TrimRight(t.about.Label, " \x00"), err, tries), guard.refused())
	}
	return fmt.Errorf("log in to token %q: %w", t.cfg.label, err)
}

// heal logs in and finds the keys again, once for each fault. A token that is
// lost it leaves to recover.
func (t *token) heal(healed uint64) error {
	t.healing.Lock()
	defer t.healing.Unlock()
	err := t.within(true, func() error {
		if t.healed != healed {
			return nil // another request healed it
		}
		t.recoveries.Add(1)
		err := t.loadKeys()
		if err != nil {
			t.lost = classify(err) != curePIN
			return err
		}
		t.healed++
		return nil
	})
	if err != nil {
		return fmt.Errorf("find the keys again: %w", err)
	}
	t.log.Warn("the session of a token was healed", slog.String("token", t.cfg.name))
	return nil
}

// recover brings a lost token back: it finds the token anew, and initialises
// the module anew when that does not help.
func (t *token) recover(ctx context.Context) error {
	t.healing.Lock()
	defer t.healing.Unlock()
	err := ctx.Err()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	t.recoveries.Add(1)
	t.life.RLock()
	lost, born := t.lost, t.born
	t.life.RUnlock()
	if lost {
		err = t.module.reinitialise(born)
	}
	if err == nil {
		err = t.begin()
	}
	if classify(err) == cureModule {
		err = t.module.reinitialise(born)
		if err == nil {
			err = t.begin()
		}
	}
	t.life.Lock()
	defer t.life.Unlock()
	t.lost = err != nil
	if err != nil {
		return fmt.Errorf("recover token %q: %w", t.cfg.name, err)
	}
	t.healed++
	return nil
}

// within runs f while the module stays initialised, with life held for writing
// or reading. It refuses when the token's handles are of an earlier epoch.
func (t *token) within(writing bool, f func() error) error {
	t.module.life.RLock()
	defer t.module.life.RUnlock()
	if writing {
		t.life.Lock()
		defer t.life.Unlock()
	} else {
		t.life.RLock()
		defer t.life.RUnlock()
	}
	if t.lost {
		return fmt.Errorf("%w: token %q is lost", ErrUnavailable, t.cfg.name)
	}
	if t.born != t.module.epoch {
		return fmt.Errorf("%w: %w", ErrUnavailable, errStale)
	}
	return f()
}

// attempt runs do until it succeeds, the error cannot be healed, or the
// attempts are used up. do runs with life held for reading. ErrUnavailable
// says that the token is lost.
func (t *token) attempt(ctx context.Context, do func() error) error {
	wait := throttleWait
	var last error
	var seen uint64
	for range maxAttempts {
		err := ctx.Err()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		var healed uint64
		last = t.within(false, func() error {
			healed = t.healed
			return do()
		})
		switch classify(last) {
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
			t.hold(func() { t.pool.drain(t.mod) })
		case cureLogin, cureReload:
			err := t.heal(healed)
			if err != nil {
				return t.gone(err, healed)
			}
		case cureModule:
			return t.gone(last, healed)
		}
		seen = healed
	}
	return t.gone(fmt.Errorf("after %d attempts: %w", maxAttempts, last), seen)
}

// gone marks the token as lost, unless it was recovered since the fault.
func (t *token) gone(cause error, healed uint64) error {
	if errors.Is(cause, ErrPIN) || errors.Is(cause, ErrUnavailable) {
		return cause
	}
	t.life.Lock()
	t.lost = t.lost || t.healed == healed
	t.life.Unlock()
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// hold runs f while the module is not being initialised again; not at all when
// the token's handles are of an earlier epoch.
func (t *token) hold(f func()) {
	_ = t.within(false, func() error { // nothing to do for a token that is lost
		f()
		return nil
	})
}

// lookup finds a key in memory.
func (t *token) lookup(label string) *tokenKey {
	t.life.RLock()
	defer t.life.RUnlock()
	return t.found[label]
}

// reload lists the objects again; the caller holds objects.
func (t *token) reload(ctx context.Context) error {
	var healed uint64
	err := t.within(true, func() error {
		healed = t.healed
		return t.loadKeys()
	})
	switch classify(err) {
	case cureNone:
		return ctx.Err()
	case cureFatal, curePIN:
		return err
	}
	return t.gone(err, healed)
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
		Lanes:    t.cfg.sessions + runtime.NumCPU(), Sessions: t.pool.count() + 1, Recoveries: t.recoveries.Load(),
	}
}
