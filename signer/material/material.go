// Package material gathers what keeps a signature verifiable when certificates
// expire and authorities fall silent: the certificates and revocation data of
// the signer, of the time-stamping authorities and of the OCSP responders that
// answered (EN 319 122-1 §6.3, EN 319 132-1 §6.3, level B-LT).
package material

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
)

// ErrTooMany says that more chains need evidence than any real signature has.
var ErrTooMany = errors.New("material: too many chains need evidence")

// maxChains bounds how many chains evidence is collected for.
const maxChains = 16

// Collect fetches certificates and revocation data for one chain.
type Collect func(ctx context.Context, chain []*x509.Certificate) (trust.Evidence, error)

// Gather collects for the signer's chain, the chains of time-stamp tokens and
// those of the OCSP responders that these name.
func Gather(ctx context.Context, collect Collect, chain []*x509.Certificate, tokens ...[]byte) (trust.Evidence, error) {
	chains := [][]*x509.Certificate{chain}
	for _, token := range tokens {
		of, err := TokenChain(token)
		if err != nil {
			return trust.Evidence{}, err
		}
		chains = append(chains, of)
	}
	return GatherChains(ctx, collect, chains)
}

// GatherChains collects for chains, each once, and for those of the OCSP
// responders that these name.
func GatherChains(ctx context.Context, collect Collect, chains [][]*x509.Certificate) (trust.Evidence, error) {
	var all trust.Evidence
	seen := map[string]bool{}
	for i := 0; i < len(chains); i++ {
		key := string(chains[i][0].Raw)
		if seen[key] {
			continue
		}
		if len(seen) == maxChains {
			return all, ErrTooMany
		}
		seen[key] = true
		got, err := collect(ctx, chains[i])
		if err != nil {
			return all, fmt.Errorf("evidence for %q: %w", chains[i][0].Subject.CommonName, err)
		}
		for _, cert := range chains[i] {
			all.AddCertificate(cert)
		}
		all.Add(got)
		more, err := responderChains(got)
		if err != nil {
			return all, err
		}
		chains = append(chains, more...)
	}
	return all, nil
}

// TokenChain is the chain of the time-stamping unit that made a token, as far
// as the token's own certificates go.
func TokenChain(token []byte) ([]*x509.Certificate, error) {
	parsed, err := cms.ParseToken(token)
	if err != nil {
		return nil, fmt.Errorf("time-stamp token: %w", err)
	}
	leaf, err := parsed.SignerCertificate()
	if err != nil {
		return nil, fmt.Errorf("time-stamp token: %w", err)
	}
	return Order(leaf, parsed.Certificates), nil
}

// responderChains gives a chain for every delegated OCSP responder whose own
// status is not settled by id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1).
func responderChains(e trust.Evidence) ([][]*x509.Certificate, error) {
	var out [][]*x509.Certificate
	for _, der := range e.OCSPs {
		response, err := trust.ParseOCSP(der)
		if err != nil {
			return nil, fmt.Errorf("OCSP response: %w", err)
		}
		pool := append(append([]*x509.Certificate(nil), response.Certificates...), e.Certificates...)
		for _, cert := range response.Certificates {
			if !cert.IsCA && !trust.HasNoCheck(cert) {
				out = append(out, Order(cert, pool))
			}
		}
	}
	return out, nil
}

// Order builds the chain of a certificate from a pool, as far as it goes.
func Order(leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for len(chain) <= len(pool) {
		next := issuerOf(chain[len(chain)-1], pool)
		if next == nil {
			return chain
		}
		chain = append(chain, next)
	}
	return chain
}

// issuerOf finds the issuer of a certificate that did not issue itself.
func issuerOf(cert *x509.Certificate, pool []*x509.Certificate) *x509.Certificate {
	if issuedBy(cert, cert) {
		return nil
	}
	for _, candidate := range pool {
		if !candidate.Equal(cert) && issuedBy(cert, candidate) {
			return candidate
		}
	}
	return nil
}

// issuedBy compares names first: a signature takes a thousand times as long.
func issuedBy(cert, issuer *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, issuer.RawSubject) && cert.CheckSignatureFrom(issuer) == nil
}
