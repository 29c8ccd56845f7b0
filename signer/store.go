package signer

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
)

// Schema is the signer's part of the database.
var Schema = []store.Migration{{ID: "signer/0001", SQL: `
CREATE TABLE signing_act (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	agency_id TEXT NOT NULL DEFAULT '',
	key_name TEXT NOT NULL,
	certificate_serial TEXT NOT NULL,
	document_name TEXT NOT NULL,
	document_sha256 TEXT NOT NULL,
	factor TEXT NOT NULL DEFAULT '',
	level TEXT NOT NULL,
	scheme TEXT NOT NULL,
	state TEXT NOT NULL,
	failure TEXT NOT NULL DEFAULT '',
	opinion TEXT NOT NULL DEFAULT '',
	result_sha256 TEXT NOT NULL DEFAULT '',
	result_size BIGINT NOT NULL DEFAULT 0,
	intent_index BIGINT NOT NULL DEFAULT -1,
	release_index BIGINT NOT NULL DEFAULT -1,
	exercise_id TEXT NOT NULL DEFAULT '',
	begun_at TIMESTAMPTZ NOT NULL,
	ended_at TIMESTAMPTZ
);
CREATE INDEX signing_act_account ON signing_act (account_id, begun_at);
CREATE INDEX signing_act_result ON signing_act (result_sha256);
CREATE TABLE document (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	name TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	pages BIGINT NOT NULL,
	act_id TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX document_account ON document (account_id, created_at);
`}, {ID: "signer/0002", SQL: `
ALTER TABLE document ADD COLUMN claim TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN claimed_at TIMESTAMPTZ;
`}, extendSchema(), levelListSchema()}

// States of a signing act. An act that stays begun was cut off: nothing of it
// left the signer.
const (
	StateBegun    = "begun"
	StateReleased = "released"
	StateFailed   = "failed"
)

// Act is the record of one signature, or of one extension (KeyName, Scheme and
// CertificateSerial are empty then): written before the key is used and
// completed before the result leaves.
type Act struct {
	bun.BaseModel `bun:"table:signing_act"`

	ID                string `bun:"id,pk" json:"id"`
	AccountID         string `bun:"account_id" json:"account"`
	AgencyID          string `bun:"agency_id" json:"agency,omitempty"`
	KeyName           string `bun:"key_name" json:"key"`
	CertificateSerial string `bun:"certificate_serial" json:"certificate_serial"`
	DocumentName      string `bun:"document_name" json:"document"`
	DocumentSHA256    string `bun:"document_sha256" json:"document_sha256"`
	// Factor is the second factor that authorised the act: "totp", "passkey",
	// or "local" for somebody with access to the server itself.
	Factor  string `bun:"factor" json:"factor"`
	Level   string `bun:"level" json:"level"`
	Scheme  string `bun:"scheme" json:"scheme"`
	State   string `bun:"state" json:"state"`
	Failure string `bun:"failure" json:"failure,omitempty"`
	// Opinion is what the independent reader said, see Opinion.
	Opinion      string     `bun:"opinion" json:"second_opinion,omitempty"`
	ResultSHA256 string     `bun:"result_sha256" json:"result_sha256,omitempty"`
	ResultSize   int64      `bun:"result_size" json:"result_size,omitempty"`
	IntentIndex  int64      `bun:"intent_index" json:"intent_index"`
	ReleaseIndex int64      `bun:"release_index" json:"release_index"`
	ExerciseID   string     `bun:"exercise_id" json:"exercise_id,omitempty"`
	BegunAt      time.Time  `bun:"begun_at" json:"begun_at"`
	EndedAt      *time.Time `bun:"ended_at" json:"ended_at,omitempty"`
	// StampedBy are the addresses of the authorities whose time-stamps the
	// result holds; the ledger keeps them with the release.
	StampedBy []string `bun:"-" json:"stamped_by,omitempty"`
	// Evidence is the validation data of signer, time-stamps and responders, for
	// a request that asked for it.
	Evidence trust.Evidence `bun:"-" json:"-"`
}

// kind names a step of the act for the ledger. An extension uses no key of a
// person or an agency; the time-stamping authority records its own.
func (a *Act) kind(step string) string {
	if a.KeyName == "" {
		return "extend." + step
	}
	return "sign." + step
}

// Document is a file that an official brought to the console to be signed.
type Document struct {
	bun.BaseModel `bun:"table:document"`

	ID        string `bun:"id,pk" json:"id"`
	AccountID string `bun:"account_id" json:"account"`
	AgencyID  string `bun:"agency_id" json:"agency"`
	Name      string `bun:"name" json:"name"`
	SHA256    string `bun:"sha256" json:"sha256"`
	Size      int64  `bun:"size" json:"size"`
	Pages     int64  `bun:"pages" json:"pages"`
	// ActID is the act that signed the document; empty until it is signed.
	ActID string `bun:"act_id" json:"act_id,omitempty"`
	// ExtendID is the act that extended the signed document last.
	ExtendID  string    `bun:"extend_id" json:"extend_id,omitempty"`
	CreatedAt time.Time `bun:"created_at" json:"created_at"`
	// Claim is the act that is signing the document just now.
	Claim     string     `bun:"claim" json:"-"`
	ClaimedAt *time.Time `bun:"claimed_at" json:"-"`
}
