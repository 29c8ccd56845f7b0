package backup

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/antin-gov/antin/hsm"
)

// Errors of keys.
var (
	// ErrNotForBackup says that a key was not made for backup, so the token will
	// not give it in any form.
	ErrNotForBackup = errors.New("backup: key was not made for backup")
	// ErrNoKeys says that there is nothing to back up.
	ErrNoKeys = errors.New("backup: no key to back up")
	// ErrKey says that a restored key is not the one that was backed up.
	ErrKey = errors.New("backup: the restored key is not the one that was backed up")
)

// Token is what a backup needs of the token; *hsm.Client has it.
type Token interface {
	Keys(ctx context.Context) ([]hsm.KeyInfo, error)
	Signer(ctx context.Context, label string) (crypto.Signer, error)
	WrapKey(ctx context.Context, token, label string, kek []byte) ([]byte, error)
	UnwrapKey(ctx context.Context, w hsm.WrappedKey, kek []byte) error
}

// Order says what to back up, and to whom.
type Order struct {
	// Labels are the keys; all that were made for backup when empty.
	Labels []string
	// Token and Serial name the token, for the header.
	Token, Serial string
	Quorum        int
	Holders       []Holder
	// Chain gives the certificate chain of a key in PEM; may be nil.
	Chain func(ctx context.Context, label string) (string, error)
	Now   time.Time
}

// Backup is a new backup: the file, and a share for each custodian.
type Backup struct {
	Header Header
	File   []byte
	Shares []ShareFile
	// Keys have no wrapped part.
	Keys []Key
}

// Create wraps keys in the token and splits the wrapping key.
func Create(ctx context.Context, t Token, o Order) (*Backup, error) {
	err := CheckQuorum(o.Quorum, o.Holders)
	if err != nil {
		return nil, err
	}
	infos, err := choose(ctx, t, o.Labels)
	if err != nil {
		return nil, err
	}
	kek := NewKEK()
	defer clear(kek)
	b := &Backup{Header: Header{ID: NewID(), CreatedAt: o.Now.UTC().Truncate(time.Second), Token: o.Token, Serial: o.Serial, Quorum: o.Quorum}}
	var keys []Key
	for _, info := range infos {
		key, err := wrap(ctx, t, info, kek)
		if err != nil {
			return nil, err
		}
		if o.Chain != nil {
			key.Chain, err = o.Chain(ctx, info.Label)
			if err != nil {
				return nil, fmt.Errorf("certificates of %q: %w", info.Label, err)
			}
		}
		keys = append(keys, key)
		key.Wrapped = nil
		b.Keys = append(b.Keys, key)
	}
	b.Shares, err = Split(b.Header.ID, kek, o.Quorum, o.Holders)
	if err != nil {
		return nil, err
	}
	payload, err := PayloadKey(kek)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	b.File, err = Seal(b.Header, b.Shares, keys, payload)
	if err != nil {
		return nil, err
	}
	f, err := Parse(b.File)
	if err != nil {
		return nil, err
	}
	b.Header = f.Header
	return b, nil
}

// choose finds the keys of an order.
func choose(ctx context.Context, t Token, labels []string) ([]hsm.KeyInfo, error) {
	all, err := t.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var out []hsm.KeyInfo
	for _, label := range labels {
		i := slices.IndexFunc(all, func(k hsm.KeyInfo) bool { return k.Label == label })
		if i < 0 {
			return nil, fmt.Errorf("%w: %q", hsm.ErrNotFound, label)
		}
		if !all[i].Backup {
			return nil, fmt.Errorf("%w: %q; such a key lives and dies with its token", ErrNotForBackup, label)
		}
		out = append(out, all[i])
	}
	if len(labels) == 0 {
		out = slices.DeleteFunc(all, func(k hsm.KeyInfo) bool { return !k.Backup })
	}
	if len(out) == 0 || len(out) > MaxKeys {
		return nil, fmt.Errorf("%w: %d keys were made for backup, want 1 to %d", ErrNoKeys, len(out), MaxKeys)
	}
	return out, nil
}

func wrap(ctx context.Context, t Token, info hsm.KeyInfo, kek []byte) (Key, error) {
	id, err := hex.DecodeString(info.ID)
	if err != nil {
		return Key{}, fmt.Errorf("id of key %q: %w", info.Label, err)
	}
	spki, err := x509.MarshalPKIXPublicKey(info.Public)
	if err != nil {
		return Key{}, fmt.Errorf("public key of %q: %w", info.Label, err)
	}
	wrapped, err := t.WrapKey(ctx, "", info.Label, kek)
	if err != nil {
		return Key{}, err
	}
	return Key{Label: info.Label, ID: id, Algorithm: info.Algorithm, SPKI: spki, Wrapped: wrapped}, nil
}

// Restored is a key that is back.
type Restored struct {
	Label     string `json:"label"`
	Algorithm string `json:"algorithm"`
	// Fingerprint is the hex SHA-256 of the public key.
	Fingerprint string `json:"fingerprint"`
	// Before says that the token had the key already.
	Before bool `json:"before,omitempty"`
	// Challenge and Signature are what the key signed to show that it is the one:
	// hex of 32 random bytes, and of the signature over their SHA-256.
	Challenge string `json:"challenge"`
	Signature string `json:"signature"`
}

// Restore puts the keys of a backup into the token and lets each sign a
// challenge, which is verified with the public key recorded in the backup. A
// label that another key has refuses the restore before anything is put back;
// the same key, left by an interrupted restore, is taken.
func Restore(ctx context.Context, t Token, keys []Key, kek []byte, progress func(done, total int)) ([]Restored, error) {
	here, err := t.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	before := map[string]bool{}
	for _, k := range keys {
		pub, err := k.Public()
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(here, func(h hsm.KeyInfo) bool { return h.Label == k.Label })
		if i < 0 {
			continue
		}
		if !samePublic(here[i].Public, pub) {
			return nil, fmt.Errorf("%w: the token has another key %q; nothing was restored", hsm.ErrExists, k.Label)
		}
		before[k.Label] = true
	}
	var out []Restored
	for i, k := range keys {
		if !before[k.Label] {
			pub, err := k.Public()
			if err != nil {
				return nil, err
			}
			err = t.UnwrapKey(ctx, hsm.WrappedKey{Label: k.Label, ID: hex.EncodeToString(k.ID), Public: pub, Wrapped: k.Wrapped}, kek)
			if err != nil {
				return nil, err
			}
		}
		one, err := Challenge(ctx, t, k)
		if err != nil {
			return nil, err
		}
		one.Before = before[k.Label]
		out = append(out, one)
		if progress != nil {
			progress(i+1, len(keys))
		}
	}
	return out, nil
}

// Public reads the public key.
func (k Key) Public() (crypto.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(k.SPKI)
	if err != nil {
		return nil, fmt.Errorf("%w: public key of %q", ErrFormat, k.Label)
	}
	return pub, nil
}

// Fingerprint is the hex SHA-256 of the public key.
func (k Key) Fingerprint() string {
	sum := sha256.Sum256(k.SPKI)
	return hex.EncodeToString(sum[:])
}

// Challenge lets a key of the token sign 32 random bytes and verifies the
// signature with the public key of the backup.
func Challenge(ctx context.Context, t Token, k Key) (Restored, error) {
	pub, err := k.Public()
	if err != nil {
		return Restored{}, err
	}
	signer, err := t.Signer(ctx, k.Label)
	if err != nil {
		return Restored{}, fmt.Errorf("restored key %q: %w", k.Label, err)
	}
	nonce := make([]byte, sha256.Size)
	_, _ = rand.Read(nonce) // crypto/rand never fails
	message, opts := nonce, crypto.SignerOpts(crypto.Hash(0))
	_, edwards := pub.(ed25519.PublicKey)
	if !edwards {
		sum := sha256.Sum256(nonce)
		message, opts = sum[:], crypto.SHA256
	}
	sig, err := signer.Sign(rand.Reader, message, opts)
	if err != nil {
		return Restored{}, fmt.Errorf("restored key %q: %w", k.Label, err)
	}
	if !samePublic(signer.Public(), pub) || !verifies(pub, message, sig) {
		return Restored{}, fmt.Errorf("%w: %q", ErrKey, k.Label)
	}
	return Restored{Label: k.Label, Algorithm: k.Algorithm, Fingerprint: k.Fingerprint(), Challenge: hex.EncodeToString(nonce), Signature: hex.EncodeToString(sig)}, nil
}

func verifies(pub crypto.PublicKey, message, sig []byte) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, message, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, message, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, sig)
	default:
		return false
	}
}

func samePublic(a, b crypto.PublicKey) bool {
	own, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && own.Equal(b)
}

// JoinShares opens the shares, combines them and opens the list of keys. The
// wrapping key is the caller's to overwrite.
func (f *File) JoinShares(shares []Share) (kek []byte, keys []Key, err error) {
	kek, err = f.Combine(shares)
	if err != nil {
		return nil, nil, err
	}
	keys, err = f.Open(kek)
	if err != nil {
		clear(kek)
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k.Label] || k.Label == "" || len(k.Wrapped) == 0 || bytes.Equal(k.SPKI, nil) {
			clear(kek)
			return nil, nil, fmt.Errorf("%w: key %q", ErrFormat, k.Label)
		}
		seen[k.Label] = true
	}
	return kek, keys, nil
}
