package backup

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/antin-gov/antin/hsm/custodian"
)

const (
	// maxFile bounds a backup: thousands of keys of RSA-4096 stay under it.
	maxFile = 32 << 20
	// maxHeader bounds the first line.
	maxHeader = 64 << 10
	// MaxKeys bounds the keys of one backup.
	MaxKeys = 5000
)

const fileFormat = "antin-hsm-backup/1"

// Commitment names a holder's share without telling it.
type Commitment struct {
	Custodian string `json:"custodian"`
	X         int    `json:"x"`
	SHA256    string `json:"sha256"`
}

// Header is the part of a backup that anybody may read.
type Header struct {
	Format    string       `json:"format"`
	ID        string       `json:"id"`
	CreatedAt time.Time    `json:"created_at"`
	Token     string       `json:"token"`
	Serial    string       `json:"serial"`
	Count     int          `json:"keys"`
	Quorum    int          `json:"quorum"`
	Shares    []Commitment `json:"shares"`
}

// Key is a key of the backup.
type Key struct {
	Label string `json:"label"`
	// ID is CKA_ID.
	ID        []byte `json:"id"`
	Algorithm string `json:"algorithm"`
	// SPKI is the public key (DER SubjectPublicKeyInfo).
	SPKI []byte `json:"spki"`
	// Wrapped is the private key, wrapped in the token (RFC 5649).
	Wrapped []byte `json:"wrapped"`
	// Chain is the certificate chain in PEM, where there is one.
	Chain string `json:"chain,omitempty"`
}

// File is a backup whose list is still sealed.
type File struct {
	Header Header
	head   []byte // the bytes of the first line: associated data
	sealed []byte
	digest string
}

// SHA256 is the hex digest of the file.
func (f *File) SHA256() string { return f.digest }

// Digest is the hex SHA-256 of a file.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Seal writes a backup file.
func Seal(h Header, shares []ShareFile, keys []Key, payloadKey []byte) ([]byte, error) {
	h.Format, h.Count = fileFormat, len(keys)
	for _, s := range shares {
		h.Shares = append(h.Shares, Commitment{Custodian: s.Custodian, X: s.X, SHA256: s.SHA256})
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode backup: %w", err)
	}
	plain, err := json.Marshal(keys)
	if err != nil {
		return nil, fmt.Errorf("encode backup: %w", err)
	}
	aead, err := sealer(payloadKey)
	if err != nil {
		return nil, err
	}
	sealed := aead.Seal(nil, nil, plain, head)
	out := append(bytes.Clone(head), '\n')
	out = base64.StdEncoding.AppendEncode(out, sealed)
	return append(out, '\n'), nil
}

// sealer is AES-256-GCM that draws and carries its nonce (SP 800-38D §8.2.2).
func sealer(key []byte) (cipher.AEAD, error) {
	if len(key) != KEKSize {
		return nil, fmt.Errorf("%w: key of %d bytes", ErrFormat, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Parse reads a backup file as far as it can be read without shares.
func Parse(text []byte) (*File, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(text))
	}
	head, rest, ok := bytes.Cut(text, []byte{'\n'})
	if !ok || len(head) > maxHeader {
		return nil, fmt.Errorf("%w: no header", ErrFormat)
	}
	f := &File{head: bytes.Clone(head), digest: Digest(text)}
	dec := json.NewDecoder(bytes.NewReader(head))
	dec.DisallowUnknownFields()
	err := dec.Decode(&f.Header)
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	err = f.Header.check()
	if err != nil {
		return nil, err
	}
	f.sealed, err = base64.StdEncoding.Strict().DecodeString(string(bytes.TrimSuffix(rest, []byte{'\n'})))
	if err != nil {
		return nil, fmt.Errorf("%w: list of keys: %w", ErrFormat, err)
	}
	return f, nil
}

func (h Header) check() error {
	switch {
	case h.Format != fileFormat:
		return fmt.Errorf("%w: format %.40q", ErrFormat, h.Format)
	case h.Quorum < MinQuorum || h.Quorum > len(h.Shares) || len(h.Shares) > MaxHolders:
		return fmt.Errorf("%w: quorum %d of %d", ErrFormat, h.Quorum, len(h.Shares))
	case h.Count < 1 || h.Count > MaxKeys:
		return fmt.Errorf("%w: %d keys", ErrFormat, h.Count)
	}
	seen := map[string]bool{}
	for _, s := range h.Shares {
		err := custodian.CheckName(s.Custodian)
		if err != nil || seen[s.Custodian] {
			return fmt.Errorf("%w: custodian %.60q", ErrFormat, s.Custodian)
		}
		seen[s.Custodian] = true
	}
	return nil
}

// Open opens the list of keys with the wrapping key.
func (f *File) Open(kek []byte) ([]Key, error) {
	key, err := PayloadKey(kek)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, f.sealed, f.head)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not open with these shares, or was changed", ErrFormat)
	}
	var keys []Key
	err = json.Unmarshal(plain, &keys)
	if err != nil || len(keys) != f.Header.Count {
		return nil, fmt.Errorf("%w: list of keys", ErrFormat)
	}
	return keys, nil
}
