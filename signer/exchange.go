package signer

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/antin-gov/antin/signer/edxml"
	"github.com/antin-gov/antin/signer/xades"
)

// exchangedFiles gives the PDF documents inside an edXML envelope that is to be
// signed; exchanged says that it is one. An agency signs an envelope as it seals:
// only when every document in it carries a person's valid signature. A status or
// a withdrawal carries none.
func exchangedFiles(q Request) (files []edxml.Attachment, exchanged bool, err error) {
	if q.Format != FormatXAdES || q.Packaging != PackagingEnveloped || q.Size > xades.MaxBytes {
		return nil, false, nil
	}
	data, err := io.ReadAll(io.NewSectionReader(q.In, 0, q.Size))
	if err != nil {
		return nil, false, fmt.Errorf("read document: %w", err)
	}
	if !edxml.Is(data) {
		return nil, false, nil
	}
	m, err := edxml.Read(data)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if m.Envelope == nil {
		return nil, true, nil
	}
	for _, a := range m.Envelope.Attachments {
		if strings.EqualFold(filepath.Ext(a.Name), ".pdf") {
			files = append(files, a)
		}
	}
	return files, true, nil
}
