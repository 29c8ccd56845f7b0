package office

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/pades"
)

func protectionSchema() store.Migration {
	return store.Migration{ID: "office/0003", SQL: `
ALTER TABLE office_document ADD COLUMN protected_until TIMESTAMPTZ;
CREATE INDEX office_document_protected ON office_document (agency_id, protected_until);
`}
}

// protection reads until when the signatures of a document's file are proven by
// what it holds; nil when it has none, or none that can be read.
func (s *Service) protection(ctx context.Context, doc *Document) *time.Time {
	f, err := os.Open(s.file(doc.ID, doc.Revision))
	var until time.Time
	if err == nil {
		until, err = pades.ProtectedUntil(f, doc.Size, cos.Limits{})
		_ = f.Close()
	}
	if err != nil {
		// The move stands: only the reminder is missing.
		s.d.Logger.WarnContext(ctx, "until when a document is protected is not known", slog.String("document", doc.ID), slog.Any("error", err))
	}
	if err != nil || until.IsZero() {
		return nil
	}
	return &until
}

// Extend renews what proves the signatures of an issued document: validation
// data and an archive time-stamp (B-LTA). Its content stays as it is.
func (s *Service) Extend(ctx context.Context, id string) (*Document, error) {
	m := move{name: moveExtend, from: []State{StateIssued}, to: StateIssued, may: resource}
	m.work = func(ctx context.Context, doc *Document, act, path string) error {
		f, err := os.Open(s.file(doc.ID, doc.Revision))
		if err != nil {
			return fmt.Errorf("open document %s: %w", doc.ID, err)
		}
		defer func() { _ = f.Close() }()
		_, err = s.d.Signer.Extend(ctx, signer.ExtendRequest{
			In: f, Size: doc.Size, Name: doc.Name, Level: string(pades.LevelLTA), ExerciseID: doc.ExerciseID, ID: act,
		}, path)
		return err
	}
	return s.run(ctx, id, m)
}
