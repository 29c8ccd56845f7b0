package est

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
)

// maxRenewals is how often one certificate renews itself: enough for clients
// that lose an answer and a key, not enough to fill the register.
const maxRenewals = 10

// reenrol answers RFC 7030 §4.2.2: the certificate that the TLS session was
// opened with is renewed, for the same names, with the old key or a new one.
func (s *Server) reenrol(w http.ResponseWriter, r *http.Request, label string) error {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return refuse(http.StatusUnauthorized, "a certificate is renewed over a session opened with it")
	}
	old := r.TLS.PeerCertificates[0]
	held, err := s.held(r.Context(), old, label)
	if err != nil {
		return err
	}
	csr, err := readCSR(w, r)
	if err != nil {
		return err
	}
	err = sameHolder(csr, old)
	if err != nil {
		return err
	}
	row, err := s.renewal(r.Context(), held, csr)
	if err != nil {
		return err
	}
	cert, err := s.issue(r.Context(), row, ca.ServiceForm{Profile: held.Profile, Machine: held.Machine, AgencyID: held.AgencyID,
		DNSNames: old.DNSNames, IPs: old.IPAddresses, CSR: csr.Raw, RequestID: row.ID})
	if err != nil {
		return err
	}
	return s.give(w, cert)
}

// held gives the register's record of a certificate, if it stands.
func (s *Server) held(ctx context.Context, cert *x509.Certificate, label string) (*ca.Certificate, error) {
	who := auth.WithSubject(ctx, auth.Subject{AccountID: actorName})
	row, err := s.cfg.Authority.Get(who, profile.FormatSerial(cert.SerialNumber))
	if errors.Is(err, ca.ErrNotFound) {
		return nil, refuse(http.StatusForbidden, "the certificate is not one of this centre")
	}
	if err != nil {
		return nil, err
	}
	switch {
	case !bytes.Equal(row.DER, cert.Raw) || s.profiles[row.Profile] == nil:
		return nil, refuse(http.StatusForbidden, "the certificate is not one of this centre's for machines")
	case row.RevokedAt != nil || row.State != ca.StateIssued:
		return nil, refuse(http.StatusForbidden, "the certificate is revoked")
	case s.cfg.Clock.Now().After(cert.NotAfter):
		return nil, refuse(http.StatusForbidden, "the certificate has expired; ask an officer for a one-time secret")
	case label != "" && label != row.Profile:
		return nil, refuse(http.StatusForbidden, "the certificate is of the profile %s", row.Profile)
	}
	return row, s.agencyStands(ctx, row.AgencyID)
}

// sameHolder holds a request against the certificate to be renewed: the whole
// subject or its common name alone, and the same alternative names. What the
// authority itself adds (the agency's URI) may be left out.
func sameHolder(csr *x509.CertificateRequest, old *x509.Certificate) error {
	subject := bytes.Equal(csr.RawSubject, old.RawSubject) ||
		len(csr.Subject.Names) == 1 && csr.Subject.CommonName == old.Subject.CommonName || len(csr.Subject.Names) == 0
	if !subject {
		return refuse(http.StatusForbidden, "the subject is not that of the certificate to be renewed: %s", old.Subject)
	}
	if !slices.Equal(names(csr.DNSNames, csr.IPAddresses), names(old.DNSNames, old.IPAddresses)) || len(csr.EmailAddresses) > 0 {
		return refuse(http.StatusForbidden, "the alternative names are not those of the certificate to be renewed: %s", strings.Join(names(old.DNSNames, old.IPAddresses), ", "))
	}
	for _, u := range csr.URIs {
		if !slices.ContainsFunc(old.URIs, func(o *url.URL) bool { return o.String() == u.String() }) {
			return refuse(http.StatusForbidden, "the URI %s is not in the certificate to be renewed", u)
		}
	}
	return nil
}

// names are the alternative names in one order.
func names[IP fmt.Stringer](dns []string, ips []IP) []string {
	var list []string
	for _, n := range dns {
		list = append(list, strings.ToLower(n))
	}
	for _, ip := range ips {
		list = append(list, ip.String())
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// renewal finds or begins the renewal of a certificate with a key.
func (s *Server) renewal(ctx context.Context, held *ca.Certificate, csr *x509.CertificateRequest) (*enrolment, error) {
	source := "certificate-" + held.Serial + "-" + hexSum(csr.RawSubjectPublicKeyInfo)
	row, err := s.find(ctx, source)
	if err != nil || row != nil {
		return row, err
	}
	n, err := s.cfg.DB.NewSelect().Model((*enrolment)(nil)).Where("holder = ?", held.Serial).Count(ctx)
	if err != nil {
		return nil, fmt.Errorf("count renewals: %w", err)
	}
	if n >= maxRenewals {
		no := refuse(http.StatusTooManyRequests, "the certificate was renewed %d times already; renew by the newest", n)
		no.retry = time.Hour
		return nil, no
	}
	row = &enrolment{Source: source, Holder: held.Serial, AgencyID: held.AgencyID}
	err = s.start(ctx, row, csr, held.Profile, map[string]string{"renews": held.Serial}, func(context.Context, bun.Tx) error { return nil })
	if err != nil {
		return nil, err
	}
	return row, nil
}
