package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer/nd30"
)

// maxWhy is how many letters the reason of a declaration has at most.
const maxWhy = 500

// LevelList is a leader's declaration that the levels of secrecy on the pages of
// a document list what levels there are and do not mark it: without one such a
// document is taken for a state secret. It holds for the text as it stood, in
// the leader's agency, and for others than the leader.
type LevelList struct {
	bun.BaseModel `bun:"table:signing_level_list"`

	AgencyID string `bun:"agency_id,pk" json:"agency"`
	// TextSHA256 is nd30's digest of the text, SHA256 that of the file that was
	// looked at.
	TextSHA256 string    `bun:"text_sha256,pk" json:"text_sha256"`
	SHA256     string    `bun:"sha256" json:"sha256"`
	DeclaredBy string    `bun:"declared_by" json:"declared_by"`
	Reason     string    `bun:"reason" json:"reason"`
	DeclaredAt time.Time `bun:"declared_at" json:"declared_at"`
	// Levels and Page tell what was found.
	Level    string `bun:"level" json:"level"`
	Page     int64  `bun:"page" json:"page"`
	LedgerAt int64  `bun:"ledger_index" json:"ledger_index"`
}

func levelListSchema() store.Migration {
	return store.Migration{ID: "signer/0010-level-list", SQL: `
CREATE TABLE signing_level_list (
	agency_id TEXT NOT NULL,
	text_sha256 TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	declared_by TEXT NOT NULL,
	reason TEXT NOT NULL,
	declared_at TIMESTAMPTZ NOT NULL,
	level TEXT NOT NULL,
	page BIGINT NOT NULL,
	ledger_index BIGINT NOT NULL,
	PRIMARY KEY (agency_id, text_sha256)
);
`}
}

// DeclareLevels records the context's subject's word that the levels of secrecy
// that a document shows are a list of them. A document that shows one level
// alone is marked: no word helps there.
func (s *Service) DeclareLevels(ctx context.Context, in io.ReaderAt, size int64, password, reason string) (*LevelList, error) {
	subject := auth.SubjectFrom(ctx)
	reason = strings.TrimSpace(reason)
	if reason == "" || utf8.RuneCountInString(reason) > maxWhy {
		return nil, fmt.Errorf("%w: say why, in at most %d letters", ErrRequest, maxWhy)
	}
	d, err := nd30.Open(in, size, password)
	if err != nil {
		return nil, err
	}
	var mark *nd30.SecretError
	err = d.Secret()
	if !errors.As(err, &mark) {
		return nil, fmt.Errorf("%w: it carries no mark of secrecy, nothing is to be declared", ErrRequest)
	}
	if !mark.List {
		return nil, fmt.Errorf("%w: no other level stands on that page, so it is no list", mark)
	}
	h := sha256.New()
	_, err = io.Copy(h, io.NewSectionReader(in, 0, size))
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	l := &LevelList{
		AgencyID: subject.AgencyID, TextSHA256: d.TextDigest(), SHA256: hex.EncodeToString(h.Sum(nil)), DeclaredBy: subject.AccountID, Reason: reason,
		DeclaredAt: s.d.Clock.Now(), Level: mark.Level, Page: int64(mark.Page),
	}
	err = s.d.Authorizer.Authorize(ctx, subject, "sign.levels.declare", auth.Resource{Kind: "document", ID: l.TextSHA256, AgencyID: l.AgencyID})
	if err != nil {
		return nil, err
	}
	receipt, err := s.d.Ledger.Append(ctx, ledger.Entry{
		Time: l.DeclaredAt, Kind: "sign.levels", Actor: l.DeclaredBy, Agency: l.AgencyID, Object: l.TextSHA256, Digest: l.SHA256,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	l.LedgerAt = int64(receipt.Index)
	_, err = s.d.DB.NewInsert().Model(l).On("CONFLICT (agency_id, text_sha256) DO UPDATE").
		Set("sha256 = EXCLUDED.sha256, declared_by = EXCLUDED.declared_by, reason = EXCLUDED.reason, declared_at = EXCLUDED.declared_at, ledger_index = EXCLUDED.ledger_index").Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return l, nil
}

// CheckSecret refuses a document that is marked as a state secret (R21). One
// that shows several levels passes where another person of the subject's agency
// declared that they are a list.
func (s *Service) CheckSecret(ctx context.Context, d *nd30.Document) error {
	err := d.Secret()
	var mark *nd30.SecretError
	if !errors.As(err, &mark) || !mark.List || s.d.DB == nil { // nothing is declared where there is no record
		return err
	}
	subject := auth.SubjectFrom(ctx)
	q := s.d.DB.NewSelect().Model((*LevelList)(nil)).Where("text_sha256 = ?", d.TextDigest()).Where("declared_by <> ?", subject.AccountID)
	if subject.AgencyID != "" { // an administrator belongs to none
		q = q.Where("agency_id = ?", subject.AgencyID)
	}
	declared, failed := q.Exists(ctx)
	if failed != nil {
		return errors.Join(err, failed)
	}
	if declared {
		return nil
	}
	return err
}
