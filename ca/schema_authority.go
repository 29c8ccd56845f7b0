package ca

import "github.com/antin-gov/antin/internal/store"

// authoritySchema gives authorities lines and generations, a key that may be
// elsewhere, and certificates from others. It stands right after the first
// step, because it builds the table of authorities anew: the certificate of an
// authority need no longer be one of the own register.
func authoritySchema() []store.Migration {
	return []store.Migration{{ID: "ca/authority-0001", SQL: `
CREATE TABLE ca_authority_next (
	name TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	line TEXT NOT NULL,
	generation BIGINT NOT NULL,
	state TEXT NOT NULL,
	custody TEXT NOT NULL,
	parent TEXT NOT NULL DEFAULT '',
	key_label TEXT NOT NULL DEFAULT '',
	serial TEXT NOT NULL DEFAULT '',
	revision BIGINT NOT NULL DEFAULT 0,
	crl_number BIGINT NOT NULL DEFAULT 0,
	UNIQUE (line, generation)
);
INSERT INTO ca_authority_next (name, kind, line, generation, state, custody, parent, key_label, serial, revision, crl_number)
	SELECT name, kind, CASE kind WHEN 'root' THEN 'root' ELSE name END, 1, 'active', 'token',
	CASE kind WHEN 'root' THEN '' ELSE 'g1' END, key_label, serial, revision, crl_number FROM ca_authority;
DROP TABLE ca_authority;
ALTER TABLE ca_authority_next RENAME TO ca_authority;
CREATE TABLE ca_authority_certificate (
	sha256 TEXT PRIMARY KEY,
	authority TEXT NOT NULL,
	kind TEXT NOT NULL,
	der BYTEA NOT NULL,
	added_by TEXT NOT NULL,
	added_at TIMESTAMPTZ NOT NULL,
	ledger_index BIGINT NOT NULL
);
CREATE INDEX ca_authority_certificate_authority ON ca_authority_certificate (authority, kind);
CREATE TABLE ca_authority_request (
	digest TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	state TEXT NOT NULL,
	body TEXT NOT NULL,
	created_by TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	ledger_index BIGINT NOT NULL,
	answered_at TIMESTAMPTZ,
	answer_index BIGINT
);
`}}
}
