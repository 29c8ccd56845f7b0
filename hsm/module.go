package hsm

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/miekg/pkcs11"
)

// modules are the PKCS#11 modules of a worker, by path. A module is loaded and
// initialised once in a process (PKCS#11 v2.40 §5.4), however many of its
// tokens are used.
type modules struct {
	mu     sync.Mutex
	loaded map[string]*module // guarded by mu
}

// module is a loaded module.
type module struct {
	path string
	log  *slog.Logger
	lib  *pkcs11.Ctx
	shim *shim

	// life is held for reading during calls and for writing while the module is
	// initialised again. It guards epoch. Lock order: a token's healing, life, a
	// token's own.
	life sync.RWMutex
	// epoch grows with each initialisation. Handles of sessions and objects of
	// an earlier one mean nothing, or something else: SoftHSM counts from one
	// again.
	epoch uint64

	users int // guarded by modules.mu
}

// use gives the module at a path, loading it for its first user.
func (ms *modules) use(path string, log *slog.Logger) (*module, error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m := ms.loaded[path]
	if m != nil {
		m.users++
		return m, nil
	}
	lib := pkcs11.New(path)
	if lib == nil {
		return nil, fmt.Errorf("%w: %s cannot be loaded as a PKCS#11 module", ErrUnavailable, path)
	}
	shim, err := openShim(path, lib)
	if err != nil {
		lib.Destroy()
		return nil, err
	}
	m = &module{path: path, log: log, lib: lib, shim: shim, epoch: 1, users: 1}
	err = lib.Initialize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		lib.Destroy()
		return nil, fmt.Errorf("C_Initialize of %s: %w", path, err)
	}
	if ms.loaded == nil {
		ms.loaded = map[string]*module{}
	}
	ms.loaded[path] = m
	return m, nil
}

// release unloads the module after its last user.
func (ms *modules) release(m *module) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m.users--
	if m.users > 0 {
		return
	}
	delete(ms.loaded, m.path)
	m.life.Lock()
	defer m.life.Unlock()
	err := m.lib.Finalize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED) {
		m.log.Warn("the module did not close cleanly", slog.Any("error", err))
	}
	m.lib.Destroy()
}

// reinitialise finalises and initialises the module, unless that was done
// since the epoch that the caller saw. It takes the sessions of all tokens of
// the module with it; they see the new epoch and begin anew.
func (m *module) reinitialise(seen uint64) error {
	m.life.Lock()
	defer m.life.Unlock()
	if m.epoch != seen {
		return nil
	}
	err := m.lib.Finalize()
	if err != nil {
		m.log.Warn("the module did not finalise", slog.Any("error", err))
	}
	err = m.lib.Initialize()
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return errors.Join(errStale, fmt.Errorf("C_Initialize: %w", err))
	}
	m.epoch++
	return nil
}

// errStale says that a token's handles are from before the module was
// initialised again.
var errStale = errors.New("the PKCS#11 module was initialised again")
