package office

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
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/nd30"
)

// maxSymbol bounds a unit's symbol and a file's name in bytes.
const (
	maxSymbol = 40
	maxName   = 120
)

// errForm means that a draft is laid out for another authority than it is
// submitted for.
var errForm = fmt.Errorf("%w: authority", ErrRequest)

// File is a PDF that is brought.
type File struct {
	Name    string
	Content io.Reader
}

// Draft is a document that is submitted to be signed.
type Draft struct {
	File
	// AgencyID is whose document it is; empty for the subject's own agency.
	AgencyID string
	// Kind is the code of the type, Unit what a công văn's symbol ends in.
	Kind, Unit string
	Abstract   string
	// Place stands before the date where the document leaves room for the whole
	// line.
	Place string
	// SignerID is the person who is asked to sign, Form in what authority; for a
	// copy who decides on it.
	SignerID string
	Form     Form
	// Places overrides where the marks go; nil means as found in the document.
	Places      *Places
	Attachments []File
	ExerciseID  string
}

func (d *Draft) check() (Kind, error) {
	kind, err := KindOf(d.Kind)
	if err != nil {
		return kind, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch {
	case d.SignerID == "":
		return kind, fmt.Errorf("%w: who is to sign", ErrRequest)
	case !slices.Contains(Forms(), d.Form):
		return kind, fmt.Errorf("%w: form %q, want one of %v", ErrRequest, d.Form, Forms())
	case len(d.Attachments) > maxAttachments:
		return kind, fmt.Errorf("%w: %d attachments, at most %d", ErrRequest, len(d.Attachments), maxAttachments)
	case len(d.Unit) > maxSymbol || strings.ContainsAny(d.Unit, " /\t\n"):
		return kind, fmt.Errorf("%w: unit %q is not the end of a symbol", ErrRequest, d.Unit)
	case kind.Copy && len(d.Attachments) > 0:
		return kind, fmt.Errorf("%w: a copy has no attachments", ErrRequest)
	}
	return kind, errors.Join(short(d.Abstract), short(d.Place))
}

// Submit takes a draft and puts it before who is to sign it.
func (s *Service) Submit(ctx context.Context, d Draft) (*Document, error) {
	subject, now := auth.SubjectFrom(ctx), s.d.Clock.Now()
	if d.AgencyID == "" {
		d.AgencyID = subject.AgencyID
	}
	kind, err := d.check()
	if err != nil {
		return nil, err
	}
	doc := &Document{
		ID: rand.Text(), AgencyID: d.AgencyID, Kind: kind.Code, Unit: d.Unit, Name: fileName(d.Name), Abstract: d.Abstract, Place: d.Place, State: StateDraft,
		SignerID: d.SignerID, Form: d.Form, CreatedBy: subject.AccountID, Revision: 1, ExerciseID: d.ExerciseID, CreatedAt: now, MovedAt: now,
	}
	err = s.d.Authorizer.Authorize(ctx, subject, "office.draft", resource(doc))
	if err != nil {
		return nil, err
	}
	err = s.parties(ctx, doc)
	if err != nil {
		return nil, err
	}
	err = os.Mkdir(s.folder(doc.ID), 0o700)
	if err != nil {
		return nil, fmt.Errorf("keep document: %w", err)
	}
	err = s.begin(ctx, doc, d, kind)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.folder(doc.ID)))
	}
	return doc, nil
}

// parties checks that the directory has the agency and the signer.
func (s *Service) parties(ctx context.Context, doc *Document) error {
	_, err := s.d.Directory.Agency(ctx, doc.AgencyID)
	if err == nil {
		_, err = s.d.Directory.Person(ctx, doc.SignerID)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// begin keeps the files and records the draft.
func (s *Service) begin(ctx context.Context, doc *Document, d Draft, kind Kind) error {
	attachments, err := s.bring(ctx, doc, d, kind)
	if err != nil {
		return err
	}
	receipt, err := s.d.Ledger.Append(ctx, s.entry(doc, moveDraft, doc.CreatedBy, doc.ID))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	step := &Step{DocumentID: doc.ID, Move: moveDraft, State: doc.State, AccountID: doc.CreatedBy, SHA256: doc.SHA256, LedgerAt: int64(receipt.Index), At: doc.CreatedAt}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(doc).Exec(ctx)
		if err != nil {
			return err
		}
		err = replaceAttachments(ctx, tx, doc.ID, attachments)
		if err != nil {
			return err
		}
		return addStep(ctx, tx, step)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

// bring keeps the file of the document's revision and its attachments, and
// finds where the marks go.
func (s *Service) bring(ctx context.Context, doc *Document, d Draft, kind Kind) ([]Attachment, error) {
	var err error
	secret := func(paper *nd30.Document) error { return s.d.Signer.CheckSecret(ctx, paper) }
	path := s.file(doc.ID, doc.Revision)
	doc.SHA256, doc.Size, err = keep(path, d.Content, s.d.MaxSize, secret, func(paper *nd30.Document) error {
		var err error
		doc.Places, err = places(paper, d, kind)
		if err != nil || kind.Copy {
			return err
		}
		return fits(paper, d.Form)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doc.Name, err)
	}
	attachments := make([]Attachment, 0, len(d.Attachments))
	for i, file := range d.Attachments {
		a := Attachment{DocumentID: doc.ID, Position: int64(i + 1), Revision: doc.Revision, Name: fileName(file.Name)}
		a.SHA256, a.Size, err = keep(s.attachment(&a, false), file.Content, maxAttachment, secret, nil)
		if err != nil {
			return nil, fmt.Errorf("attachment %s: %w", a.Name, err)
		}
		attachments = append(attachments, a)
	}
	return attachments, nil
}

func replaceAttachments(ctx context.Context, tx bun.Tx, id string, list []Attachment) error {
	_, err := tx.NewDelete().Model((*Attachment)(nil)).Where("document_id = ?", id).Exec(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	_, err = tx.NewInsert().Model(&list).Exec(ctx)
	return err
}

// keep writes a PDF to a path, whole or not at all, and refuses what cannot be
// signed later, what secret finds marked as a state secret (R21), and what look
// refuses.
func keep(path string, content io.Reader, limit int64, secret, look func(*nd30.Document) error) (string, int64, error) {
	if content == nil {
		return "", 0, fmt.Errorf("%w: no file", ErrRequest)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".upload-*")
	if err != nil {
		return "", 0, fmt.Errorf("keep file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	h := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(content, limit+1))
	if err != nil {
		return "", 0, fmt.Errorf("keep file: %w", err)
	}
	if size > limit {
		return "", 0, fmt.Errorf("%w: over %d bytes", ErrRequest, limit)
	}
	pdf, err := cos.Open(f, size, cos.Options{})
	if err == nil {
		_, err = pdf.Latest().Pages()
	}
	if err == nil {
		_, err = pdf.NewUpdate()
	}
	if err != nil {
		return "", 0, fmt.Errorf("%w: not a PDF that can be signed: %w", ErrRequest, err)
	}
	paper, err := nd30.Open(f, size, "")
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	err = secret(paper)
	if err == nil && look != nil {
		err = look(paper)
	}
	if err != nil {
		return "", 0, err
	}
	err = errors.Join(f.Sync(), os.Rename(f.Name(), path))
	if err != nil {
		return "", 0, fmt.Errorf("keep file: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// fits refuses a draft whose printed authority is another than the one it is
// submitted for: TM., KT. and so on above the office held (NĐ 30/2020 PL I, 7a).
// A draft without such a block passes.
func fits(paper *nd30.Document, form Form) error {
	block := paper.Block("")
	if block == nil {
		return nil
	}
	printed := FormHead
	for _, line := range block.Title {
		for _, f := range []Form{FormTM, FormQ, FormKT, FormTL, FormTUQ} {
			if strings.HasPrefix(line.Text, string(f)+".") {
				printed = f // the last one counts: TM. ỦY BAN NHÂN DÂN, KT. CHỦ TỊCH
			}
		}
	}
	if printed != form {
		return fmt.Errorf("%w: the document is laid out to be signed %s, the draft says %s", errForm, printed, form)
	}
	return nil
}

// Resubmit brings a returned document before its signer again, with a new file
// and the other entries of the draft. A number that it has stays.
func (s *Service) Resubmit(ctx context.Context, id string, d Draft) (*Document, error) {
	kind, err := d.check()
	if err != nil {
		return nil, err
	}
	var attachments []Attachment
	m := move{name: moveResubmit, from: []State{StateReturned}, to: StateDraft, may: resource}
	m.ready = func(ctx context.Context, doc *Document) error {
		if doc.Number > 0 && kind.Code != doc.Kind {
			return fmt.Errorf("%w: document %s has number %s: its type stays", ErrRequest, doc.ID, doc.Symbol)
		}
		return s.parties(ctx, &Document{AgencyID: doc.AgencyID, SignerID: d.SignerID})
	}
	m.work = func(ctx context.Context, doc *Document, _, _ string) error {
		next := *doc
		next.Revision++
		var err error
		attachments, err = s.bring(ctx, &next, d, kind)
		doc.Places = next.Places
		return err
	}
	m.change = func(doc *Document) {
		doc.Kind, doc.Unit, doc.Name, doc.Abstract, doc.Place = kind.Code, d.Unit, fileName(d.Name), d.Abstract, d.Place
		doc.SignerID, doc.Form, doc.SignedBy, doc.DelegationID = d.SignerID, d.Form, "", ""
	}
	m.columns = []string{"kind", "unit", "name", "abstract", "place", "signer_id", "form", "signed_by", "delegation_id", "places"}
	m.also = func(ctx context.Context, tx bun.Tx) error { return replaceAttachments(ctx, tx, id, attachments) }
	return s.run(ctx, id, m)
}

// fileName keeps a name readable: without folders and control characters.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || strings.ContainsRune(`/\"<>|:*?`, r) {
			return -1
		}
		return r
	}, filepath.Base(strings.ToValidUTF8(name, "")))
	for len(name) > maxName {
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:]
	}
	if strings.Trim(name, ". ") == "" {
		return "van-ban.pdf"
	}
	return name
}
