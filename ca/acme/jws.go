package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// algorithms that sign requests: RFC 8555 §6.2 asks for ES256, and forbids MACs
// and "none".
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.PS256}
}

// macs that bind an external account (RFC 8555 §7.3.4).
func macs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
}

// envelope is a JWS with its one protected header.
type envelope struct {
	jws    *jose.JSONWebSignature
	header jose.Header
	url    string
}

// parse reads a JWS in flattened JSON serialisation (RFC 8555 §6.2: one
// signature, no unprotected header, payload encoded).
func parse(b []byte, allowed []jose.SignatureAlgorithm) (*envelope, error) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || b[0] != '{' {
		return nil, malformed("a request is a JWS in flattened JSON serialisation")
	}
	var outer struct {
		Protected  string          `json:"protected"`
		Header     json.RawMessage `json:"header"`
		Signatures json.RawMessage `json:"signatures"`
	}
	err := json.Unmarshal(b, &outer)
	if err != nil {
		return nil, malformed("a request is a JWS in flattened JSON serialisation")
	}
	if outer.Header != nil || outer.Signatures != nil {
		return nil, malformed("a request has one signature and no unprotected header")
	}
	err = checkAlgorithm(outer.Protected, allowed)
	if err != nil {
		return nil, err
	}
	jws, err := jose.ParseSigned(string(b), allowed)
	if err != nil {
		return nil, malformed("the JWS could not be read")
	}
	if len(jws.Signatures) != 1 {
		return nil, malformed("a request has one signature")
	}
	e := &envelope{jws: jws, header: jws.Signatures[0].Protected}
	for name, value := range e.header.ExtraHeaders {
		switch name {
		case "url":
			e.url, _ = value.(string)
		case "b64", "crit":
			return nil, malformed("the header %q is not understood", name)
		}
	}
	return e, nil
}

// checkAlgorithm tells a wrong algorithm from other faults, because a client
// can mend it (RFC 8555 §6.2).
func checkAlgorithm(protected string, allowed []jose.SignatureAlgorithm) error {
	raw, err := base64.RawURLEncoding.DecodeString(protected)
	if err != nil {
		return malformed("the protected header is not base64url")
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	err = json.Unmarshal(raw, &header)
	if err != nil {
		return malformed("the protected header is not JSON")
	}
	p := problem(kindBadAlgorithm, http.StatusBadRequest, "the signature algorithm is not one of those allowed")
	for _, a := range allowed {
		if string(a) == header.Algorithm {
			return nil
		}
		p.Algorithms = append(p.Algorithms, string(a))
	}
	return p
}

// verify takes a request through RFC 8555 §6.2 to §6.5. The nonce is spent
// last, so that only who holds a key has the database written.
func (s *Server) verify(w http.ResponseWriter, r *http.Request, by signedBy) (*call, error) {
	b, err := body(w, r)
	if err != nil {
		return nil, err
	}
	e, err := parse(b, algorithms())
	if err != nil {
		return nil, err
	}
	_, err = s.nonces.check(e.header.Nonce)
	if err != nil {
		return nil, err
	}
	c := &call{Request: r, url: s.url(r.URL.EscapedPath())}
	if r.URL.RawQuery != "" {
		c.url += "?" + r.URL.RawQuery
	}
	if e.url != c.url {
		return nil, unauthorized("the header's url is %q, the request's is %q", e.url, c.url)
	}
	c.key, c.account, err = s.signer(r.Context(), e, by)
	if err != nil {
		return nil, err
	}
	c.payload, err = e.jws.Verify(c.key)
	if err != nil {
		return nil, malformed("the signature is not that of the key")
	}
	return c, s.nonces.spend(r.Context(), e.header.Nonce)
}

// signer gives the key that a request names: by value, or by account.
func (s *Server) signer(ctx context.Context, e *envelope, by signedBy) (*jose.JSONWebKey, *accountRow, error) {
	jwk, kid := e.header.JSONWebKey, e.header.KeyID
	switch {
	case (jwk == nil) == (kid == ""):
		return nil, nil, malformed("a request names its key by jwk or by kid, and not by both")
	case jwk != nil && by == byAccount:
		return nil, nil, malformed("this resource takes requests signed by kid")
	case jwk == nil && by == byKey:
		return nil, nil, malformed("this resource takes requests signed by jwk")
	}
	if jwk != nil {
		return jwk, nil, checkKey(jwk, jose.SignatureAlgorithm(e.header.Algorithm))
	}
	id, ok := strings.CutPrefix(kid, s.url(pathAccount))
	if !ok || id == "" {
		return nil, nil, problem(kindAccountMissing, http.StatusBadRequest, "kid is not the URL of an account here")
	}
	account, err := s.findAccount(ctx, "id", id)
	if err != nil {
		return nil, nil, err
	}
	if account == nil {
		return nil, nil, problem(kindAccountMissing, http.StatusBadRequest, "there is no such account")
	}
	if account.Status != statusValid {
		return nil, nil, unauthorized("the account is %s", account.Status)
	}
	key, err := account.key()
	if err != nil {
		return nil, nil, err
	}
	return key, account, checkKey(key, jose.SignatureAlgorithm(e.header.Algorithm))
}

// Sizes of RSA account keys in bits; larger ones are a load on the verifier.
const (
	minRSA = 2048
	maxRSA = 4096
)

// checkKey says whether the key is public, strong enough and fit for the
// algorithm.
func checkKey(jwk *jose.JSONWebKey, alg jose.SignatureAlgorithm) error {
	if !jwk.IsPublic() || !jwk.Valid() {
		return problem(kindBadPublicKey, http.StatusBadRequest, "the key is not a public key")
	}
	var fits []jose.SignatureAlgorithm
	switch k := jwk.Key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			fits = append(fits, jose.ES256)
		case 384:
			fits = append(fits, jose.ES384)
		case 521:
			fits = append(fits, jose.ES512)
		}
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA || k.N.BitLen() > maxRSA || k.E != 65537 {
			return problem(kindBadPublicKey, http.StatusBadRequest, "an RSA key has %d to %d bits and the exponent 65537", minRSA, maxRSA)
		}
		fits = append(fits, jose.RS256, jose.PS256)
	case ed25519.PublicKey:
		fits = append(fits, jose.EdDSA)
	}
	if len(fits) == 0 {
		return problem(kindBadPublicKey, http.StatusBadRequest, "keys of this kind are not taken")
	}
	for _, a := range fits {
		if a == alg {
			return nil
		}
	}
	return malformed("the algorithm %s does not fit the key", alg)
}

// thumbprint identifies a key (RFC 7638).
func thumbprint(jwk *jose.JSONWebKey) (string, error) {
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
