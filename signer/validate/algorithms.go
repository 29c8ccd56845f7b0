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

	"github.com/antin-gov/antin/internal/trust"
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
	if len(a.Hash) == 0 || len(a.Key) == 0 {
		return nil, fmt.Errorf("%w: no hash or no key is accepted", ErrAlgorithms)
	}
	for _, rule := range a.Key {
		if rule.Kind != kindRSA && rule.Kind != kindEC && rule.Kind != kindEd25519 || rule.Bits <= 0 {
			return nil, fmt.Errorf("%w: key %q of %d bits", ErrAlgorithms, rule.Kind, rule.Bits)
		}
	}
	return &a, nil
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

// allowed are the algorithms of the options, else the default ones.
func (v *validation) allowed() *Algorithms {
	if v.options.Algorithms != nil {
		return v.options.Algorithms
	}
	if v.defaults == nil {
		a, err := DefaultAlgorithms()
		if err != nil {
			a = &Algorithms{} // which accepts nothing
		}
		v.defaults = a
	}
	return v.defaults
}

// strong is nil when the algorithms of a path and of the container that its
// leaf signed are accepted at a time. SHA-1 and what is weaker is judged apart.
func (v *validation) strong(path *trust.Path, signed *cms.SignedData, at time.Time) *retired {
	bad := v.allowed().pathAt(path.Certificates, at)
	h := signed.Signer.Digest
	if bad == nil && h != 0 && !cms.WeakHash(h) {
		bad = v.allowed().hashAt(h, at)
	}
	return bad
}

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
	kind, bits := "", 0
	switch k := public.(type) {
	case *rsa.PublicKey:
		kind, bits = kindRSA, k.N.BitLen()
	case *ecdsa.PublicKey:
		kind, bits = kindEC, k.Curve.Params().BitSize
	case ed25519.PublicKey:
		kind, bits = kindEd25519, 8*len(k)
	default:
		return nil // the path's own rules decide about other keys
	}
	best := KeyRule{}
	for _, rule := range a.Key {
		if rule.Kind == kind && rule.Bits <= bits && rule.Bits > best.Bits {
			best = rule
		}
	}
	if best.Bits == 0 || over(best.Until, at) {
		return &retired{name: fmt.Sprintf("%s %d", kind, bits), until: best.Until}
	}
	return nil
}

// pathAt looks at the keys of a path and the signatures on its certificates;
// the anchor is trusted as it is.
func (a *Algorithms) pathAt(certificates []*x509.Certificate, at time.Time) *retired {
	for n := 0; n+1 < len(certificates); n++ {
		bad := a.keyAt(certificates[n].PublicKey, at)
		if bad != nil {
			return bad
		}
		h := signatureHash(certificates[n].SignatureAlgorithm)
		if h == 0 {
			continue
		}
		bad = a.hashAt(h, at)
		if bad != nil {
			return bad
		}
	}
	return nil
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
