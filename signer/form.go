package signer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/nd30"
)

// readForm reads the document as NĐ 30/2020/NĐ-CP has it: it refuses what is
// marked as a state secret, see CheckSecret, and gives a mark that was asked for without a place
// the one that the form has for it. What is no PDF, or none that can be read,
// passes: who signs it says what is wrong.
func (s *Service) readForm(ctx context.Context, q Request) (*appearance.Spec, error) {
	if !isPDF(q.In) {
		return q.Visible, nil
	}
	d, err := nd30.Open(q.In, q.Size, q.Password)
	if errors.Is(err, nd30.ErrUnreadable) || errors.Is(err, cos.ErrPassword) {
		return q.Visible, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.CheckSecret(ctx, d)
	if err != nil {
		return nil, err
	}
	if q.Visible == nil || len(q.Visible.Pages) > 0 {
		return q.Visible, nil
	}
	name := ""
	if q.Visible.Preset == appearance.Person {
		name = q.Visible.Name
	}
	placed, err := d.Complete(*q.Visible, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return &placed, nil
}

func isPDF(r io.ReaderAt) bool {
	head := make([]byte, 1024) // where readers look for it (ISO 32000-1, annex H.3)
	n, err := r.ReadAt(head, 0)
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Contains(head[:n], []byte("%PDF-"))
}

// Suggest gives the page and the place in millimetres where a mark on a
// document of the console belongs: a person's signature or a seal. The person
// who signs may move it.
func (s *Service) Suggest(doc *Document, preset appearance.Preset, name string) (page int, box appearance.Box) {
	page, box = int(doc.Pages), firstPerson
	if preset == appearance.Seal {
		box = firstSeal
	}
	f, err := s.Open(doc)
	if err != nil {
		return page, box
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return page, box
	}
	d, err := nd30.Open(f, info.Size(), "")
	if err != nil {
		return page, box
	}
	spec := appearance.Spec{Preset: preset, Name: name}
	if preset == appearance.Seal {
		name = ""
	}
	placed, err := d.Complete(spec, name)
	if err != nil {
		return page, box
	}
	return placed.Page, placed.Box
}
