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

// Handler serves /aia/NAME.cer, /crl/NAME.crl, /ocsp and /tsa, in clear.
func (s *Service) Handler() http.Handler { return s.handler }

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
	return pkihttp.File{DER: l.DER, Modified: l.ThisUpdate}, nil
}

// CRL returns the list in force of an authority.
func (s *Service) CRL(ctx context.Context, name string) (*crl.List, error) {
	if s.authorities[name] == nil {
		return nil, fmt.Errorf("%w: authority %q", ErrNotFound, name)
	}
	return s.crls.Current(ctx, name)
}

// Root is the trust anchor.
func (s *Service) Root() *x509.Certificate { return s.root.cert }

// Chain returns the certificate and those above it, the root last.
func (s *Service) Chain(cert *x509.Certificate) ([]*x509.Certificate, error) {
	if bytes.Equal(cert.Raw, s.root.cert.Raw) {
		return []*x509.Certificate{cert}, nil
	}
	for _, a := range s.authorities {
		if !bytes.Equal(a.cert.RawSubject, cert.RawIssuer) || !bytes.Equal(a.cert.SubjectKeyId, cert.AuthorityKeyId) {
			continue
		}
		err := cert.CheckSignatureFrom(a.cert)
		if err != nil {
			return nil, fmt.Errorf("chain: %w", err)
		}
		if a == s.root {
			return []*x509.Certificate{cert, a.cert}, nil
		}
		return []*x509.Certificate{cert, a.cert, s.root.cert}, nil
	}
	return nil, fmt.Errorf("%w: issuer of %s", ErrNotFound, cert.SerialNumber)
}

// Export returns every certificate of the authority itself as PEM, by file
// name: root-NAME.pem, issuer-NAME.pem, ocsp-NAME.pem, tsa-NAME.pem.
func (s *Service) Export() map[string][]byte {
	files := make(map[string][]byte)
	add := func(kind, name string, cert *x509.Certificate) {
		files[kind+"-"+name+".pem"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	}
	for _, a := range s.authorities {
		add(a.kind, a.name, a.cert)
	}
	for _, u := range s.units {
		add(u.kind, u.name, u.cert)
	}
	return files
}
