package ca

import (
	"slices"

	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/store"
)

// Schema is the authority's part of the database, each part beside its code.
func Schema() []store.Migration {
	return slices.Concat(
		registerSchema(),
		authoritySchema(),
		statusSchema(),
		ra.Schema(),
	)
}

// registerSchema holds the registers of certificates, authorities, lists,
// time-stamps and requests.
func registerSchema() []store.Migration {
	return []store.Migration{{ID: "ca/0001", SQL: `
CREATE TABLE ca_certificate (
	serial TEXT PRIMARY KEY,
	issuer TEXT NOT NULL,
	profile TEXT NOT NULL,
	state TEXT NOT NULL,
	request_id TEXT NOT NULL DEFAULT '',
	agency_id TEXT NOT NULL DEFAULT '',
	person_id TEXT NOT NULL DEFAULT '',
	machine TEXT NOT NULL DEFAULT '',
	key_label TEXT NOT NULL DEFAULT '',
	subject TEXT NOT NULL DEFAULT '',
	spki_sha256 TEXT NOT NULL DEFAULT '',
	tbs_sha256 TEXT NOT NULL DEFAULT '',
	sha256 TEXT NOT NULL DEFAULT '',
	der BYTEA,
	not_before TIMESTAMPTZ,
	not_after TIMESTAMPTZ,
	actor TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	issued_at TIMESTAMPTZ,
	intent_index BIGINT,
	issue_index BIGINT,
	revoked_at TIMESTAMPTZ,
	revocation_cause TEXT NOT NULL DEFAULT '',
	revocation_reason BIGINT NOT NULL DEFAULT 0,
	revocation_note TEXT NOT NULL DEFAULT '',
	revoked_by TEXT NOT NULL DEFAULT '',
	revoke_index BIGINT
);
CREATE INDEX ca_certificate_issuer ON ca_certificate (issuer, revoked_at);
CREATE INDEX ca_certificate_state ON ca_certificate (state);
CREATE INDEX ca_certificate_spki ON ca_certificate (spki_sha256);
CREATE INDEX ca_certificate_request ON ca_certificate (request_id);
CREATE INDEX ca_certificate_agency ON ca_certificate (agency_id);
CREATE TABLE ca_authority (
	name TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	key_label TEXT NOT NULL,
	serial TEXT NOT NULL REFERENCES ca_certificate (serial),
	revision BIGINT NOT NULL DEFAULT 0,
	crl_number BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE ca_unit (
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	key_label TEXT NOT NULL,
	serial TEXT NOT NULL REFERENCES ca_certificate (serial),
	PRIMARY KEY (kind, name)
);
CREATE TABLE ca_crl (
	issuer TEXT NOT NULL,
	number BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	this_update TIMESTAMPTZ NOT NULL,
	next_update TIMESTAMPTZ NOT NULL,
	der BYTEA NOT NULL,
	PRIMARY KEY (issuer, number)
);
CREATE TABLE ca_timestamp (
	serial TEXT PRIMARY KEY,
	gen_time TIMESTAMPTZ NOT NULL,
	hash TEXT NOT NULL,
	imprint TEXT NOT NULL,
	policy TEXT NOT NULL,
	token_sha256 TEXT NOT NULL DEFAULT '',
	ledger_index BIGINT
);
CREATE INDEX ca_timestamp_time ON ca_timestamp (gen_time);
CREATE TABLE ca_request (
	id TEXT PRIMARY KEY,
	profile TEXT NOT NULL,
	state TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	person_id TEXT NOT NULL DEFAULT '',
	facts TEXT NOT NULL,
	csr BYTEA NOT NULL,
	key_label TEXT NOT NULL DEFAULT '',
	spki_sha256 TEXT NOT NULL,
	note TEXT NOT NULL DEFAULT '',
	created_by TEXT NOT NULL,
	created_person TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	create_index BIGINT NOT NULL,
	decided_by TEXT NOT NULL DEFAULT '',
	decided_at TIMESTAMPTZ,
	decision_note TEXT NOT NULL DEFAULT '',
	decide_index BIGINT,
	issuing_since TIMESTAMPTZ,
	issued_by TEXT NOT NULL DEFAULT '',
	issued_at TIMESTAMPTZ,
	serial TEXT NOT NULL DEFAULT ''
);
CREATE INDEX ca_request_state ON ca_request (state, created_at);
CREATE INDEX ca_request_agency ON ca_request (agency_id);
`}}
}
