package signer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

const (
	// claimFor is how long a claim on a document holds when its signer has
	// vanished: well over signLimit, so that nobody who still signs loses it.
	claimFor = 5 * signLimit
	// staleAfter is the age at which a half-made file is nobody's any more.
	staleAfter = time.Hour
)

// ErrSigned means that the console's document is signed already, or is being
// signed just now.
var ErrSigned = errors.New("document signed already")

// SignDocument signs a document of the console. The result stands beside the
// original; a document is signed once, the result may be brought again. The
// claim on the row keeps two requests from signing the same document; it
// carries the act's id, so that an act whose process died between putting its
// result in place and noting it at the document is found again.
func (s *Service) SignDocument(ctx context.Context, doc *Document, q Request) (*Act, error) {
	f, err := os.Open(s.original(doc.ID))
	if err != nil {
		return nil, fmt.Errorf("open document: %w", err)
	}
	defer func() { _ = f.Close() }()
	id := rand.Text()
	err = s.claim(ctx, doc, id)
	if err != nil {
		return nil, err
	}
	q.In, q.Size, q.Name, q.Digest = f, doc.Size, doc.Name, doc.SHA256
	act, err := s.SignAs(ctx, id, q, s.signed(doc.ID))
	// What became of the act is noted even when the caller has gone.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		return nil, errors.Join(err, s.settle(ctx, doc.ID, id, columnSigned, ""))
	}
	err = s.settle(ctx, doc.ID, id, columnSigned, act.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	doc.ActID = act.ID
	return act, nil
}

// claim takes the document for an act, or says ErrSigned.
func (s *Service) claim(ctx context.Context, doc *Document, act string) error {
	now := s.d.Clock.Now()
	_, err := s.adopt(ctx, doc, now)
	if err != nil {
		return err
	}
	res, err := s.d.DB.NewUpdate().Model((*Document)(nil)).Set("claim = ?", act).Set("claimed_at = ?", now).
		Where("id = ?", doc.ID).Where("act_id = ''").Where("claim = '' OR claimed_at < ?", now.Add(-claimFor)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: claim document: %w", ErrRecord, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("%w: claim document: %w", ErrRecord, err)
	}
	if n != 1 {
		return ErrSigned
	}
	return nil
}

// The columns that name the acts on a document.
const (
	columnSigned   = "act_id"
	columnExtended = "extend_id"
)

// settle ends a claim: with the act that signed or extended, or with none.
func (s *Service) settle(ctx context.Context, doc, claim, column, act string) error {
	q := s.d.DB.NewUpdate().Model((*Document)(nil)).Set("claim = ''").Set("claimed_at = NULL")
	if act != "" {
		q = q.Set("? = ?", bun.Ident(column), act)
	}
	_, err := q.Where("id = ?", doc).Where("claim = ?", claim).Exec(ctx)
	return err
}

// adopt gives a document the act of an expired claim when that act was released
// and its result is in place, and returns the act; nil when there is none. What a
// document that was signed before is claimed for is its extension.
func (s *Service) adopt(ctx context.Context, doc *Document, now time.Time) (*Act, error) {
	var row Document
	err := s.d.DB.NewSelect().Model(&row).Where("id = ?", doc.ID).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if row.Claim == "" || row.ClaimedAt == nil || !row.ClaimedAt.Before(now.Add(-claimFor)) {
		return nil, nil
	}
	act, err := s.Act(ctx, row.Claim)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if act.State != StateReleased || !sameFile(s.signed(doc.ID), act.ResultSHA256) {
		return nil, nil
	}
	column := columnSigned
	if row.ActID != "" {
		column = columnExtended
	}
	return act, s.settle(ctx, doc.ID, row.Claim, column, act.ID)
}

func sameFile(path, digest string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && hex.EncodeToString(h.Sum(nil)) == digest
}

// sweep removes the half-made files of processes that died.
func sweep(dir string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, ".upload-") && !strings.HasPrefix(name, ".signing-") && !strings.HasPrefix(name, ".report-") {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) || err == nil && info.ModTime().After(before) {
			continue
		}
		if err != nil {
			return err
		}
		err = os.RemoveAll(filepath.Join(dir, name))
		if err != nil {
			return err
		}
	}
	return nil
}
