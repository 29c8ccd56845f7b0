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

// File judges the signatures of a file of any kind known here: PDF, CMS
// signature, ASiC container or XML, told by their first bytes. Errors are those
// of Validate, Container, ASiC and XML.
func File(ctx context.Context, in io.ReaderAt, size int64, o Options) (*Report, error) {
	head := make([]byte, min(size, headSize))
	_, err := in.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read file: %w", err)
	}
	switch {
	case bytes.Contains(head, []byte("%PDF-")):
		return Validate(ctx, in, size, o)
	case IsContainer(head):
		return Container(ctx, io.NewSectionReader(in, 0, size), o.Content, o)
	case asic.IsContainer(head):
		return ASiC(ctx, in, size, o)
	case xades.IsXML(head):
		return XML(ctx, io.NewSectionReader(in, 0, size), o)
	}
	return Validate(ctx, in, size, o)
}
