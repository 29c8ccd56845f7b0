package office

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/nd30"
)

// attachmentsRoom is how many bytes the attachments of one form have together.
const attachmentsRoom = 4 * maxAttachment

// errFile means that the form came without a file, or with one too large.
var errFile = fmt.Errorf("%w: file", ErrRequest)

// choice is an entry of the register that a draft can be submitted for.
type choice struct {
	ID, Name, Title string
	Form            Form
	Kinds           string
}

type draftView struct {
	Kinds   []Kind
	Signers []choice
	// What was typed, kept when the form is refused.
	Kind, Unit, Abstract, Place, Signer string
	// Again is the returned document that is brought again; nil for a new one.
	Again *Document
	Limit int64 // megabytes
	Error string
}

// Action is where the form goes.
func (v draftView) Action() string {
	if v.Again != nil {
		return "/office/document/" + v.Again.ID + "/again"
	}
	return "/office/new"
}

func (p *pages) newDraft(w http.ResponseWriter, r *http.Request) { p.renderDraft(w, r, draftView{}) }

func (p *pages) again(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	view := draftView{Again: doc, Kind: doc.Kind, Unit: doc.Unit, Abstract: doc.Abstract, Place: doc.Place}
	signers, err := p.service.signers(r.Context(), doc.AgencyID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, d := range signers {
		if d.PersonID == doc.SignerID && d.Form == doc.Form {
			view.Signer = d.ID
		}
	}
	p.renderDraft(w, r, view)
}

func (p *pages) renderDraft(w http.ResponseWriter, r *http.Request, view draftView) {
	ctx := r.Context()
	agency := auth.SubjectFrom(ctx).AgencyID
	if view.Again != nil {
		agency = view.Again.AgencyID
	}
	entries, err := p.service.signers(ctx, agency)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, d := range entries {
		view.Signers = append(view.Signers, choice{ID: d.ID, Name: p.service.personName(ctx, d.PersonID), Title: p.title(ctx, d.PersonID), Form: d.Form, Kinds: d.Kinds})
	}
	view.Kinds, view.Limit = Kinds(), p.service.d.MaxSize>>20
	status := 0
	if view.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	title := "office.draft.title"
	if view.Again != nil {
		title = "office.again.title"
	}
	p.pages.Render(w, r, "draft", web.Page{Title: title, Status: status, View: view})
}

// title is the office that a person holds now; empty when none is known.
func (p *pages) title(ctx context.Context, personID string) string {
	position, err := p.service.d.Directory.Position(ctx, personID, p.service.d.Clock.Now())
	if err != nil {
		return ""
	}
	return position.Title
}

func (p *pages) submit(w http.ResponseWriter, r *http.Request) {
	p.bring(w, r, draftView{}, func(d Draft) (*Document, error) { return p.service.Submit(r.Context(), d) })
}

func (p *pages) resubmit(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	p.bring(w, r, draftView{Again: doc}, func(d Draft) (*Document, error) { return p.service.Resubmit(r.Context(), doc.ID, d) })
}

// bring reads the form and hands the draft on.
func (p *pages) bring(w http.ResponseWriter, r *http.Request, view draftView, take func(Draft) (*Document, error)) {
	// The form's own parts take little beside the files.
	web.AllowUpload(w, r, p.service.d.MaxSize+attachmentsRoom+1<<20)
	d, done, err := p.draft(r, &view)
	defer done()
	var doc *Document
	if err == nil {
		doc, err = take(d)
	}
	if err == nil {
		http.Redirect(w, r, "/office/document/"+doc.ID, http.StatusSeeOther)
		return
	}
	view.Error = draftProblem(err)
	if view.Error == "" {
		p.fail(w, r, err)
		return
	}
	p.renderDraft(w, r, view)
}

// draft reads the form. The files are closed by done.
func (p *pages) draft(r *http.Request, view *draftView) (d Draft, done func(), err error) {
	var open []multipart.File
	done = func() {
		for _, f := range open {
			_ = f.Close()
		}
	}
	file, header, err := r.FormFile("file")
	view.Kind, view.Unit, view.Abstract, view.Place, view.Signer =
		r.FormValue("kind"), strings.TrimSpace(r.FormValue("unit")), strings.TrimSpace(r.FormValue("abstract")), strings.TrimSpace(r.FormValue("place")), r.FormValue("signer")
	if err != nil {
		return d, done, errors.Join(errFile, err)
	}
	open = append(open, file)
	d = Draft{File: File{Name: header.Filename, Content: file}, Kind: view.Kind, Unit: view.Unit, Abstract: view.Abstract, Place: view.Place}
	for _, h := range r.MultipartForm.File["attachment"] {
		if h.Size == 0 && h.Filename == "" {
			continue // the field was left empty
		}
		f, err := h.Open()
		if err != nil {
			return d, done, errors.Join(errFile, err)
		}
		open = append(open, f)
		d.Attachments = append(d.Attachments, File{Name: h.Filename, Content: f})
	}
	if view.Again != nil {
		d.AgencyID = view.Again.AgencyID
	} else {
		d.AgencyID = auth.SubjectFrom(r.Context()).AgencyID
	}
	entries, err := p.service.signers(r.Context(), d.AgencyID)
	if err != nil {
		return d, done, err
	}
	for _, entry := range entries {
		if entry.ID != view.Signer {
			continue
		}
		if !entry.covers(view.Kind) {
			return d, done, &AuthorityError{PersonID: entry.PersonID, AgencyID: d.AgencyID, Form: entry.Form, Kind: view.Kind, Code: "kind", Entry: entry.ID}
		}
		d.SignerID, d.Form = entry.PersonID, entry.Form
	}
	if d.SignerID == "" {
		return d, done, fmt.Errorf("%w: signer", ErrAuthority)
	}
	return d, done, nil
}

// draftProblem is the locale key of what is wrong with a draft, or "".
func draftProblem(err error) string {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return "office.error.large"
	case errors.Is(err, errFile):
		return "office.error.file"
	case errors.Is(err, ErrAuthority):
		return "office.error.signer"
	case errors.Is(err, ErrRequest) && !errors.Is(err, errForm):
		return "office.error.draft"
	}
	return problem(err)
}

// secretProblem tells a mark of secrecy from what may be a list of levels.
func secretProblem(err error) string {
	var mark *nd30.SecretError
	if errors.As(err, &mark) && mark.List {
		return "office.error.levels"
	}
	return "office.error.secret"
}

// attachment sends a file that goes with a document.
func (p *pages) attachment(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	f, a, err := p.service.OpenAttachment(r.Context(), r.PathValue("id"), n)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	http.ServeContent(w, r, "", info.ModTime(), f)
}
