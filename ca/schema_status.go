package ca

import "github.com/antin-gov/antin/internal/store"

// statusSchema holds the changes of state of certificates, for good and in
// order, the lists of all scopes, and how far database and ledger are known to
// agree.
func statusSchema() []store.Migration {
	return []store.Migration{{ID: "ca/status-0001", SQL: `
ALTER TABLE ca_certificate ADD COLUMN crl_partition BIGINT NOT NULL DEFAULT 0;
CREATE INDEX ca_certificate_partition ON ca_certificate (issuer, crl_partition);
CREATE TABLE ca_revocation (
	issuer TEXT NOT NULL,
	revision BIGINT NOT NULL,
	serial TEXT NOT NULL,
	act TEXT NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	cause TEXT NOT NULL DEFAULT '',
	reason BIGINT NOT NULL DEFAULT 0,
	note TEXT NOT NULL DEFAULT '',
	actor TEXT NOT NULL,
	ledger_index BIGINT,
	PRIMARY KEY (issuer, revision)
);
CREATE INDEX ca_revocation_serial ON ca_revocation (serial);
INSERT INTO ca_revocation (issuer, revision, serial, act, at, cause, reason, note, actor, ledger_index)
	SELECT issuer, ROW_NUMBER() OVER (PARTITION BY issuer ORDER BY revoked_at, serial), serial, 'revoke', revoked_at,
	revocation_cause, revocation_reason, revocation_note, revoked_by, revoke_index FROM ca_certificate WHERE revoked_at IS NOT NULL;
CREATE TABLE ca_crl_scope (
	issuer TEXT NOT NULL,
	part BIGINT NOT NULL,
	number BIGINT NOT NULL DEFAULT 0,
	complete BIGINT NOT NULL DEFAULT 0,
	delta BIGINT NOT NULL DEFAULT 0,
	lease_owner TEXT NOT NULL DEFAULT '',
	lease_until BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (issuer, part)
);
INSERT INTO ca_crl_scope (issuer, part, number) SELECT name, 0, crl_number FROM ca_authority;
CREATE TABLE ca_crl_list (
	issuer TEXT NOT NULL,
	part BIGINT NOT NULL,
	delta BIGINT NOT NULL,
	number BIGINT NOT NULL,
	base BIGINT NOT NULL DEFAULT 0,
	revision BIGINT NOT NULL,
	this_update TIMESTAMPTZ NOT NULL,
	next_update TIMESTAMPTZ NOT NULL,
	entries BIGINT NOT NULL DEFAULT 0,
	der BYTEA,
	PRIMARY KEY (issuer, part, delta, number)
);
DROP TABLE ca_crl;
CREATE TABLE ca_lease (
	name TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	until BIGINT NOT NULL
);
CREATE TABLE ca_timestamp_order (
	policy TEXT PRIMARY KEY,
	last BIGINT NOT NULL
);
CREATE TABLE ca_ledger_mark (
	name TEXT PRIMARY KEY,
	size BIGINT NOT NULL,
	root TEXT NOT NULL,
	at TIMESTAMPTZ NOT NULL
);
CREATE TABLE ca_audit (
	id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at TIMESTAMPTZ NOT NULL,
	took_ms BIGINT NOT NULL,
	findings BIGINT NOT NULL,
	report TEXT NOT NULL
);
`}}
}
