package ca

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/workdays"
)

func (s *Service) openDesk() error {
	calendar := s.deps.Workdays
	var err error
	if calendar == nil {
		calendar, err = workdays.Load("")
		if err != nil {
			return err
		}
	}
	var causes []string
	for _, c := range Causes() {
		causes = append(causes, string(c))
	}
	s.desk, err = ra.New(ra.Config{DB: s.deps.DB, Keys: s.deps.Keys, Ledger: s.deps.Ledger, Clock: s.deps.Clock,
		Directory: s.deps.Directory, Authorizer: s.deps.Authorizer, Profiles: s.profiles, Workdays: calendar,
		Terms: s.deps.Terms, Causes: causes, Try: s.try})
	return err
}

// Issue carries out an approved request: it certifies, revokes, or records a
// recovery as done. It returns the certificate that was made, or the one that
// the request was about.
func (s *Service) Issue(ctx context.Context, requestID string) (*Certificate, error) {
	r, err := s.desk.Take(ctx, requestID)
	if err != nil {
		return nil, err
	}
	return s.carryOut(ctx, r)
}

// carryOut does what a request that was taken asks for, and gives it back when
// that fails. A second try finds what the first one left.
func (s *Service) carryOut(ctx context.Context, r *ra.Request) (*Certificate, error) {
	row, err := s.fulfil(ctx, r)
	after := context.WithoutCancel(ctx)
	if err != nil {
		return nil, errors.Join(err, s.desk.Release(after, r))
	}
	return row, s.desk.Done(after, r, row.Serial)
}

func (s *Service) fulfil(ctx context.Context, r *ra.Request) (*Certificate, error) {
	switch {
	case r.Kind == ra.KindRevoke:
		return s.revokeOld(ctx, r)
	case r.Kind == ra.KindRecover:
		return s.engine.records.get(ctx, r.OldSerial)
	}
	row, err := s.issueRequest(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.Kind == ra.KindChange || r.Kind == ra.KindRekey {
		_, err = s.revokeOld(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("certificate %s is issued, but: %w", row.Serial, err)
		}
	}
	return row, nil
}

// revokeOld revokes the certificate that a request is about, for the cause
// that was approved; without a cause it stays as it is.
func (s *Service) revokeOld(ctx context.Context, r *ra.Request) (*Certificate, error) {
	if r.Cause == "" {
		return nil, nil
	}
	row, err := s.Revoke(ctx, r.OldSerial, Cause(r.Cause), "request "+r.ID)
	if errors.Is(err, ErrRevoked) {
		return s.engine.records.get(ctx, r.OldSerial)
	}
	return row, err
}

func (s *Service) issueRequest(ctx context.Context, r *ra.Request) (*Certificate, error) {
	left, err := s.leftOver(ctx, r.ID, r.IssuedBy)
	if err != nil || left != nil {
		return left, err
	}
	err = s.desk.MakeKey(ctx, r)
	if err != nil {
		return nil, err
	}
	p, err := s.profiles.Get(r.Profile)
	if err != nil {
		return nil, err
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", r.ID, err)
	}
	limit, err := s.desk.Limit(ctx, r, s.deps.Clock.Now().Add(-s.cfg.Backdate))
	if err != nil {
		return nil, err
	}
	return s.issueUntil(ctx, p, csr, r.Facts, limit, order{requestID: r.ID, keyLabel: r.KeyLabel, actor: r.IssuedBy})
}
