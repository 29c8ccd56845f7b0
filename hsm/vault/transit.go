package vault

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

const (
	// generateTime is the least wait for a new key: RSA-4096 takes seconds.
	generateTime = 45 * time.Second
	// maxKeyName bounds the name of a key.
	maxKeyName = 256
)

// Transit is a Transit engine.
type Transit struct {
	session *Session
	mount   string
}

// Transit gives the engine at that mount.
func (s *Session) Transit(mount string) (*Transit, error) {
	err := CheckPath(mount)
	if err != nil {
		return nil, err
	}
	return &Transit{session: s, mount: mount}, nil
}

// Key is an asymmetric key of the engine.
type Key struct {
	Name string
	// Type is the engine's name, such as "ecdsa-p256".
	Type string
	// Latest is the newest version; Least the oldest that may still sign (0
	// when the newest alone is meant).
	Latest, Least int
	// Versions are the public keys by version.
	Versions map[int]crypto.PublicKey
	// Exportable says that the private key can be read in the clear, by export
	// or by a plain backup.
	Exportable bool
	// Signs says that keys of this type sign and that this one is not derived
	// anew for each context.
	Signs bool
}

// checkKeyName refuses what the engine's pattern would not take.
func checkKeyName(name string) error {
	if name == "" || len(name) > maxKeyName || !KeyNameFits(name) {
		return fmt.Errorf("%w: key name %q", ErrRefused, name)
	}
	return nil
}

// KeyNameFits says whether the engine takes the name: letters and digits of
// ASCII, "_", "-" and ".", the latter two not at the ends.
func KeyNameFits(name string) bool {
	for i := range len(name) {
		c := name[i]
		word := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
		inner := (c == '-' || c == '.') && i > 0 && i < len(name)-1
		if !word && !inner {
			return false
		}
	}
	return name != ""
}

// Names lists the names of all keys.
func (t *Transit) Names(ctx context.Context) ([]string, error) {
	var secret *api.Secret
	err := t.session.do(ctx, t.session.cfg.Timeout, func(ctx context.Context, l *api.Logical) error {
		var err error
		secret, err = l.ListWithContext(ctx, t.mount+"/keys")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	if secret == nil {
		return nil, nil // the engine answers 404 when it has no key
	}
	list, _ := secret.Data["keys"].([]any)
	names := make([]string, 0, len(list))
	for _, item := range list {
		name, ok := item.(string)
		if ok && checkKeyName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// Key reads a key; ErrNotFound when there is none.
func (t *Transit) Key(ctx context.Context, name string) (Key, error) {
	err := checkKeyName(name)
	if err != nil {
		return Key{}, err
	}
	var secret *api.Secret
	err = t.session.do(ctx, t.session.cfg.Timeout, func(ctx context.Context, l *api.Logical) error {
		var err error
		secret, err = l.ReadWithContext(ctx, t.mount+"/keys/"+name)
		return err
	})
	if err == nil && secret == nil {
		err = ErrNotFound
	}
	if err != nil {
		return Key{}, fmt.Errorf("key %q: %w", name, err)
	}
	return parseKey(name, secret.Data)
}

// parseKey reads the engine's description of a key.
func parseKey(name string, data map[string]any) (Key, error) {
	var desc struct {
		Type       string `json:"type"`
		Latest     int    `json:"latest_version"`
		Least      int    `json:"min_encryption_version"`
		Exportable bool   `json:"exportable"`
		Backup     bool   `json:"allow_plaintext_backup"`
		Derived    bool   `json:"derived"`
		Signs      bool   `json:"supports_signing"`
		Keys       map[string]json.RawMessage
	}
	raw, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(raw, &desc)
	}
	if err != nil {
		return Key{}, fmt.Errorf("%w: description of key %q", ErrAnswer, name)
	}
	key := Key{Name: name, Type: desc.Type, Latest: desc.Latest, Least: desc.Least, Exportable: desc.Exportable || desc.Backup,
		Signs: desc.Signs && !desc.Derived, Versions: map[int]crypto.PublicKey{}}
	if !key.Signs {
		return key, nil
	}
	for number, raw := range desc.Keys {
		version, err := strconv.Atoi(number)
		if err != nil {
			return Key{}, fmt.Errorf("%w: version %q of key %q", ErrAnswer, number, name)
		}
		var one struct {
			PublicKey string `json:"public_key"`
		}
		err = json.Unmarshal(raw, &one)
		if err != nil {
			// A type without public keys (aes, hmac) has a number here.
			key.Signs = false
			return key, nil
		}
		pub, err := parsePublic(desc.Type, one.PublicKey)
		if err != nil {
			return Key{}, fmt.Errorf("%w: public key of %q version %d: %w", ErrAnswer, name, version, err)
		}
		key.Versions[version] = pub
	}
	return key, nil
}

// parsePublic reads a public key: base64 of 32 bytes for Ed25519, PEM for the
// others.
func parsePublic(keyType, text string) (crypto.PublicKey, error) {
	if keyType == "ed25519" {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, errors.New("not an Ed25519 key")
		}
		return ed25519.PublicKey(raw), nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("not PEM")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// Create makes a key that can neither be exported nor be backed up in the
// clear. ErrExists says that the name was taken; the key that has it is left
// as it was. The engine takes a request to make a key that is there for one to
// describe it, so this asks first; two that ask for the same name within the
// same moment get one key. The request is made once: repeated after a lost
// answer it could not tell its own key from another's.
func (t *Transit) Create(ctx context.Context, name, keyType string) error {
	_, err := t.Key(ctx, name)
	if err == nil {
		return fmt.Errorf("create key %q: %w", name, ErrExists)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	err = t.session.do(ctx, max(generateTime, t.session.cfg.Timeout), func(ctx context.Context, l *api.Logical) error {
		_, err := l.WriteWithContext(context.WithValue(ctx, once{}, true), t.mount+"/keys/"+name, map[string]any{
			"type": keyType, "exportable": false, "allow_plaintext_backup": false})
		return err
	})
	if err != nil {
		return fmt.Errorf("create key %q: %w", name, err)
	}
	return nil
}

// Delete destroys a key.
func (t *Transit) Delete(ctx context.Context, name string) error {
	err := checkKeyName(name)
	if err != nil {
		return err
	}
	err = t.session.do(ctx, t.session.cfg.Timeout, func(ctx context.Context, l *api.Logical) error {
		_, err := l.WriteWithContext(ctx, t.mount+"/keys/"+name+"/config", map[string]any{"deletion_allowed": true})
		if err != nil {
			return err
		}
		_, err = l.DeleteWithContext(ctx, t.mount+"/keys/"+name)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete key %q: %w", name, err)
	}
	return nil
}

// Padding of RSA.
const (
	PaddingPSS   = "pss"
	PaddingPKCS1 = "pkcs1v15"
)

// SignRequest asks for a signature.
type SignRequest struct {
	Name string
	// Version is the key's version; 0 is the newest.
	Version int
	// Hash is the engine's name ("sha2-256"); empty for Ed25519, whose Input is
	// the message. Otherwise Input is the digest.
	Hash  string
	Input []byte
	// Padding is for RSA, Salt (bytes) for PSS.
	Padding string
	Salt    int
}

// Sign makes a signature (ECDSA as ASN.1) and tells which version made it.
func (t *Transit) Sign(ctx context.Context, req SignRequest) ([]byte, int, error) {
	err := checkKeyName(req.Name)
	if err != nil {
		return nil, 0, err
	}
	body := map[string]any{
		"input": base64.StdEncoding.EncodeToString(req.Input), "key_version": req.Version, "marshaling_algorithm": "asn1",
	}
	if req.Hash != "" {
		body["prehashed"] = true
		body["hash_algorithm"] = req.Hash
	}
	if req.Padding != "" {
		body["signature_algorithm"] = req.Padding
	}
	if req.Padding == PaddingPSS {
		// The engine's own default is the longest salt, which validators of
		// qualified signatures do not expect (ETSI TS 119 312 §5.2).
		body["salt_length"] = strconv.Itoa(req.Salt)
		if req.Salt == hashSize(req.Hash) {
			body["salt_length"] = "hash"
		}
	}
	var secret *api.Secret
	err = t.session.do(ctx, t.session.cfg.Timeout, func(ctx context.Context, l *api.Logical) error {
		var err error
		secret, err = l.WriteWithContext(ctx, t.mount+"/sign/"+req.Name, body)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("sign with %q: %w", req.Name, err)
	}
	if secret == nil {
		return nil, 0, fmt.Errorf("sign with %q: %w: empty", req.Name, ErrAnswer)
	}
	text, _ := secret.Data["signature"].(string)
	return parseSignature(text)
}

// parseSignature reads vault:vVERSION:BASE64.
func parseSignature(text string) ([]byte, int, error) {
	rest, ok := strings.CutPrefix(text, "vault:v")
	number, encoded, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 {
		return nil, 0, fmt.Errorf("%w: signature without the form vault:vN:…", ErrAnswer)
	}
	version, err := strconv.Atoi(number)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: version of a signature", ErrAnswer)
	}
	sig, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(sig) == 0 {
		return nil, 0, fmt.Errorf("%w: signature is not base64", ErrAnswer)
	}
	return sig, version, nil
}

// hashSize is the length of a digest by the engine's name of the hash.
func hashSize(name string) int {
	switch name {
	case "sha2-256":
		return crypto.SHA256.Size()
	case "sha2-384":
		return crypto.SHA384.Size()
	case "sha2-512":
		return crypto.SHA512.Size()
	}
	return -1
}
