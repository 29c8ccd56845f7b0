package csc

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// Schema is the remote signing service's part of the database.
func Schema() []store.Migration {
	return []store.Migration{grantSchema(), jobSchema(), refreshSchema()}
}

func grantSchema() store.Migration {
	return store.Migration{ID: "csc/0001", SQL: `
CREATE TABLE csc_grant (
	id TEXT PRIMARY KEY,
	secret_sha256 TEXT NOT NULL UNIQUE,
	account_id TEXT NOT NULL,
	key_name TEXT NOT NULL,
	agency_id TEXT NOT NULL DEFAULT '',
	factor TEXT NOT NULL,
	client TEXT NOT NULL,
	total BIGINT NOT NULL,
	used BIGINT NOT NULL DEFAULT 0,
	bearer BOOLEAN NOT NULL DEFAULT FALSE,
	follows TEXT NOT NULL DEFAULT '',
	ledger_index BIGINT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	deadline TIMESTAMPTZ NOT NULL,
	ended_at TIMESTAMPTZ
);
CREATE INDEX csc_grant_account ON csc_grant (account_id, expires_at);
CREATE TABLE csc_grant_hash (
	grant_id TEXT NOT NULL REFERENCES csc_grant (id),
	position BIGINT NOT NULL,
	digest TEXT NOT NULL,
	used_at TIMESTAMPTZ,
	PRIMARY KEY (grant_id, position)
);
CREATE TABLE csc_request (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	account_id TEXT NOT NULL DEFAULT '',
	client TEXT NOT NULL,
	redirect_uri TEXT NOT NULL DEFAULT '',
	state TEXT NOT NULL DEFAULT '',
	challenge TEXT NOT NULL DEFAULT '',
	key_name TEXT NOT NULL DEFAULT '',
	hashes TEXT NOT NULL DEFAULT '',
	total BIGINT NOT NULL DEFAULT 0,
	description TEXT NOT NULL DEFAULT '',
	factor TEXT NOT NULL DEFAULT '',
	secret_sha256 TEXT NOT NULL UNIQUE,
	status TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX csc_request_account ON csc_request (account_id, status);
`}
}

// Grant is an authorization: what the SAD, or an access token of the scope
// "credential", stands for.
type Grant struct {
	bun.BaseModel `bun:"table:csc_grant"`

	ID           string `bun:"id,pk"`
	SecretSHA256 string `bun:"secret_sha256"` // the table alone signs nothing
	AccountID    string `bun:"account_id"`
	KeyName      string `bun:"key_name"`
	AgencyID     string `bun:"agency_id"`
	Factor       string `bun:"factor"`
	Client       string `bun:"client"` // the credential or client_id of the program
	Total        int64  `bun:"total"`  // signatures that the transaction allows
	Used         int64  `bun:"used"`
	Bearer       bool   `bun:"bearer"`  // it is an access token as well
	Follows      string `bun:"follows"` // the grant that it extends
	Index        int64  `bun:"ledger_index"`

	CreatedAt time.Time `bun:"created_at"`
	ExpiresAt time.Time `bun:"expires_at"`
	// Deadline ends the transaction, whatever is extended.
	Deadline time.Time  `bun:"deadline"`
	EndedAt  *time.Time `bun:"ended_at"`
}

// grantHash is one occurrence of a digest that a grant allows.
type grantHash struct {
	bun.BaseModel `bun:"table:csc_grant_hash"`

	GrantID  string     `bun:"grant_id,pk"`
	Position int64      `bun:"position,pk"`
	Digest   string     `bun:"digest"`
	UsedAt   *time.Time `bun:"used_at"`
}
