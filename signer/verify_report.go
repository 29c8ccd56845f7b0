package signer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

// mediaTypes are those of the forms of report that the pages offer.
func mediaTypes() map[report.Format]string {
	return map[report.Format]string{
		report.DetailHTML: "text/html; charset=utf-8", report.DetailJSON: "application/json", report.PDF: "application/pdf", report.ETSI: "application/xml",
	}
}

// verifyReport answers with a report on an uploaded file, for saving.
func (p *pages) verifyReport(w http.ResponseWriter, r *http.Request) {
	web.AllowUpload(w, r, p.service.d.MaxUpload+1<<20)
	file, header, problem := p.uploaded(r)
	if problem != "" {
		p.renderVerify(w, r, verifyView{Error: problem})
		return
	}
	defer func() { _ = file.Close() }()
	ctx, cancel := context.WithTimeout(r.Context(), strangerLimit)
	defer cancel()
	err := p.writeReport(ctx, w, r, file, header.Size, cleanName(header.Filename))
	if errors.Is(err, validate.ErrUnreadable) {
		p.renderVerify(w, r, verifyView{Error: "verify.error.pdf"})
		return
	}
	if err != nil {
		p.site.Fail(w, r, err)
	}
}

// documentReport answers with a report on a signed document of the console.
func (p *pages) documentReport(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	f, err := p.service.Open(doc)
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil {
		err = p.writeReport(r.Context(), w, r, f, info.Size(), doc.Name)
	}
	if err != nil {
		p.site.Fail(w, r, err)
	}
}

// writeReport sends the report whole or not at all. It is for saving, never
// shown as a page of the console: it carries what strangers wrote.
func (p *pages) writeReport(ctx context.Context, w http.ResponseWriter, r *http.Request, in io.ReaderAt, size int64, name string) error {
	format := report.Format(r.PathValue("form"))
	kind, ok := mediaTypes()[format]
	if !ok {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return nil
	}
	var b bytes.Buffer
	err := p.service.Report(ctx, &b, in, size, name, format, validate.Lang(web.VisitorFrom(r.Context()).Lang))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + format.Ending()}))
	_, _ = w.Write(b.Bytes()) // whoever asked has gone
	return nil
}
