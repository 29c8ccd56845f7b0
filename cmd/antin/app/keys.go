package app

import (
	"context"
	"crypto"
	"fmt"

	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/signer"
)

// signingKeys shows the key register and the token to the signer.
type signingKeys struct {
	register *hsm.Register
	client   *hsm.Client
}

var _ signer.Keys = signingKeys{}

// Key finds a key by its name.
func (k signingKeys) Key(ctx context.Context, name string) (*signer.Key, error) {
	entry, err := k.register.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return signingKey(entry)
}

// List gives the keys that have a certificate.
func (k signingKeys) List(ctx context.Context) ([]signer.Key, error) {
	entries, err := k.register.List(ctx)
	if err != nil {
		return nil, err
	}
	var keys []signer.Key
	for _, entry := range entries {
		if entry.Chain == "" {
			continue
		}
		key, err := signingKey(entry)
		if err != nil {
			return nil, err
		}
		keys = append(keys, *key)
	}
	return keys, nil
}

// Signer opens a key of the token.
func (k signingKeys) Signer(ctx context.Context, label string) (crypto.Signer, error) {
	return k.client.Signer(ctx, label)
}

func signingKey(entry hsm.Entry) (*signer.Key, error) {
	key := &signer.Key{Name: entry.Name, Label: entry.Label, PersonID: entry.PersonID, AgencyID: entry.AgencyID}
	if entry.Chain == "" {
		return key, nil
	}
	chain, err := entry.Certificates()
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", entry.Name, err)
	}
	key.Chain = chain
	return key, nil
}

// authorityKeys are the keys of the certification authority: new ones are made
// as the configuration says.
type authorityKeys struct {
	*hsm.Client
	backup bool
}

// Generate makes a key, for backup where that is configured.
func (k authorityKeys) Generate(ctx context.Context, label, algorithm string) (crypto.PublicKey, error) {
	return k.GenerateKey(ctx, hsm.NewKey{Label: label, Algorithm: algorithm, Backup: k.backup})
}
