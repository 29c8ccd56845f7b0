package est

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// Schema is the table of enrolments.
func Schema() []store.Migration {
	return []store.Migration{{ID: "ca-est/0001", SQL: `
CREATE TABLE est_enrolment (
	id TEXT PRIMARY KEY,
	source TEXT NOT NULL UNIQUE,
	holder TEXT NOT NULL DEFAULT '',
	agency_id TEXT NOT NULL,
	spki_sha256 TEXT NOT NULL,
	request_id TEXT NOT NULL DEFAULT '',
	serial TEXT NOT NULL DEFAULT '',
	claimed_at TIMESTAMPTZ,
	created_at TIMESTAMPTZ NOT NULL,
	ledger_index BIGINT NOT NULL
);
CREATE INDEX est_enrolment_holder ON est_enrolment (holder)
`}}
}

// enrolment is one certificate asked for.
type enrolment struct {
	bun.BaseModel `bun:"table:est_enrolment"`

	ID string `bun:"id,pk"`
	// Source is what authorised it: a credential, or a certificate with the new
	// key. Each source is used once.
	Source string `bun:"source"`
	// Holder is the serial number of the certificate that asked; empty for a
	// first enrolment.
	Holder      string     `bun:"holder"`
	AgencyID    string     `bun:"agency_id"`
	SPKI        string     `bun:"spki_sha256"`
	RequestID   string     `bun:"request_id"` // of the registration authority
	Serial      string     `bun:"serial"`
	ClaimedAt   *time.Time `bun:"claimed_at"`
	CreatedAt   time.Time  `bun:"created_at"`
	LedgerIndex int64      `bun:"ledger_index"`
}
