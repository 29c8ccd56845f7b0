package office

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/appearance"
)

// Use says with which key and how a person or a clerk signs.
type Use struct {
	// Key names the key; empty where the person, or the agency, has one alone.
	Key    string
	Scheme signer.Scheme
	// Level is empty for B-LT.
	Level string
	// Digest is the hex SHA-256 of the file that was shown; empty when none was.
	Digest string
	// Factor is the second factor that was given for this document.
	Factor string
	// Image is the PNG of the hand-written signature or of the seal; one is
	// drawn when there is none.
	Image []byte
	// Place overrides where the mark goes, as dragged in the browser.
	Place *Place
}

// Sign signs a draft as the person who was asked to, in the form that the draft
// says, by an entry of the delegation register. A copy is not signed but
// decided: it carries the agency's signature alone (NĐ 30/2020 PL I).
func (s *Service) Sign(ctx context.Context, id string, u Use) (*Document, error) {
	subject := auth.SubjectFrom(ctx)
	m := signing(subject.AccountID)
	var key *signer.Key
	var entry *Delegation
	m.ready = func(ctx context.Context, doc *Document) error {
		var err error
		// The policy let the assigned person through alone.
		entry, err = s.authority(ctx, doc.AgencyID, doc.SignerID, doc.Form, doc.Kind, s.d.Clock.Now())
		if err != nil {
			return err
		}
		if u.Digest != "" && u.Digest != doc.SHA256 {
			return fmt.Errorf("%w: it is not the one that was shown", signer.ErrChanged)
		}
		if isCopy(doc) {
			return nil
		}
		key, err = s.key(ctx, u.Key, func(k signer.Key) bool { return k.PersonID == doc.SignerID && k.PersonID != "" })
		if err != nil {
			return err
		}
		return s.d.Signer.CheckKey(ctx, *key)
	}
	m.claimed = func(ctx context.Context, tx bun.Tx, doc *Document) error {
		doc.DelegationID = entry.ID
		_, err := tx.NewUpdate().Model(doc).Column("delegation_id").WherePK().Exec(ctx)
		return err
	}
	m.work = func(ctx context.Context, doc *Document, act, path string) error {
		if isCopy(doc) {
			return s.carry(doc, path)
		}
		place := doc.Places.Person
		if u.Place != nil {
			place = *u.Place
		}
		spec := &appearance.Spec{Preset: appearance.Person, Page: place.Page, Box: place.Box, Image: u.Image, Name: key.Chain[0].Subject.CommonName}
		return s.apply(ctx, doc, act, path, u, signer.Request{Key: key.Name, Visible: spec})
	}
	return s.run(ctx, id, m)
}

// signing is the move that a signature is.
func signing(account string) move {
	return move{
		name: moveSign, from: []State{StateDraft}, to: StateSigned, may: resource,
		change: func(doc *Document) { doc.SignedBy = account }, columns: []string{"signed_by"},
	}
}

func isCopy(doc *Document) bool {
	kind, err := KindOf(doc.Kind)
	return err == nil && kind.Copy
}

// key finds the key that is named among those that fit, or the only one.
func (s *Service) key(ctx context.Context, name string, fits func(signer.Key) bool) (*signer.Key, error) {
	if name != "" {
		k, err := s.d.Keys.Key(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		if !fits(*k) || len(k.Chain) < 2 {
			return nil, fmt.Errorf("%w: %s is not the signer's, or has no certificate", ErrKey, name)
		}
		return k, nil
	}
	all, err := s.d.Keys.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	var found []signer.Key
	for _, k := range all {
		if fits(k) && len(k.Chain) >= 2 {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: %d keys fit, name one", ErrKey, len(found))
	}
	return &found[0], nil
}

// apply signs the current file of a document into the path of the next one.
func (s *Service) apply(ctx context.Context, doc *Document, act, path string, u Use, q signer.Request) error {
	f, err := os.Open(s.file(doc.ID, doc.Revision))
	if err != nil {
		return fmt.Errorf("open document %s: %w", doc.ID, err)
	}
	defer func() { _ = f.Close() }()
	q.In, q.Size, q.Name, q.Digest = f, doc.Size, doc.Name, doc.SHA256
	q.Scheme, q.Level, q.Factor, q.ExerciseID = u.Scheme, u.Level, u.Factor, doc.ExerciseID
	_, err = s.d.Signer.SignAs(ctx, act, q, path)
	return err
}

// carry makes the current file the next one, where a move changes nothing in it.
func (s *Service) carry(doc *Document, path string) error {
	err := os.Remove(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Link(s.file(doc.ID, doc.Revision), path)
}
