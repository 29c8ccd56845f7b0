package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"math/big"

	casapi "github.com/smallstep/certificates/cas/apiv1"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/profile"
)

// DrawSerials makes the service draw its serial numbers from next.
func (s *Service) DrawSerials(next func() (*big.Int, error)) { s.engine.serial = next }

// UseProfiles replaces the profiles.
func (s *Service) UseProfiles(set *profile.Set) { s.profiles = set }

// SignUnprepared asks the signing service for a certificate that nobody
// prepared, as a bug or an intruder inside smallstep would.
func (s *Service) SignUnprepared(template *x509.Certificate, csr *x509.CertificateRequest) error {
	_, err := s.signing.CreateCertificate(&casapi.CreateCertificateRequest{Template: template, CSR: csr})
	return err
}

// PutList stores a list.
func (s *Service) PutList(ctx context.Context, l *crl.List) error {
	return listStore{s.engine.records}.Put(ctx, "", []*crl.List{l}, l.Scope)
}

// RandomSerial is the real source of serial numbers.
func RandomSerial() (*big.Int, error) { return randomSerial() }

// IssueTo certifies a holder by a profile without the desk, through the whole
// of the engine.
func (s *Service) IssueTo(ctx context.Context, name string, csr *x509.CertificateRequest, f profile.Facts) (*Certificate, error) {
	p, err := s.profiles.Get(name)
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, p, csr, f, order{actor: "system:test"})
}

// OrderChain reads and orders a chain as an import does.
func OrderChain(text []byte, key crypto.PublicKey) error {
	certs, err := parseChain(text)
	if err != nil {
		return err
	}
	_, err = orderChain(certs, key)
	return err
}
