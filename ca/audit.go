package ca

import (
	"context"
	"crypto/x509"
	"fmt"
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
	FindingUnlogged  FindingKind = "not-in-ledger"         // issued or revoked without a ledger entry
	FindingUnchained FindingKind = "issuer-differs"        // not signed by its issuer
)

// Finding is something the audit found.
type Finding struct {
	Kind   FindingKind `json:"kind"`
	Object string      `json:"object"`
	Detail string      `json:"detail"`
}

// Report is what an audit looked at and found.
type Report struct {
	Certificates int       `json:"certificates"`
	Requests     int       `json:"requests"`
	Lists        int       `json:"lists"`
	Findings     []Finding `json:"findings"`
}

func (r *Report) add(kind FindingKind, object, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Kind: kind, Object: object, Detail: fmt.Sprintf(format, args...)})
}

// Audit reads the whole register again and judges it apart from how it came to
// be: what was broken off, what does not match its record, what is missing in
// the ledger, and whether lists and register agree.
func (s *Service) Audit(ctx context.Context) (*Report, error) {
	r := &Report{Findings: []Finding{}}
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
		if len(rows) < auditPage {
			break
		}
		after = rows[len(rows)-1].Serial
	}
	before := s.deps.Clock.Now().Add(-auditGrace).UTC()
	var requests []ra.Request
	err := s.deps.DB.NewSelect().Model(&requests).Where("state = ?", ra.StateIssuing).Where("issuing_since < ?", before).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit requests: %w", err)
	}
	for _, q := range requests {
		r.Requests++
		r.add(FindingRequest, q.ID, "being issued since %s", q.IssuingSince.Format(time.RFC3339))
	}
	var stamps []stampRow
	err = s.deps.DB.NewSelect().Model(&stamps).Where("token_sha256 = ''").Where("gen_time < ?", before).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit time-stamps: %w", err)
	}
	for _, t := range stamps {
		r.add(FindingStamp, t.Serial, "reserved at %s", t.GenTime.Format(time.RFC3339))
	}
	for name, a := range s.authorities {
		if !a.signs() {
			continue
		}
		err = s.auditList(ctx, r, name)
		if err != nil {
			return nil, fmt.Errorf("audit list of %s: %w", name, err)
		}
	}
	return r, nil
}

func (s *Service) auditCertificate(r *Report, row *Certificate) {
	broken := row.CreatedAt.Before(s.deps.Clock.Now().Add(-auditGrace))
	switch row.State {
	case StateReserved, StateIntent:
		if broken {
			r.add(FindingIntent, row.Serial, "%s since %s, issuer %s", row.State, row.CreatedAt.Format(time.RFC3339), row.Issuer)
		}
		return
	case StateSigned:
		if broken {
			r.add(FindingSigned, row.Serial, "since %s, issuer %s", row.CreatedAt.Format(time.RFC3339), row.Issuer)
		}
	case StateIssued:
		if row.IssueIndex == nil || row.IntentIndex == nil {
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
	if hexSum(cert.Raw) != row.SHA256 || hexSum(cert.RawTBSCertificate) != row.TBS || profile.FormatSerial(cert.SerialNumber) != row.Serial {
		r.add(FindingContent, row.Serial, "digest or serial number differ from the record")
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

func (s *Service) auditList(ctx context.Context, r *Report, name string) error {
	list, err := s.crls.Current(ctx, name)
	if err != nil {
		return err
	}
	r.Lists++
	parsed, err := x509.ParseRevocationList(list.DER)
	if err != nil {
		r.add(FindingCRL, name, "%v", err)
		return nil
	}
	err = parsed.CheckSignatureFrom(s.authorities[name].cert)
	if err != nil {
		r.add(FindingCRL, name, "%v", err)
	}
	want, err := statusStore{s.engine.records}.Revoked(ctx, name)
	if err != nil {
		return err
	}
	listed := make(map[string]int)
	for _, e := range parsed.RevokedCertificateEntries {
		listed[profile.FormatSerial(e.SerialNumber)] = e.ReasonCode
	}
	for _, w := range want {
		serial := profile.FormatSerial(w.Serial)
		reason, there := listed[serial]
		if !there || reason != w.Reason {
			r.add(FindingCRL, serial, "revoked with reason %d, list %d says otherwise", w.Reason, list.Number)
		}
		delete(listed, serial)
	}
	for serial := range listed {
		r.add(FindingCRL, serial, "on list %d, but not revoked", list.Number)
	}
	return nil
}
