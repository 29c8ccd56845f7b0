package backup

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"filippo.io/age"
	"github.com/corvus-ch/shamir"

	"github.com/antin-gov/antin/hsm/custodian"
)

// Errors that a caller can act on.
var (
	// ErrQuorum says that quorum and holders do not fit together.
	ErrQuorum = errors.New("backup: quorum does not fit the holders")
	// ErrShares says that the shares do not give the wrapping key: too few, of
	// another backup, or damaged.
	ErrShares = errors.New("backup: shares do not open it")
	// ErrFormat says that a file is not a backup, or was changed.
	ErrFormat = errors.New("backup: not a backup file, or damaged")
)

const (
	// KEKSize is the length of the wrapping key: AES-256.
	KEKSize = 32
	// MaxHolders bounds the custodians of one backup.
	MaxHolders = 32
	// MinQuorum: with one share enough for all there is nothing to split.
	MinQuorum = 2
	// maxShare bounds an encrypted share.
	maxShare = 16 << 10
	idSize   = 16
)

// payloadInfo separates the key of the list from the wrapping key (RFC 5869 §3.2).
const payloadInfo = "antin-hsm-backup/1 payload"

// Holder is a custodian who gets a share.
type Holder struct {
	Name      string `json:"name"`
	Recipient string `json:"recipient"`
}

// ShareFile is an encrypted share.
type ShareFile struct {
	Custodian string `json:"custodian"`
	// File is armored age text.
	File []byte `json:"file"`
	// X is the share's place on the polynomial; SHA256 is of X and Y, in hex.
	X      int    `json:"x"`
	SHA256 string `json:"sha256"`
}

// Share is an opened share.
type Share struct {
	Format    string `json:"format"`
	Backup    string `json:"backup"`
	Custodian string `json:"custodian"`
	Quorum    int    `json:"quorum"`
	Of        int    `json:"of"`
	X         int    `json:"x"`
	Y         []byte `json:"y"`
}

const shareFormat = "antin-hsm-share/1"

// NewID draws the id of a backup.
func NewID() string {
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // crypto/rand never fails
	return hex.EncodeToString(id)
}

// NewKEK draws a wrapping key.
func NewKEK() []byte {
	kek := make([]byte, KEKSize)
	_, _ = rand.Read(kek) // crypto/rand never fails
	return kek
}

// PayloadKey is the key of the list of keys. It opens no key in the list.
func PayloadKey(kek []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, kek, nil, payloadInfo, KEKSize)
}

// CheckQuorum says whether quorum and holders fit together.
func CheckQuorum(quorum int, holders []Holder) error {
	if quorum < MinQuorum || quorum > len(holders) || len(holders) > MaxHolders {
		return fmt.Errorf("%w: %d of %d; at least %d, and at most %d holders", ErrQuorum, quorum, len(holders), MinQuorum, MaxHolders)
	}
	seen := map[string]bool{}
	for _, h := range holders {
		if seen[h.Name] || seen[h.Recipient] {
			return fmt.Errorf("%w: %s stands twice", ErrQuorum, h.Name)
		}
		seen[h.Name], seen[h.Recipient] = true, true
		_, err := age.ParseX25519Recipient(h.Recipient)
		if err != nil {
			return fmt.Errorf("%w: recipient of %s: %w", ErrQuorum, h.Name, err)
		}
	}
	return nil
}

// Split divides the wrapping key of a backup over its holders and encrypts each
// share to its holder. Any quorum of them gives it back; fewer say nothing.
func Split(id string, kek []byte, quorum int, holders []Holder) ([]ShareFile, error) {
	err := CheckQuorum(quorum, holders)
	if err != nil {
		return nil, err
	}
	if len(kek) != KEKSize {
		return nil, fmt.Errorf("%w: wrapping key of %d bytes", ErrQuorum, len(kek))
	}
	parts, err := shamir.Split(kek, len(holders), quorum)
	if err != nil {
		return nil, fmt.Errorf("split the wrapping key: %w", err)
	}
	xs := slices.Sorted(maps.Keys(parts))
	if len(xs) != len(holders) || slices.Contains(xs, 0) {
		return nil, fmt.Errorf("%w: %d shares", ErrQuorum, len(xs))
	}
	files := make([]ShareFile, 0, len(holders))
	for i, h := range holders {
		s := Share{Format: shareFormat, Backup: id, Custodian: h.Name, Quorum: quorum, Of: len(holders), X: int(xs[i]), Y: parts[xs[i]]}
		file, err := s.seal(h)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func (s Share) seal(h Holder) (ShareFile, error) {
	to, err := age.ParseX25519Recipient(h.Recipient)
	if err != nil {
		return ShareFile{}, fmt.Errorf("%w: recipient of %s: %w", ErrQuorum, h.Name, err)
	}
	plain, err := json.Marshal(s)
	if err != nil {
		return ShareFile{}, fmt.Errorf("encode share: %w", err)
	}
	file, err := custodian.Encrypt(plain, to)
	if err != nil {
		return ShareFile{}, err
	}
	return ShareFile{Custodian: h.Name, File: file, X: s.X, SHA256: s.digest()}, nil
}

// digest commits to the share; its 256 random bits cannot be guessed from it.
func (s Share) digest() string {
	sum := sha256.Sum256(append([]byte{byte(s.X)}, s.Y...))
	return hex.EncodeToString(sum[:])
}

// OpenShare opens an encrypted share as its custodian.
func OpenShare(file []byte, by *custodian.Custodian) (Share, error) {
	if len(file) > maxShare {
		return Share{}, fmt.Errorf("%w: share of %d bytes", ErrShares, len(file))
	}
	plain, err := by.Unseal(file)
	if err != nil {
		return Share{}, fmt.Errorf("%w: %w", ErrShares, err)
	}
	return parseShare(plain)
}

// parseShare reads an opened share. Its errors never quote it.
func parseShare(plain []byte) (Share, error) {
	var s Share
	err := json.Unmarshal(plain, &s)
	if err != nil || s.Format != shareFormat {
		return Share{}, fmt.Errorf("%w: not a share", ErrShares)
	}
	if s.X < 1 || s.X > 255 || len(s.Y) != KEKSize || s.Quorum < MinQuorum || s.Quorum > s.Of || s.Of > MaxHolders {
		return Share{}, fmt.Errorf("%w: the share of %.40q does not hold together", ErrShares, s.Custodian)
	}
	return s, nil
}

// Combine gives the wrapping key of the backup from the shares of a quorum.
func (f *File) Combine(shares []Share) ([]byte, error) {
	parts := map[byte][]byte{}
	for _, s := range shares {
		if s.Backup != f.Header.ID {
			return nil, fmt.Errorf("%w: the share of %s is of another backup (%s)", ErrShares, s.Custodian, s.Backup)
		}
		i := slices.IndexFunc(f.Header.Shares, func(c Commitment) bool { return c.Custodian == s.Custodian })
		if i < 0 || f.Header.Shares[i].X != s.X || f.Header.Shares[i].SHA256 != s.digest() {
			return nil, fmt.Errorf("%w: the share of %s is not the one that was made", ErrShares, s.Custodian)
		}
		parts[byte(s.X)] = s.Y
	}
	if len(parts) < f.Header.Quorum {
		return nil, fmt.Errorf("%w: %d shares, %d are needed", ErrShares, len(parts), f.Header.Quorum)
	}
	kek, err := shamir.Combine(parts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShares, err)
	}
	return kek, nil
}
