package acme

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
)

// issueLease is how long an issue may be under way before it is taken up anew:
// longer than the token's longest wait.
const issueLease = 5 * time.Minute

func badCSR(format string, args ...any) *Problem {
	return problem(kindBadCSR, http.StatusBadRequest, format, args...)
}

// finalize answers RFC 8555 §7.4: the request is read, the order taken and the
// certificate made before the answer leaves.
func (s *Server) finalize(c *call) (*answer, error) {
	order, authzs, err := s.readOrder(c, c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	state := order.status(authzs, s.cfg.Clock.Now())
	if state == statusProcessing || state == statusValid {
		return s.orderView(order, authzs, 0) // asked again: what there is
	}
	if state != statusReady {
		return nil, problem(kindNotReady, http.StatusForbidden, "the order is %s", state)
	}
	csr, err := s.csr(c, order)
	if err != nil {
		return nil, err
	}
	credential, err := s.standing(c.Context(), c.account)
	if err != nil {
		return nil, err
	}
	err = errors.Join(credential.Allows(order.Profile, csr.DNSNames, csr.IPAddresses), s.cfg.Desk.CheckKey(c.Context(), c.account.AgencyID, csr.RawSubjectPublicKeyInfo))
	if errors.Is(err, enrol.ErrKeyUsed) {
		return nil, problem(kindBadPublicKey, http.StatusBadRequest, "the key was certified for another agency, or was compromised")
	}
	if err != nil {
		return nil, err
	}
	err = s.take(c, order, csr)
	if err != nil {
		return nil, err
	}
	err = s.issue(context.WithoutCancel(c.Context()), order)
	if err != nil {
		return nil, err
	}
	return s.orderView(order, authzs, 0)
}

// csr reads the request and holds it against the order: the same names, no
// others, and a key that is not the account's (RFC 8555 §7.4 and §11.1).
func (s *Server) csr(c *call, order *orderRow) (*x509.CertificateRequest, error) {
	var form struct {
		CSR string `json:"csr"`
	}
	err := c.read(&form)
	if err != nil {
		return nil, err
	}
	der, err := base64.RawURLEncoding.DecodeString(form.CSR)
	if err != nil {
		return nil, badCSR("csr is not base64url")
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, badCSR("csr is not a PKCS#10 request")
	}
	err = csr.CheckSignature()
	if err != nil {
		return nil, badCSR("csr is not signed by its own key")
	}
	key, ok := csr.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || key.Equal(c.key.Key) {
		return nil, problem(kindBadPublicKey, http.StatusBadRequest, "the certificate's key must not be the account's")
	}
	err = s.profiles[order.Profile].CheckKey(csr.PublicKey)
	if err != nil {
		return nil, problem(kindBadPublicKey, http.StatusBadRequest, "profile %s takes %s", order.Profile, strings.Join(s.profiles[order.Profile].Keys, ", "))
	}
	identifiers, err := order.identifiers()
	if err != nil {
		return nil, err
	}
	if !sameNames(csr, identifiers) {
		return nil, badCSR("the names in csr are not those of the order")
	}
	return csr, nil
}

// sameNames says whether the request names the identifiers, all and no others.
func sameNames(csr *x509.CertificateRequest, identifiers []Identifier) bool {
	if len(csr.EmailAddresses) > 0 || len(csr.URIs) > 0 {
		return false
	}
	names := map[Identifier]bool{}
	for _, n := range csr.DNSNames {
		names[Identifier{Type: identifierDNS, Value: strings.ToLower(n)}] = true
	}
	for _, ip := range csr.IPAddresses {
		names[Identifier{Type: identifierIP, Value: ip.String()}] = true
	}
	if cn := csr.Subject.CommonName; cn != "" {
		id := Identifier{Type: identifierDNS, Value: strings.ToLower(cn)}
		if ip := net.ParseIP(cn); ip != nil {
			id = Identifier{Type: identifierIP, Value: ip.String()}
		}
		names[id] = true
	}
	for _, id := range identifiers {
		if !names[id] {
			return false
		}
	}
	return len(names) == len(identifiers)
}

// take claims a ready order, after the ledger knows of it. csr is kept so that
// an issue that a crash interrupts is taken up anew.
func (s *Server) take(c *call, order *orderRow, csr *x509.CertificateRequest) error {
	sum := sha256.Sum256(csr.Raw)
	index, err := s.append(c.Context(), "ca.acme.order.finalise", c.account, hex.EncodeToString(sum[:]), map[string]string{
		"order": order.ID, "profile": order.Profile, "credential": c.account.CredentialID})
	if err != nil {
		return err
	}
	now := s.cfg.Clock.Now().UTC().Truncate(time.Microsecond)
	result, err := s.cfg.DB.NewUpdate().Model((*orderRow)(nil)).Set("state = ?", statusProcessing).Set("csr = ?", csr.Raw).
		Set("claimed_at = ?", now).Set("finalise_index = ?", index).Where("id = ?", order.ID).Where("state = ?", statusPending).Exec(c.Context())
	if err != nil {
		return fmt.Errorf("take order %s: %w", order.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return problem(kindNotReady, http.StatusForbidden, "the order is being finalised already")
	}
	order.State, order.CSR, order.ClaimedAt = statusProcessing, csr.Raw, &now
	return nil
}

// subject is who acts for an agency's machine.
func subject(agencyID string) auth.Subject {
	return auth.Subject{AccountID: actorName, AgencyID: agencyID, Roles: []string{auth.RoleEnrolment}}
}

// issue makes the certificate of an order that is claimed. A refusal that will
// not change makes the order invalid; after any other fault it is ready again.
func (s *Server) issue(ctx context.Context, order *orderRow) error {
	form, err := order.form()
	if err != nil {
		return err
	}
	cert, err := s.cfg.Authority.IssueService(auth.WithSubject(ctx, subject(order.AgencyID)), form)
	switch {
	case errors.Is(err, profile.ErrFacts), errors.Is(err, profile.ErrKey), errors.Is(err, profile.ErrLint), errors.Is(err, ra.ErrForm):
		s.cfg.Logger.WarnContext(ctx, "ACME order refused", slog.String("order", order.ID), slog.Any("error", err))
		return errors.Join(badCSR("the profile %s does not allow this certificate", order.Profile), s.leave(ctx, order, statusInvalid, nil))
	case err != nil:
		return errors.Join(fmt.Errorf("issue for order %s: %w", order.ID, err), s.leave(ctx, order, statusPending, nil))
	}
	return s.leave(ctx, order, statusValid, cert)
}

// form is what the authority is asked for.
func (o *orderRow) form() (ca.ServiceForm, error) {
	f := ca.ServiceForm{Profile: o.Profile, AgencyID: o.AgencyID, CSR: o.CSR, RequestID: o.ID}
	identifiers, err := o.identifiers()
	if err != nil {
		return f, err
	}
	csr, err := x509.ParseCertificateRequest(o.CSR)
	if err != nil {
		return f, fmt.Errorf("request of order %s: %w", o.ID, err)
	}
	for _, id := range identifiers {
		if id.Type == identifierDNS {
			f.DNSNames = append(f.DNSNames, id.Value)
		} else {
			f.IPs = append(f.IPs, net.ParseIP(id.Value))
		}
	}
	// The common name: the one asked for, or the first that fits.
	short := slices.IndexFunc(identifiers, func(id Identifier) bool { return len(id.Value) <= maxCommonName })
	f.Machine = strings.ToLower(csr.Subject.CommonName)
	if f.Machine == "" || len(f.Machine) > maxCommonName {
		f.Machine = identifiers[short].Value
	}
	return f, nil
}

// leave ends the claim on an order.
func (s *Server) leave(ctx context.Context, order *orderRow, to string, cert *ca.Certificate) error {
	q := s.cfg.DB.NewUpdate().Model((*orderRow)(nil)).Set("state = ?", to).Where("id = ?", order.ID).
		Where("state = ?", statusProcessing).Where("claimed_at = ?", order.ClaimedAt)
	if cert != nil {
		q = q.Set("serial = ?", cert.Serial).Set("not_after = ?", cert.NotAfter)
	}
	result, err := q.Exec(ctx)
	if err != nil {
		return fmt.Errorf("record order %s: %w", order.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil || n != 1 {
		return fmt.Errorf("order %s was taken over: %w", order.ID, errors.Join(err, enrol.ErrState))
	}
	order.State = to
	if cert != nil {
		order.Serial, order.NotAfter = cert.Serial, cert.NotAfter
	}
	return nil
}

// resume takes up the orders whose issue was interrupted.
func (s *Server) resume(ctx context.Context) error {
	var list []orderRow
	now := s.cfg.Clock.Now().UTC().Truncate(time.Microsecond)
	stale := func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("state = ?", statusProcessing).Where("claimed_at < ?", now.Add(-issueLease))
	}
	err := s.cfg.DB.NewSelect().Model(&list).Apply(stale).Limit(ordersPage).Scan(ctx)
	if err != nil {
		return fmt.Errorf("look for interrupted orders: %w", err)
	}
	for i := range list {
		order := &list[i]
		result, err := s.cfg.DB.NewUpdate().Model((*orderRow)(nil)).Set("claimed_at = ?", now).Where("id = ?", order.ID).
			Where("state = ?", statusProcessing).Where("claimed_at = ?", order.ClaimedAt).Exec(ctx)
		if err != nil {
			return fmt.Errorf("take order %s: %w", order.ID, err)
		}
		n, err := result.RowsAffected()
		if err != nil || n != 1 {
			continue // another replica's
		}
		order.ClaimedAt = &now
		err = s.issue(ctx, order)
		if err != nil {
			s.cfg.Logger.ErrorContext(ctx, "interrupted ACME order", slog.String("order", order.ID), slog.Any("error", err))
		}
	}
	return nil
}
