package agreement

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// Schema is the agreements' part of the database; it follows the catalogue's.
var Schema = []store.Migration{{ID: "policy-agreement/0001", SQL: `
CREATE TABLE sharing_agreement (
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	dataset_id TEXT NOT NULL REFERENCES shared_dataset (id),
	provider_id TEXT NOT NULL REFERENCES agency (id),
	consumer_id TEXT NOT NULL REFERENCES agency (id),
	state TEXT NOT NULL CHECK (state IN ('proposed', 'accepted', 'terminated', 'superseded')),
	items JSONB NOT NULL,
	fields JSONB NOT NULL,
	purposes JSONB NOT NULL,
	operations JSONB NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ NOT NULL,
	proposed_by TEXT NOT NULL,
	proposed_agency TEXT NOT NULL,
	proposed_at TIMESTAMPTZ NOT NULL,
	accepted_by TEXT NOT NULL DEFAULT '',
	accepted_agency TEXT NOT NULL DEFAULT '',
	accepted_at TIMESTAMPTZ,
	suspended_from TIMESTAMPTZ,
	reason TEXT NOT NULL DEFAULT '',
	ended_at TIMESTAMPTZ,
	PRIMARY KEY (id, version),
	CHECK (accepted_by <> proposed_by)
);
CREATE INDEX sharing_agreement_pair ON sharing_agreement (dataset_id, consumer_id);
CREATE TABLE sharing_agreement_event (
	seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	agreement_id TEXT NOT NULL,
	version INTEGER NOT NULL,
	act TEXT NOT NULL,
	actor TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	reason TEXT NOT NULL DEFAULT '',
	ledger_index BIGINT NOT NULL,
	FOREIGN KEY (agreement_id, version) REFERENCES sharing_agreement (id, version)
);
`}}

// List returns all versions of all agreements, in order of id and version.
func List(ctx context.Context, db bun.IDB) ([]Agreement, error) {
	var list []Agreement
	err := db.NewSelect().Model(&list).OrderExpr("id, version").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list agreements: %w", err)
	}
	return list, nil
}

// Get returns a version of an agreement; version 0 means the newest.
func Get(ctx context.Context, db bun.IDB, id string, version int) (*Agreement, error) {
	var a Agreement
	query := db.NewSelect().Model(&a).Where("id = ?", id).OrderExpr("version DESC").Limit(1)
	if version > 0 {
		query = query.Where("version = ?", version)
	}
	err := query.Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %q version %d", ErrNotFound, id, version)
	}
	if err != nil {
		return nil, fmt.Errorf("read agreement %q: %w", id, err)
	}
	return &a, nil
}

// Insert keeps a new version.
func Insert(ctx context.Context, tx bun.IDB, a *Agreement) error {
	_, err := tx.NewInsert().Model(a).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep agreement %s: %w", a.Key(), err)
	}
	return nil
}

// Update keeps what an act changed, provided that the version is still in the
// state in which the act found it.
func Update(ctx context.Context, tx bun.IDB, a *Agreement, from string) error {
	result, err := tx.NewUpdate().Model(a).
		Column("state", "accepted_by", "accepted_agency", "accepted_at", "suspended_from", "reason", "ended_at").
		WherePK().Where("state = ?", from).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep agreement %s: %w", a.Key(), err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("keep agreement %s: %w", a.Key(), err)
	}
	if n != 1 {
		return fmt.Errorf("%w: %s was changed meanwhile", ErrState, a.Key())
	}
	return nil
}

// Event is one act on an agreement with its place in the ledger.
type Event struct {
	bun.BaseModel `bun:"table:sharing_agreement_event"`

	Seq         int64     `bun:"seq,pk,autoincrement" json:"-"`
	AgreementID string    `bun:"agreement_id" json:"agreement"`
	Version     int       `bun:"version" json:"version"`
	Act         string    `bun:"act" json:"act"`
	Actor       string    `bun:"actor" json:"actor"`
	AgencyID    string    `bun:"agency_id" json:"agency"`
	At          time.Time `bun:"at" json:"at"`
	Reason      string    `bun:"reason" json:"reason,omitempty"`
	LedgerIndex uint64    `bun:"ledger_index" json:"ledger_index"`
}

// Events returns the acts on an agreement, oldest first.
func Events(ctx context.Context, db bun.IDB, id string) ([]Event, error) {
	var events []Event
	err := db.NewSelect().Model(&events).Where("agreement_id = ?", id).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list acts on agreement %q: %w", id, err)
	}
	return events, nil
}
