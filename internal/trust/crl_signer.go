package trust

import (
	"context"
	"crypto/x509"
	"errors"
)

const (
	// maxSigners bounds the keys tried on lists for one question, those for
	// the signers' own state included.
	maxSigners = 128
	// maxSignerDepth bounds signers whose state is on lists of other signers.
	maxSignerDepth = 3
)

// listSigner finds the certificate whose key signed a list when that is not the
// issuer's own: a separate key of the same name, or the cRLIssuer of an
// indirect list. It must have a path to the same anchor, may sign lists, and
// must not be revoked itself (RFC 5280 §6.3.3 f, g).
func (s *Store) listSigner(ctx context.Context, req RevocationRequest, c *CRL) *view {
	if req.depth == maxSignerDepth {
		return nil
	}
	for _, v := range s.named(c.issuer, req.Evidence.Certificates) {
		if v.cert.Equal(req.Issuer) || !v.mayListCRL() || v.critical != nil {
			continue
		}
		if *req.tries == maxSigners || ctx.Err() != nil {
			return nil
		}
		*req.tries++
		if c.verifyBy(v.key, v.cert.RawSubjectPublicKeyInfo) != nil {
			continue
		}
		if s.standsForList(ctx, req, c, v) {
			return v
		}
	}
	return nil
}

// named collects the certificates of a subject.
func (s *Store) named(subject distinguished, more []*x509.Certificate) []*view {
	key := subject.key()
	list := append([]*view(nil), s.anchorsBySubject[key]...)
	for n, certs := range [][]*x509.Certificate{s.intermediates, more} {
		for m, cert := range certs {
			if n > 0 && m == maxEvidence {
				break
			}
			name, err := readName(cert.RawSubject)
			if err != nil || name.key() != key {
				continue
			}
			v, err := newView(cert)
			if err == nil {
				list = append(list, v)
			}
		}
	}
	return list
}

var (
	errOtherAnchor  = errors.New("path of the list's signer ends in another anchor")
	errSignerStatus = errors.New("the list's signer is revoked or its state is not known")
)

// standsForList validates the path of a list's signer at the time it signed.
func (s *Store) standsForList(ctx context.Context, req RevocationRequest, c *CRL, signer *view) bool {
	_, err := s.ValidatePath(ctx, signer.cert, Request{
		At: crlTime(c, req.Now), Evidence: Evidence{Certificates: req.Evidence.Certificates}, Strength: req.strength(), under: req.Anchor,
		Accept: func(ctx context.Context, path *Path) error {
			if req.Anchor != nil && !path.Anchor().Equal(req.Anchor) {
				return errOtherAnchor
			}
			return s.signerUnrevoked(ctx, req, path)
		},
	})
	return err == nil
}

// signerUnrevoked asks about every certificate of a signer's path that is not
// being asked about already: a list that speaks about its own signer is taken
// at its word.
func (s *Store) signerUnrevoked(ctx context.Context, req RevocationRequest, path *Path) error {
	under := append(append([]*x509.Certificate(nil), req.under...), req.Certificate)
	for n := 0; n+1 < len(path.Certificates); n++ {
		cert := path.Certificates[n]
		if containsCertificate(under, cert) {
			continue
		}
		inner := req
		inner.Certificate, inner.Issuer = cert, path.Issuer(n)
		inner.under, inner.depth, inner.Anchor, inner.issuerKey = under, req.depth+1, path.Anchor(), nil
		if check(ctx, s, inner).Status != RevocationGood {
			return errSignerStatus
		}
	}
	return nil
}
