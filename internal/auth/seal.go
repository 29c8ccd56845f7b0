package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// sealer encrypts the TOTP secrets at rest (AES-256-GCM, the account id as
// associated data) with a key that lies beside the database, not in it.
type sealer struct{ aead cipher.AEAD }

var errSealed = errors.New("auth: sealed secret does not open")

// openSealer reads the key file, or makes it with mode 0600.
func openSealer(path string) (*sealer, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, 32)
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
		return nil, fmt.Errorf("key of the account secrets: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of the account secrets: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead: aead}, nil
}

// writeNew writes a whole file or none: another process may be starting too.
func writeNew(path string, content []byte) error {
	f, err := os.CreateTemp(dirOf(path), ".key-*")
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

func (s *sealer) seal(account string, secret []byte) []byte {
	return s.aead.Seal(nil, nil, secret, []byte(account))
}

func (s *sealer) open(account string, sealed []byte) ([]byte, error) {
	secret, err := s.aead.Open(nil, nil, sealed, []byte(account))
	if err != nil {
		return nil, errSealed
	}
	return secret, nil
}
