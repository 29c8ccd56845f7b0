// Package token opens a person's own PKCS#11 token, such as a USB token, for
// signing on the machine where it is plugged in: without the server, its data
// folder and its key worker. A worker process of its own loads the module, as
// the server does, so that a module that crashes takes nothing with it. The PIN
// is tried once: a token that refused it is not asked again, and one that has a
// single try left is not asked at all.
package token

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/antin-gov/antin/hsm"
)

// Errors that a caller can act on, beside those of package hsm.
var (
	// ErrChoose says that it is not clear which key is meant; the text lists
	// those that the token has.
	ErrChoose = errors.New("choose a key of the token")
	// ErrNoCertificate says that the token has none for the key.
	ErrNoCertificate = errors.New("no certificate for the key")
)

// Options name a token.
type Options struct {
	// Module is the path of the PKCS#11 library.
	Module string
	// Label and Serial choose among the tokens that the module shows; both may
	// be empty when there is one.
	Label, Serial string
	// PIN is what the person typed; PINFile, a file of mode 0600, stands instead.
	PIN     []byte
	PINFile string
	// Worker is the command of the key worker; it must call hsm.WorkerMain.
	Worker    []string
	WorkerEnv []string
	// Environment is set before the module is loaded: some take their settings
	// from there (NSS_LIB_PARAMS, TPM2_PKCS11_STORE). It must hold no secret.
	Environment map[string]string
	// SoftHSMConf is the softhsm2.conf of a software token.
	SoftHSMConf string
	Logger      *slog.Logger
}

// Token is an open token.
type Token struct {
	client *hsm.Client
	worker *hsm.Supervisor
	dir    string
	keys   []Key
	certs  []*x509.Certificate
}

// Key is a private key of the token.
type Key struct {
	Label, ID, Algorithm string
	Public               crypto.PublicKey
	// Certificate is the newest on the token that is for the key; nil for none.
	Certificate *x509.Certificate
}

// Open logs in and reads keys and certificates.
func Open(ctx context.Context, o Options) (*Token, error) {
	module, err := filepath.Abs(o.Module)
	if err != nil {
		return nil, err
	}
	// A name of its own keeps the socket's path short.
	dir, err := os.MkdirTemp("", "antin-token-*")
	if err != nil {
		return nil, err
	}
	t := &Token{dir: dir}
	err = t.open(ctx, o, module)
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *Token) open(ctx context.Context, o Options, module string) error {
	u := hsm.URI{Scheme: "pkcs11", Path: map[string]string{}, Query: map[string]string{"module-path": module, "pin-source": hsm.PINTyped}}
	if o.PINFile != "" {
		path, err := filepath.Abs(o.PINFile)
		if err != nil {
			return err
		}
		u.Query["pin-source"] = "file:" + path
	}
	if o.Label != "" {
		u.Path["token"] = o.Label
	}
	if o.Serial != "" {
		u.Path["serial"] = o.Serial
	}
	socket := filepath.Join(t.dir, "s")
	var err error
	t.worker, err = hsm.StartWorker(ctx, hsm.Options{
		Command: o.Worker, Env: o.WorkerEnv, PIN: o.PIN, Logger: o.Logger,
		Config: hsm.WorkerConfig{Tokens: []string{u.String()}, SocketPath: socket, SoftHSMConf: o.SoftHSMConf, Environment: o.Environment},
	})
	if err != nil {
		return fmt.Errorf("open the token: %w", err)
	}
	t.client, err = hsm.Dial(ctx, socket, hsm.ClientOptions{})
	if err != nil {
		return fmt.Errorf("open the token: %w", err)
	}
	return t.read(ctx)
}

// read lists keys and certificates and joins them by the public key.
func (t *Token) read(ctx context.Context) error {
	keys, err := t.client.Keys(ctx)
	if err != nil {
		return err
	}
	certs, err := t.client.Certificates(ctx)
	if err != nil {
		return err
	}
	for _, c := range certs {
		t.certs = append(t.certs, c.Certificate)
	}
	for _, k := range keys {
		key := Key{Label: k.Label, ID: k.ID, Algorithm: k.Algorithm, Public: k.Public}
		for _, c := range t.certs {
			newer := key.Certificate == nil || c.NotAfter.After(key.Certificate.NotAfter)
			if newer && Fits(k.Public, c) {
				key.Certificate = c
			}
		}
		t.keys = append(t.keys, key)
	}
	return nil
}

// Fits tells whether a certificate is of a public key.
func Fits(public crypto.PublicKey, cert *x509.Certificate) bool {
	own, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(cert.PublicKey)
}

// Close ends the session and the worker.
func (t *Token) Close() error {
	var err error
	if t.client != nil {
		err = t.client.Close()
	}
	if t.worker != nil {
		err = errors.Join(err, t.worker.Close())
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}

// Keys are those that can sign.
func (t *Token) Keys() []Key { return t.keys }

// Choose finds the key with a label or an id (CKA_ID in hex), or the only one
// when neither is given.
func (t *Token) Choose(name string) (Key, error) {
	fitting := t.keys
	if name != "" {
		fitting = slices.DeleteFunc(slices.Clone(t.keys), func(k Key) bool { return k.Label != name && !strings.EqualFold(k.ID, name) })
	}
	if len(fitting) == 1 {
		return fitting[0], nil
	}
	if len(t.keys) == 0 {
		return Key{}, fmt.Errorf("%w: it has none that can sign", ErrChoose)
	}
	var list []string
	for _, k := range t.keys {
		list = append(list, k.String())
	}
	return Key{}, fmt.Errorf("%w: it has %s", ErrChoose, strings.Join(list, "; "))
}

// String describes a key for people.
func (k Key) String() string {
	text := fmt.Sprintf("%q (%s, id %s", k.Label, k.Algorithm, k.ID)
	if k.Certificate == nil {
		return text + ", no certificate)"
	}
	return fmt.Sprintf("%s, %s, until %s)", text, k.Certificate.Subject.CommonName, k.Certificate.NotAfter.Format("2006-01-02"))
}

// Signer gives the handle of a key.
func (t *Token) Signer(ctx context.Context, k Key) (crypto.Signer, error) {
	return t.client.Signer(ctx, k.Label)
}

// maxChain bounds a path; public ones have three or four certificates.
const maxChain = 8

// Chain is the key's certificate with its issuers, as far as the token and more
// have them. The first of more is the key's own certificate when it fits.
func (t *Token) Chain(k Key, more []*x509.Certificate) ([]*x509.Certificate, error) {
	leaf := k.Certificate
	at := slices.IndexFunc(more, func(c *x509.Certificate) bool { return Fits(k.Public, c) })
	if at >= 0 {
		leaf = more[at]
	}
	if leaf == nil {
		return nil, fmt.Errorf("%w %s", ErrNoCertificate, k)
	}
	chain := []*x509.Certificate{leaf}
	all := slices.Concat(more, t.certs)
	for len(chain) < maxChain {
		last := chain[len(chain)-1]
		at := slices.IndexFunc(all, func(c *x509.Certificate) bool {
			return string(c.RawSubject) == string(last.RawIssuer) && !slices.ContainsFunc(chain, c.Equal) && last.CheckSignatureFrom(c) == nil
		})
		if at < 0 {
			break
		}
		chain = append(chain, all[at])
	}
	return chain, nil
}
