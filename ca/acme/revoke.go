package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
)

// cause maps a reason of RFC 5280 §5.3.1 to the closed list of causes; of those
// that give the same reason, the one that fits a machine.
func cause(reason int) (ca.Cause, error) {
	switch reason {
	case 0, 5: // unspecified, cessationOfOperation
		return ca.CauseStopped, nil
	case 1: // keyCompromise
		return ca.CauseKeyExposed, nil
	case 3: // affiliationChanged
		return ca.CausePostChanged, nil
	case 4: // superseded
		return ca.CauseDeviceDamaged, nil
	case 9: // privilegeWithdrawn
		return ca.CauseAuthority, nil
	default:
		return "", problem(kindBadReason, http.StatusBadRequest, "reasons are 0, 1, 3, 4, 5 and 9")
	}
}

// revoke answers RFC 8555 §7.6. A certificate is revoked by the account that it
// was made for, by one that has proved all its names, or by its own key.
func (s *Server) revoke(c *call) (*answer, error) {
	var form struct {
		Certificate string `json:"certificate"`
		Reason      int    `json:"reason"`
	}
	err := c.read(&form)
	if err != nil {
		return nil, err
	}
	why, err := cause(form.Reason)
	if err != nil {
		return nil, err
	}
	der, err := base64.RawURLEncoding.DecodeString(form.Certificate)
	if err != nil {
		return nil, malformed("certificate is not base64url")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, malformed("certificate is not one")
	}
	row, err := s.lookUp(c.Context(), profile.FormatSerial(cert.SerialNumber))
	if err != nil {
		return nil, err
	}
	if row == nil || !bytes.Equal(row.DER, der) || s.profiles[row.Profile] == nil {
		return nil, missing("certificate")
	}
	by, err := s.mayRevoke(c, cert, row)
	if err != nil {
		return nil, err
	}
	_, err = s.append(c.Context(), "ca.acme.revoke", by, row.SHA256, map[string]string{"serial": row.Serial, "cause": string(why)})
	if err != nil {
		return nil, err
	}
	_, err = s.cfg.Authority.Revoke(auth.WithSubject(c.Context(), subject(row.AgencyID)), row.Serial, why, "ACME")
	if errors.Is(err, ca.ErrRevoked) {
		return nil, problem(kindAlreadyRevoked, http.StatusBadRequest, "the certificate is revoked already")
	}
	if err != nil {
		return nil, err
	}
	return &answer{}, nil
}

// mayRevoke says who revokes, for the ledger: the account, or the key of the
// certificate itself.
func (s *Server) mayRevoke(c *call, cert *x509.Certificate, row *ca.Certificate) (*accountRow, error) {
	if row.RevokedAt != nil {
		return nil, problem(kindAlreadyRevoked, http.StatusBadRequest, "the certificate is revoked already")
	}
	if c.account == nil {
		key, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if !ok || !key.Equal(c.key.Key) {
			return nil, unauthorized("the key is not the certificate's")
		}
		return &accountRow{ID: "certificate:" + row.Serial, AgencyID: row.AgencyID}, nil
	}
	order, err := s.orderOf(c.Context(), row.Serial)
	if err != nil {
		return nil, err
	}
	if order != nil && order.AccountID == c.account.ID {
		return c.account, nil
	}
	proved, err := s.proved(c.Context(), c.account, cert)
	if err != nil {
		return nil, err
	}
	if !proved || row.AgencyID != c.account.AgencyID {
		return nil, unauthorized("the certificate is another account's")
	}
	return c.account, nil
}

// proved says whether the account holds an authorization for every name.
func (s *Server) proved(ctx context.Context, a *accountRow, cert *x509.Certificate) (bool, error) {
	var names []string
	for _, n := range cert.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	for _, n := range names {
		held, err := s.cfg.DB.NewSelect().Model((*authzRow)(nil)).Where("account_id = ?", a.ID).Where("value = ?", n).
			Where("state = ?", statusValid).Where("expires_at > ?", s.cfg.Clock.Now().UTC()).Exists(ctx)
		if err != nil || !held {
			return false, err
		}
	}
	return len(names) > 0, nil
}
