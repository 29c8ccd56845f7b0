// Package offline holds the files that are carried between a certification
// centre and the machine of its root, which has no network: a request (which
// authorities to certify, what is revoked) and the answer (certificates, the
// root's list). Each is complete in itself: a JSON Web Signature (RFC 7515,
// flattened JSON) whose payload is JSON and whose key stands in it (jwk).
//
// A signature says who made the file, not that it may be believed: the key of
// a first request is not known yet, so the people at both machines compare the
// digest, and the key of an answer is the root's, whose certificate they
// compare once.
package offline

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"github.com/antin-gov/antin/ca/profile"
)

// ErrRefused says that a file is not a request or an answer, or was changed.
var ErrRefused = errors.New("offline: refused")

// Limits of a file.
const (
	// MaxFile holds the list of a root with thousands of entries.
	MaxFile = 4 << 20
	// maxItems bounds the lists in a file.
	maxItems = 5000
)

// Formats name what a payload is, and its version.
const (
	FormatRequest = "antin-root-request/1"
	FormatAnswer  = "antin-root-answer/1"
)

// Request is what a root is asked for.
type Request struct {
	Format string `json:"format"`
	// Root is the hex SHA-256 of the root's certificate; empty when none is known
	// to the centre yet.
	Root         string    `json:"root,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	CreatedBy    string    `json:"created_by"`
	Organization string    `json:"organization"`
	// BaseURL is where the centre serves the root's certificate and list; it
	// enters the certificates.
	BaseURL      string       `json:"base_url"`
	Certificates []Order      `json:"certificates,omitempty"`
	Revocations  []Revocation `json:"revocations,omitempty"`
	// ListDays is how long the root's list should hold.
	ListDays int `json:"list_days"`
}

// Order asks for the certificate of an authority.
type Order struct {
	Authority string `json:"authority"`
	Profile   string `json:"profile"`
	// CSR is the PKCS#10 request, DER: the proof of possession.
	CSR   []byte        `json:"csr"`
	Facts profile.Facts `json:"facts"`
}

// Revocation tells the root that a certificate of its own is revoked.
type Revocation struct {
	Serial string    `json:"serial"`
	At     time.Time `json:"at"`
	Cause  string    `json:"cause"`
	Reason int       `json:"reason"`
}

// Answer is what the root's machine made.
type Answer struct {
	Format string `json:"format"`
	// Request is the digest of the request that it answers.
	Request string    `json:"request"`
	MadeAt  time.Time `json:"made_at"`
	// Root is the root's certificate, DER; its key signs the answer. RootName is
	// the name in the addresses of its certificate and its list.
	Root         []byte   `json:"root"`
	RootName     string   `json:"root_name"`
	Certificates [][]byte `json:"certificates,omitempty"`
	// List is the root's revocation list as of now, DER.
	List []byte `json:"list"`
}

// Digest is the hex SHA-256 of a payload, which people compare.
func Digest(payload []byte) string {
	sum := sha256.Sum256(payload)
	return hex.EncodeToString(sum[:])
}

// algorithms are those that a file may be signed with.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.PS256}
}

func algorithmOf(pub crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return jose.ES256, nil
		case elliptic.P384():
			return jose.ES384, nil
		}
	case *rsa.PublicKey:
		return jose.PS256, nil
	}
	return "", fmt.Errorf("%w: no signature by a key of the kind %T", ErrRefused, pub)
}

// Seal writes v, a Request or an Answer, as a file signed by the key, and tells
// its digest.
func Seal(v any, key crypto.Signer) (file []byte, digest string, err error) {
	payload, err := json.Marshal(v)
	if err != nil {
		return nil, "", fmt.Errorf("write: %w", err)
	}
	algorithm, err := algorithmOf(key.Public())
	if err != nil {
		return nil, "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: cryptosigner.Opaque(key)}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		return nil, "", fmt.Errorf("sign: %w", err)
	}
	var out bytes.Buffer
	err = json.Indent(&out, []byte(object.FullSerialize()), "", "  ")
	if err != nil {
		return nil, "", fmt.Errorf("write: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), Digest(payload), nil
}

// open checks the signature of a file and returns its payload and its key.
func open(file []byte) ([]byte, crypto.PublicKey, error) {
	if len(file) > MaxFile {
		return nil, nil, fmt.Errorf("%w: over %d bytes", ErrRefused, MaxFile)
	}
	object, err := jose.ParseSigned(string(file), algorithms())
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if len(object.Signatures) != 1 || object.Signatures[0].Protected.JSONWebKey == nil {
		return nil, nil, fmt.Errorf("%w: want one signature with its key", ErrRefused)
	}
	key := object.Signatures[0].Protected.JSONWebKey
	if !key.IsPublic() {
		return nil, nil, fmt.Errorf("%w: its key is not a public one", ErrRefused)
	}
	payload, err := object.Verify(key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it was changed: %w", ErrRefused, err)
	}
	return payload, key.Key, nil
}

// decode reads a payload, all of it, without unknown members.
func decode(payload []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(payload))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	_, err = dec.Token()
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: more than one value", ErrRefused)
	}
	return nil
}

// OpenRequest reads a request: its content, the key that signed it, and its
// digest.
func OpenRequest(file []byte) (r *Request, key crypto.PublicKey, digest string, err error) {
	payload, key, err := open(file)
	if err != nil {
		return nil, nil, "", err
	}
	r = &Request{}
	err = decode(payload, r)
	switch {
	case err != nil:
		return nil, nil, "", err
	case r.Format != FormatRequest:
		return nil, nil, "", fmt.Errorf("%w: format %.40q is not %s", ErrRefused, r.Format, FormatRequest)
	case len(r.Certificates) > maxItems || len(r.Revocations) > maxItems:
		return nil, nil, "", fmt.Errorf("%w: more than %d items", ErrRefused, maxItems)
	}
	return r, key, Digest(payload), nil
}

// OpenAnswer reads an answer and the key that signed it; the caller must see
// that it is the root's.
func OpenAnswer(file []byte) (a *Answer, key crypto.PublicKey, digest string, err error) {
	payload, key, err := open(file)
	if err != nil {
		return nil, nil, "", err
	}
	a = &Answer{}
	err = decode(payload, a)
	switch {
	case err != nil:
		return nil, nil, "", err
	case a.Format != FormatAnswer:
		return nil, nil, "", fmt.Errorf("%w: format %.40q is not %s", ErrRefused, a.Format, FormatAnswer)
	case len(a.Certificates) > maxItems:
		return nil, nil, "", fmt.Errorf("%w: more than %d items", ErrRefused, maxItems)
	}
	return a, key, Digest(payload), nil
}
