package acme

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
)

const (
	// renewalPoll is when a client looks again (RFC 9773 §4.3).
	renewalPoll = 6 * time.Hour
	maxCertID   = 128
)

// renewalInfo answers RFC 9773 §4: anybody may ask.
func (s *Server) renewalInfo(w http.ResponseWriter, r *http.Request) {
	row, cert, err := s.byCertID(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	start, end := window(cert, row, s.cfg.Clock.Now().UTC())
	s.write(w, r, &answer{retry: renewalPoll, body: map[string]any{
		"suggestedWindow": map[string]string{"start": start.Format(time.RFC3339), "end": end.Format(time.RFC3339)}}})
}

// window is when a certificate is best renewed: with a third of its life left,
// spread over a tenth of it; at once, when it is revoked.
func window(cert *x509.Certificate, row *ca.Certificate, now time.Time) (start, end time.Time) {
	if row.RevokedAt != nil {
		return now.Add(-2 * time.Hour).Truncate(time.Second), now.Add(-time.Hour).Truncate(time.Second)
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	start = cert.NotAfter.Add(-life / 3).UTC().Truncate(time.Second)
	return start, start.Add(life / 10).Truncate(time.Second)
}

// byCertID finds a certificate by the identifier of RFC 9773 §4.1: key
// identifier of its issuer, and serial number, both base64url.
func (s *Server) byCertID(ctx context.Context, id string) (*ca.Certificate, *x509.Certificate, error) {
	left, right, ok := strings.Cut(id, ".")
	if !ok || len(id) > maxCertID {
		return nil, nil, malformed("not the identifier of a certificate (RFC 9773 §4.1)")
	}
	issuer, err := base64.RawURLEncoding.Strict().DecodeString(left)
	if err != nil {
		return nil, nil, malformed("the issuer's key identifier is not base64url")
	}
	serial, err := base64.RawURLEncoding.Strict().DecodeString(right)
	if err != nil || len(serial) == 0 || serial[0]&0x80 != 0 {
		return nil, nil, malformed("the serial number is not base64url of a positive number")
	}
	row, err := s.lookUp(ctx, profile.FormatSerial(new(big.Int).SetBytes(serial)))
	if err != nil {
		return nil, nil, err
	}
	if row == nil || row.State != ca.StateIssued || s.profiles[row.Profile] == nil {
		return nil, nil, missing("certificate")
	}
	cert, err := row.X509()
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(cert.AuthorityKeyId, issuer) {
		return nil, nil, missing("certificate")
	}
	return row, cert, nil
}

// replaceable checks what an order says it replaces (RFC 9773 §5): a
// certificate of the account, with a name in common, not replaced yet.
func (s *Server) replaceable(ctx context.Context, a *accountRow, id string, identifiers []Identifier) error {
	if id == "" {
		return nil
	}
	row, cert, err := s.byCertID(ctx, id)
	if err != nil {
		return err
	}
	made, err := s.orderOf(ctx, row.Serial)
	if err != nil {
		return err
	}
	if made == nil || made.AccountID != a.ID {
		return unauthorized("the certificate to be replaced is not the account's")
	}
	if !slices.ContainsFunc(identifiers, func(i Identifier) bool { return cert.VerifyHostname(i.Value) == nil }) {
		return malformed("the certificate to be replaced has none of the order's names")
	}
	var others []orderRow
	err = s.cfg.DB.NewSelect().Model(&others).Where("replaces = ?", id).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read orders that replace: %w", err)
	}
	for i := range others {
		authzs, err := s.authzs(ctx, others[i].ID)
		if err != nil {
			return err
		}
		if others[i].status(authzs, s.cfg.Clock.Now()) != statusInvalid {
			return problem(kindAlreadyReplaced, http.StatusConflict, "another order replaces this certificate already")
		}
	}
	return nil
}
