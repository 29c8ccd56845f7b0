// Package seal encrypts small secrets that stand in the database (AES-256-GCM)
// with a key that lies in a file beside it, so that neither of the two alone
// opens them.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keySize is that of AES-256.
const keySize = 32

// ErrSealed means that a sealed secret does not open: it is another's, was
// changed, or the key is not the one that sealed it.
var ErrSealed = errors.New("seal: sealed secret does not open")

// Key seals and opens. It is safe for concurrent use.
type Key struct {
	raw  []byte
	aead cipher.AEAD
}

// Open reads the key file, or makes it with mode 0600. Processes that share a
// database share the file.
func Open(path string) (*Key, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, keySize)
		_, err = rand.Read(key)
		if err != nil {
			return nil, err
		}
		err = writeNew(path, key)
		if errors.Is(err, fs.ErrExist) {
			key, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of the secrets: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of the secrets: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &Key{raw: key, aead: aead}, nil
}

// writeNew writes a whole file or none: another process may be starting too.
func writeNew(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(content)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	err = errors.Join(f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// Seal encrypts a secret that belongs to owner, its associated data.
func (k *Key) Seal(owner string, secret []byte) []byte {
	return k.aead.Seal(nil, nil, secret, []byte(owner))
}

// Open decrypts what Seal gave for the same owner; ErrSealed otherwise.
func (k *Key) Open(owner string, sealed []byte) ([]byte, error) {
	secret, err := k.aead.Open(nil, nil, sealed, []byte(owner))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

// Derive gives a key of 32 bytes for another purpose (HKDF, RFC 5869).
func (k *Key) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, k.raw, nil, "antin "+purpose, keySize)
}
