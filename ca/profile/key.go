package profile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"
	"strconv"
)

// rsaExponent is the only exponent certified: small ones have a history of
// broken verifiers, large ones are a load on them (FIPS 186-5 §5.1 allows
// from here up).
const rsaExponent = 65537

// knownKeys names the kinds of key that R14 allows: RSA from 2048 bits, ECDSA
// from 256.
func knownKeys() []string {
	return []string{"EC-P256", "EC-P384", "RSA-2048", "RSA-3072", "RSA-4096"}
}

// KeyAlgorithm names the kind of a public key, as profiles do.
func KeyAlgorithm(pub crypto.PublicKey) (string, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return "EC-P256", nil
		case elliptic.P384():
			return "EC-P384", nil
		}
		return "", fmt.Errorf("%w: elliptic curve other than P-256 and P-384", ErrKey)
	case *rsa.PublicKey:
		if k.E != rsaExponent {
			return "", fmt.Errorf("%w: RSA exponent %d, want %d", ErrKey, k.E, rsaExponent)
		}
		name := "RSA-" + strconv.Itoa(k.N.BitLen())
		if !slices.Contains(knownKeys(), name) {
			return "", fmt.Errorf("%w: RSA key of %d bits", ErrKey, k.N.BitLen())
		}
		return name, nil
	default:
		return "", fmt.Errorf("%w: %T", ErrKey, pub)
	}
}

// CheckKey says whether the profile takes the key.
func (p *Profile) CheckKey(pub crypto.PublicKey) error {
	name, err := KeyAlgorithm(pub)
	if err != nil {
		return err
	}
	if !slices.Contains(p.Keys, name) {
		return fmt.Errorf("%w: profile %s does not take %s", ErrKey, p.Name, name)
	}
	return nil
}
