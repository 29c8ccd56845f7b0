package pades

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"

	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/signer/cms"
)

// Sign signs the input and writes the signed file to out. At B-LTA a document
// time-stamp follows the security store (EN 319 142-1, 5.4.3). When it fails the
// output is incomplete and must be thrown away. A document that cannot be
// signed gives a *cos.RefusedError.
func Sign(ctx context.Context, in io.ReaderAt, size int64, out Output, o Options) (*Result, error) {
	o = o.withDefaults()
	p, err := Prepare(ctx, in, size, out, o)
	if err != nil {
		return nil, err
	}
	der, err := cms.Sign(ctx, p.Digest, o.params())
	if err != nil {
		return nil, fmt.Errorf("pades: %w", err)
	}
	err = p.Complete(out, der)
	if err != nil {
		return nil, err
	}
	r := &Result{Level: o.Level, Field: p.Field, Size: p.Size, Signed: p.Size, ByteRange: p.ByteRange, Digest: p.Digest, CMS: der}
	if !o.Level.long() {
		return r, nil
	}
	r.Evidence, err = gatherSignature(ctx, der, o)
	if err != nil {
		return nil, err
	}
	r.Size, err = AddEvidence(out, p.Size, o, p, r.Evidence)
	if err != nil || o.Level != LevelLTA {
		return r, err
	}
	stamp, err := addTimestamp(ctx, out, r.Size, o)
	if err != nil {
		return nil, err
	}
	r.Size, r.Archive = stamp.end, stamp.token.GenTime
	return r, nil
}

// maxChains bounds how many chains evidence is collected for: signer, time
// stamps and the responders these name.
const maxChains = 16

// gatherSignature collects evidence for the signer's chain, the chains of the
// time-stamp tokens and those of OCSP responders (EN 319 142-1, 5.4.2).
func gatherSignature(ctx context.Context, der []byte, o Options) (trust.Evidence, error) {
	signed, err := cms.Parse(der)
	if err != nil {
		return trust.Evidence{}, fmt.Errorf("pades: signature: %w", err)
	}
	chains := [][]*x509.Certificate{o.Chain}
	for _, token := range signed.Signer.Timestamps {
		chain, err := tokenChain(token)
		if err != nil {
			return trust.Evidence{}, err
		}
		chains = append(chains, chain)
	}
	return gather(ctx, chains, o)
}

// gather collects evidence for chains and those of the responders that answer.
func gather(ctx context.Context, chains [][]*x509.Certificate, o Options) (trust.Evidence, error) {
	var all trust.Evidence
	seen := map[string]bool{}
	for i := 0; i < len(chains); i++ {
		chain := chains[i]
		key := string(chain[0].Raw)
		if seen[key] {
			continue
		}
		if len(seen) == maxChains {
			return all, fmt.Errorf("%w: more than %d chains need evidence", ErrOptions, maxChains)
		}
		seen[key] = true
		got, err := o.Collect(ctx, chain)
		if err != nil {
			return all, fmt.Errorf("pades: evidence for %q: %w", chain[0].Subject.CommonName, err)
		}
		for _, cert := range chain {
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

func tokenChain(token []byte) ([]*x509.Certificate, error) {
	parsed, err := cms.ParseToken(token)
	if err != nil {
		return nil, fmt.Errorf("pades: time-stamp token: %w", err)
	}
	leaf, err := parsed.SignerCertificate()
	if err != nil {
		return nil, fmt.Errorf("pades: time-stamp token: %w", err)
	}
	return order(leaf, parsed.Certificates), nil
}

// responderChains gives a chain for every delegated OCSP responder whose own
// status is not settled by id-pkix-ocsp-nocheck (RFC 6960, 4.2.2.2.1).
func responderChains(e trust.Evidence) ([][]*x509.Certificate, error) {
	var out [][]*x509.Certificate
	for _, der := range e.OCSPs {
		response, err := trust.ParseOCSP(der)
		if err != nil {
			return nil, fmt.Errorf("pades: OCSP response: %w", err)
		}
		for _, cert := range response.Certificates {
			if cert.IsCA || trust.HasNoCheck(cert) {
				continue
			}
			out = append(out, order(cert, append(response.Certificates, e.Certificates...)))
		}
	}
	return out, nil
}

// order builds the chain of a certificate from a pool, as far as it goes.
func order(leaf *x509.Certificate, pool []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{leaf}
	for len(chain) <= len(pool) {
		last := chain[len(chain)-1]
		if last.CheckSignatureFrom(last) == nil {
			return chain
		}
		found := false
		for _, cert := range pool {
			if !cert.Equal(last) && last.CheckSignatureFrom(cert) == nil {
				chain = append(chain, cert)
				found = true
				break
			}
		}
		if !found {
			return chain
		}
	}
	return chain
}
