package signer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer/pades"
)

// extendSchema lets a document of the console say which act extended it.
func extendSchema() store.Migration {
	return store.Migration{ID: "signer/0003", SQL: `
ALTER TABLE document ADD COLUMN extend_id TEXT NOT NULL DEFAULT '';
`}
}

// ExtendDocument raises a signed document of the console to B-LTA, or renews
// its archive time-stamp. The result takes the place of the signed file, which
// it contains as it was. The claim carries the act's id as that of SignDocument
// does: an extension whose process died between putting its result in place and
// noting it at the document is adopted by the next one, which then adds nothing.
func (s *Service) ExtendDocument(ctx context.Context, doc *Document) (*ExtendResult, error) {
	made, err := s.adopt(ctx, doc, s.d.Clock.Now())
	if err != nil {
		return nil, err
	}
	if made != nil && doc.ActID != "" {
		doc.ExtendID = made.ID
		return &ExtendResult{Act: made}, nil
	}
	id := rand.Text()
	err = s.claimSigned(ctx, doc, id)
	if err != nil {
		return nil, err
	}
	result, err := s.extendFile(ctx, doc, id)
	act := ""
	if err == nil {
		act = result.Act.ID
	}
	// What became of the act is noted even when the caller has gone.
	noted := s.settle(context.WithoutCancel(ctx), doc.ID, id, columnExtended, act)
	if noted != nil {
		noted = fmt.Errorf("%w: %w", ErrRecord, noted)
	}
	err = errors.Join(err, noted)
	if err != nil {
		return nil, err
	}
	doc.ExtendID = act
	return result, nil
}

// claimSigned keeps two requests from extending the same document.
func (s *Service) claimSigned(ctx context.Context, doc *Document, id string) error {
	now := s.d.Clock.Now()
	res, err := s.d.DB.NewUpdate().Model((*Document)(nil)).Set("claim = ?", id).Set("claimed_at = ?", now).
		Where("id = ?", doc.ID).Where("act_id <> ''").Where("claim = '' OR claimed_at < ?", now.Add(-claimFor)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: claim document: %w", ErrRecord, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("%w: claim document: %w", ErrRecord, err)
	}
	if n != 1 {
		return ErrNotExtendable
	}
	return nil
}

func (s *Service) extendFile(ctx context.Context, doc *Document, id string) (*ExtendResult, error) {
	f, err := s.Open(doc)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open document: %w", err)
	}
	return s.Extend(ctx, ExtendRequest{In: f, Size: info.Size(), Name: doc.Name, Level: string(pades.LevelLTA), ID: id}, s.signed(doc.ID))
}

// extend answers the button of a signed document. No key of a person or an
// agency is used, so no second factor is asked.
func (p *pages) extend(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	_, err := p.service.ExtendDocument(r.Context(), doc)
	if err != nil {
		view := showView{Error: extendProblem(err)}
		if view.Error == "" {
			p.site.Fail(w, r, err)
			return
		}
		p.renderShow(w, r, doc, view)
		return
	}
	http.Redirect(w, r, "/sign/"+doc.ID, http.StatusSeeOther)
}

// extendProblem is the locale key of why a document was not extended, or "".
func extendProblem(err error) string {
	switch {
	case errors.Is(err, auth.ErrDenied):
		return "sign.error.extend.denied"
	case errors.Is(err, ErrRecord):
		return "sign.error.record"
	case errors.Is(err, context.DeadlineExceeded):
		return "sign.error.late"
	case errors.Is(err, ErrNotExtendable), errors.Is(err, ErrDisagreement), errors.Is(err, ErrChanged):
		return "sign.error.extend"
	}
	return ""
}
