package incident

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// Actions of a case's history.
const (
	ActionOpen        = "open"
	ActionAlert       = "alert"
	ActionSeverity    = "severity"
	ActionAcknowledge = "acknowledge"
	ActionAssign      = "assign"
	ActionComment     = "comment"
	ActionClose       = "close"
	ActionFulfil      = "fulfil"
	ActionWarn        = "clock-warn"
	ActionOverdue     = "clock-overdue"
)

// History is one row of what happened to a case. Rows are only added; each
// carries the hash of the one before.
type History struct {
	bun.BaseModel `bun:"table:incident_history"`

	CaseID string    `bun:"case_id,pk" json:"case_id"`
	Seq    int       `bun:"seq,pk" json:"seq"`
	At     time.Time `bun:"at" json:"at"`
	Actor  string    `bun:"actor" json:"actor"`
	Action string    `bun:"action" json:"action"`
	// Detail is canonical JSON (keys sorted) of text values.
	Detail string `bun:"detail" json:"detail"`
	// LedgerIndex is where a person's act stands in the ledger.
	LedgerIndex *int64 `bun:"ledger_index" json:"ledger_index,omitempty"`
	PrevHash    string `bun:"prev_hash" json:"prev_hash"`
	Hash        string `bun:"hash" json:"hash"`
}

// Value returns one value of the detail, "" when absent.
func (h *History) Value(key string) string {
	var m map[string]string
	err := json.Unmarshal([]byte(h.Detail), &m)
	if err != nil {
		return ""
	}
	return m[key]
}

// digest is the hash of the row: all its columns but the hash itself, so that
// a changed, missing or inserted row shows.
func (h *History) digest() (string, error) {
	at := h.At.UTC().Format("2006-01-02T15:04:05.000000Z")
	b, err := json.Marshal([]any{h.CaseID, h.Seq, at, h.Actor, h.Action, h.Detail, h.LedgerIndex, h.PrevHash})
	if err != nil {
		return "", fmt.Errorf("hash history of case %s: %w", h.CaseID, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// note adds a row of the platform's own doing.
func (s *Service) note(ctx context.Context, tx bun.Tx, caseID string, at time.Time, action string, detail map[string]string) error {
	text, err := canonical(detail)
	if err != nil {
		return err
	}
	return appendHistory(ctx, tx, &History{CaseID: caseID, At: at, Actor: ActorSystem, Action: action, Detail: text})
}

// appendHistory numbers, chains and inserts the row. The transaction must hold
// the case's lock (SQLite: the write lock; PostgreSQL: lockCase, or the primary
// key refuses the second of two writers).
func appendHistory(ctx context.Context, tx bun.Tx, h *History) error {
	var last History
	err := tx.NewSelect().Model(&last).Where("case_id = ?", h.CaseID).OrderExpr("seq DESC").Limit(1).Scan(ctx)
	if err != nil && !store.IsNotFound(err) {
		return fmt.Errorf("read history of case %s: %w", h.CaseID, err)
	}
	h.Seq, h.PrevHash = last.Seq+1, last.Hash
	h.Hash, err = h.digest()
	if err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(h).Exec(ctx)
	if err != nil {
		return fmt.Errorf("write history of case %s: %w", h.CaseID, err)
	}
	return nil
}

// checkHistory says whether the rows, in order, hang together.
func checkHistory(rows []History) error {
	prev := ""
	for i := range rows {
		h := &rows[i]
		want, err := h.digest()
		if err != nil {
			return err
		}
		if h.Seq != i+1 || h.PrevHash != prev || h.Hash != want {
			return fmt.Errorf("%w: case %s, row %d", ErrBroken, h.CaseID, i+1)
		}
		prev = h.Hash
	}
	return nil
}

// canonical writes the detail as JSON with sorted keys and without escapes that
// differ between writers.
func canonical(detail map[string]string) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if detail == nil {
		detail = map[string]string{}
	}
	err := enc.Encode(detail)
	if err != nil {
		return "", fmt.Errorf("write history detail: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// lockCase takes the case's row for this transaction and returns it.
func (s *Service) lockCase(ctx context.Context, tx bun.Tx, id string) (*Case, error) {
	if s.db.Postgres() {
		_, err := tx.ExecContext(ctx, "SELECT 1 FROM incident_case WHERE id = ? FOR UPDATE", id)
		if err != nil {
			return nil, fmt.Errorf("lock case %s: %w", id, err)
		}
	}
	return s.readCase(ctx, tx, id)
}

func (s *Service) readCase(ctx context.Context, db bun.IDB, id string) (*Case, error) {
	var k Case
	err := db.NewSelect().Model(&k).Where("id = ? OR number = ?", id, id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: case %q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read case %q: %w", id, err)
	}
	return &k, nil
}
