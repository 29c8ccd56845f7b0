package acme

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// lookUp reads a certificate of the register; nil when there is none.
func (s *Server) lookUp(ctx context.Context, serial string) (*ca.Certificate, error) {
	row, err := s.cfg.Authority.Get(auth.WithSubject(ctx, auth.Subject{AccountID: actorName}), serial)
	if errors.Is(err, ca.ErrNotFound) {
		return nil, nil
	}
	return row, err
}

// orderOf is the valid order that a certificate was made for; nil when it was
// made otherwise.
func (s *Server) orderOf(ctx context.Context, serial string) (*orderRow, error) {
	var order orderRow
	err := s.cfg.DB.NewSelect().Model(&order).Where("serial = ?", serial).Where("state = ?", statusValid).Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read order of certificate %s: %w", serial, err)
	}
	return &order, nil
}

// chains are the ways from a certificate upwards that clients may choose from:
// without the root, as TLS servers send them; with it; and over each
// cross-certificate of an authority on the way.
func (s *Server) chains(leaf *x509.Certificate) ([][]*x509.Certificate, error) {
	whole, err := s.cfg.Authority.Chain(leaf)
	if err != nil {
		return nil, err
	}
	list := [][]*x509.Certificate{whole[:len(whole)-1], whole}
	for i, above := range whole[1:] {
		for _, other := range s.cfg.Authority.Issuers() {
			if bytes.Equal(other.RawSubject, above.RawSubject) && bytes.Equal(other.RawSubjectPublicKeyInfo, above.RawSubjectPublicKeyInfo) && !other.Equal(above) {
				list = append(list, append(slices.Clone(whole[:i+1]), other))
			}
		}
	}
	return list, nil
}

// certificate answers RFC 8555 §7.4.2.
func (s *Server) certificate(c *call) (*answer, error) {
	err := c.onlyFetch()
	if err != nil {
		return nil, err
	}
	serial := c.PathValue("serial")
	order, err := s.orderOf(c.Context(), serial)
	if err != nil {
		return nil, err
	}
	if order == nil {
		return nil, missing("certificate")
	}
	err = c.own(order.AccountID)
	if err != nil {
		return nil, err
	}
	row, err := s.lookUp(c.Context(), serial)
	if err != nil {
		return nil, err
	}
	if row == nil {
		return nil, missing("certificate")
	}
	leaf, err := row.X509()
	if err != nil {
		return nil, err
	}
	chains, err := s.chains(leaf)
	if err != nil {
		return nil, err
	}
	chosen := 0
	if variant := c.PathValue("variant"); variant != "" {
		chosen, err = strconv.Atoi(variant)
		if err != nil || chosen < 1 || chosen >= len(chains) {
			return nil, missing("chain")
		}
	}
	a := &answer{textType: "application/pem-certificate-chain"}
	for _, cert := range chains[chosen] {
		a.text = append(a.text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	for i := range chains {
		if i == chosen {
			continue
		}
		link := s.url(pathCert, serial)
		if i > 0 {
			link += "/" + strconv.Itoa(i)
		}
		a.links = append(a.links, "<"+link+`>;rel="alternate"`)
	}
	return a, nil
}
