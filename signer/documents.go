package signer

import (
	"bytes"
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
	"unicode"
	"unicode/utf8"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/signer/cos"
)

// maxName is the longest file name kept: the document systems of the provinces
// cut names at 50 characters, browsers send up to 255 bytes.
const maxName = 120

// maxEnding is the longest part after the last dot that counts as an ending.
const maxEnding = 8

// listLimit is how many of a person's documents a list shows.
const listLimit = 50

// Errors of the console's documents.
var (
	ErrNotFound = errors.New("document not found")
	ErrTooLarge = errors.New("document over the size limit")
	ErrNotPDF   = errors.New("not a PDF that can be read")
	// ErrProtected means that the document opens with a password only.
	ErrProtected = errors.New("document protected by a password")
)

// AddDocument takes a PDF for the context's subject. What cannot be read is
// refused at once, so that a person learns it before placing a mark.
func (s *Service) AddDocument(ctx context.Context, name string, content io.Reader) (*Document, error) {
	subject := auth.SubjectFrom(ctx)
	id := rand.Text()
	f, err := os.CreateTemp(s.d.Documents, ".upload-*")
	if err != nil {
		return nil, fmt.Errorf("keep document: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer func() { _ = f.Close() }()
	digest := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, digest), io.LimitReader(content, s.d.MaxUpload+1))
	if err != nil {
		return nil, fmt.Errorf("keep document: %w", err)
	}
	if size > s.d.MaxUpload {
		return nil, fmt.Errorf("%w of %d bytes", ErrTooLarge, s.d.MaxUpload)
	}
	pdf, err := cos.Open(f, size, cos.Options{})
	if errors.Is(err, cos.ErrPassword) || errors.Is(err, cos.ErrHandler) {
		return nil, fmt.Errorf("%w: %w", ErrProtected, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPDF, err)
	}
	pages, err := pdf.Latest().Pages()
	if err != nil || len(pages) == 0 {
		return nil, errors.Join(ErrNotPDF, err)
	}
	_, err = pdf.NewUpdate()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotPDF, err)
	}
	// A state secret is not even kept here (R21).
	_, err = s.readForm(ctx, Request{In: f, Size: size})
	if err != nil {
		return nil, err
	}
	err = f.Sync()
	if err != nil {
		return nil, fmt.Errorf("keep document: %w", err)
	}
	err = os.Rename(f.Name(), s.original(id))
	if err != nil {
		return nil, fmt.Errorf("keep document: %w", err)
	}
	doc := &Document{
		ID: id, AccountID: subject.AccountID, AgencyID: subject.AgencyID, Name: cleanName(name),
		SHA256: hex.EncodeToString(digest.Sum(nil)), Size: size, Pages: int64(len(pages)), CreatedAt: s.d.Clock.Now(),
	}
	_, err = s.d.DB.NewInsert().Model(doc).Exec(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("keep document: %w", err), os.Remove(s.original(id)))
	}
	return doc, nil
}

// Document returns a document of the context's subject: one's own, or, for a
// clerk, one of the agency.
func (s *Service) Document(ctx context.Context, id string) (*Document, error) {
	var doc Document
	err := s.d.DB.NewSelect().Model(&doc).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	subject := auth.SubjectFrom(ctx)
	if doc.AccountID != subject.AccountID && (!subject.Has(auth.RoleClerk) || doc.AgencyID != subject.AgencyID) {
		return nil, ErrNotFound
	}
	return &doc, nil
}

// Documents lists the newest documents that the subject may see.
func (s *Service) Documents(ctx context.Context) ([]Document, error) {
	subject := auth.SubjectFrom(ctx)
	var docs []Document
	err := s.d.DB.NewSelect().Model(&docs).Where("account_id = ?", subject.AccountID).OrderExpr("created_at DESC").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list documents: %w", err)
	}
	return docs, nil
}

// Open opens the document's file: the signed one when there is one.
func (s *Service) Open(doc *Document) (*os.File, error) {
	path := s.original(doc.ID)
	if doc.ActID != "" {
		path = s.signed(doc.ID)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open document: %w", err)
	}
	return f, nil
}

// SignBytes signs a PDF held in memory and returns the signed one: for reports
// that the platform itself makes (R45).
func (s *Service) SignBytes(ctx context.Context, pdf []byte, q Request) ([]byte, *Act, error) {
	dir, err := os.MkdirTemp(s.d.Documents, ".report-*")
	if err != nil {
		return nil, nil, fmt.Errorf("sign report: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	q.In, q.Size = bytes.NewReader(pdf), int64(len(pdf))
	path := filepath.Join(dir, "report.pdf")
	act, err := s.Sign(ctx, q, path)
	if err != nil {
		return nil, nil, err
	}
	out, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read signed report: %w", err)
	}
	return out, act, nil
}

func (s *Service) original(id string) string { return filepath.Join(s.d.Documents, id+".pdf") }
func (s *Service) signed(id string) string   { return filepath.Join(s.d.Documents, id+".signed.pdf") }

// cleanName keeps a file name readable and harmless in a header or a page:
// without paths, control characters, and marks of writing direction that make
// one ending look like another. A long name loses its middle, not its ending.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/\"<>|:*?`, r) {
			return -1
		}
		return r
	}, filepath.Base(strings.ToValidUTF8(name, "")))
	if strings.Trim(name, ". ") == "" {
		return "van-ban.pdf"
	}
	ending := filepath.Ext(name)
	if len(ending) > maxEnding {
		ending = ""
	}
	stem := strings.TrimSuffix(name, ending)
	for len(stem)+len(ending) > maxName {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	return stem + ending
}
