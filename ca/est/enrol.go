package est

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/enrol"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

const (
	// issueLease is how long an issue may be under way before it is taken up
	// anew: longer than the token's longest wait.
	issueLease = 5 * time.Minute
	// busyAfter is when to ask again for what another request is issuing.
	busyAfter = 5 * time.Second
)

// enrol answers RFC 7030 §4.2 for a first certificate: by the secret, or, for
// who holds a certificate already, as a renewal.
func (s *Server) enrol(w http.ResponseWriter, r *http.Request, label string) error {
	id, secret, ok := r.BasicAuth()
	if !ok {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			return s.reenrol(w, r, label)
		}
		return refuse(http.StatusUnauthorized, "a first certificate is asked for with the one-time secret of an officer (antin ca est secret create)")
	}
	credential, err := s.credential(r.Context(), id, secret)
	if err != nil {
		return err
	}
	if label != "" && label != credential.Profiles[0] {
		return refuse(http.StatusForbidden, "the secret is for the profile %s", credential.Profiles[0])
	}
	csr, err := readCSR(w, r)
	if err != nil {
		return err
	}
	row, err := s.find(r.Context(), credential.ID)
	if err != nil {
		return err
	}
	if row == nil {
		row, err = s.begin(r.Context(), credential, csr)
		if err != nil {
			return err
		}
	}
	if row.SPKI != hexSum(csr.RawSubjectPublicKeyInfo) {
		return refuse(http.StatusForbidden, "the secret was used for another key")
	}
	form := ca.ServiceForm{Profile: credential.Profiles[0], Machine: credential.Machine, AgencyID: credential.AgencyID,
		DNSNames: csr.DNSNames, IPs: csr.IPAddresses, CSR: csr.Raw, RequestID: row.ID}
	var cert *ca.Certificate
	if credential.ByOfficer {
		cert, err = s.byOfficer(r.Context(), row, form)
	} else {
		cert, err = s.issue(r.Context(), row, form)
	}
	if err != nil {
		return err
	}
	return s.give(w, cert)
}

// credential gives the credential of a secret. Whoever does not know a secret
// learns nothing of which credentials there are.
func (s *Server) credential(ctx context.Context, id, secret string) (*enrol.Credential, error) {
	unknown := refuse(http.StatusUnauthorized, "the secret is not one of this server")
	c, err := s.cfg.Desk.Find(ctx, enrol.KindEST, id)
	if errors.Is(err, enrol.ErrNotFound) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	if c.Fits(secret) != nil {
		return nil, unknown
	}
	if c.State != enrol.StateActive && c.State != enrol.StateUsed {
		return nil, refuse(http.StatusForbidden, "the secret is %s", c.State)
	}
	return c, s.agencyStands(ctx, c.AgencyID)
}

func (s *Server) agencyStands(ctx context.Context, id string) error {
	agency, err := s.cfg.Directory.Agency(ctx, id)
	if err != nil {
		return err
	}
	if agency.ValidTo != nil && !s.cfg.Clock.Now().Before(*agency.ValidTo) {
		return refuse(http.StatusForbidden, "the agency %s no longer exists", id)
	}
	return nil
}

func (s *Server) find(ctx context.Context, source string) (*enrolment, error) {
	var row enrolment
	err := s.cfg.DB.NewSelect().Model(&row).Where("source = ?", source).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read enrolment: %w", err)
	}
	return &row, nil
}

// begin binds a secret to the key that it is first used with.
func (s *Server) begin(ctx context.Context, c *enrol.Credential, csr *x509.CertificateRequest) (*enrolment, error) {
	cn := csr.Subject.CommonName
	switch {
	case c.State != enrol.StateActive:
		return nil, refuse(http.StatusForbidden, "the secret is %s", c.State)
	case cn != "" && cn != c.Machine:
		return nil, refuse(http.StatusForbidden, "the secret is for the machine %s", c.Machine)
	case len(csr.EmailAddresses)+len(csr.URIs) > 0:
		return nil, refuse(http.StatusForbidden, "a machine's certificate is asked for with DNS names and addresses alone")
	}
	err := c.Allows(c.Profiles[0], csr.DNSNames, csr.IPAddresses)
	if err != nil {
		return nil, refuse(http.StatusForbidden, "the request names what the secret does not allow: %s", strings.TrimPrefix(err.Error(), enrol.ErrScope.Error()+": "))
	}
	row := &enrolment{Source: c.ID, AgencyID: c.AgencyID}
	err = s.start(ctx, row, csr, c.Profiles[0], map[string]string{"credential": c.ID}, func(ctx context.Context, tx bun.Tx) error {
		return s.cfg.Desk.Use(ctx, tx, c.ID)
	})
	if errors.Is(err, enrol.ErrState) {
		return nil, refuse(http.StatusForbidden, "the secret was used")
	}
	return row, err
}

// start records an enrolment, in the ledger and the database.
func (s *Server) start(ctx context.Context, row *enrolment, csr *x509.CertificateRequest, profileName string, detail map[string]string, also func(context.Context, bun.Tx) error) error {
	err := s.profiles[profileName].CheckKey(csr.PublicKey)
	if err != nil {
		return refuse(http.StatusBadRequest, "profile %s takes keys of %s", profileName, strings.Join(s.profiles[profileName].Keys, ", "))
	}
	err = s.cfg.Desk.CheckKey(ctx, row.AgencyID, csr.RawSubjectPublicKeyInfo)
	if errors.Is(err, enrol.ErrKeyUsed) {
		return refuse(http.StatusForbidden, "the key was certified for another agency, or was compromised")
	}
	if err != nil {
		return err
	}
	random := make([]byte, 16)
	_, err = rand.Read(random)
	if err != nil {
		return fmt.Errorf("enrolment id: %w", err)
	}
	row.ID, row.SPKI, row.CreatedAt = "en-"+hex.EncodeToString(random), hexSum(csr.RawSubjectPublicKeyInfo), s.cfg.Clock.Now().UTC()
	detail["profile"] = profileName
	receipt, err := s.cfg.Ledger.Append(ctx, ledger.Entry{Time: row.CreatedAt, Kind: "ca.est.enrol", Actor: actorName, Agency: row.AgencyID,
		Object: row.ID, Digest: hexSum(csr.Raw), Detail: detail})
	if err != nil {
		return fmt.Errorf("%w: ca.est.enrol: %w", enrol.ErrLedger, err)
	}
	row.LedgerIndex = int64(receipt.Index)
	return s.cfg.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := also(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return err
	})
}

// subject is who acts for an agency's machine.
func subject(agencyID string) auth.Subject {
	return auth.Subject{AccountID: actorName, AgencyID: agencyID, Roles: []string{auth.RoleEnrolment}}
}

// issue certifies an enrolment, or gives what was certified for it before.
func (s *Server) issue(ctx context.Context, row *enrolment, form ca.ServiceForm) (*ca.Certificate, error) {
	who := auth.WithSubject(ctx, subject(row.AgencyID))
	if row.Serial != "" {
		return s.cfg.Authority.Get(who, row.Serial)
	}
	now := s.cfg.Clock.Now().UTC().Truncate(time.Microsecond)
	err := s.claim(ctx, row, now)
	if err != nil {
		return nil, err
	}
	// From here on the certificate is made, whatever becomes of the connection.
	who = context.WithoutCancel(who)
	cert, err := s.cfg.Authority.IssueService(who, form)
	if err != nil {
		_, given := s.cfg.DB.NewUpdate().Model((*enrolment)(nil)).Set("claimed_at = NULL").Where("id = ?", row.ID).Where("claimed_at = ?", now).Exec(who)
		return nil, errors.Join(s.refused(ctx, row, err), given)
	}
	return cert, s.done(who, row, cert.Serial)
}

// claim takes an enrolment for one issue at a time.
func (s *Server) claim(ctx context.Context, row *enrolment, now time.Time) error {
	result, err := s.cfg.DB.NewUpdate().Model((*enrolment)(nil)).Set("claimed_at = ?", now).Where("id = ?", row.ID).Where("serial = ''").
		Where("(claimed_at IS NULL OR claimed_at < ?)", now.Add(-issueLease)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("claim enrolment %s: %w", row.ID, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("claim enrolment %s: %w", row.ID, err)
	}
	if n != 1 {
		busy := refuse(http.StatusAccepted, "the certificate is being made; ask again with the same request")
		busy.retry = busyAfter
		return busy
	}
	return nil
}

func (s *Server) done(ctx context.Context, row *enrolment, serial string) error {
	_, err := s.cfg.DB.NewUpdate().Model((*enrolment)(nil)).Set("serial = ?", serial).Where("id = ?", row.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record enrolment %s: %w", row.ID, err)
	}
	row.Serial = serial
	return nil
}

// refused tells a refusal of the request from a fault of the server.
func (s *Server) refused(ctx context.Context, row *enrolment, err error) error {
	switch {
	case errors.Is(err, profile.ErrFacts), errors.Is(err, profile.ErrKey), errors.Is(err, profile.ErrLint), errors.Is(err, ra.ErrForm), errors.Is(err, ra.ErrKeyUsed):
		s.cfg.Logger.WarnContext(ctx, "EST request refused", slog.String("enrolment", row.ID), slog.Any("error", err))
		return refuse(http.StatusBadRequest, "the profile does not allow this certificate: %s", err)
	case errors.Is(err, auth.ErrDenied):
		return refuse(http.StatusForbidden, "the policy does not allow it")
	default:
		return fmt.Errorf("enrolment %s: %w", row.ID, err)
	}
}

// byOfficer has the request wait at the registration authority (RFC 7030
// §4.2.3: 202 until it is decided).
func (s *Server) byOfficer(ctx context.Context, row *enrolment, form ca.ServiceForm) (*ca.Certificate, error) {
	who := auth.WithSubject(ctx, subject(row.AgencyID))
	if row.RequestID == "" {
		err := s.ask(ctx, who, row, form)
		if err != nil {
			return nil, err
		}
	}
	request, err := s.cfg.Authority.GetRequest(who, row.RequestID)
	if err != nil {
		return nil, err
	}
	switch {
	case request.Serial != "":
		return s.cfg.Authority.Get(who, request.Serial)
	case request.State == ra.StateRejected:
		return nil, refuse(http.StatusForbidden, "an officer refused the request %s", request.ID)
	default:
		wait := refuse(http.StatusAccepted, "request %s waits for an officer; ask again with the same request", request.ID)
		wait.retry = s.cfg.RetryAfter
		return nil, wait
	}
}

// ask makes the request at the registration authority, once.
func (s *Server) ask(ctx, who context.Context, row *enrolment, form ca.ServiceForm) error {
	now := s.cfg.Clock.Now().UTC().Truncate(time.Microsecond)
	err := s.claim(ctx, row, now)
	if err != nil {
		return err
	}
	who = context.WithoutCancel(who)
	request, err := s.cfg.Authority.Request(who, ra.Form{Profile: form.Profile, AgencyID: form.AgencyID, Machine: form.Machine,
		DNSNames: form.DNSNames, IPs: form.IPs, CSR: form.CSR, Note: "EST " + row.ID})
	q := s.cfg.DB.NewUpdate().Model((*enrolment)(nil)).Set("claimed_at = NULL").Where("id = ?", row.ID).Where("claimed_at = ?", now)
	if err != nil {
		_, given := q.Exec(who)
		return errors.Join(s.refused(ctx, row, err), given)
	}
	_, err = q.Set("request_id = ?", request.ID).Exec(who)
	if err != nil {
		return fmt.Errorf("record enrolment %s: %w", row.ID, err)
	}
	row.RequestID = request.ID
	return nil
}

// give answers with the certificate alone (RFC 7030 §4.2.3).
func (s *Server) give(w http.ResponseWriter, c *ca.Certificate) error {
	cert, err := c.X509()
	if err != nil {
		return err
	}
	return writeCertificates(w, "application/pkcs7-mime; smime-type=certs-only", []*x509.Certificate{cert})
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
