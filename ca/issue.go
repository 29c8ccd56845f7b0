package ca

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
)

// Actions asked of the Authorizer, beside those of registration.
const (
	ActionIssueService = "ca.service.issue"
	ActionRevoke       = "ca.certificate.revoke"
	ActionHold         = "ca.certificate.hold"
	ActionRelease      = "ca.certificate.release"
	ActionRead         = "ca.certificate.read"
	// ActionStatus shows how the public side stands, ActionAudit compares register,
	// lists, answers and ledger.
	ActionStatus = "ca.status.read"
	ActionAudit  = "ca.audit.run"
	ResourceKind = "ca.certificate"
)

// Desk is the registration authority: requests, their documents and their
// clocks. What is approved there is carried out by Issue.
func (s *Service) Desk() *ra.Desk { return s.desk }

// Request registers a request for a certificate; see ra.Form.
func (s *Service) Request(ctx context.Context, f ra.Form) (*ra.Request, error) {
	return s.desk.Request(ctx, f)
}

// Approve lets a second person agree to a request.
func (s *Service) Approve(ctx context.Context, id, note string) (*ra.Request, error) {
	return s.desk.Approve(ctx, id, note)
}

// Reject lets a second person refuse a request.
func (s *Service) Reject(ctx context.Context, id, note string) (*ra.Request, error) {
	return s.desk.Reject(ctx, id, note)
}

// GetRequest returns a request.
func (s *Service) GetRequest(ctx context.Context, id string) (*ra.Request, error) {
	return s.desk.Get(ctx, id)
}

// Requests lists the newest requests in a state; all when it is empty. For
// more than one page see Desk.
func (s *Service) Requests(ctx context.Context, state ra.State) ([]ra.Request, error) {
	f := ra.Filter{Limit: listLimit}
	if state != "" {
		f.States = []ra.State{state}
	}
	page, err := s.desk.List(ctx, f)
	if err != nil {
		return nil, err
	}
	return page.Requests, nil
}

// leftOver finishes what a crash left of an earlier issue of the request. A
// certificate that was signed is recorded and taken; an intent without a
// certificate is given up, with a word in the ledger.
func (s *Service) leftOver(ctx context.Context, requestID, actor string) (*Certificate, error) {
	var rows []Certificate
	err := s.deps.DB.NewSelect().Model(&rows).Where("request_id = ?", requestID).
		Where("state IN (?, ?, ?, ?, ?)", StateReserved, StateIntent, StateSigned, StateIssued, StateReplayed).OrderExpr("created_at").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for an earlier issue of %s: %w", requestID, err)
	}
	var found *Certificate
	for i := range rows {
		row := &rows[i]
		switch row.State {
		case StateIssued, StateReplayed:
			found = row
		case StateSigned:
			o := order{requestID: requestID, agencyID: row.AgencyID, actor: actor}
			found, err = s.engine.finish(ctx, row, o)
		default:
			err = s.abandon(ctx, row, actor)
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (s *Service) abandon(ctx context.Context, row *Certificate, who string) error {
	_, err := appendEntry(ctx, s.deps.Ledger, ledger.Entry{Time: s.deps.Clock.Now().UTC(), Kind: "ca.certificate.abandon",
		Actor: who, Agency: row.AgencyID, Object: row.Serial, Digest: row.TBS,
		Detail: map[string]string{"issuer": row.Issuer, "request": row.RequestID, "state": string(row.State)}})
	if err != nil {
		return err
	}
	return s.engine.records.advance(ctx, row.Serial, row.State, StateAbandoned, nil)
}

// issue builds the content by the profile and takes it through the issuing
// authority.
func (s *Service) issue(ctx context.Context, p *profile.Profile, csr *x509.CertificateRequest, f profile.Facts, o order) (*Certificate, error) {
	return s.issueUntil(ctx, p, csr, f, time.Time{}, o)
}

func (s *Service) template(p *profile.Profile, issuer *authority, f profile.Facts, pub crypto.PublicKey) (*x509.Certificate, error) {
	return p.Template(f, pub, s.cfg.place(issuer, s.deps.Clock.Now().Add(-s.cfg.Backdate)))
}

// try builds the content of a request without signing it.
func (s *Service) try(p *profile.Profile, f profile.Facts, pub crypto.PublicKey) error {
	issuer := s.hierarchy.active(p.Issuer)
	if issuer == nil {
		return fmt.Errorf("%w: issuer %q of profile %s", ErrNotFound, p.Issuer, p.Name)
	}
	_, err := s.template(p, issuer, f, pub)
	return err
}

// ServiceForm asks for a certificate of the system's own: the console, the
// gateway, a sensor, a data client.
type ServiceForm struct {
	// Profile is "service", "client", "device" or "sensor".
	Profile string
	// Machine is the common name.
	Machine string
	// AgencyID is the agency that owns it, its OU; without one it is the
	// system's own, with OU "system".
	AgencyID string
	DNSNames []string
	IPs      []net.IP
	// CSR is a PKCS#10 request, DER or PEM.
	CSR []byte
	// RequestID names what the certificate is issued for, such as an ACME
	// order: a second issue for it takes up what a crash left of the first, and
	// certifies nothing twice. The caller sees to it that no two run at a time.
	RequestID string
	// Actor is "system:PART" when no person is signed in.
	Actor string
}

// ownAgency is the OU of the system's own machines.
const ownAgency = "system"

// IssueService certifies a machine without the desk: the system acting for
// itself ("system:PART"), or a signed-in person whom policy allows it.
func (s *Service) IssueService(ctx context.Context, f ServiceForm) (*Certificate, error) {
	who := auth.SubjectFrom(ctx)
	actor := who.AccountID
	if actor == "" {
		actor = f.Actor
		if !strings.HasPrefix(actor, "system:") {
			return nil, ErrActor
		}
	} else {
		err := s.deps.Authorizer.Authorize(ctx, who, ActionIssueService, auth.Resource{Kind: ResourceKind, AgencyID: f.AgencyID})
		if err != nil {
			return nil, fmt.Errorf("issue service: %w", err)
		}
	}
	p, err := s.profiles.Get(f.Profile)
	if err != nil {
		return nil, err
	}
	if p.Kind != profile.KindMachine {
		return nil, fmt.Errorf("%w: profile %s is not for machines", ra.ErrForm, p.Name)
	}
	facts := profile.Facts{MachineName: f.Machine, DNSNames: f.DNSNames, IPs: f.IPs, AgencyID: ownAgency, AgencyName: s.cfg.Organization}
	if f.AgencyID != "" {
		agency, err := s.deps.Directory.Agency(ctx, f.AgencyID)
		if err != nil {
			return nil, fmt.Errorf("issue service: %w", err)
		}
		facts.AgencyID, facts.AgencyCode, facts.AgencyName = agency.ID, agency.Code, agency.Name
	}
	der := f.CSR
	block, _ := pem.Decode(der)
	if block != nil {
		der = block.Bytes
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ra.ErrForm, err)
	}
	if f.RequestID != "" {
		left, err := s.leftOver(ctx, f.RequestID, actor)
		if err != nil || left != nil {
			return left, err
		}
	}
	return s.issue(ctx, p, csr, facts, order{requestID: f.RequestID, actor: actor})
}
