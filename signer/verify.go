package signer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/report"
	"github.com/antin-gov/antin/signer/validate"
)

// Verify judges every signature of a file against the system's own trust
// anchors, now, with revocation data from the document and from the
// authorities.
func (s *Service) Verify(ctx context.Context, in io.ReaderAt, size int64, name string) (*validate.Report, error) {
	anchors, err := s.d.Anchors(ctx)
	if err != nil {
		return nil, fmt.Errorf("read trust anchors: %w", err)
	}
	judged, err := validate.File(ctx, in, size, validate.Options{Store: anchors, Collector: s.d.Collector, Clock: s.d.Clock})
	if err != nil {
		return nil, err
	}
	judged.File = name
	return judged, nil
}

// Report judges a file as Verify does and writes the report in a form and a
// language.
func (s *Service) Report(ctx context.Context, w io.Writer, in io.ReaderAt, size int64, name string, format report.Format, lang validate.Lang) error {
	at := s.d.Clock.Now()
	judged, err := s.Verify(ctx, in, size, name)
	if err != nil {
		return err
	}
	sum, err := report.Digest(io.NewSectionReader(in, 0, size))
	if err != nil {
		return err
	}
	return report.Write(w, report.File{Report: judged, At: at, SHA256: sum, Lang: lang}, format)
}

// keysOf lists the keys that the context's subject may sign with: their own,
// and their agency's seal for a clerk.
func (s *Service) keysOf(ctx context.Context) ([]keyChoice, error) {
	keys, err := s.d.Keys.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	subject := auth.SubjectFrom(ctx)
	var choices []keyChoice
	for _, k := range keys {
		own := k.PersonID != "" && k.PersonID == subject.PersonID
		seal := k.PersonID == "" && k.AgencyID == subject.AgencyID && subject.Has(auth.RoleClerk)
		if len(k.Chain) < 2 || !own && !seal {
			continue
		}
		leaf := k.Chain[0]
		choices = append(choices, keyChoice{Name: k.Name, Holder: leaf.Subject.CommonName, Serial: trust.SerialText(leaf), Until: leaf.NotAfter.Format("02/01/2006"), Seal: seal, chain: k.Chain})
	}
	return choices, nil
}

type verifyView struct {
	Report *verdictView
	Error  string
	Limit  int64
}

func (p *pages) verifyForm(w http.ResponseWriter, r *http.Request) {
	p.renderVerify(w, r, verifyView{})
}

func (p *pages) renderVerify(w http.ResponseWriter, r *http.Request, view verifyView) {
	view.Limit = p.service.d.MaxUpload >> 20
	status := 0
	if view.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	p.pages.Render(w, r, "verify", web.Page{Title: "verify.title", Scripts: []string{"verify"}, Status: status, View: view})
}

const (
	// maxStrangers bounds the uploads of strangers that are taken and judged at
	// once: each may hold MaxUpload bytes of disk and one processor.
	maxStrangers = 16
	// strangerLimit bounds the upload, so that slow senders do not keep others
	// out, and then the judging.
	strangerLimit = 2 * time.Minute
	// strangerRetry is when one who was turned away may come again.
	strangerRetry = "5"
)

// admitted lets so many requests verify at once and bounds their time.
func (p *pages) admitted(next http.HandlerFunc) http.HandlerFunc {
	places := make(chan struct{}, maxStrangers)
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Retry-After", strangerRetry)
			p.site.Error(w, r, http.StatusServiceUnavailable, "verify.error.busy", nil)
			return
		}
		// A connection that knows no deadlines is bounded by the server's own.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(strangerLimit))
		next(w, r)
	}
}

// verify judges an uploaded file. The file is not kept: a multipart upload
// larger than a few megabytes lies in a temporary file until the answer.
func (p *pages) verify(w http.ResponseWriter, r *http.Request) {
	web.AllowUpload(w, r, p.service.d.MaxUpload+1<<20)
	file, header, problem := p.uploaded(r)
	if problem != "" {
		p.renderVerify(w, r, verifyView{Error: problem})
		return
	}
	defer func() { _ = file.Close() }()
	ctx, cancel := context.WithTimeout(r.Context(), strangerLimit)
	defer cancel()
	judged, err := p.service.Verify(ctx, file, header.Size, cleanName(header.Filename))
	if errors.Is(err, validate.ErrUnreadable) {
		p.renderVerify(w, r, verifyView{Error: "verify.error.pdf"})
		return
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	p.renderVerify(w, r, verifyView{Report: viewOf(judged, web.VisitorFrom(r.Context()).Lang)})
}

// uploaded is the file of a form, or the locale key of what is wrong with it.
func (p *pages) uploaded(r *http.Request) (multipart.File, *multipart.FileHeader, string) {
	file, header, err := r.FormFile("file")
	if err != nil {
		problem := uploadProblem(err)
		if problem == "" {
			problem = "sign.error.missing"
		}
		return nil, nil, problem
	}
	if header.Size > p.service.d.MaxUpload {
		_ = file.Close()
		return nil, nil, "sign.error.large"
	}
	return file, header, ""
}
