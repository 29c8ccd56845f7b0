package office

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/workdays"
)

// SeriesSchema returns the tables of the series and of the numbers taken.
func SeriesSchema() store.Migration {
	return store.Migration{ID: "office/0001", SQL: `
CREATE TABLE office_series (
	agency_id TEXT NOT NULL,
	year BIGINT NOT NULL,
	copies BOOLEAN NOT NULL,
	last BIGINT NOT NULL,
	PRIMARY KEY (agency_id, year, copies)
);
CREATE TABLE office_number (
	document_id TEXT PRIMARY KEY,
	agency_id TEXT NOT NULL,
	year BIGINT NOT NULL,
	copies BOOLEAN NOT NULL,
	number BIGINT NOT NULL,
	kind TEXT NOT NULL,
	taken_at TIMESTAMPTZ NOT NULL,
	UNIQUE (agency_id, year, copies, number)
);
`}
}

// Number is a number of a series with the document that has it.
type Number struct {
	bun.BaseModel `bun:"table:office_number"`

	DocumentID string    `bun:"document_id,pk" json:"document"`
	AgencyID   string    `bun:"agency_id" json:"agency"`
	Year       int64     `bun:"year" json:"year"`
	Copies     bool      `bun:"copies" json:"copies"`
	Number     int64     `bun:"number" json:"number"`
	Kind       string    `bun:"kind" json:"kind"`
	TakenAt    time.Time `bun:"taken_at" json:"taken_at"`
}

// Take gives the document the next number of its agency's series, in the
// caller's transaction: the number exists when, and only when, what the caller
// writes beside it does. A document that has a number keeps it, so that an act
// that was cut off can be begun again. The year is that of now in Vietnam.
func Take(ctx context.Context, tx bun.Tx, documentID, agencyID string, kind Kind, now time.Time) (*Number, error) {
	year := int64(now.In(workdays.Zone()).Year())
	// The row of the series is written first: it makes takers wait in turn.
	n := &Number{DocumentID: documentID, AgencyID: agencyID, Year: year, Copies: kind.Copy, Kind: kind.Code, TakenAt: now}
	_, err := tx.ExecContext(ctx, `INSERT INTO office_series (agency_id, year, copies, last) VALUES (?, ?, ?, 0)
		ON CONFLICT (agency_id, year, copies) DO UPDATE SET last = office_series.last`, agencyID, year, kind.Copy)
	if err != nil {
		return nil, fmt.Errorf("series of %s: %w", agencyID, err)
	}
	var had Number
	err = tx.NewSelect().Model(&had).Where("document_id = ?", documentID).Scan(ctx)
	if err == nil {
		return &had, nil
	}
	if !store.IsNotFound(err) {
		return nil, fmt.Errorf("number of %s: %w", documentID, err)
	}
	err = tx.NewRaw(`UPDATE office_series SET last = last + 1 WHERE agency_id = ? AND year = ? AND copies = ? RETURNING last`,
		agencyID, year, kind.Copy).Scan(ctx, &n.Number)
	if err != nil {
		return nil, fmt.Errorf("series of %s: %w", agencyID, err)
	}
	_, err = tx.NewInsert().Model(n).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("number of %s: %w", documentID, err)
	}
	return n, nil
}
