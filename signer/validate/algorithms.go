package validate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/signer/cms"
)

//go:embed algorithms.yaml
var defaultAlgorithms []byte

// maxAlgorithms bounds a file of algorithms in bytes.
const maxAlgorithms = 64 << 10

// ErrAlgorithms says that a file of algorithms cannot be used.
var ErrAlgorithms = errors.New("validate: algorithms")

// Algorithms tell until when algorithms are accepted (EN 319 102-1, 5.1.4.2:
// cryptographic constraints). A date is the last day, UTC; the zero time means
// that no end is set. What is not named is not accepted.
type Algorithms struct {
	// Hash has names as crypto.Hash writes them, such as "SHA-256".
	Hash map[string]time.Time `yaml:"hash"`
	Key  []KeyRule            `yaml:"key"`
}

// KeyRule is about public keys from a size on, up to the next rule's.
type KeyRule struct {
	Kind  string    `yaml:"kind"` // "RSA", "EC" or "Ed25519"
	Bits  int       `yaml:"bits"`
	Until time.Time `yaml:"until"`
}

// ReadAlgorithms reads the YAML form, of which algorithms.yaml is an example.
func ReadAlgorithms(r io.Reader) (*Algorithms, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxAlgorithms+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAlgorithms, err)
	}
	if len(data) > maxAlgorithms {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrAlgorithms, maxAlgorithms)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var a Algorithms
	err = decoder.Decode(&a)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAlgorithms, err)
	}
	return &a, a.check()
}

// check refuses rules that accept nothing or that no algorithm can meet.
func (a *Algorithms) check() error {
	if len(a.Hash) == 0 || len(a.Key) == 0 {
		return fmt.Errorf("%w: no hash or no key is accepted", ErrAlgorithms)
	}
	for name := range a.Hash {
		if !knownHash(name) {
			return fmt.Errorf("%w: hash %q is not known (names are like SHA-256, SHA3-512)", ErrAlgorithms, name)
		}
	}
	for _, rule := range a.Key {
		if rule.Kind != kindRSA && rule.Kind != kindEC && rule.Kind != kindEd25519 || rule.Bits <= 0 {
			return fmt.Errorf("%w: key %q of %d bits (kinds: %s, %s, %s)", ErrAlgorithms, rule.Kind, rule.Bits, kindRSA, kindEC, kindEd25519)
		}
	}
	return nil
}

// knownHash tells whether crypto.Hash has a name.
func knownHash(name string) bool {
	for h := crypto.MD4; h <= crypto.BLAKE2b_512; h++ {
		if h.String() == name {
			return true
		}
	}
	return false
}

// Kinds of keys.
const (
	kindRSA     = "RSA"
	kindEC      = "EC"
	kindEd25519 = "Ed25519"
)

// DefaultAlgorithms are those that hold when nothing else is asked for.
func DefaultAlgorithms() (*Algorithms, error) {
	return ReadAlgorithms(bytes.NewReader(defaultAlgorithms))
}

// allowed are the algorithms of the policy.
func (v *validation) allowed() *Algorithms { return v.policy.Algorithms }

// retired is an algorithm that is not accepted at the time asked.
type retired struct {
	name  string
	until time.Time // zero: never accepted
}

func (r retired) day() string {
	if r.until.IsZero() {
		return "-"
	}
	return r.until.Format(time.DateOnly)
}

// over tells whether the last day is past.
func over(until, at time.Time) bool {
	return !until.IsZero() && !at.Before(until.AddDate(0, 0, 1))
}

// hashAt is nil when a hash is accepted at a time.
func (a *Algorithms) hashAt(h crypto.Hash, at time.Time) *retired {
	until, known := a.Hash[h.String()]
	if !known || over(until, at) {
		return &retired{name: h.String(), until: until}
	}
	return nil
}

// keyAt is nil when a public key is accepted at a time.
func (a *Algorithms) keyAt(public crypto.PublicKey, at time.Time) *retired {
	kind, bits := kindOf(public)
	if bits == 0 {
		return nil // the path's own rules decide about other keys
	}
	best := a.keyRule(kind, bits)
	if best.Bits == 0 || over(best.Until, at) {
		return &retired{name: fmt.Sprintf("%s %d", kind, bits), until: best.Until}
	}
	return nil
}

// kindOf is zero for keys that no rule speaks about.
func kindOf(public crypto.PublicKey) (kind string, bits int) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return kindRSA, k.N.BitLen()
	case *ecdsa.PublicKey:
		return kindEC, k.Curve.Params().BitSize
	case ed25519.PublicKey:
		return kindEd25519, 8 * len(k)
	}
	return "", 0
}

// keyRule is the one with the greatest size that a key reaches; zero when it
// reaches none.
func (a *Algorithms) keyRule(kind string, bits int) KeyRule {
	best := KeyRule{}
	for _, rule := range a.Key {
		if rule.Kind == kind && rule.Bits <= bits && rule.Bits > best.Bits {
			best = rule
		}
	}
	return best
}

// algorithm is one that something rests on, and until when it is accepted.
type algorithm struct {
	of    string // what rests on it: a certificate's name, or one of the words below
	name  string
	until time.Time // zero: no end is set, or with bad: never accepted
	bad   bool      // not accepted at the time asked
}

func (a algorithm) day() string { return retired{until: a.until}.day() }

// ofSignature stands for the signature itself.
const ofSignature = "signature"

// ofPath lists the keys of a path and the hashes of the signatures on its
// certificates, then the hash of the container that its leaf signed. The anchor
// is trusted as it is; SHA-1 and weaker in the container is judged apart.
func (a *Algorithms) ofPath(certificates []*x509.Certificate, signed *cms.SignedData, at time.Time) []algorithm {
	var list []algorithm
	for n := 0; n+1 < len(certificates); n++ {
		of := commonName(certificates[n])
		list = a.addKey(list, of, certificates[n].PublicKey, at)
		h := signatureHash(certificates[n].SignatureAlgorithm)
		if h != 0 {
			list = append(list, a.ofHash(of, h, at))
		}
	}
	h := signed.Signer.Digest
	if h != 0 && !cms.WeakHash(h) {
		list = append(list, a.ofHash(ofSignature, h, at))
	}
	return list
}

func (a *Algorithms) ofHash(of string, h crypto.Hash, at time.Time) algorithm {
	return algorithm{of: of, name: h.String(), until: a.Hash[h.String()], bad: a.hashAt(h, at) != nil}
}

// addKey leaves out keys that no rule speaks about.
func (a *Algorithms) addKey(list []algorithm, of string, public crypto.PublicKey, at time.Time) []algorithm {
	kind, bits := kindOf(public)
	if bits == 0 {
		return list
	}
	return append(list, algorithm{of: of, name: fmt.Sprintf("%s %d", kind, bits), until: a.keyRule(kind, bits).Until, bad: a.keyAt(public, at) != nil})
}

// signatureHash is zero for algorithms without one of its own.
func signatureHash(s x509.SignatureAlgorithm) crypto.Hash {
	switch s {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1:
		return crypto.SHA1
	case x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256, x509.DSAWithSHA256:
		return crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		return crypto.SHA512
	}
	return 0
}
