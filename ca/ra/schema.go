package ra

import "github.com/antin-gov/antin/internal/store"

// Schema is what registration adds to the authority's part of the database.
func Schema() []store.Migration {
	return []store.Migration{{ID: "ca-ra/0001", SQL: `
ALTER TABLE ca_request ADD COLUMN kind TEXT NOT NULL DEFAULT 'new';
ALTER TABLE ca_request ADD COLUMN old_serial TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN key_algorithm TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN manager_id TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN registrar_id TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE ca_request ADD COLUMN confirmed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN confirmed_person TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN confirmed_at TIMESTAMPTZ;
ALTER TABLE ca_request ADD COLUMN confirm_index BIGINT;
ALTER TABLE ca_request ADD COLUMN decided_person TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN due_at TIMESTAMPTZ;
ALTER TABLE ca_request ADD COLUMN job_id TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN handed_at TIMESTAMPTZ;
ALTER TABLE ca_request ADD COLUMN handed_by TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN handed_to TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_request ADD COLUMN handed_device TEXT NOT NULL DEFAULT '';
CREATE INDEX ca_request_order ON ca_request (create_index, id);
CREATE INDEX ca_request_job ON ca_request (job_id, state);
CREATE INDEX ca_request_manager ON ca_request (manager_id, state);
CREATE INDEX ca_request_due ON ca_request (due_at);
CREATE INDEX ca_request_old ON ca_request (old_serial);
CREATE TABLE ca_request_event (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	request_id TEXT NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	act TEXT NOT NULL,
	state TEXT NOT NULL,
	account TEXT NOT NULL,
	note TEXT NOT NULL DEFAULT '',
	ledger_index BIGINT NOT NULL
);
CREATE INDEX ca_request_event_request ON ca_request_event (request_id, id);
CREATE TABLE ca_request_document (
	id TEXT PRIMARY KEY,
	request_id TEXT NOT NULL,
	name TEXT NOT NULL,
	mime TEXT NOT NULL,
	size BIGINT NOT NULL,
	sha256 TEXT NOT NULL,
	content BYTEA NOT NULL,
	added_by TEXT NOT NULL,
	added_at TIMESTAMPTZ NOT NULL,
	ledger_index BIGINT NOT NULL
);
CREATE INDEX ca_request_document_request ON ca_request_document (request_id);
`}, {ID: "ca-ra/0002", SQL: `
CREATE TABLE ca_bulk_job (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	state TEXT NOT NULL,
	total BIGINT NOT NULL,
	refused BIGINT NOT NULL,
	head TEXT NOT NULL,
	note TEXT NOT NULL DEFAULT '',
	top_confirmed BOOLEAN NOT NULL DEFAULT FALSE,
	created_by TEXT NOT NULL,
	created_person TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	create_index BIGINT NOT NULL,
	confirmed_by TEXT NOT NULL DEFAULT '',
	confirmed_person TEXT NOT NULL DEFAULT '',
	confirmed_at TIMESTAMPTZ,
	decided_by TEXT NOT NULL DEFAULT '',
	decided_at TIMESTAMPTZ,
	decision_note TEXT NOT NULL DEFAULT '',
	due_at TIMESTAMPTZ,
	runner TEXT NOT NULL DEFAULT '',
	lease_until TIMESTAMPTZ,
	finished_at TIMESTAMPTZ
);
CREATE INDEX ca_bulk_job_order ON ca_bulk_job (create_index);
CREATE TABLE ca_bulk_item (
	job_id TEXT NOT NULL REFERENCES ca_bulk_job (id),
	row_number BIGINT NOT NULL,
	state TEXT NOT NULL,
	reason TEXT NOT NULL DEFAULT '',
	request_id TEXT NOT NULL DEFAULT '',
	serial TEXT NOT NULL DEFAULT '',
	not_after TIMESTAMPTZ,
	cells TEXT NOT NULL,
	PRIMARY KEY (job_id, row_number)
);
CREATE INDEX ca_bulk_item_state ON ca_bulk_item (job_id, state, row_number);
`}}
}
