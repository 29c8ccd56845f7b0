package crl

import (
	"context"
	"crypto/x509"
	"fmt"
)

// maxImport bounds a list that is brought from elsewhere.
const maxImport = 16 << 20

// Import takes a complete list that the issuer's key signed elsewhere: that of
// an offline or an outside root. It must be in force and newer than the stored
// one.
func (p *Publisher) Import(ctx context.Context, name string, der []byte) (*List, error) {
	i, known := p.issuer(name)
	if !known {
		return nil, fmt.Errorf("%w: issuer %q", ErrNone, name)
	}
	if len(der) > maxImport {
		return nil, fmt.Errorf("%w: over %d bytes", ErrImport, maxImport)
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImport, err)
	}
	err = parsed.CheckSignatureFrom(i.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: not signed by %s: %w", ErrImport, name, err)
	}
	for _, e := range parsed.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("%w: it is not complete (critical extension %s)", ErrImport, e.Id)
		}
	}
	now := p.cfg.Clock.Now()
	switch {
	case parsed.Number == nil || !parsed.Number.IsInt64():
		return nil, fmt.Errorf("%w: it has no number, or one above 63 bits", ErrImport)
	case parsed.NextUpdate.IsZero() || !now.Before(parsed.NextUpdate) || now.Before(parsed.ThisUpdate):
		return nil, fmt.Errorf("%w: it is in force from %s to %s", ErrImport, parsed.ThisUpdate, parsed.NextUpdate)
	}
	s := Scope{Issuer: name}
	head, err := p.cfg.Store.Head(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	l := &List{Scope: s, Number: parsed.Number.Int64(), Revision: head.Revision, ThisUpdate: parsed.ThisUpdate,
		NextUpdate: parsed.NextUpdate, Entries: len(parsed.RevokedCertificateEntries), DER: der}
	err = p.cfg.Store.Put(ctx, "", []*List{l}, s)
	if err != nil {
		return nil, fmt.Errorf("store list of %s: %w", name, err)
	}
	return l, nil
}
