package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// KeySize is the length of the key in its file, in bytes.
const KeySize = 32

// Key encrypts a spool.
type Key [KeySize]byte

// String keeps the key out of logs.
func (Key) String() string { return "spool key" }

// GoString keeps the key out of logs.
func (Key) GoString() string { return "spool key" }

// LoadKey reads the key file: 32 random bytes that only the owner may read, as
// systemd's credentials are as well. A file that is absent is made.
func LoadKey(path string) (key Key, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return key, fmt.Errorf("read spool key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return key, fmt.Errorf("read spool key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("%w: others may read %s (mode %04o): chmod 600 it", ErrKey, path, info.Mode().Perm())
	}
	_, err = io.ReadFull(f, key[:])
	if err != nil || info.Size() != KeySize {
		return key, fmt.Errorf("%w: %s has %d bytes, not %d", ErrKey, path, info.Size(), KeySize)
	}
	return key, nil
}

// makeKey writes the key beside its place and links it there, so that no
// half-written key is ever read and none is replaced.
func makeKey(path string) (key Key, err error) {
	_, err = rand.Read(key[:])
	if err != nil {
		return key, fmt.Errorf("make spool key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return key, fmt.Errorf("make spool key: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key[:])
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return key, fmt.Errorf("make spool key: %w", err)
	}
	err = os.Link(f.Name(), path)
	if err != nil {
		return key, fmt.Errorf("make spool key: %w", err)
	}
	return key, syncDir(filepath.Dir(path))
}

// segmentCipher is the cipher of one segment: a key of its own from the
// segment's salt, so that counters can be nonces.
func (k Key) segmentCipher(salt []byte) (cipher.AEAD, error) {
	sub, err := hkdf.Key(sha256.New, k[:], salt, "antin spool segment", 32)
	if err != nil {
		return nil, fmt.Errorf("derive segment key: %w", err)
	}
	block, err := aes.NewCipher(sub)
	if err != nil {
		return nil, fmt.Errorf("segment cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	err = errors.Join(d.Sync(), d.Close())
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
