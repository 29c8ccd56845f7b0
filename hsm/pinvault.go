package hsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/antin-gov/antin/hsm/vault"
)

// pinVault is a field of a secret in Vault's KV engine, version 2. The server
// is asked at each login and at no other time: a token that is logged in works
// on while the server is away.
type pinVault struct {
	server             vault.Config
	mount, path, field string
	refused            string
}

// newPINVault reads MOUNT/PATH#FIELD; MOUNT//PATH#FIELD when the mount itself
// has slashes.
func newPINVault(server *vault.Config, text, marker string) (pinSource, error) {
	place, field, ok := strings.Cut(text, "#")
	mount, path, deep := strings.Cut(place, "//")
	if !deep {
		mount, path, _ = strings.Cut(place, "/")
	}
	if !ok || field == "" || mount == "" || path == "" {
		return nil, fmt.Errorf("%w: pin-source vault:%s is not vault:MOUNT/PATH#FIELD", ErrBadRequest, text)
	}
	err := errors.Join(vault.CheckPath(mount), vault.CheckPath(path))
	if err != nil {
		return nil, fmt.Errorf("%w: pin-source vault:%s: %w", ErrBadRequest, text, err)
	}
	if server == nil || server.Address == "" {
		return nil, fmt.Errorf("%w: pin-source vault:%s without a Vault server (hsm.vault)", ErrBadRequest, text)
	}
	return pinVault{*server, mount, path, field, marker}, nil
}

func (p pinVault) marker() string { return p.refused }

func (p pinVault) read(ctx context.Context) (pinValue, error) {
	// A login of its own, ended at once: nothing that could read the PIN again
	// stays behind.
	session, err := vault.Open(p.server, nil)
	if err != nil {
		return pinValue{}, fmt.Errorf("PIN from vault: %w", err)
	}
	defer session.Close()
	secret, err := session.ReadField(ctx, p.mount, p.path, p.field)
	if err != nil {
		return pinValue{}, fmt.Errorf("PIN from vault: %w", translate(err))
	}
	return checkPIN(pinValue{raw: secret.Value, state: secret.State}, "the secret in vault")
}

// pinWrapped is a file with a wrapping token (response wrapping) that holds a
// secret of the KV engine. It opens once: when it is spent before it came here,
// somebody else has read the PIN. The file goes with it.
type pinWrapped struct {
	server      vault.Config
	file, field string
}

func newPINWrapped(server *vault.Config, text string) (pinSource, error) {
	at := strings.LastIndexByte(text, '#')
	if at <= 0 || at == len(text)-1 {
		return nil, fmt.Errorf("%w: pin-source vault-wrapped:%s is not vault-wrapped:FILE#FIELD", ErrBadRequest, text)
	}
	if server == nil || server.Address == "" {
		return nil, fmt.Errorf("%w: pin-source vault-wrapped:%s without a Vault server (hsm.vault)", ErrBadRequest, text)
	}
	bare := *server
	bare.Auth = vault.AuthNone // the wrapping token is all that is needed
	return pinWrapped{bare, text[:at], text[at+1:]}, nil
}

func (p pinWrapped) marker() string { return p.file + ".refused" }

func (p pinWrapped) read(ctx context.Context) (pinValue, error) {
	token, err := readPIN(p.file, 0o077)
	if errors.Is(err, fs.ErrNotExist) {
		return pinValue{}, fmt.Errorf("%w: no wrapping token in %s: deliver a new one, it opens once", ErrPIN, p.file)
	}
	if err != nil {
		return pinValue{}, err
	}
	defer token.wipe()
	session, err := vault.Open(p.server, nil)
	if err != nil {
		return pinValue{}, fmt.Errorf("PIN from vault: %w", err)
	}
	defer session.Close()
	secret, err := session.UnwrapField(ctx, strings.Clone(token.text()), p.field)
	if errors.Is(err, vault.ErrWrapSpent) {
		return pinValue{}, fmt.Errorf("%w: the wrapping token in %s was opened before or has ended; if nobody here did, change the PIN: %w", ErrPIN, p.file, err)
	}
	if err != nil {
		return pinValue{}, fmt.Errorf("PIN from vault: %w", translate(err))
	}
	err = os.Remove(p.file)
	if err != nil {
		secret.Wipe()
		return pinValue{}, fmt.Errorf("remove the spent wrapping token: %w", err)
	}
	return checkPIN(pinValue{raw: secret.Value, state: secret.State}, "the wrapped secret")
}
