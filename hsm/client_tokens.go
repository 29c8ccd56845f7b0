package hsm

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"
)

// objectWait is the least wait for work on keys, which takes seconds.
const objectWait = generateWait

// Tokens tells the state of each token of the worker, in the order of its
// configuration.
func (c *Client) Tokens(ctx context.Context) ([]TokenInfo, error) {
	resp, _, err := c.do(ctx, request{Op: opTokens}, c.maxWait)
	if err != nil {
		return nil, err
	}
	return resp.Tokens, nil
}

// SetState puts a token in a state: StateDrained takes it out, StateActive
// brings it back (and tries a refused PIN anew when its source has changed),
// StateQuarantined takes it out until it has proved itself.
func (c *Client) SetState(ctx context.Context, token string, state TokenState) error {
	_, _, err := c.do(ctx, request{Op: opSetState, Token: token, State: state}, c.maxWait)
	if err != nil {
		return fmt.Errorf("token %q: %w", token, err)
	}
	return nil
}

// Probe finds out by trying what a token does; empty means the first token. It
// takes seconds and leaves nothing in the token.
func (c *Client) Probe(ctx context.Context, token string) (Probe, error) {
	resp, _, err := c.do(ctx, request{Op: opProbe, Token: token}, max(c.maxWait, probeTime))
	if err != nil {
		return Probe{}, fmt.Errorf("probe token %q: %w", token, err)
	}
	if resp.Probe == nil {
		return Probe{}, fmt.Errorf("%w: no probe in the answer", ErrWorkerFailed)
	}
	return *resp.Probe, nil
}

// NewKey asks for a key pair.
type NewKey struct {
	// Label names the key; no token of the worker may have it.
	Label string
	// Algorithm is as for Generate.
	Algorithm string
	// Token names the token; empty means the first active one.
	Token string
	// Backup makes a key that may leave the token encrypted under another key
	// (see WrapKey). Decided at its birth: it cannot be given later.
	Backup bool
}

// GenerateKey makes a key pair as k says; see Generate.
func (c *Client) GenerateKey(ctx context.Context, k NewKey) (crypto.PublicKey, error) {
	err := checkLabel(k.Label)
	if err != nil {
		return nil, err
	}
	id := make([]byte, keyIDSize)
	_, err = rand.Read(id)
	if err != nil {
		return nil, fmt.Errorf("key id: %w", err)
	}
	resp, _, err := c.do(ctx, request{
		Op: opGenerate, Label: k.Label, Algorithm: k.Algorithm, KeyID: id, Token: k.Token, Backup: k.Backup,
	}, max(c.maxWait, generateWait))
	if err != nil {
		return nil, err
	}
	return c.remember(k.Label, resp.Key)
}

// ImportCertificate keeps a certificate (DER) beside its private key in every
// active token that holds the key, so that other programs find both;
// ErrKeyMismatch when it is of another key.
func (c *Client) ImportCertificate(ctx context.Context, label string, der []byte) error {
	_, _, err := c.do(ctx, request{Op: opImportCertificate, Label: label, Certificate: der}, max(c.maxWait, objectWait))
	if err != nil {
		return fmt.Errorf("certificate of %q: %w", label, err)
	}
	return nil
}

// DeleteKey destroys a key in one token. Both label and id (KeyInfo.ID) must
// match; the token must be named.
func (c *Client) DeleteKey(ctx context.Context, token, label, id string) error {
	raw, err := hex.DecodeString(id)
	if err != nil {
		return fmt.Errorf("%w: key id %q is not hexadecimal", ErrBadRequest, id)
	}
	_, _, err = c.do(ctx, request{Op: opDelete, Token: token, Label: label, KeyID: raw}, max(c.maxWait, objectWait))
	if err != nil {
		return fmt.Errorf("delete key %q in token %q: %w", label, token, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, label)
	return nil
}

// WrapKey gives the private key encrypted under kek (AES, 32 bytes; RFC 5649
// over PKCS #8). ErrUnsupported when it was not made for backup or the token
// cannot wrap. An empty token means the first active one that holds the key.
func (c *Client) WrapKey(ctx context.Context, token, label string, kek []byte) ([]byte, error) {
	resp, _, err := c.do(ctx, request{Op: opWrap, Token: token, Label: label, KEK: kek}, max(c.maxWait, objectWait))
	if err != nil {
		return nil, fmt.Errorf("wrap key %q: %w", label, err)
	}
	return resp.Wrapped, nil
}

// WrappedKey is a key on its way back into a token.
type WrappedKey struct {
	// Token names the token; empty means the first active one.
	Token string
	Label string
	// ID is KeyInfo.ID of the key that was wrapped.
	ID      string
	Public  crypto.PublicKey
	Wrapped []byte
}

// UnwrapKey puts a wrapped key into a token. The token signs once and the
// signature is verified with w.Public before the key stays.
func (c *Client) UnwrapKey(ctx context.Context, w WrappedKey, kek []byte) error {
	id, err := hex.DecodeString(w.ID)
	if err != nil {
		return fmt.Errorf("%w: key id %q is not hexadecimal", ErrBadRequest, w.ID)
	}
	spki, err := x509.MarshalPKIXPublicKey(w.Public)
	if err != nil {
		return fmt.Errorf("unwrap key %q: %w", w.Label, err)
	}
	_, _, err = c.do(ctx, request{
		Op: opUnwrap, Token: w.Token, Label: w.Label, KeyID: id, KEK: kek, Wrapped: w.Wrapped, SPKI: spki,
	}, max(c.maxWait, objectWait))
	if err != nil {
		return fmt.Errorf("unwrap key %q: %w", w.Label, err)
	}
	return nil
}
