package hsm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/antin-gov/antin/hsm/vault"
)

// vaultToken is the Transit engine of a Vault server as a backend. Its keys
// are named by their labels, cannot be exported, and are held to the version
// that was seen first (or is pinned): a certificate is of one version.
// Lock order: objects, then mu.
type vaultToken struct {
	cfg     tokenConfig
	vault   vaultConfig
	log     *slog.Logger
	session *vault.Session
	engine  *vault.Transit

	// objects serialises the making and the listing of keys.
	objects sync.Mutex

	mu               sync.Mutex
	known            map[string]vaultKey // by label; guarded by mu
	begun            map[string][]byte   // ids of keys asked for, by label; guarded by mu
	serial, firmware string              // guarded by mu

	recoveries atomic.Uint64
}

var (
	_ backend    = (*vaultToken)(nil)
	_ keyDeleter = (*vaultToken)(nil)
)

// vaultKey is a key of the engine.
type vaultKey struct {
	backendKey
	name    string
	version int
	// pinned says that the configuration names the version, rotated that the
	// engine has a newer one nobody here asked for.
	pinned, rotated bool
}

// openVault logs in and lists the keys. A refused login is ErrPIN here, so that
// a service that is started again and again does not lock the role; later it is
// ErrUnavailable, and a corrected file heals it.
func openVault(ctx context.Context, cfg tokenConfig, log *slog.Logger) (*vaultToken, error) {
	session, err := vault.Open(cfg.vault.server, log)
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", cfg.name, err)
	}
	engine, err := session.Transit(cfg.vault.mount)
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("token %q: %w", cfg.name, err)
	}
	t := &vaultToken{cfg: cfg, vault: cfg.vault, log: log, session: session, engine: engine,
		known: map[string]vaultKey{}, begun: map[string][]byte{}}
	err = t.recover(ctx)
	if errors.Is(err, vault.ErrCredential) {
		err = fmt.Errorf("%w: %w", ErrPIN, err)
	}
	if err != nil {
		session.Close()
		return nil, fmt.Errorf("token %q: %w", cfg.name, err)
	}
	return t, nil
}

// translate gives an error of the server the type that a backend promises.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, vault.ErrSealed):
		return fmt.Errorf("%w: %w", ErrSealed, err)
	case errors.Is(err, vault.ErrUnreachable):
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	case errors.Is(err, vault.ErrCredential):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case errors.Is(err, vault.ErrBusy):
		return fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, vault.ErrPermission):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.Is(err, vault.ErrNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, vault.ErrExists):
		return fmt.Errorf("%w: %w", ErrExists, err)
	case errors.Is(err, vault.ErrRefused):
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	default:
		return fmt.Errorf("%w: %w", ErrWorkerFailed, err)
	}
}

func (t *vaultToken) info() backendInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	return backendInfo{Kind: schemeVault, Label: t.cfg.label, Serial: t.serial, Manufacturer: "HashiCorp", Model: "Vault Transit",
		Firmware: t.firmware, Lanes: t.cfg.sessions, Sessions: t.cfg.sessions, Recoveries: t.recoveries.Load()}
}

func (t *vaultToken) close() error {
	t.session.Close()
	return nil
}

// recover logs in if need be and finds the keys again.
func (t *vaultToken) recover(ctx context.Context) error {
	t.recoveries.Add(1)
	_, err := t.keys(ctx, true)
	if err != nil {
		return err
	}
	server, err := t.session.Server(ctx)
	if err != nil {
		return translate(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.serial, t.firmware = server.ClusterID, server.Version
	return nil
}

func (t *vaultToken) keys(ctx context.Context, fresh bool) ([]backendKey, error) {
	if fresh {
		t.objects.Lock()
		err := t.list(ctx)
		t.objects.Unlock()
		if err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]backendKey, 0, len(t.known))
	for _, key := range t.known {
		out = append(out, key.backendKey)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Label < out[j].Label })
	return out, nil
}

// list asks for all keys; the caller holds objects. The engine describes one
// key at a time, so several requests are under way.
func (t *vaultToken) list(ctx context.Context) error {
	names, err := t.engine.Names(ctx)
	if err != nil {
		return translate(err)
	}
	if len(names) > maxObjects {
		return fmt.Errorf("%w: more than %d keys", ErrUnsupported, maxObjects)
	}
	keys := make([]vault.Key, len(names))
	errs := make([]error, len(names))
	places := make(chan struct{}, t.cfg.sessions)
	var reading sync.WaitGroup
	for i, name := range names {
		places <- struct{}{}
		reading.Go(func() {
			defer func() { <-places }()
			keys[i], errs[i] = t.engine.Key(ctx, name)
		})
	}
	reading.Wait()
	found := map[string]bool{}
	for i, err := range errs {
		switch {
		case errors.Is(err, vault.ErrNotFound) || errors.Is(err, vault.ErrPermission):
			// Deleted meanwhile, or another application's.
		case err != nil:
			return translate(err)
		default:
			label := keyLabel(names[i])
			found[label] = t.learn(label, keys[i])
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for label := range t.known {
		if !found[label] {
			delete(t.known, label)
		}
	}
	return nil
}

// learn takes up what the engine says of a key, and tells whether the key is
// of use here.
func (t *vaultToken) learn(label string, key vault.Key) bool {
	if !key.Signs || checkLabel(label) != nil {
		return false
	}
	log := t.log.With(slog.String("token", t.cfg.name), slog.String("label", label))
	if key.Exportable {
		log.Warn("a key of vault that can be exported or backed up in the clear is left out")
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	before, seen := t.known[label]
	next := vaultKey{name: key.Name, version: key.Latest}
	pinned := t.vault.versions[label]
	switch {
	case pinned > 0:
		next.version, next.pinned = pinned, true
	case seen && before.version < key.Latest:
		next.version, next.rotated = before.version, true
		if !before.rotated {
			log.Error("a key of vault was rotated; it is refused until its version is pinned (key-versions)",
				slog.Int("version", before.version), slog.Int("latest", key.Latest))
		}
	}
	pub := key.Versions[next.version]
	if pub == nil || AlgorithmOf(pub) == "" {
		log.Warn("a key of vault without a usable public key is left out", slog.Int("version", next.version))
		return false
	}
	next.backendKey = backendKey{Label: label, ID: publicID(pub), Public: pub}
	t.known[label] = next
	return true
}

// publicID stands for CKA_ID, which the engine does not have: the beginning of
// the SHA-256 of the public key.
func publicID(pub crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil // AlgorithmOf knows the key, so it has an encoding
	}
	sum := sha256.Sum256(der)
	return sum[:keyIDSize]
}

// encodedName begins the names of keys whose labels the engine would not take.
const encodedName = "u."

// nameEncoding is used behind encodedName.
func nameEncoding() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// keyName gives the engine's name of a label: the label itself where that
// fits, otherwise its encoding.
func keyName(label string) string {
	if vault.KeyNameFits(label) && !strings.HasPrefix(label, encodedName) {
		return label
	}
	return encodedName + nameEncoding().EncodeToString([]byte(label))
}

// keyLabel is the other direction of keyName.
func keyLabel(name string) string {
	rest, ok := strings.CutPrefix(name, encodedName)
	if !ok {
		return name
	}
	label, err := nameEncoding().DecodeString(rest)
	if err != nil || keyName(string(label)) != name {
		return name
	}
	return string(label)
}

// keyTypes are the engine's names of the algorithms of Generate.
func keyTypes() map[string]string {
	return map[string]string{
		"EC-P256": "ecdsa-p256", "EC-P384": "ecdsa-p384", "EC-P521": "ecdsa-p521",
		"RSA-2048": "rsa-2048", "RSA-3072": "rsa-3072", "RSA-4096": "rsa-4096", algorithmEd25519: "ed25519",
	}
}

func (t *vaultToken) generate(ctx context.Context, req generateRequest) (backendKey, error) {
	err := checkLabel(req.Label)
	if err != nil {
		return backendKey{}, err
	}
	keyType, ok := keyTypes()[req.Algorithm]
	if !ok {
		return backendKey{}, fmt.Errorf("%w: %q", ErrUnsupported, req.Algorithm)
	}
	if req.Backup {
		return backendKey{}, fmt.Errorf("%w: a key of vault cannot leave it, not even encrypted", ErrUnsupported)
	}
	t.objects.Lock()
	defer t.objects.Unlock()
	name := keyName(req.Label)
	t.mu.Lock()
	again := bytes.Equal(t.begun[req.Label], req.ID)
	t.mu.Unlock()
	err = t.engine.Create(ctx, name, keyType)
	if errors.Is(err, vault.ErrExists) && again {
		err = nil // an attempt of the same request came through after all
	}
	if err != nil {
		if vault.Temporary(err) {
			t.mu.Lock()
			t.begun[req.Label] = req.ID
			t.mu.Unlock()
		}
		return backendKey{}, fmt.Errorf("generate %q: %w", req.Label, translate(err))
	}
	t.mu.Lock()
	t.begun[req.Label] = req.ID
	t.mu.Unlock()
	key, err := t.engine.Key(ctx, name)
	if err != nil {
		return backendKey{}, fmt.Errorf("generate %q: %w", req.Label, translate(err))
	}
	if !t.learn(req.Label, key) {
		return backendKey{}, fmt.Errorf("%w: vault made a key %q that is of no use or can leave it", ErrWorkerFailed, req.Label)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known[req.Label].backendKey, nil
}

func (t *vaultToken) sign(ctx context.Context, label string, plan signPlan) ([]byte, error) {
	t.mu.Lock()
	key, ok := t.known[label]
	t.mu.Unlock()
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q", ErrNotFound, label)
	case !samePublic(key.Public, plan.pub):
		return nil, fmt.Errorf("%w: %q", ErrKeyMismatch, label)
	case key.rotated:
		return nil, fmt.Errorf("%w: %q is of version %d", ErrKeyRotated, label, key.version)
	}
	req, err := transitRequest(key.name, plan)
	if err != nil {
		return nil, err
	}
	if key.pinned {
		req.Version = key.version
	}
	sig, version, err := t.engine.Sign(ctx, req)
	if err != nil {
		return nil, translate(err)
	}
	if version != key.version {
		// The signature of a key that nobody here knows is not released.
		t.rotated(label, version)
		return nil, fmt.Errorf("%w: %q is of version %d, vault signed with %d", ErrKeyRotated, label, key.version, version)
	}
	return sig, nil
}

// transitRequest is a plan in the engine's words.
func transitRequest(name string, plan signPlan) (vault.SignRequest, error) {
	req := vault.SignRequest{Name: name, Input: plan.digest}
	switch plan.pub.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey:
		hash, err := transitHash(plan.hash.hash)
		if err != nil {
			return req, err
		}
		req.Hash = hash
	case ed25519.PublicKey: // the message itself
	default:
		return req, fmt.Errorf("%w: public key %T", ErrUnsupported, plan.pub)
	}
	switch plan.scheme {
	case schemePKCS1:
		req.Padding = vault.PaddingPKCS1
	case schemePSS:
		req.Padding, req.Salt = vault.PaddingPSS, plan.salt
	}
	return req, nil
}

// rotated notes that the engine signs with another version than is known.
func (t *vaultToken) rotated(label string, version int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key, ok := t.known[label]
	if !ok || key.rotated || key.version == version {
		return
	}
	key.rotated = true
	t.known[label] = key
	t.log.Error("a key of vault was rotated; it is refused until its version is pinned (key-versions)", slog.String("token", t.cfg.name),
		slog.String("label", label), slog.Int("version", key.version), slog.Int("latest", version))
}

// transitHash is the engine's name of a hash.
func transitHash(hash crypto.Hash) (string, error) {
	switch hash {
	case crypto.SHA256:
		return "sha2-256", nil
	case crypto.SHA384:
		return "sha2-384", nil
	case crypto.SHA512:
		return "sha2-512", nil
	default:
		return "", fmt.Errorf("%w: hash %s", ErrUnsupported, hash)
	}
}

func (t *vaultToken) deleteKey(ctx context.Context, label string, id []byte) error {
	t.objects.Lock()
	defer t.objects.Unlock()
	t.mu.Lock()
	key, ok := t.known[label]
	t.mu.Unlock()
	if !ok || !bytes.Equal(key.ID, id) {
		return fmt.Errorf("%w: %q", ErrNotFound, label)
	}
	err := t.engine.Delete(ctx, key.name)
	if err != nil {
		return translate(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, label)
	delete(t.begun, label)
	return nil
}
