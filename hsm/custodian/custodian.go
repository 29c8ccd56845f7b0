// Package custodian is what a key custodian brings to a ceremony: a key file of
// their own, locked with a passphrase that nobody else knows. The file is the
// thing that the custodian has, the passphrase what the custodian knows; it
// works alike on the system and on a machine that was never connected to one.
//
// One file serves three purposes: the custodian proves presence by signing the
// ceremony's challenge, signs the transcript, and opens the share of a backup
// that was encrypted to the file's recipient. It holds an ECDSA P-256 key and an
// age X25519 identity, encrypted by age with a passphrase (scrypt and
// ChaCha20-Poly1305, age-encryption.org/v1).
//
// It keeps no register of custodians: who they are stands in the ceremony's
// file, by the fingerprint of their keys.
package custodian

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// Errors that a caller can act on.
var (
	// ErrPassphrase says that the passphrase does not open the key file.
	ErrPassphrase = errors.New("custodian: the passphrase does not open the key file")
	// ErrWeak says that a passphrase is too short or too long.
	ErrWeak = errors.New("custodian: a passphrase has 12 to 256 bytes")
	// ErrFile says that a file is not a custodian's key file.
	ErrFile = errors.New("custodian: not a custodian's key file")
	// ErrName says that a name does not fit in file names and listings.
	ErrName = errors.New("custodian: a name has 1 to 40 small letters, digits, dots and dashes")
	// ErrProof says that a proof of presence does not hold.
	ErrProof = errors.New("custodian: proof of presence does not hold")
	// ErrSealed says that something is not encrypted to this custodian, or damaged.
	ErrSealed = errors.New("custodian: not encrypted to this custodian, or damaged")
)

const (
	// DefaultWork is the scrypt work factor (log2 N) of new files: about a
	// second and 256 MiB. It is also the most that Open follows, so that a
	// strange file cannot take the machine's memory.
	DefaultWork = 18
	minPass     = 12
	maxPass     = 256
	// maxFile bounds a key file; one has about 1 kB.
	maxFile = 16 << 10
	// maxSealed bounds what is decrypted for a custodian: shares have 1 kB.
	maxSealed = 64 << 10
)

// proofPrefix keeps a proof of presence from being a signature of anything else.
const proofPrefix = "antin custodian presence v1\x00"

// Public is what others know of a custodian.
type Public struct {
	Name string `json:"name"`
	// Key is the fingerprint: "sha256:" and the hex SHA-256 of the
	// SubjectPublicKeyInfo of the signing key.
	Key string `json:"key"`
	// Recipient is the age recipient to which shares are encrypted.
	Recipient string `json:"recipient"`
}

// Custodian is an opened key file.
type Custodian struct {
	name     string
	key      *ecdsa.PrivateKey
	identity *age.X25519Identity
}

// contents is the plaintext of a key file.
type contents struct {
	Format   string `json:"format"`
	Name     string `json:"name"`
	Key      []byte `json:"key"` // PKCS #8
	Identity string `json:"identity"`
}

const format = "antin-custodian/1"

var names = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?$`)

// CheckName refuses names that do not fit in file names.
func CheckName(name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("%w: %.60q", ErrName, name)
	}
	return nil
}

// Create makes a custodian with fresh keys and the text of the encrypted key
// file. work is the scrypt work factor; DefaultWork when 0.
func Create(name string, passphrase []byte, work int) ([]byte, Public, error) {
	err := CheckName(name)
	if err != nil {
		return nil, Public{}, err
	}
	if len(passphrase) < minPass || len(passphrase) > maxPass {
		return nil, Public{}, ErrWeak
	}
	if work == 0 {
		work = DefaultWork
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, Public{}, fmt.Errorf("custodian key: %w", err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, Public{}, fmt.Errorf("custodian identity: %w", err)
	}
	c := &Custodian{name: name, key: key, identity: identity}
	file, err := c.lock(passphrase, work)
	if err != nil {
		return nil, Public{}, err
	}
	public, err := c.Public()
	return file, public, err
}

// lock writes the encrypted key file.
func (c *Custodian) lock(passphrase []byte, work int) ([]byte, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(c.key)
	if err != nil {
		return nil, fmt.Errorf("encode custodian key: %w", err)
	}
	plain, err := json.Marshal(contents{Format: format, Name: c.name, Key: pkcs8, Identity: c.identity.String()})
	if err != nil {
		return nil, fmt.Errorf("encode custodian key: %w", err)
	}
	to, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("lock key file: %w", err)
	}
	to.SetWorkFactor(work)
	return Encrypt(plain, to)
}

// Encrypt encrypts to an age recipient, as armored text.
func Encrypt(plain []byte, to age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, to)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	_, err = w.Write(plain)
	err = errors.Join(err, w.Close(), text.Close())
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return out.Bytes(), nil
}

// decrypt reads armored age text, at most limit bytes of it.
func decrypt(file []byte, limit int, identity age.Identity) ([]byte, error) {
	if len(file) > limit {
		return nil, fmt.Errorf("%w: %d bytes", ErrFile, len(file))
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(file)), identity)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)))
	if err != nil {
		return nil, err
	}
	return plain, nil
}

// Open opens a key file. ErrPassphrase says that the passphrase is wrong,
// ErrFile that the file is not one.
func Open(file, passphrase []byte) (*Custodian, error) {
	if len(passphrase) == 0 || len(passphrase) > maxPass {
		return nil, ErrPassphrase
	}
	identity, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	identity.SetMaxWorkFactor(DefaultWork)
	plain, err := decrypt(file, maxFile, identity)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	return parse(plain)
}

// parse reads the plaintext of a key file. Its errors never quote it.
func parse(plain []byte) (*Custodian, error) {
	var in contents
	err := json.Unmarshal(plain, &in)
	if err != nil || in.Format != format {
		return nil, fmt.Errorf("%w: unknown format", ErrFile)
	}
	err = CheckName(in.Name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(in.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: its key cannot be read", ErrFile)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: its key is not of P-256", ErrFile)
	}
	identity, err := age.ParseX25519Identity(in.Identity)
	if err != nil {
		return nil, fmt.Errorf("%w: its identity cannot be read", ErrFile)
	}
	return &Custodian{name: in.Name, key: key, identity: identity}, nil
}

// Name is the name in the key file.
func (c *Custodian) Name() string { return c.name }

// Signer signs as the custodian.
func (c *Custodian) Signer() crypto.Signer { return c.key }

// Public tells what others may know.
func (c *Custodian) Public() (Public, error) {
	key, err := Fingerprint(c.key.Public())
	if err != nil {
		return Public{}, err
	}
	return Public{Name: c.name, Key: key, Recipient: c.identity.Recipient().String()}, nil
}

// Fingerprint is "sha256:" and the hex SHA-256 of the SubjectPublicKeyInfo.
func Fingerprint(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Prove signs the challenge of a ceremony: the proof that the custodian is
// present (ECDSA over SHA-256, ASN.1).
func (c *Custodian) Prove(challenge []byte) ([]byte, error) {
	sum := sha256.Sum256(append([]byte(proofPrefix), challenge...))
	return ecdsa.SignASN1(rand.Reader, c.key, sum[:])
}

// CheckProof says whether proof was made over challenge by the key with that
// fingerprint.
func CheckProof(challenge, proof []byte, pub crypto.PublicKey, fingerprint string) error {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("%w: key %T", ErrProof, pub)
	}
	own, err := Fingerprint(key)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(append([]byte(proofPrefix), challenge...))
	if own != fingerprint || !ecdsa.VerifyASN1(key, sum[:], proof) {
		return ErrProof
	}
	return nil
}

// Unseal decrypts what was encrypted to the custodian's recipient.
func (c *Custodian) Unseal(file []byte) ([]byte, error) {
	plain, err := decrypt(file, maxSealed, c.identity)
	if err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrSealed, c.name, err)
	}
	return plain, nil
}
