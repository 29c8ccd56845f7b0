package auth

import "github.com/antin-gov/antin/internal/store"

// Schema is the accounts' part of the database.
var Schema = []store.Migration{{ID: "auth/0001", SQL: `
CREATE TABLE account (
	id TEXT PRIMARY KEY,
	person_id TEXT NOT NULL DEFAULT '',
	agency_id TEXT NOT NULL DEFAULT '',
	roles TEXT NOT NULL,
	password TEXT NOT NULL,
	totp BYTEA,
	totp_step BIGINT NOT NULL DEFAULT 0,
	failures BIGINT NOT NULL DEFAULT 0,
	locked_until TIMESTAMPTZ,
	disabled BOOLEAN NOT NULL DEFAULT FALSE,
	demo BOOLEAN NOT NULL DEFAULT FALSE,
	created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE passkey (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES account (id),
	name TEXT NOT NULL,
	credential BYTEA NOT NULL,
	created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX passkey_account ON passkey (account_id);
CREATE TABLE auth_challenge (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	purpose TEXT NOT NULL,
	state BYTEA NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE session (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES account (id),
	created_at TIMESTAMPTZ NOT NULL,
	seen_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX session_account ON session (account_id);
`}}
