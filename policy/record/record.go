// Package record keeps the access log that NĐ 47/2020/NĐ-CP Đ45 and R37 ask
// for: when, who, what was asked, what came of it, and which data, the data by
// digest. The log is evidence: a row is written once, after its entry stands in
// the ledger, and before any data leaves.
package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Statuses of an access.
const (
	StatusReleased = "released" // data was given
	StatusRefused  = "refused"  // the policy said no
	StatusFailed   = "failed"   // permitted, but the database did not answer as it must
	StatusDecided  = "decided"  // permitted as a question, no data asked
)

// Access is one data request and what came of it.
type Access struct {
	bun.BaseModel `bun:"table:sharing_access"`

	ID string    `bun:"id,pk" json:"id"`
	At time.Time `bun:"at" json:"at"`
	// Actor is the account that asked, or "system:gateway" for a service.
	Actor string `bun:"actor" json:"actor"`
	// AgencyID is the asking agency, by its certificate.
	AgencyID    string `bun:"agency_id" json:"agency"`
	Certificate string `bun:"certificate" json:"certificate,omitempty"` // hex SHA-256 of the client certificate
	DatasetID   string `bun:"dataset_id" json:"dataset"`
	Purpose     string `bun:"purpose" json:"purpose"`
	Operation   string `bun:"operation" json:"operation"`
	// Request is the path and query that were asked. It may hold personal data
	// (a search by name), so it stands here and never in the ledger or logs.
	Request     string   `bun:"request" json:"request,omitempty"`
	Asked       []string `bun:"fields_asked,type:jsonb" json:"fields_asked"`
	Given       []string `bun:"fields_given,type:jsonb" json:"fields_given"`
	Status      string   `bun:"status" json:"status"`
	Codes       []string `bun:"codes,type:jsonb" json:"codes"`
	LegalBasis  []string `bun:"legal_basis,type:jsonb" json:"legal_basis"`
	AgreementID string   `bun:"agreement_id" json:"agreement,omitempty"`
	Revision    string   `bun:"revision" json:"revision"`
	DataSHA256  string   `bun:"data_sha256" json:"data_sha256,omitempty"`
	DataBytes   int64    `bun:"data_bytes" json:"data_bytes"`
	Records     int64    `bun:"records" json:"records"`
	LedgerIndex uint64   `bun:"ledger_index" json:"ledger_index"`
}

// Schema is the log's part of the database.
var Schema = []store.Migration{{ID: "policy-record/0001", SQL: `
CREATE TABLE sharing_access (
	id TEXT PRIMARY KEY,
	at TIMESTAMPTZ NOT NULL,
	actor TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	certificate TEXT NOT NULL DEFAULT '',
	dataset_id TEXT NOT NULL,
	purpose TEXT NOT NULL,
	operation TEXT NOT NULL,
	request TEXT NOT NULL DEFAULT '',
	fields_asked JSONB NOT NULL,
	fields_given JSONB NOT NULL,
	status TEXT NOT NULL CHECK (status IN ('released', 'refused', 'failed', 'decided')),
	codes JSONB NOT NULL,
	legal_basis JSONB NOT NULL,
	agreement_id TEXT NOT NULL DEFAULT '',
	revision TEXT NOT NULL,
	data_sha256 TEXT NOT NULL DEFAULT '',
	data_bytes BIGINT NOT NULL DEFAULT 0,
	records BIGINT NOT NULL DEFAULT 0,
	ledger_index BIGINT NOT NULL
);
CREATE INDEX sharing_access_at ON sharing_access (at);
CREATE INDEX sharing_access_agency ON sharing_access (agency_id, at);
CREATE INDEX sharing_access_agreement ON sharing_access (agreement_id, at);
`}}

// act names an access in the ledger by its status.
func act(status string) string {
	switch status {
	case StatusReleased:
		return "policy.release"
	case StatusRefused:
		return "policy.refuse"
	case StatusFailed:
		return "policy.fail"
	}
	return "policy.decide"
}

// Keep writes the access to the ledger and then to the database. After an
// error nothing may be given: where only the row failed, the ledger holds an
// entry without a row, which tells an auditor that the answer did not leave.
func Keep(ctx context.Context, db bun.IDB, log ledger.Appender, a *Access) error {
	for _, list := range []*[]string{&a.Asked, &a.Given, &a.Codes, &a.LegalBasis} {
		if *list == nil {
			*list = []string{}
		}
	}
	a.At = a.At.UTC().Truncate(time.Microsecond) // what both databases keep
	digest, err := a.Digest()
	if err != nil {
		return err
	}
	receipt, err := log.Append(ctx, ledger.Entry{
		Time: a.At, Kind: act(a.Status), Actor: a.Actor, Agency: code(a.AgencyID), Object: a.ID, Digest: digest,
		Detail: a.detail(),
	})
	if err != nil {
		return fmt.Errorf("write access %s to the ledger: %w", a.ID, err)
	}
	a.LedgerIndex = receipt.Index
	_, err = db.NewInsert().Model(a).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep access %s: %w", a.ID, err)
	}
	return nil
}

// Digest returns the hex SHA-256 of the access as JSON without its place in
// the ledger: what the ledger's entry binds.
func (a *Access) Digest() (string, error) {
	bound := *a
	bound.LedgerIndex, bound.At = 0, a.At.UTC()
	text, err := json.Marshal(bound)
	if err != nil {
		return "", fmt.Errorf("encode access %s: %w", a.ID, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// code returns what the asker named if it is a code, and a word for it
// otherwise: free text of a request may be anything and stays out of the ledger.
func code(text string) string {
	if text == "" || IsCode(text) {
		return text
	}
	return "not-a-code"
}

// maxCode is the longest code: DNS's longest label.
const maxCode = 63

// IsCode says whether the text is a code: small ASCII letters, digits and
// hyphens, a letter first.
func IsCode(text string) bool {
	if text == "" || len(text) > maxCode || text[0] < 'a' || text[0] > 'z' {
		return false
	}
	for _, c := range []byte(text) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// detail holds codes and digests alone: no request text, no data.
func (a *Access) detail() map[string]string {
	detail := map[string]string{
		"dataset": code(a.DatasetID), "purpose": code(a.Purpose), "operation": code(a.Operation), "status": a.Status,
		"codes": strings.Join(a.Codes, ","), "revision": a.Revision,
	}
	if a.AgreementID != "" {
		detail["agreement"] = a.AgreementID
	}
	if a.DataSHA256 != "" {
		detail["data_sha256"] = a.DataSHA256
		detail["data_bytes"] = strconv.FormatInt(a.DataBytes, 10)
	}
	if a.Certificate != "" {
		detail["certificate"] = a.Certificate
	}
	return detail
}

// maxList limits a page of the log.
const maxList = 500

// List returns the newest accesses, of one agency unless it is empty.
func List(ctx context.Context, db bun.IDB, agency string, limit int) ([]Access, error) {
	if limit <= 0 || limit > maxList {
		limit = maxList
	}
	var list []Access
	query := db.NewSelect().Model(&list).OrderExpr("at DESC, id").Limit(int64(limit))
	if agency != "" {
		query = query.Where("agency_id = ?", agency)
	}
	err := query.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list accesses: %w", err)
	}
	return list, nil
}

// Get returns one access.
func Get(ctx context.Context, db bun.IDB, id string) (*Access, error) {
	var a Access
	err := db.NewSelect().Model(&a).Where("id = ?", id).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read access %q: %w", id, err)
	}
	return &a, nil
}

// LastUse returns when each agreement last gave data.
func LastUse(ctx context.Context, db bun.IDB) (map[string]time.Time, error) {
	var rows []struct {
		AgreementID string    `bun:"agreement_id"`
		At          time.Time `bun:"at"`
	}
	// Ordered rows instead of max(): SQLite gives an aggregate of a time back as text.
	err := db.NewSelect().TableExpr("sharing_access AS a").ColumnExpr("a.agreement_id, a.at").
		Where("a.status = ?", StatusReleased).Where("a.agreement_id <> ''").
		Where("NOT EXISTS (SELECT 1 FROM sharing_access AS b WHERE b.agreement_id = a.agreement_id AND b.status = a.status AND b.at > a.at)").
		Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read the use of agreements: %w", err)
	}
	last := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		last[row.AgreementID] = row.At
	}
	return last, nil
}
