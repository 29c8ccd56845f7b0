package hsm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"io"
)

// signer is a crypto.Signer whose key is in the token.
type signer struct {
	client *Client
	label  string
	pub    crypto.PublicKey
}

// Public gives the public key without asking the worker.
func (s *signer) Public() crypto.PublicKey { return s.pub }

// Sign signs a digest with SHA-256, SHA-384 or SHA-512: RSA PKCS #1 v1.5, or
// RSA-PSS when opts is *rsa.PSSOptions, or ECDSA; a key of Ed25519 signs the
// message itself, with crypto.Hash(0). The token brings its own
// random numbers; the reader is not used. It waits at most the client's
// MaxWait.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts == nil {
		return nil, fmt.Errorf("%w: no hash named", ErrUnsupported)
	}
	plan, err := s.plan(digest, opts)
	if err != nil {
		return nil, err
	}
	resp, conn, err := s.client.sign(s.label, plan)
	if err != nil {
		return nil, fmt.Errorf("sign with key %q: %w", s.label, err)
	}
	err = s.client.checkFirst(s.label, conn, plan, resp.Signature)
	if err != nil {
		return nil, err
	}
	return resp.Signature, nil
}

// plan chooses the scheme from the key and the options.
func (s *signer) plan(digest []byte, opts crypto.SignerOpts) (signPlan, error) {
	hash := opts.HashFunc()
	switch s.pub.(type) {
	case *ecdsa.PublicKey:
		return planSignature(s.pub, schemeECDSA, hash.String(), 0, digest)
	case *rsa.PublicKey:
		pss, ok := opts.(*rsa.PSSOptions)
		if !ok {
			return planSignature(s.pub, schemePKCS1, hash.String(), 0, digest)
		}
		salt := pss.SaltLength
		if salt == rsa.PSSSaltLengthAuto || salt == rsa.PSSSaltLengthEqualsHash {
			// "Auto" means the longest for crypto/rsa; validators expect the
			// length of the hash (ETSI TS 119 312 §5.2).
			salt = len(digest)
		}
		return planSignature(s.pub, schemePSS, hash.String(), salt, digest)
	case ed25519.PublicKey:
		// As crypto/ed25519: a hash of zero means that digest is the message.
		// Ed25519ph and contexts are refused; X.509 uses neither (RFC 8410 §3).
		special, ok := opts.(*ed25519.Options)
		if hash != 0 || (ok && special.Context != "") {
			return signPlan{}, fmt.Errorf("%w: Ed25519 with hash %s or a context", ErrUnsupported, hash)
		}
		return planSignature(s.pub, schemeEdDSA, "", 0, digest)
	default:
		return signPlan{}, fmt.Errorf("%w: public key %T", ErrUnsupported, s.pub)
	}
}

// checkFirst verifies the first signature of a key after each new connection
// with the public key known here: after a reset a token may answer a label
// with another key. Later ones were verified by the worker.
func (c *Client) checkFirst(label string, conn uint64, plan signPlan, sig []byte) error {
	c.mu.Lock()
	known := c.known[label]
	checked := known != nil && known.checked == conn
	c.mu.Unlock()
	if checked {
		return nil
	}
	if !plan.verify(sig) {
		return fmt.Errorf("%w: %q", ErrKeyMismatch, label)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known != nil {
		known.checked = conn
	}
	return nil
}
