package enrol

import "github.com/antin-gov/antin/internal/store"

// Schema is the table of credentials.
func Schema() []store.Migration {
	return []store.Migration{{ID: "ca-enrol/0001", SQL: `
CREATE TABLE ca_enrolment (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	profiles TEXT NOT NULL,
	domains TEXT NOT NULL,
	networks TEXT NOT NULL,
	machine TEXT NOT NULL DEFAULT '',
	secret BYTEA NOT NULL,
	max_uses BIGINT NOT NULL,
	uses BIGINT NOT NULL DEFAULT 0,
	preauthorised BOOLEAN NOT NULL,
	by_officer BOOLEAN NOT NULL,
	note TEXT NOT NULL DEFAULT '',
	created_by TEXT NOT NULL,
	created_person TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	create_index BIGINT NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	approved_by TEXT NOT NULL DEFAULT '',
	approved_at TIMESTAMPTZ,
	approve_index BIGINT,
	revoked_by TEXT NOT NULL DEFAULT '',
	revoked_at TIMESTAMPTZ,
	revoke_index BIGINT,
	used_at TIMESTAMPTZ
);
CREATE INDEX ca_enrolment_kind ON ca_enrolment (kind, created_at);
CREATE INDEX ca_enrolment_agency ON ca_enrolment (agency_id)
`}}
}
