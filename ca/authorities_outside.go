package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/trust"
)

// maxChainFile bounds a chain that is brought, in bytes.
const maxChainFile = 256 << 10

// ImportChain takes the certificate that an outside authority made for one of
// ours, with its chain up to a self-signed root, as PEM in any order. The
// outside root becomes a trust anchor: who may do this decides whom the system
// believes. A waiting authority begins to serve (and to issue, when its line
// has nobody who does); for one that exists the certificate stands beside its
// own.
func (a *Authorities) ImportChain(ctx context.Context, name string, chainPEM []byte) (*AuthorityInfo, error) {
	who, err := a.may(ctx, name)
	if err != nil {
		return nil, err
	}
	certs, err := parseChain(chainPEM)
	if err != nil {
		return nil, err
	}
	of, row, key, err := a.subject(ctx, name)
	if err != nil {
		return nil, err
	}
	chain, err := orderChain(certs, key)
	if err != nil {
		return nil, err
	}
	err = a.checkImported(ctx, chain, of)
	if err != nil {
		return nil, err
	}
	index, err := a.record(ctx, "import", who, name, hexSum(chain[0].Raw), map[string]string{
		"anchor": hexSum(chain[len(chain)-1].Raw), "issuer_serial": chain[0].SerialNumber.Text(16)})
	if err != nil {
		return nil, err
	}
	kind := certOwn
	if of != nil {
		kind = certCross
	}
	err = a.keep(ctx, name, kind, chain[0], who, index)
	if err != nil {
		return nil, err
	}
	for _, cert := range chain[1 : len(chain)-1] {
		err = a.keep(ctx, name, certChain, cert, who, index)
		if err != nil {
			return nil, err
		}
	}
	anchor := chain[len(chain)-1]
	err = a.keep(ctx, outsideName(anchor), certAnchor, anchor, who, index)
	if err != nil {
		return nil, err
	}
	if of == nil {
		err = a.begin(ctx, row, "", "")
	} else {
		err = a.i.reload(ctx)
	}
	if err != nil {
		return nil, err
	}
	a.i.actor = who
	return a.get(name), a.i.units(ctx)
}

// parseChain reads the certificates of a chain that is brought.
func parseChain(text []byte) ([]*x509.Certificate, error) {
	if len(text) > maxChainFile {
		return nil, fmt.Errorf("%w: chain over %d bytes", ErrImport, maxChainFile)
	}
	certs, err := trust.ParsePEM(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImport, err)
	}
	return certs, nil
}

// subject finds the authority by its name, waiting or not, and its public key.
func (a *Authorities) subject(ctx context.Context, name string) (*authority, *authorityRow, any, error) {
	of := a.i.h.byName[name]
	if of != nil {
		if !of.signs() {
			return nil, nil, nil, fmt.Errorf("%w: the key of %s is not in this token", ErrState, name)
		}
		return of, nil, of.cert.PublicKey, nil
	}
	for i := range a.i.h.waiting {
		row := &a.i.h.waiting[i]
		if row.Name != name {
			continue
		}
		signer, err := a.i.deps.Keys.Signer(ctx, row.KeyLabel)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("key of authority %s: %w", name, err)
		}
		return nil, row, signer.Public(), nil
	}
	return nil, nil, nil, fmt.Errorf("%w: authority %q; export its request first", ErrNotFound, name)
}

// orderChain puts certificates in order: that of the key first, a self-signed
// root last. Every one must be used.
func orderChain(certs []*x509.Certificate, key any) ([]*x509.Certificate, error) {
	if len(certs) > maxAbove+1 {
		return nil, fmt.Errorf("%w: %d certificates, limit %d", ErrImport, len(certs), maxAbove+1)
	}
	var chain []*x509.Certificate
	for _, c := range certs {
		if samePublicKey(c.PublicKey, key) {
			chain = append(chain, c)
		}
	}
	if len(chain) != 1 {
		return nil, fmt.Errorf("%w: %d certificates of the authority's key, want one", ErrImport, len(chain))
	}
	for len(chain) < len(certs) {
		last := chain[len(chain)-1]
		var next *x509.Certificate
		for _, c := range certs {
			if c != last && bytes.Equal(c.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(c) == nil {
				next = c
				break
			}
		}
		if next == nil {
			break
		}
		chain = append(chain, next)
	}
	last := chain[len(chain)-1]
	switch {
	case len(chain) != len(certs):
		return nil, fmt.Errorf("%w: the chain breaks above %s (issuer %s)", ErrImport, last.Subject, last.Issuer)
	case len(chain) < 2:
		return nil, fmt.Errorf("%w: the chain must go up to the outside root", ErrImport)
	}
	err := selfSigned(last)
	if err != nil {
		return nil, fmt.Errorf("%w: the chain must go up to a self-signed root: %w", ErrImport, err)
	}
	return chain, nil
}

// checkImported validates the path of an imported certificate as a verifier
// will (RFC 5280 §6.1), and that it is fit for the authority.
func (a *Authorities) checkImported(ctx context.Context, chain []*x509.Certificate, of *authority) error {
	leaf := chain[0]
	if !leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		return fmt.Errorf("%w: the certificate is not one of an authority with keyCertSign and cRLSign", ErrImport)
	}
	if len(leaf.SubjectKeyId) == 0 {
		return fmt.Errorf("%w: the certificate has no key identifier, by which chains are built", ErrImport)
	}
	if of != nil && !bytes.Equal(leaf.RawSubject, of.cert.RawSubject) {
		return fmt.Errorf("%w: the certificate names %s, the authority's own %s: chains would not join", ErrImport, leaf.Subject, of.cert.Subject)
	}
	if of != nil && !bytes.Equal(leaf.SubjectKeyId, of.cert.SubjectKeyId) {
		return fmt.Errorf("%w: the certificate has another key identifier than the authority's own; have it taken from the request", ErrImport)
	}
	if of != nil && of.kind == kindRoot && leaf.MaxPathLenZero {
		return fmt.Errorf("%w: the certificate allows no authority below a root (pathLenConstraint 0)", ErrImport)
	}
	store, err := trust.NewStore(chain[len(chain)-1:], chain[1:len(chain)-1])
	if err != nil {
		return fmt.Errorf("%w: %w", ErrImport, err)
	}
	// The strict rule on algorithms refuses what R14 calls the past.
	_, err = store.ValidatePath(ctx, leaf, trust.Request{At: a.i.deps.Clock.Now(), Purpose: trust.PurposeAny})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrImport, err)
	}
	return nil
}

// begin lets a waiting authority serve by its certificate: as the one that
// issues, when its line has none.
func (a *Authorities) begin(ctx context.Context, row *authorityRow, parent, serial string) error {
	state := AuthorityNext
	if a.i.h.active(row.Line) == nil {
		state = AuthorityActive
	}
	err := a.i.deps.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewUpdate().Model((*authorityRow)(nil)).Set("state = ?", state).Set("parent = ?", parent).
			Set("serial = ?", serial).Where("name = ?", row.Name).Where("state = ?", AuthorityWaiting).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n != 1 {
			err = fmt.Errorf("%w: authority %s does not wait any more", ErrState, row.Name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin authority %s: %w", row.Name, err)
	}
	return a.i.reload(ctx)
}
