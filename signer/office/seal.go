package office

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/appearance"
)

// office is the document as the policy sees it for acts of the clerk: who
// signed is its maker in the sense of the two persons (NĐ 30/2020 Đ33).
func office(doc *Document) auth.Resource {
	r := resource(doc)
	r.CreatedBy = doc.SignedBy
	return r
}

func agencyKey(doc *Document) func(signer.Key) bool {
	return func(k signer.Key) bool { return k.PersonID == "" && k.AgencyID == doc.AgencyID }
}

// Number gives a signed document its number and date and writes both into it
// under a signature of the agency, as the record office does: what the person
// signed stays untouched, and who changes the number breaks that signature. A
// number once taken stays with its document, whatever becomes of it.
func (s *Service) Number(ctx context.Context, id string, u Use) (*Document, error) {
	m := move{name: moveNumber, from: []State{StateSigned}, to: StateNumbered, may: office}
	var key *signer.Key
	var agency string
	m.ready = func(ctx context.Context, doc *Document) error {
		a, err := s.d.Directory.Agency(ctx, doc.AgencyID)
		if err != nil {
			return err
		}
		agency = a.Abbreviation
		key, err = s.key(ctx, u.Key, agencyKey(doc))
		if err != nil {
			return err
		}
		// Before a number is taken: one without a seal would wait.
		return s.d.Signer.CheckKey(ctx, *key)
	}
	m.claimed = func(ctx context.Context, tx bun.Tx, doc *Document) error {
		return s.take(ctx, tx, doc, agency)
	}
	m.work = func(ctx context.Context, doc *Document, act, path string) error {
		line := doc.Places.line(doc)
		if isCopy(doc) || line == nil {
			return s.carry(doc, path)
		}
		return s.apply(ctx, doc, act, path, u, signer.Request{Key: key.Name, Seal: true, Visible: line})
	}
	return s.run(ctx, id, m)
}

// take takes the document's number, in the transaction of the claim.
func (s *Service) take(ctx context.Context, tx bun.Tx, doc *Document, agency string) error {
	kind, err := KindOf(doc.Kind)
	if err != nil {
		return err
	}
	n, err := Take(ctx, tx, doc.ID, doc.AgencyID, kind, s.d.Clock.Now())
	if err != nil {
		return err
	}
	doc.Year, doc.Number, doc.Symbol, doc.Dated = n.Year, n.Number, kind.Symbol(n.Number, agency, doc.Unit), &n.TakenAt
	_, err = tx.NewUpdate().Model(doc).Column("year", "number", "symbol", "dated").WherePK().Exec(ctx)
	return err
}

// Seal puts the agency's signature on a numbered document and on each of its
// attachments (R17, R18). Only what a competent person has validly signed is
// sealed (R20); the attachments rest on that document.
func (s *Service) Seal(ctx context.Context, id string, u Use) (*Document, error) {
	m := move{name: moveSeal, from: []State{StateNumbered}, to: StateSealed, may: office}
	var key *signer.Key
	m.ready = func(ctx context.Context, doc *Document) error {
		var err error
		key, err = s.key(ctx, u.Key, agencyKey(doc))
		if err != nil {
			return err
		}
		return s.d.Signer.CheckKey(ctx, *key)
	}
	m.work = func(ctx context.Context, doc *Document, act, path string) error {
		err := s.sealAttachments(ctx, doc, key, u)
		if err != nil {
			return err
		}
		if isCopy(doc) {
			return s.sealCopy(ctx, doc, key, act, path, u)
		}
		place := doc.Places.Seal
		if u.Place != nil {
			place = *u.Place
		}
		spec := &appearance.Spec{Preset: appearance.Seal, Page: place.Page, Box: place.Box, Image: u.Image, Name: key.Chain[0].Subject.CommonName}
		return s.apply(ctx, doc, act, path, u, signer.Request{Key: key.Name, Seal: true, Visible: spec})
	}
	return s.run(ctx, id, m)
}

// sealCopy puts the agency's signature on a copy: top right of the first page,
// words without an image (NĐ 30/2020 PL I, part II; R18).
func (s *Service) sealCopy(ctx context.Context, doc *Document, key *signer.Key, act, path string, u Use) error {
	kind, err := KindOf(doc.Kind)
	if err != nil {
		return err
	}
	agency, err := s.d.Directory.Agency(ctx, doc.AgencyID)
	if err != nil {
		return err
	}
	form := map[string]appearance.Copy{"SY": appearance.SaoY, "SL": appearance.SaoLuc, "TrS": appearance.TrichSao}[kind.Code]
	spec, err := appearance.CopyOf(form, agency.Name)
	if err != nil {
		return err
	}
	return s.apply(ctx, doc, act, path, u, signer.Request{Key: key.Name, Seal: true, Basis: basis(doc), Visible: &spec})
}

// basis names the record on which the agency's signature rests where the file
// carries no person's.
func basis(doc *Document) string { return "office:" + doc.ID }

// sealAttachments signs the attachments that are not signed yet. Each is
// written down before it is signed, so that one that was cut off is found.
func (s *Service) sealAttachments(ctx context.Context, doc *Document, key *signer.Key, u Use) error {
	list, err := s.attachments(ctx, doc.ID)
	if err != nil {
		return err
	}
	for i := range list {
		a := &list[i]
		if a.SealedSHA256 == "" {
			err = s.adopt(ctx, a)
		}
		if err == nil && a.SealedSHA256 == "" {
			err = s.sealAttachment(ctx, doc, a, key, u)
		}
		if err != nil {
			return fmt.Errorf("attachment %d (%s): %w", a.Position, a.Name, err)
		}
	}
	return nil
}

// adopt finds the result of an act that was cut off.
func (s *Service) adopt(ctx context.Context, a *Attachment) error {
	if a.ActID == "" {
		return nil
	}
	act, err := s.d.Signer.Act(ctx, a.ActID)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, _, err := digestFile(s.attachment(a, true))
	if errors.Is(err, os.ErrNotExist) || act.State != signer.StateReleased || sum != act.ResultSHA256 {
		return nil
	}
	if err != nil {
		return err
	}
	return s.noteSealed(ctx, a, sum)
}

func (s *Service) sealAttachment(ctx context.Context, doc *Document, a *Attachment, key *signer.Key, u Use) error {
	f, err := os.Open(s.attachment(a, false))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	spec, err := appearance.Attachment(doc.Symbol)
	if err != nil {
		return err
	}
	a.ActID = rand.Text()
	_, err = s.d.DB.NewUpdate().Model(a).Column("act_id").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	q := signer.Request{
		In: f, Size: a.Size, Name: a.Name, Digest: a.SHA256, Key: key.Name, Scheme: u.Scheme, Level: u.Level, Factor: u.Factor, Seal: true,
		Basis: basis(doc), ExerciseID: doc.ExerciseID, Visible: &spec,
	}
	act, err := s.d.Signer.SignAs(ctx, a.ActID, q, s.attachment(a, true))
	if err != nil {
		return err
	}
	return s.noteSealed(ctx, a, act.ResultSHA256)
}

func (s *Service) noteSealed(ctx context.Context, a *Attachment, sum string) error {
	a.SealedSHA256 = sum
	_, err := s.d.DB.NewUpdate().Model(a).Column("sealed_sha256").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

// Issue sends a sealed document out: from now on it has the value of an
// original (NĐ 30/2020 Đ5, Đ18).
func (s *Service) Issue(ctx context.Context, id string) (*Document, error) {
	return s.run(ctx, id, move{name: moveIssue, from: []State{StateSealed}, to: StateIssued, may: resource})
}

// Return gives a document back to its drafter, with a reason: who is asked to
// sign does, or the clerk who finds its form wrong (NĐ 30/2020 Đ11, Đ12).
func (s *Service) Return(ctx context.Context, id, reason string) (*Document, error) {
	reason, err := words(reason)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, id, move{name: moveReturn, from: []State{StateDraft, StateSigned, StateNumbered}, to: StateReturned, may: resource, reason: reason})
}

// Withdraw ends a document that was not issued: its drafter or its signer does.
func (s *Service) Withdraw(ctx context.Context, id, reason string) (*Document, error) {
	reason, err := words(reason)
	if err != nil {
		return nil, err
	}
	from := []State{StateDraft, StateReturned, StateSigned, StateNumbered, StateSealed}
	return s.run(ctx, id, move{name: moveWithdraw, from: from, to: StateWithdrawn, may: resource, reason: reason})
}

// Recall withdraws a document that was issued (NĐ 30/2020 Đ18.4): who signed it
// does.
func (s *Service) Recall(ctx context.Context, id, reason string) (*Document, error) {
	reason, err := words(reason)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, id, move{name: moveRecall, from: []State{StateIssued}, to: StateWithdrawn, may: resource, reason: reason})
}
