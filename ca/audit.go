package ca

import (
	"context"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
)

// auditGrace is how long an act may be under way before it counts as broken
// off: longer than the token's longest wait.
const auditGrace = 2 * time.Minute

// auditPage is how many certificates are read at a time.
const auditPage = 500

// FindingKind says what is wrong.
type FindingKind string

// The findings.
const (
	FindingIntent    FindingKind = "intent-without-result" // broken off before or while signing
	FindingSigned    FindingKind = "signed-not-released"   // broken off before the ledger had the result
	FindingContent   FindingKind = "content-differs"       // the certificate is not what was recorded
	FindingLint      FindingKind = "lint"                  // today's lints refuse it
	FindingRequest   FindingKind = "request-stuck"         // an issue that did not end
	FindingStamp     FindingKind = "stamp-without-token"   // a time-stamp broken off
	FindingCRL       FindingKind = "crl-differs"           // list and register disagree
	FindingOCSP      FindingKind = "ocsp-differs"          // status answer and register disagree
	FindingUnlogged  FindingKind = "not-in-ledger"         // issued or changed without a ledger entry
	FindingLedger    FindingKind = "ledger-differs"        // ledger and register disagree
	FindingUnchained FindingKind = "issuer-differs"        // not signed by its issuer
	FindingReplayed  FindingKind = "bytes-missing"         // known from the ledger alone
)

// Finding is something the audit found.
type Finding struct {
	Kind   FindingKind `json:"kind"`
	Object string      `json:"object"`
	Detail string      `json:"detail"`
}

// Report is what an audit looked at and found.
type Report struct {
	At           time.Time `json:"at"`
	Took         string    `json:"took"`
	Certificates int       `json:"certificates"`
	Requests     int       `json:"requests"`
	Lists        int       `json:"lists"`
	Answers      int       `json:"answers"`
	Entries      int       `json:"ledger_entries"`
	Findings     []Finding `json:"findings"`

	mu sync.Mutex
}

// maxFindings bounds a report: one cause can show in every certificate.
const maxFindings = 1000

func (r *Report) add(kind FindingKind, object, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{Kind: kind, Object: object, Detail: fmt.Sprintf(format, args...)})
	}
}

// Audit reads the whole register again and judges it apart from how it came to
// be: what was broken off, what does not match its record, what today's lints
// refuse, and whether register, lists, status answers and ledger agree. Lists
// and answers are asked for by HTTP, as everybody gets them.
func (s *Service) Audit(ctx context.Context) (*Report, error) {
	r := &Report{At: s.deps.Clock.Now().UTC(), Findings: []Finding{}}
	began := time.Now()
	a := s.newAuditor(r)
	for after := ""; ; {
		var rows []Certificate
		err := s.deps.DB.NewSelect().Model(&rows).Where("serial > ?", after).OrderExpr("serial").Limit(auditPage).Scan(ctx)
		if err != nil {
			return nil, fmt.Errorf("audit certificates: %w", err)
		}
		for i := range rows {
			r.Certificates++
			s.auditCertificate(r, &rows[i])
		}
		err = a.answers(ctx, rows)
		if err != nil {
			return nil, fmt.Errorf("audit status answers: %w", err)
		}
		if len(rows) < auditPage {
			break
		}
		after = rows[len(rows)-1].Serial
	}
	err := s.auditBroken(ctx, r)
	if err != nil {
		return nil, err
	}
	err = a.lists(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit lists: %w", err)
	}
	if s.deps.History != nil {
		err = s.auditLedger(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("audit ledger: %w", err)
		}
	}
	r.Took = time.Since(began).Round(time.Millisecond).String()
	return r, nil
}

// auditBroken finds requests and time-stamps that were broken off.
func (s *Service) auditBroken(ctx context.Context, r *Report) error {
	before := s.deps.Clock.Now().Add(-auditGrace).UTC()
	var requests []ra.Request
	err := s.deps.DB.NewSelect().Model(&requests).Where("state = ?", ra.StateIssuing).Where("issuing_since < ?", before).Scan(ctx)
	if err != nil {
		return fmt.Errorf("audit requests: %w", err)
	}
	for _, q := range requests {
		r.Requests++
		r.add(FindingRequest, q.ID, "being issued since %s", q.IssuingSince.Format(time.RFC3339))
	}
	var stamps []stampRow
	err = s.deps.DB.NewSelect().Model(&stamps).Where("token_sha256 = ''").Where("gen_time < ?", before).Limit(maxFindings).Scan(ctx)
	if err != nil {
		return fmt.Errorf("audit time-stamps: %w", err)
	}
	for _, t := range stamps {
		r.add(FindingStamp, t.Serial, "reserved at %s", t.GenTime.Format(time.RFC3339))
	}
	return nil
}

func (s *Service) auditCertificate(r *Report, row *Certificate) {
	broken := row.CreatedAt.Before(s.deps.Clock.Now().Add(-auditGrace))
	switch row.State {
	case StateReserved, StateIntent:
		if broken {
			r.add(FindingIntent, row.Serial, "%s since %s, issuer %s", row.State, row.CreatedAt.Format(time.RFC3339), row.Issuer)
		}
		return
	case StateReplayed:
		r.add(FindingReplayed, row.Serial, "issued by %s after the copy that was restored; bring the certificate (antin ca recover)", row.Issuer)
		return
	case StateSigned:
		if broken {
			r.add(FindingSigned, row.Serial, "since %s, issuer %s", row.CreatedAt.Format(time.RFC3339), row.Issuer)
		}
	case StateIssued:
		if row.IssueIndex == nil {
			r.add(FindingUnlogged, row.Serial, "issued without a ledger entry")
		}
	default:
		return
	}
	if row.RevokedAt != nil && row.RevokeIndex == nil {
		r.add(FindingUnlogged, row.Serial, "revoked without a ledger entry")
	}
	cert, err := row.X509()
	if err != nil {
		r.add(FindingContent, row.Serial, "%v", err)
		return
	}
	if hexSum(cert.Raw) != row.SHA256 || row.TBS != "" && hexSum(cert.RawTBSCertificate) != row.TBS ||
		profile.FormatSerial(cert.SerialNumber) != row.Serial || partitionOf(cert) != row.CRLPartition {
		r.add(FindingContent, row.Serial, "digest, serial number or list differ from the record")
	}
	issuer := s.authorities[row.Issuer]
	if issuer == nil {
		r.add(FindingUnchained, row.Serial, "issuer %q is unknown", row.Issuer)
		return
	}
	err = cert.CheckSignatureFrom(issuer.cert)
	if err != nil {
		r.add(FindingUnchained, row.Serial, "%v", err)
	}
	_, err = s.engine.linter.Check(cert.Raw)
	if err != nil {
		r.add(FindingLint, row.Serial, "%v", err)
	}
}

func parseCertificate(der []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: not a certificate: %w", ErrState, err)
	}
	return cert, nil
}
