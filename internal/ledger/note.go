package ledger

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"
)

// algECDSA is the signature type of C2SP signed-note for ECDSA with SHA-256.
// As in Rekor and in transparency-dev/formats, the signature is the ASN.1 form
// over SHA-256 of the note's text, and the key id is the first four bytes of
// SHA-256 of the DER SubjectPublicKeyInfo (without name and type).
const algECDSA = 0x02

// maxVKey bounds a verifier key text.
const maxVKey = 1 << 10

// ErrVKey says that a verifier key cannot be used.
var ErrVKey = errors.New("unusable verifier key")

// VerifierKey gives the text by which outsiders verify checkpoints:
// NAME+KEYID+BASE64(0x02 || SubjectPublicKeyInfo). The key is ECDSA P-256.
func VerifierKey(origin string, pub crypto.PublicKey) (string, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return "", fmt.Errorf("%w: the ledger key must be ECDSA P-256", ErrVKey)
	}
	if origin == "" || len(origin) > 128 || strings.Contains(origin, "+") || strings.ContainsFunc(origin, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}) {
		return "", fmt.Errorf("%w: origin %q must have 1 to 128 bytes, no space and no plus sign", ErrVKey, origin)
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrVKey, err)
	}
	return fmt.Sprintf("%s+%08x+%s", origin, keyID(spki), base64.StdEncoding.EncodeToString(append([]byte{algECDSA}, spki...))), nil
}

// keyID is the key id of an ECDSA key.
func keyID(spki []byte) uint32 {
	sum := sha256.Sum256(spki)
	return binary.BigEndian.Uint32(sum[:4])
}

// verifier is a note.Verifier for one ECDSA P-256 key.
type verifier struct {
	name string
	id   uint32
	pub  *ecdsa.PublicKey
}

// newVerifier reads a verifier key text.
func newVerifier(vkey string) (*verifier, error) {
	vkey = strings.TrimSpace(vkey)
	if len(vkey) > maxVKey {
		return nil, fmt.Errorf("%w: %d bytes", ErrVKey, len(vkey))
	}
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 || parts[0] == "" {
		return nil, fmt.Errorf("%w: not NAME+KEYID+KEY", ErrVKey)
	}
	id, err := strconv.ParseUint(parts[1], 16, 32)
	if err != nil || len(parts[1]) != 8 {
		return nil, fmt.Errorf("%w: key id %q", ErrVKey, parts[1])
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) < 2 || raw[0] != algECDSA {
		return nil, fmt.Errorf("%w: not an ECDSA key of signature type %d", ErrVKey, algECDSA)
	}
	if keyID(raw[1:]) != uint32(id) {
		return nil, fmt.Errorf("%w: the key id does not match the key", ErrVKey)
	}
	pub, err := x509.ParsePKIXPublicKey(raw[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrVKey, err)
	}
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: not an ECDSA P-256 key", ErrVKey)
	}
	return &verifier{name: parts[0], id: uint32(id), pub: key}, nil
}

// Name is the origin of the log.
func (v *verifier) Name() string { return v.name }

// KeyHash is the key id.
func (v *verifier) KeyHash() uint32 { return v.id }

// Verify checks a signature over the text of a note.
func (v *verifier) Verify(msg, sig []byte) bool {
	sum := sha256.Sum256(msg)
	return ecdsa.VerifyASN1(v.pub, sum[:], sig)
}

// noteSigner is a note.Signer over a key in a token.
type noteSigner struct {
	verifier
	key crypto.Signer
}

var _ note.Signer = (*noteSigner)(nil)

// newNoteSigner checks the key and gives its signer and verifier key text.
func newNoteSigner(origin string, key crypto.Signer) (*noteSigner, string, error) {
	vkey, err := VerifierKey(origin, key.Public())
	if err != nil {
		return nil, "", err
	}
	v, err := newVerifier(vkey)
	if err != nil {
		return nil, "", err
	}
	return &noteSigner{verifier: *v, key: key}, vkey, nil
}

// Sign signs the text of a note.
func (s *noteSigner) Sign(msg []byte) ([]byte, error) {
	sum := sha256.Sum256(msg)
	return s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
}
