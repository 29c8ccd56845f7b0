package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// maxAbove bounds the certificates between an authority and its trust anchor.
const maxAbove = 8

// hierarchy is all authorities as the register has them, with their keys.
type hierarchy struct {
	// byName holds the authorities that have a certificate.
	byName map[string]*authority
	// waiting holds those that have only a key yet.
	waiting []authorityRow
	// further are certificates from others and for others: cross-certificates,
	// outside roots and what stands between.
	further []furtherCertificate
}

// furtherCertificate is a certificate beside the authorities' own.
type furtherCertificate struct {
	authority, kind string
	cert            *x509.Certificate
}

// loadHierarchy reads the authorities, finds their keys and climbs from each to
// its trust anchor. It refuses a key that does not fit and a chain that does
// not hold; which authorities there must be is the caller's matter.
func loadHierarchy(ctx context.Context, r records, keys Keys, now time.Time) (*hierarchy, error) {
	h := &hierarchy{byName: make(map[string]*authority)}
	err := h.loadFurther(ctx, r)
	if err != nil {
		return nil, err
	}
	var rows []authorityRow
	err = r.db.NewSelect().Model(&rows).OrderExpr("line, generation").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	parents := make(map[string]string)
	for _, row := range rows {
		if row.State == AuthorityWaiting {
			h.waiting = append(h.waiting, row)
			continue
		}
		a, err := h.load(ctx, r, keys, row, now)
		if err != nil {
			return nil, fmt.Errorf("authority %s: %w", row.Name, err)
		}
		h.byName[row.Name], parents[row.Name] = a, row.Parent
	}
	for name, a := range h.byName {
		a.above, err = h.climb(a, parents)
		if err != nil {
			return nil, fmt.Errorf("authority %s: %w", name, err)
		}
	}
	return h, nil
}

func (h *hierarchy) loadFurther(ctx context.Context, r records) error {
	var rows []authorityCertificate
	err := r.db.NewSelect().Model(&rows).OrderExpr("added_at, sha256").Scan(ctx)
	if err != nil {
		return fmt.Errorf("read certificates of authorities: %w", err)
	}
	for _, row := range rows {
		cert, err := x509.ParseCertificate(row.DER)
		if err != nil {
			return fmt.Errorf("read certificate %s of authority %s: %w", row.SHA256, row.Authority, err)
		}
		h.further = append(h.further, furtherCertificate{row.Authority, row.Kind, cert})
	}
	return nil
}

func (h *hierarchy) load(ctx context.Context, r records, keys Keys, row authorityRow, now time.Time) (*authority, error) {
	cert, err := h.certificate(ctx, r, row)
	if err != nil {
		return nil, err
	}
	if !cert.IsCA || cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		return nil, fmt.Errorf("%w: its certificate is not one of an authority", ErrConfig)
	}
	ended := now.After(cert.NotAfter)
	if now.Before(cert.NotBefore) || ended && row.State != AuthorityFormer {
		return nil, fmt.Errorf("%w: its certificate is not valid at %s", ErrConfig, now.Format(time.RFC3339))
	}
	// A former authority that has come to its end is only shown: nothing that
	// it certified is valid any more.
	var signer crypto.Signer
	if row.Custody == CustodyToken && !ended {
		signer, err = keys.Signer(ctx, row.KeyLabel)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", row.KeyLabel, err)
		}
	}
	return newAuthority(row, cert, signer)
}

// certificate finds the certificate of an authority, in the register or among
// those that others made.
func (h *hierarchy) certificate(ctx context.Context, r records, row authorityRow) (*x509.Certificate, error) {
	if row.Serial == "" {
		for _, f := range h.further {
			if f.authority == row.Name && (f.kind == certOwn || f.kind == certAnchor) {
				return f.cert, nil
			}
		}
		return nil, fmt.Errorf("%w: certificate of authority %s", ErrNotFound, row.Name)
	}
	stored, err := r.get(ctx, row.Serial)
	if err != nil {
		return nil, err
	}
	if stored.State != StateIssued {
		return nil, fmt.Errorf("%w: certificate of authority %s is %s", ErrState, row.Name, stored.State)
	}
	return stored.X509()
}

// climb finds the certificates above an authority, the anchor last.
func (h *hierarchy) climb(a *authority, parents map[string]string) ([]*x509.Certificate, error) {
	if a.kind == kindRoot {
		return nil, selfSigned(a.cert)
	}
	parent := h.byName[parents[a.name]]
	if parent != nil {
		err := a.cert.CheckSignatureFrom(parent.cert)
		if err != nil {
			return nil, fmt.Errorf("%w: chain to %s: %w", ErrConfig, parent.name, err)
		}
		if parent.kind != kindRoot {
			return nil, fmt.Errorf("%w: %s is certified by %s, which is no root", ErrConfig, a.name, parent.name)
		}
		return []*x509.Certificate{parent.cert}, nil
	}
	var above []*x509.Certificate
	for cert := a.cert; len(above) < maxAbove; {
		next := h.above(cert)
		if next == nil {
			break
		}
		above = append(above, next)
		if selfSigned(next) == nil {
			return above, nil
		}
		cert = next
	}
	return nil, fmt.Errorf("%w: no chain to a trust anchor", ErrConfig)
}

// above finds the outside issuer of a certificate.
func (h *hierarchy) above(cert *x509.Certificate) *x509.Certificate {
	for _, f := range h.further {
		if f.kind != certChain && f.kind != certAnchor || !bytes.Equal(f.cert.RawSubject, cert.RawIssuer) {
			continue
		}
		if cert.CheckSignatureFrom(f.cert) == nil {
			return f.cert
		}
	}
	return nil
}

func selfSigned(cert *x509.Certificate) error {
	if !bytes.Equal(cert.RawIssuer, cert.RawSubject) {
		return fmt.Errorf("%w: a root that is not its own issuer", ErrConfig)
	}
	err := cert.CheckSignatureFrom(cert)
	if err != nil {
		return fmt.Errorf("%w: a root whose signature is not its own: %w", ErrConfig, err)
	}
	return nil
}

// names lists the authorities in order.
func (h *hierarchy) names() []string { return slices.Sorted(maps.Keys(h.byName)) }

// active is the generation of the line that issues; nil when there is none.
func (h *hierarchy) active(line string) *authority {
	for _, a := range h.byName {
		if a.line == line && a.state == AuthorityActive {
			return a
		}
	}
	return nil
}

// newest is the highest generation of a line, waiting ones with it; 0 when the
// line is empty.
func (h *hierarchy) newest(line string) int64 {
	var n int64
	for _, a := range h.byName {
		if a.line == line {
			n = max(n, a.generation)
		}
	}
	for _, row := range h.waiting {
		if row.Line == line {
			n = max(n, row.Generation)
		}
	}
	return n
}

// issuerOf finds the authority that made a certificate.
func (h *hierarchy) issuerOf(cert *x509.Certificate) (*authority, error) {
	for _, name := range h.names() {
		a := h.byName[name]
		if !bytes.Equal(a.cert.RawSubject, cert.RawIssuer) || !bytes.Equal(a.cert.SubjectKeyId, cert.AuthorityKeyId) {
			continue
		}
		err := cert.CheckSignatureFrom(a.cert)
		if err != nil {
			return nil, fmt.Errorf("chain: %w", err)
		}
		return a, nil
	}
	return nil, fmt.Errorf("%w: issuer of %s", ErrNotFound, cert.SerialNumber)
}

// authorityName is the name of a generation.
func authorityName(line string, generation int64) string {
	g := "g" + strconv.FormatInt(generation, 10)
	switch {
	case line == lineRoot:
		return g
	case generation == 1:
		return line
	default:
		return line + "-" + g
	}
}

// keyLabel is the label of a generation's key in the token.
func keyLabel(line string, generation int64) string {
	if line == lineRoot {
		return "ca-root-" + authorityName(line, generation)
	}
	return "ca-" + authorityName(line, generation)
}
