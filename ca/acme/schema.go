package acme

import "github.com/antin-gov/antin/internal/store"

// Schema is the tables of accounts, orders, authorizations, challenges and
// spent nonces.
func Schema() []store.Migration {
	return []store.Migration{{ID: "ca-acme/0001", SQL: `
CREATE TABLE acme_nonce (
	nonce TEXT PRIMARY KEY,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX acme_nonce_expires ON acme_nonce (expires_at);
CREATE TABLE acme_account (
	id TEXT PRIMARY KEY,
	agency_id TEXT NOT NULL,
	credential_id TEXT NOT NULL REFERENCES ca_enrolment (id),
	thumbprint TEXT NOT NULL UNIQUE,
	jwk TEXT NOT NULL,
	status TEXT NOT NULL,
	contact TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	create_index BIGINT NOT NULL
);
CREATE INDEX acme_account_credential ON acme_account (credential_id);
CREATE TABLE acme_order (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES acme_account (id),
	agency_id TEXT NOT NULL,
	profile TEXT NOT NULL,
	identifiers TEXT NOT NULL,
	replaces TEXT NOT NULL DEFAULT '',
	state TEXT NOT NULL,
	csr BYTEA,
	serial TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	claimed_at TIMESTAMPTZ,
	finalise_index BIGINT,
	not_after TIMESTAMPTZ
);
CREATE INDEX acme_order_account ON acme_order (account_id, created_at);
CREATE INDEX acme_order_serial ON acme_order (serial);
CREATE INDEX acme_order_replaces ON acme_order (replaces);
CREATE INDEX acme_order_state ON acme_order (state, expires_at);
CREATE TABLE acme_authz (
	id TEXT PRIMARY KEY,
	order_id TEXT NOT NULL REFERENCES acme_order (id) ON DELETE CASCADE,
	account_id TEXT NOT NULL,
	position BIGINT NOT NULL,
	kind TEXT NOT NULL,
	value TEXT NOT NULL,
	state TEXT NOT NULL,
	changed_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX acme_authz_order ON acme_authz (order_id);
CREATE INDEX acme_authz_account ON acme_authz (account_id, value, state);
CREATE TABLE acme_challenge (
	id TEXT PRIMARY KEY,
	authz_id TEXT NOT NULL REFERENCES acme_authz (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	kind TEXT NOT NULL,
	token TEXT NOT NULL,
	state TEXT NOT NULL,
	fault TEXT NOT NULL DEFAULT '',
	claimed_at TIMESTAMPTZ,
	validated_at TIMESTAMPTZ
);
CREATE INDEX acme_challenge_authz ON acme_challenge (authz_id);
CREATE INDEX acme_challenge_state ON acme_challenge (state)
`}}
}
