package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"sync"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/store"
)

const (
	// auditWorkers is how many status answers are asked for at once.
	auditWorkers = 8
	// auditTries and auditPause: register and answer are compared again before
	// they count as different, because a change may fall between two looks.
	auditTries = 4
	auditPause = 400 * time.Millisecond
	// maxAnswer bounds what is read of a list.
	maxAnswer = 128 << 20
)

// auditor asks the public addresses.
type auditor struct {
	s      *Service
	report *Report
	client *http.Client
}

func (s *Service) newAuditor(r *Report) *auditor {
	a := &auditor{s: s, report: r, client: &http.Client{Transport: ownHandler{s}}}
	if s.deps.HTTP != nil {
		client := s.deps.HTTP()
		if client != nil {
			a.client = client
		}
	}
	return a
}

func (a *auditor) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	err = errors.Join(err, resp.Body.Close())
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, resp.Status)
	}
	return body, nil
}

// answers compares the status answers for some certificates with the register.
func (a *auditor) answers(ctx context.Context, rows []Certificate) error {
	work := make(chan *Certificate)
	var wg sync.WaitGroup
	for range auditWorkers {
		wg.Go(func() {
			for row := range work {
				a.answer(ctx, row)
			}
		})
	}
	for i := range rows {
		issuer := a.s.authorities[rows[i].Issuer]
		if issuer == nil || !issuer.signs() || rows[i].State == StateRefused {
			continue // nobody answers for it here
		}
		a.report.Answers++
		work <- &rows[i]
	}
	close(work)
	wg.Wait()
	return ctx.Err()
}

// answer compares one.
func (a *auditor) answer(ctx context.Context, row *Certificate) {
	for try := 1; ; try++ {
		err := a.compareAnswer(ctx, row)
		if err == nil || ctx.Err() != nil {
			return
		}
		if try == auditTries {
			a.report.add(FindingOCSP, row.Serial, "%v", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(auditPause):
		}
		fresh, getErr := a.s.engine.records.get(ctx, row.Serial)
		if getErr == nil {
			row = fresh
		}
	}
}

func (a *auditor) compareAnswer(ctx context.Context, row *Certificate) error {
	serial, err := parseSerial(row.Serial)
	if err != nil {
		return err
	}
	issuer := a.s.authorities[row.Issuer]
	request, err := xocsp.CreateRequest(&x509.Certificate{SerialNumber: serial}, issuer.cert, nil)
	if err != nil {
		return err
	}
	der, err := a.get(ctx, a.s.cfg.BaseURL+"/ocsp/"+url.PathEscape(base64.StdEncoding.EncodeToString(request)))
	if err != nil {
		return err
	}
	answer, err := xocsp.ParseResponseForCert(der, &x509.Certificate{SerialNumber: serial}, issuer.cert)
	if err != nil {
		return err
	}
	now := a.s.deps.Clock.Now()
	if now.Before(answer.ThisUpdate) || !now.Before(answer.NextUpdate) {
		return fmt.Errorf("the answer is for %s to %s", answer.ThisUpdate, answer.NextUpdate)
	}
	want := statusOf(row.State, row.RevokedAt, row.RevocationReason)
	got := map[int]ocsp.State{xocsp.Good: ocsp.Good, xocsp.Revoked: ocsp.Revoked, xocsp.Unknown: ocsp.Unknown}[answer.Status]
	switch {
	case got != want.State:
		return fmt.Errorf("the register says %s, the answer %s", want.State, got)
	case got == ocsp.Revoked && (answer.RevocationReason != want.Reason || !answer.RevokedAt.Equal(want.RevokedAt.Truncate(time.Second))):
		return fmt.Errorf("the register says revoked at %s for reason %d, the answer at %s for %d",
			want.RevokedAt.Format(time.RFC3339), want.Reason, answer.RevokedAt.Format(time.RFC3339), answer.RevocationReason)
	}
	return nil
}

// lists compares every list with the register.
func (a *auditor) lists(ctx context.Context) error {
	names, err := a.s.public.crls.Names(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		s, delta := crl.ParseName(name)
		issuer := a.s.authorities[s.Issuer]
		if !issuer.signs() {
			continue // its register is elsewhere
		}
		a.report.Lists++
		err = a.list(ctx, s, delta, issuer.cert)
		if err != nil {
			a.report.add(FindingCRL, name, "%v", err)
		}
	}
	return ctx.Err()
}

// list compares one list with what the register says the list must hold.
func (a *auditor) list(ctx context.Context, s crl.Scope, delta bool, issuer *x509.Certificate) error {
	name := s.Name(delta)
	der, err := a.get(ctx, a.s.cfg.listAddress(name))
	if err != nil {
		return err
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	err = parsed.CheckSignatureFrom(issuer)
	if err != nil {
		return err
	}
	now := a.s.deps.Clock.Now()
	if now.Before(parsed.ThisUpdate.Add(-time.Second)) || !now.Before(parsed.NextUpdate) {
		return fmt.Errorf("it is for %s to %s", parsed.ThisUpdate, parsed.NextUpdate)
	}
	own := listStore{a.s.engine.records}
	stored, err := own.numbered(ctx, s, delta, parsed.Number)
	if err != nil {
		return err
	}
	want, err := a.wanted(ctx, own, s, delta, stored)
	if err != nil {
		return err
	}
	// Certificates that changed after the list was made are its successor's matter.
	late, err := own.Changes(ctx, s, stored.Revision)
	if err != nil {
		return err
	}
	skip := make(map[string]bool)
	for _, e := range late {
		skip[profile.FormatSerial(e.Serial)] = true
	}
	for _, e := range parsed.RevokedCertificateEntries {
		serial := profile.FormatSerial(e.SerialNumber)
		w, there := want[serial]
		delete(want, serial)
		if skip[serial] {
			continue
		}
		if !there || w.Reason != e.ReasonCode || !w.At.Truncate(time.Second).Equal(e.RevocationTime) {
			a.report.add(FindingCRL, serial, "on list %s with reason %d since %s; the register says otherwise", name, e.ReasonCode, e.RevocationTime.Format(time.RFC3339))
		}
	}
	for serial, w := range want {
		if !skip[serial] {
			a.report.add(FindingCRL, serial, "not on list %s; the register says reason %d", name, w.Reason)
		}
	}
	return nil
}

// wanted is what the list must hold by the register: for a delta list what
// changed since the complete list that it names.
func (a *auditor) wanted(ctx context.Context, own listStore, s crl.Scope, delta bool, stored *crl.List) (map[string]crl.Entry, error) {
	var entries []crl.Entry
	var err error
	if delta {
		base, baseErr := own.numbered(ctx, s, false, big.NewInt(stored.Base))
		if baseErr != nil {
			return nil, fmt.Errorf("the complete list that it is relative to: %w", baseErr)
		}
		entries, err = own.Changes(ctx, s, base.Revision)
	} else {
		entries, err = own.Revoked(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	want := make(map[string]crl.Entry, len(entries))
	for _, e := range entries {
		if e.Removed {
			e.Reason = crl.ReasonRemove
		}
		want[profile.FormatSerial(e.Serial)] = e
	}
	return want, nil
}

// numbered reads what is recorded of a list, without its bytes.
func (s listStore) numbered(ctx context.Context, sc crl.Scope, delta bool, number *big.Int) (*crl.List, error) {
	if number == nil || !number.IsInt64() {
		return nil, fmt.Errorf("%w: number %s", crl.ErrNone, number)
	}
	var row listRow
	err := s.records.db.NewSelect().Model(&row).ExcludeColumn("der").Where("issuer = ?", sc.Issuer).Where("part = ?", sc.Partition).
		Where("delta = ?", flag(delta)).Where("number = ?", number.Int64()).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: number %s was never made here", crl.ErrNone, number)
	}
	if err != nil {
		return nil, fmt.Errorf("read list of %s: %w", sc.Issuer, err)
	}
	return row.list(), nil
}

// ownHandler answers requests to the public addresses in this process, for a
// service that nobody serves.
type ownHandler struct{ s *Service }

// RoundTrip implements http.RoundTripper.
func (h ownHandler) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &answerWriter{header: make(http.Header), status: http.StatusOK}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	h.s.Handler().ServeHTTP(w, r)
	return &http.Response{Status: http.StatusText(w.status), StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

// answerWriter keeps an answer.
type answerWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *answerWriter) Header() http.Header         { return w.header }
func (w *answerWriter) WriteHeader(status int)      { w.status = status }
func (w *answerWriter) Write(p []byte) (int, error) { return w.body.Write(p) }
