package ca

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/store"
)

// statusStore tells the responder what the register says.
type statusStore struct {
	records records
}

var _ ocsp.Source = statusStore{}

// statusOf is the state as status answers tell it. What was signed but never
// released is unknown: nobody may rely on it.
func statusOf(state State, revokedAt *time.Time, reason int) ocsp.Status {
	switch {
	case revokedAt != nil:
		return ocsp.Status{State: ocsp.Revoked, RevokedAt: *revokedAt, Reason: reason}
	case state == StateIssued || state == StateReplayed:
		return ocsp.Status{State: ocsp.Good}
	default:
		return ocsp.Status{State: ocsp.Unknown}
	}
}

// statusCertificate is a row as the responder has it.
func statusCertificate(serial string, state State, notAfter, revokedAt *time.Time, reason int) (ocsp.Certificate, error) {
	number, err := parseSerial(serial)
	if err != nil {
		return ocsp.Certificate{}, err
	}
	key, fits := ocsp.SerialOf(number)
	if !fits {
		return ocsp.Certificate{}, fmt.Errorf("%w: serial number %s over %d bytes", ErrState, serial, ocsp.SerialSize)
	}
	c := ocsp.Certificate{Serial: key, Status: statusOf(state, revokedAt, reason)}
	if notAfter != nil {
		c.Expires = *notAfter
	}
	return c, nil
}

// Revisions reads each issuer's count of changes.
func (s statusStore) Revisions(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		Name     string `bun:"name"`
		Revision int64  `bun:"revision"`
	}
	err := s.records.db.NewSelect().TableExpr("ca_authority").Column("name", "revision").Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read revisions: %w", err)
	}
	m := make(map[string]int64, len(rows))
	for _, row := range rows {
		m[row.Name] = row.Revision
	}
	return m, nil
}

// Changes reads what changed after the revision.
func (s statusStore) Changes(ctx context.Context, issuer string, since int64) ([]ocsp.Certificate, error) {
	rows, err := s.records.changed(ctx, issuer, 0, since)
	if err != nil {
		return nil, err
	}
	list := make([]ocsp.Certificate, 0, len(rows))
	for _, row := range rows {
		c, err := statusCertificate(row.Serial, row.State, row.NotAfter, row.RevokedAt, row.RevocationReason)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// Find reads the state of one certificate.
func (s statusStore) Find(ctx context.Context, issuer string, serial *big.Int) (ocsp.Certificate, error) {
	var row Certificate
	err := s.records.db.NewSelect().Model(&row).Column("serial", "state", "not_after", "revoked_at", "revocation_reason").
		Where("serial = ?", profile.FormatSerial(serial)).Where("issuer = ?", issuer).Scan(ctx)
	if store.IsNotFound(err) {
		return ocsp.Certificate{}, nil
	}
	if err != nil {
		return ocsp.Certificate{}, fmt.Errorf("read status: %w", err)
	}
	return statusCertificate(row.Serial, row.State, row.NotAfter, row.RevokedAt, row.RevocationReason)
}

// statusPage is how many certificates are read at a time.
const statusPage = 10_000

// Each reads the issuer's certificates that answers tell something of and that
// end after the time.
func (s statusStore) Each(ctx context.Context, issuer string, after time.Time, take func([]ocsp.Certificate) error) error {
	rows, err := s.records.db.NewSelect().TableExpr("ca_certificate").Column("serial", "state", "not_after", "revoked_at", "revocation_reason").
		Where("issuer = ?", issuer).Where("state IN (?, ?, ?)", StateIssued, StateReplayed, StateSigned).Where("not_after > ?", after.UTC()).Rows(ctx)
	if err != nil {
		return fmt.Errorf("read certificates of %s: %w", issuer, err)
	}
	page := make([]ocsp.Certificate, 0, statusPage)
	for err == nil && rows.Next() {
		var row Certificate
		err = rows.Scan(&row.Serial, &row.State, &row.NotAfter, &row.RevokedAt, &row.RevocationReason)
		if err != nil {
			break
		}
		c, bad := statusCertificate(row.Serial, row.State, row.NotAfter, row.RevokedAt, row.RevocationReason)
		if bad != nil || c.Status.State == ocsp.Unknown {
			err = bad
			continue
		}
		page = append(page, c)
		if len(page) == statusPage {
			err = take(page)
			page = page[:0]
		}
	}
	if err == nil {
		err = take(page)
	}
	err = errors.Join(err, rows.Err(), rows.Close())
	if err != nil {
		return fmt.Errorf("read certificates of %s: %w", issuer, err)
	}
	return nil
}
