// Package report writes what was found out about the signatures of a file in
// the forms that others ask for: the validation report of ETSI TS 119 102-2 in
// XML, for programs and archives, and a page of HTML or a PDF in Vietnamese or
// English, for people; and the detailed report of every building block of EN 319
// 102-1 as text, JSON or a page. It judges nothing: every word comes from validate.Report.
package report

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/antin-gov/antin/signer/validate"
)

// ErrFormat says that a form of report is not known.
var ErrFormat = errors.New("report: unknown form")

// Format is a form of report.
type Format string

// The forms.
const (
	ETSI Format = "etsi" // XML, ETSI TS 119 102-2 v1.4.1
	HTML Format = "html" // a page that stands alone
	PDF  Format = "pdf"  // the same on sheets of A4
	// The detailed report (EN 319 102-1, clause 5) as text, JSON or a page.
	DetailText Format = "detailed"
	DetailJSON Format = "detailed-json"
	DetailHTML Format = "detailed-html"
)

// Formats lists the names of all forms.
func Formats() []Format { return []Format{ETSI, HTML, PDF, DetailText, DetailJSON, DetailHTML} }

// Ending is how the names of files of a form end.
func (f Format) Ending() string {
	return map[Format]string{ETSI: ".xml", HTML: ".html", PDF: ".report.pdf", DetailText: ".detailed.txt", DetailJSON: ".detailed.json", DetailHTML: ".detailed.html"}[f]
}

// ParseFormat reads the name of a form.
func ParseFormat(name string) (Format, error) {
	if slices.Contains(Formats(), Format(name)) {
		return Format(name), nil
	}
	return "", fmt.Errorf("%w: %q is none of %v", ErrFormat, name, Formats())
}

// File is a judged file.
type File struct {
	Report *validate.Report
	// At is the time as of which it was judged.
	At time.Time
	// SHA256 is the digest of the whole file; empty leaves it out.
	SHA256 []byte
	// Lang is the language of texts for people.
	Lang validate.Lang
}

// Digest is the digest of a file as reports carry it.
func Digest(in io.Reader) ([]byte, error) {
	h := sha256.New()
	_, err := io.Copy(h, in)
	if err != nil {
		return nil, fmt.Errorf("digest of the file: %w", err)
	}
	return h.Sum(nil), nil
}

// Write writes the report of a file in the form.
func Write(w io.Writer, f File, format Format) error {
	switch format {
	case ETSI:
		return writeETSI(w, f)
	case HTML:
		return writeHTML(w, f)
	case PDF:
		return writePDF(w, f)
	case DetailText:
		return writeDetailedText(w, f)
	case DetailJSON:
		return writeDetailedJSON(w, f)
	case DetailHTML:
		return writeDetailedHTML(w, f)
	}
	return fmt.Errorf("%w: %q", ErrFormat, format)
}
