package validate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/antin-gov/antin/signer/asic"
	"github.com/antin-gov/antin/signer/xades"
)

// headSize is how much of a file is looked at to tell its kind. A PDF header
// may stand anywhere in it (ISO 32000-2 §7.5.2, implementation note of old).
const headSize = 1024

// FileKind is the kind of a signed file.
type FileKind string

// The kinds.
const (
	KindPDF  FileKind = "pdf"
	KindCMS  FileKind = "cms"
	KindASiC FileKind = "asic"
	KindXML  FileKind = "xml"
)

// KindOf tells the kind of a file by its first bytes; what is none of the others
// counts as PDF.
func KindOf(in io.ReaderAt, size int64) (FileKind, error) {
	head := make([]byte, min(size, headSize))
	_, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read file: %w", err)
	}
	switch {
	case bytes.Contains(head, []byte("%PDF-")):
		return KindPDF, nil
	case IsContainer(head):
		return KindCMS, nil
	case asic.IsContainer(head):
		return KindASiC, nil
	case xades.IsXML(head):
		return KindXML, nil
	}
	return KindPDF, nil
}

// File judges the signatures of a file of any kind known here: PDF, CMS
// signature, ASiC container or XML, told by their first bytes. Errors are those
// of Validate, Container, ASiC and XML.
func File(ctx context.Context, in io.ReaderAt, size int64, o Options) (*Report, error) {
	kind, err := KindOf(in, size)
	if err != nil {
		return nil, err
	}
	switch kind {
	case KindCMS:
		return Container(ctx, io.NewSectionReader(in, 0, size), o.Content, o)
	case KindASiC:
		return ASiC(ctx, in, size, o)
	case KindXML:
		return XML(ctx, io.NewSectionReader(in, 0, size), o)
	}
	return Validate(ctx, in, size, o)
}
