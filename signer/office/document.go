package office

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// State is where a document stands on its way out of the agency.
type State string

// The states in their order (NĐ 30/2020 Đ13-18), and the two ways off it.
const (
	StateDraft    State = "draft"    // waits for the competent person
	StateSigned   State = "signed"   // waits for number and date
	StateNumbered State = "numbered" // waits for the seal
	StateSealed   State = "sealed"   // waits to be issued
	StateIssued   State = "issued"
	// StateReturned waits for its drafter, who submits it again or withdraws it.
	StateReturned State = "returned"
	// StateWithdrawn ends a document. A number that it has stays with it.
	StateWithdrawn State = "withdrawn"
)

// Document is a document on its way out. Its file is the newest of the
// revisions, which are kept side by side.
type Document struct {
	bun.BaseModel `bun:"table:office_document"`

	ID       string `bun:"id,pk" json:"id"`
	AgencyID string `bun:"agency_id" json:"agency"`
	// Kind is the code of the type, Unit what a công văn's symbol ends in.
	Kind     string `bun:"kind" json:"kind"`
	Unit     string `bun:"unit" json:"unit,omitempty"`
	Name     string `bun:"name" json:"name"`
	Abstract string `bun:"abstract" json:"abstract,omitempty"`
	// Place is the name of the place in the line of the date.
	Place string `bun:"place" json:"place,omitempty"`
	State State  `bun:"state" json:"state"`
	// SignerID is the person who is asked to sign, Form in what authority.
	SignerID string `bun:"signer_id" json:"signer"`
	Form     Form   `bun:"form" json:"form"`
	// DelegationID is the entry of the register that the signature rests on.
	DelegationID string `bun:"delegation_id" json:"delegation,omitempty"`
	// CreatedBy drafted, SignedBy signed: accounts.
	CreatedBy string `bun:"created_by" json:"created_by"`
	SignedBy  string `bun:"signed_by" json:"signed_by,omitempty"`
	// Year, Number and Symbol are zero until the document has a number; Dated is
	// the moment whose day in Vietnam is the document's date.
	Year   int64      `bun:"year" json:"year,omitempty"`
	Number int64      `bun:"number" json:"number,omitempty"`
	Symbol string     `bun:"symbol" json:"symbol,omitempty"`
	Dated  *time.Time `bun:"dated" json:"dated,omitempty"`
	// Revision names the current file, SHA256 and Size are that file's.
	Revision int64  `bun:"revision" json:"revision"`
	SHA256   string `bun:"sha256" json:"sha256"`
	Size     int64  `bun:"size" json:"size"`
	// ProtectedUntil is until when what the file holds proves its signatures.
	ProtectedUntil *time.Time `bun:"protected_until" json:"protected_until,omitempty"`
	// Places says where the marks go.
	Places Places `bun:"places,type:jsonb" json:"places"`
	// Reason is why the document was returned or withdrawn.
	Reason     string    `bun:"reason" json:"reason,omitempty"`
	ExerciseID string    `bun:"exercise_id" json:"exercise_id,omitempty"`
	CreatedAt  time.Time `bun:"created_at" json:"created_at"`
	MovedAt    time.Time `bun:"moved_at" json:"moved_at"`

	// Claim is the act that moves the document just now, ClaimMove what it is
	// and ClaimBy whose.
	Claim     string     `bun:"claim" json:"-"`
	ClaimMove string     `bun:"claim_move" json:"-"`
	ClaimBy   string     `bun:"claim_by" json:"-"`
	ClaimedAt *time.Time `bun:"claimed_at" json:"-"`
}

// Attachment is a file that goes with a document (R18).
type Attachment struct {
	bun.BaseModel `bun:"table:office_attachment"`

	DocumentID string `bun:"document_id,pk" json:"-"`
	Position   int64  `bun:"position,pk" json:"position"` // from 1
	// Revision is that of the document with which it came.
	Revision int64  `bun:"revision" json:"-"`
	Name     string `bun:"name" json:"name"`
	SHA256   string `bun:"sha256" json:"sha256"`
	Size     int64  `bun:"size" json:"size"`
	// SealedSHA256 is of the file with the agency's signature; empty before.
	SealedSHA256 string `bun:"sealed_sha256" json:"sealed_sha256,omitempty"`
	ActID        string `bun:"act_id" json:"act,omitempty"`
}

// Step is one move of a document: the trail that people follow. The same stands
// in the ledger, without words.
type Step struct {
	bun.BaseModel `bun:"table:office_step"`

	DocumentID string    `bun:"document_id,pk" json:"-"`
	Position   int64     `bun:"position,pk" json:"position"`
	Move       string    `bun:"move" json:"move"`
	State      State     `bun:"state" json:"state"`
	AccountID  string    `bun:"account_id" json:"account"`
	ActID      string    `bun:"act_id" json:"act,omitempty"`
	Reason     string    `bun:"reason" json:"reason,omitempty"`
	SHA256     string    `bun:"sha256" json:"sha256"`
	LedgerAt   int64     `bun:"ledger_index" json:"ledger_index"`
	At         time.Time `bun:"at" json:"at"`
}

// Schema is the office's part of the database.
func Schema() []store.Migration {
	return []store.Migration{SeriesSchema(), {ID: "office/0002", SQL: `
CREATE TABLE office_document (
	id TEXT PRIMARY KEY,
	agency_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	unit TEXT NOT NULL DEFAULT '',
	name TEXT NOT NULL,
	abstract TEXT NOT NULL DEFAULT '',
	place TEXT NOT NULL DEFAULT '',
	state TEXT NOT NULL,
	signer_id TEXT NOT NULL,
	form TEXT NOT NULL,
	delegation_id TEXT NOT NULL DEFAULT '',
	created_by TEXT NOT NULL,
	signed_by TEXT NOT NULL DEFAULT '',
	year BIGINT NOT NULL DEFAULT 0,
	number BIGINT NOT NULL DEFAULT 0,
	symbol TEXT NOT NULL DEFAULT '',
	dated TIMESTAMPTZ,
	revision BIGINT NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	places JSONB NOT NULL,
	reason TEXT NOT NULL DEFAULT '',
	exercise_id TEXT NOT NULL DEFAULT '',
	created_at TIMESTAMPTZ NOT NULL,
	moved_at TIMESTAMPTZ NOT NULL,
	claim TEXT NOT NULL DEFAULT '',
	claim_move TEXT NOT NULL DEFAULT '',
	claim_by TEXT NOT NULL DEFAULT '',
	claimed_at TIMESTAMPTZ
);
CREATE INDEX office_document_agency ON office_document (agency_id, state, moved_at);
CREATE INDEX office_document_signer ON office_document (signer_id, state);
CREATE INDEX office_document_creator ON office_document (created_by, created_at);
CREATE INDEX office_document_claim ON office_document (claim) WHERE claim <> '';
CREATE TABLE office_attachment (
	document_id TEXT NOT NULL,
	position BIGINT NOT NULL,
	revision BIGINT NOT NULL,
	name TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size BIGINT NOT NULL,
	sealed_sha256 TEXT NOT NULL DEFAULT '',
	act_id TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (document_id, position)
);
CREATE TABLE office_step (
	document_id TEXT NOT NULL,
	position BIGINT NOT NULL,
	move TEXT NOT NULL,
	state TEXT NOT NULL,
	account_id TEXT NOT NULL,
	act_id TEXT NOT NULL DEFAULT '',
	reason TEXT NOT NULL DEFAULT '',
	sha256 TEXT NOT NULL,
	ledger_index BIGINT NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	PRIMARY KEY (document_id, position)
);
CREATE TABLE office_delegation (
	id TEXT PRIMARY KEY,
	agency_id TEXT NOT NULL,
	form TEXT NOT NULL,
	person_id TEXT NOT NULL,
	grantor_id TEXT NOT NULL DEFAULT '',
	kinds TEXT NOT NULL DEFAULT '',
	decision TEXT NOT NULL,
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ,
	created_by TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	ledger_index BIGINT NOT NULL,
	revoked_by TEXT NOT NULL DEFAULT '',
	revoked_at TIMESTAMPTZ,
	revoke_reason TEXT NOT NULL DEFAULT ''
);
CREATE INDEX office_delegation_person ON office_delegation (agency_id, person_id);
`}, protectionSchema()}
}
