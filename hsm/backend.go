package hsm

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
)

// backend is one token as the key worker sees it: a PKCS#11 token, or a key
// service in the network. The worker puts several behind one another (see
// tokenSet), so a backend knows nothing of the others, of sockets or of
// clients.
//
// Errors: ErrUnavailable says that the token is lost and that recover may
// bring it back; ErrBusy that it has no room now; ErrPIN that its credential
// was refused and must not be tried again; ErrNotFound, ErrExists,
// ErrUnsupported and ErrBadRequest speak of the request. Everything else is
// taken for a failure of that request alone.
//
// Many goroutines call a backend. It serialises by itself what its token
// cannot do at the same time (the making of objects, recovery).
type backend interface {
	// info describes the token from memory; it never waits for the token.
	info() backendInfo
	// keys lists the private keys that can sign, sorted by label. With fresh it
	// asks the token again, else it may answer from memory.
	keys(ctx context.Context, fresh bool) ([]backendKey, error)
	// generate makes a key pair that cannot leave the token in the clear. A
	// label that exists with the same id is the result of an earlier attempt of
	// the same request and is given again; otherwise ErrExists.
	generate(ctx context.Context, req generateRequest) (backendKey, error)
	// sign makes one signature in the form that crypto.Signer promises (ECDSA
	// as ASN.1). The key is named by its label, because handles change when a
	// token is found again; a backend that finds another public key than
	// plan.pub under the label answers ErrKeyMismatch. The caller verifies the
	// signature (see verifyPolicy); sign does not. At most info().Lanes calls
	// run at the same time.
	sign(ctx context.Context, label string, plan signPlan) ([]byte, error)
	// probe finds out by trying what the token really does. It uses throw-away
	// keys only and leaves nothing behind.
	probe(ctx context.Context) (Probe, error)
	// recover brings a lost token back: for PKCS#11 C_Finalize, C_Initialize,
	// login and finding the keys again. It makes one attempt; the caller paces.
	recover(ctx context.Context) error
	// close ends the sessions. No call is under way or follows.
	close() error
}

// certificateImporter is a backend that keeps certificates beside keys.
type certificateImporter interface {
	// importCertificate stores a certificate (DER) under the label and the id
	// of its private key; ErrKeyMismatch when it is of another key. A
	// certificate that is there already is replaced.
	importCertificate(ctx context.Context, label string, der []byte) error
}

// keyDeleter is a backend that can destroy a key.
type keyDeleter interface {
	// deleteKey destroys the private key with that label and id, and its public
	// key and certificates; ErrNotFound when both do not match.
	deleteKey(ctx context.Context, label string, id []byte) error
}

// keyWrapper is a backend whose keys can be backed up under another key.
type keyWrapper interface {
	// wrapKey gives the private key with that label encrypted under kek (AES,
	// 16, 24 or 32 bytes; RFC 5649 over PKCS #8). ErrUnsupported when the key
	// was not made for backup (see generateRequest.Backup).
	wrapKey(ctx context.Context, label string, kek []byte) ([]byte, error)
	// unwrapKey puts a wrapped key back under the label and id, and checks with
	// a signature that it belongs to pub. ErrExists when the label is taken.
	unwrapKey(ctx context.Context, req unwrapRequest) (backendKey, error)
}

// epocher is a backend whose keys can be found anew without recover being
// called. The first signature of each key after that is verified always.
type epocher interface {
	// epoch grows each time the keys were found again.
	epoch() uint64
}

// backendInfo is what a backend tells about itself.
type backendInfo struct {
	// Kind is "pkcs11" or "vault".
	Kind string
	// Label names the token; Serial decides between equal labels.
	Label, Serial string
	// Manufacturer, Model and Firmware are what the token says of itself.
	Manufacturer, Model, Firmware string
	// Lanes is how many signatures are worked on at the same time: those in the
	// token, and those that are verified meanwhile.
	Lanes int
	// Sessions is how many sessions are open.
	Sessions int
	// Recoveries counts re-logins, reloads and re-initialisations.
	Recoveries uint64
}

// backendKey is a private key in a token.
type backendKey struct {
	Label string
	// ID is CKA_ID, or what stands for it.
	ID     []byte
	Public crypto.PublicKey
	// Backup says that the key may leave the token encrypted (CKA_EXTRACTABLE).
	Backup bool
}

// generateRequest asks for a key pair.
type generateRequest struct {
	Label, Algorithm string
	// ID is chosen by the client, so that a repeated request finds what the
	// first one made; keyIDSize bytes.
	ID []byte
	// Backup makes a key that may leave the token encrypted under another key.
	Backup bool
}

// unwrapRequest asks to put a wrapped key back.
type unwrapRequest struct {
	Label   string
	ID      []byte
	KEK     []byte
	Wrapped []byte
	Public  crypto.PublicKey
}

// openBackend opens the token that cfg names, by the scheme of its URI.
func openBackend(ctx context.Context, cfg tokenConfig, log *slog.Logger) (backend, error) {
	switch cfg.uri.Scheme {
	case schemePKCS11:
		t, err := openToken(cfg, log)
		if err != nil {
			return nil, err // a nil *token must not become a backend that is not nil
		}
		return t, nil
	case schemeVault:
		t, err := openVault(ctx, cfg, log)
		if err != nil {
			return nil, err
		}
		return t, nil
	default:
		return nil, fmt.Errorf("%w: no backend for %q", ErrUnsupported, cfg.uri.Scheme)
	}
}

// samePublic says whether two public keys are equal.
func samePublic(a, b crypto.PublicKey) bool {
	own, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(b)
}

// errNoSuch says that a backend lacks an optional ability.
func errNoSuch(b backend, what string) error {
	return fmt.Errorf("%w: token %q (%s) cannot %s", ErrUnsupported, b.info().Label, b.info().Kind, what)
}

// lost says whether err means that the token is gone until it is recovered.
func lost(err error) bool { return errors.Is(err, ErrUnavailable) }
