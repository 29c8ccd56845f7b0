package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/pkihttp"
)

// Handler serves /aia/NAME.cer, /crl/NAME.crl, /ocsp, /tsa and
// /proof/SERIAL.json, in clear.
func (s *Service) Handler() http.Handler { return s.public.handler }

func (s *Service) aia(_ context.Context, name string) (pkihttp.File, error) {
	a := s.authorities[name]
	if a == nil {
		return pkihttp.File{}, pkihttp.ErrNotFound
	}
	return pkihttp.File{DER: a.cert.Raw, Modified: a.cert.NotBefore}, nil
}

func (s *Service) list(ctx context.Context, name string) (pkihttp.File, error) {
	l, err := s.CRL(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return pkihttp.File{}, pkihttp.ErrNotFound
	}
	if err != nil {
		return pkihttp.File{}, err
	}
	return pkihttp.File{DER: l.DER, Modified: l.ThisUpdate, Until: l.NextUpdate}, nil
}

// CRL returns the list of that name in force: NAME of an authority for its
// complete list, NAME-pN for that of a partition, either with -delta. That of
// an authority whose key is elsewhere is the one that was brought last.
func (s *Service) CRL(ctx context.Context, name string) (*crl.List, error) {
	l, err := s.public.crls.Current(ctx, name)
	if errors.Is(err, crl.ErrNone) || errors.Is(err, crl.ErrAway) {
		return nil, fmt.Errorf("%w: list %q: %w", ErrNotFound, name, err)
	}
	return l, err
}

// ImportCRL takes the list that an authority signed elsewhere.
func (s *Service) ImportCRL(ctx context.Context, name string, der []byte) (*crl.List, error) {
	return s.public.crls.Import(ctx, name, der)
}

// Root is the trust anchor above the officials' authority that issues today.
func (s *Service) Root() *x509.Certificate { return s.hierarchy.active(OfficialName).anchor() }

// Anchors are all trust anchors: own roots of every generation, and the
// outside ones above authorities here.
func (s *Service) Anchors() []*x509.Certificate {
	var anchors []*x509.Certificate
	for _, name := range s.hierarchy.names() {
		a := s.hierarchy.byName[name]
		if a.kind == kindRoot {
			anchors = append(anchors, a.cert)
		}
	}
	for _, f := range s.hierarchy.further {
		if f.kind == certAnchor && s.authorities[f.authority] == nil {
			anchors = append(anchors, f.cert)
		}
	}
	return anchors
}

// Issuers are the certificates between trust anchors and holders: those of
// issuing authorities of every generation, cross-certificates, and what stands
// between an outside root and an authority here.
func (s *Service) Issuers() []*x509.Certificate {
	var issuers []*x509.Certificate
	for _, name := range s.hierarchy.names() {
		a := s.hierarchy.byName[name]
		if a.kind == kindIssuer {
			issuers = append(issuers, a.cert)
		}
	}
	for _, f := range s.hierarchy.further {
		if f.kind == certCross || f.kind == certChain {
			issuers = append(issuers, f.cert)
		}
	}
	return issuers
}

// IssuersOf are the certificates of a line, every generation that still
// serves: whoever checks holders of the line takes any of them.
func (s *Service) IssuersOf(line string) []*x509.Certificate {
	var issuers []*x509.Certificate
	for _, name := range s.hierarchy.names() {
		a := s.hierarchy.byName[name]
		if a.line == line && a.signs() {
			issuers = append(issuers, a.cert)
		}
	}
	return issuers
}

// Chain returns the certificate and those above it, the root last.
func (s *Service) Chain(cert *x509.Certificate) ([]*x509.Certificate, error) {
	for _, a := range s.authorities {
		if a.kind == kindRoot && bytes.Equal(cert.Raw, a.cert.Raw) {
			return []*x509.Certificate{cert}, nil
		}
	}
	a, err := s.hierarchy.issuerOf(cert)
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{cert, a.cert}, a.above...), nil
}

// Export returns every certificate of the authority itself as PEM, by file
// name: root-NAME.pem, issuer-NAME.pem, ocsp-NAME.pem, tsa-NAME.pem; also
// cross-NAME-DIGEST.pem, further certificates of an authority, and
// chain-NAME-DIGEST.pem, what stands between an outside root and an authority.
func (s *Service) Export() map[string][]byte {
	files := make(map[string][]byte)
	add := func(kind, name string, cert *x509.Certificate) {
		files[kind+"-"+name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	for _, a := range s.authorities {
		add(a.kind, a.name, a.cert)
	}
	for _, f := range s.hierarchy.further {
		switch f.kind {
		case certCross, certChain:
			add(f.kind, f.authority+"-"+hexSum(f.cert.Raw)[:8], f.cert)
		case certAnchor:
			if s.authorities[f.authority] == nil {
				add(kindRoot, f.authority, f.cert)
			}
		}
	}
	for _, u := range s.public.unitList() {
		add(u.kind, u.name, u.cert)
	}
	return files
}
