package ca

import (
	"context"
	"crypto/x509"
	"errors"

	"github.com/antin-gov/antin/ca/profile"
)

// Standing says whether a certificate is one of ours and in force: issued,
// byte for byte, neither revoked nor on hold, and within its validity.
func (s *Service) Standing(ctx context.Context, cert *x509.Certificate) (bool, error) {
	row, err := s.engine.records.get(ctx, profile.FormatSerial(cert.SerialNumber))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now := s.deps.Clock.Now()
	return row.State == StateIssued && row.SHA256 == hexSum(cert.Raw) && row.RevokedAt == nil &&
		!now.Before(cert.NotBefore) && !now.After(cert.NotAfter), nil
}
