package office

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/internal/workdays"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/nd30"
	"github.com/antin-gov/antin/signer/pades"
)

//go:embed all:templates locales
var room embed.FS

// archivePage is how many documents the archive shows; a search narrows it.
const archivePage = 100

type pages struct {
	site    *web.Site
	service *Service
	pages   *web.Pages
}

// RegisterPages adds the pages of the office to the console: what waits, drafts,
// one document with its trail, several to sign at once, the archive, the
// delegation register and what expires.
func RegisterPages(site *web.Site, s *Service) error {
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of the office: %w", err)
	}
	p := &pages{site: site, service: s, pages: read}
	site.Nav(web.NavItem{Group: "documents", Path: "/office", Key: "office.nav", Roles: []string{auth.RoleOfficial, auth.RoleClerk, auth.RoleLeader}})
	site.Handle("GET /office", web.SignedIn, p.list)
	site.Handle("GET /office/new", web.SignedIn, p.newDraft)
	site.Handle("POST /office/new", web.SignedIn, p.submit)
	site.Handle("GET /office/document/{id}/again", web.SignedIn, p.again)
	site.Handle("POST /office/document/{id}/again", web.SignedIn, p.resubmit)
	site.Handle("GET /office/document/{id}/attachment/{n}", web.SignedIn, p.attachment)
	site.Handle("GET /office/delegations", web.SignedIn, p.delegations)
	site.Handle("POST /office/delegations", web.SignedIn, p.delegate)
	site.Handle("POST /office/delegations/{id}/revoke", web.SignedIn, p.revoke)
	site.Handle("GET /office/expiring", web.SignedIn, p.expiring)
	site.Handle("GET /office/many", web.SignedIn, p.many)
	site.Handle("POST /office/many", web.SignedIn, p.signMany)
	site.Handle("POST /office/many/passkey", web.SignedIn, p.passkeyMany)
	site.Handle("GET /office/document/{id}", web.SignedIn, p.show)
	site.Handle("POST /office/document/{id}", web.SignedIn, p.move)
	site.Handle("POST /office/document/{id}/passkey", web.SignedIn, p.passkey)
	site.Handle("GET /office/document/{id}/file", web.SignedIn, p.file)
	return nil
}

// row is a document as a list shows it.
type row struct {
	Document
	KindName, Signer, Tone string
	// Mine says that the visitor may sign it now.
	Mine bool
	// Due is until when the document must leave, nil where no day is set; Late
	// says that it has passed.
	Due  *time.Time
	Late bool
}

type listView struct {
	Archive bool
	Rows    []row
	Search  string
	State   State
	States  []State
	// Signable counts the documents that the visitor may sign at once.
	Signable int
	Full     bool
	// Drafts says that the visitor may bring one; Clerk that the next numbers
	// are shown.
	Drafts, Clerk bool
	Next, Copy    int64
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	view := listView{Archive: r.FormValue("view") == "archive", States: states()}
	f := Filter{Waiting: true}
	if view.Archive {
		view.Search, view.State = r.FormValue("q"), State(r.FormValue("state"))
		if !slices.Contains(view.States, view.State) {
			view.State = ""
		}
		f = Filter{Search: view.Search, State: view.State, Limit: archivePage}
	}
	docs, err := p.service.List(r.Context(), f)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for i := range docs {
		one := p.rowOf(r, &docs[i])
		if one.Mine {
			view.Signable++
		}
		view.Rows = append(view.Rows, one)
	}
	view.Full = view.Archive && len(docs) == archivePage
	err = p.desk(r, docs, &view)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.pages.Render(w, r, "list", web.Page{Title: "office.title", View: view})
}

// desk adds what the list is worked with: days, next numbers, and who may draft.
func (p *pages) desk(r *http.Request, docs []Document, view *listView) error {
	ctx := r.Context()
	subject := auth.SubjectFrom(ctx)
	due, err := p.service.Due(ctx, docs)
	if err != nil {
		return err
	}
	for i := range view.Rows {
		view.Rows[i].dated(due, p.service.d.Clock.Now())
	}
	view.Drafts = subject.Has(auth.RoleOfficial) || subject.Has(auth.RoleClerk)
	view.Clerk = subject.Has(auth.RoleClerk) && subject.AgencyID != ""
	if view.Clerk {
		view.Next, err = p.service.Next(ctx, subject.AgencyID, false)
	}
	if err == nil && view.Clerk {
		view.Copy, err = p.service.Next(ctx, subject.AgencyID, true)
	}
	return err
}

func (one *row) dated(due map[string]time.Time, now time.Time) {
	at, ok := due[one.ID]
	if ok {
		one.Due, one.Late = &at, now.After(at)
	}
}

func states() []State {
	return []State{StateDraft, StateSigned, StateNumbered, StateSealed, StateIssued, StateReturned, StateWithdrawn}
}

func (p *pages) rowOf(r *http.Request, doc *Document) row {
	one := row{Document: *doc, KindName: doc.Kind, Signer: doc.SignerID, Tone: "warn"}
	kind, err := KindOf(doc.Kind)
	if err == nil {
		one.KindName = kind.Name
	}
	person, err := p.service.d.Directory.Person(r.Context(), doc.SignerID)
	if err == nil {
		one.Signer = person.Name
	}
	switch doc.State {
	case StateIssued:
		one.Tone = "ok"
	case StateReturned, StateWithdrawn:
		one.Tone = "bad"
	case StateSealed, StateNumbered, StateSigned:
		one.Tone = "info"
	}
	subject := auth.SubjectFrom(r.Context())
	one.Mine = doc.State == StateDraft && doc.SignerID == subject.PersonID && doc.SignerID != "" && subject.Has(auth.RoleOfficial)
	return one
}

// Moves are the steps of a document that bind somebody, and those that do not.
type moves struct {
	// Bind is the move that the visitor may make with a second factor; empty
	// when none waits for them.
	Bind string
	// Mark says that the move puts a mark on a page.
	Mark bool
	// Issue, Return, Withdraw, Recall, Extend and Again need no key.
	Issue, Return, Withdraw, Recall, Extend, Again bool
}

// movesOf tells what the page offers; the policy decides again when it is done.
func movesOf(s auth.Subject, doc *Document) moves {
	var m moves
	clerk := s.Has(auth.RoleClerk) && s.AgencyID == doc.AgencyID && doc.SignedBy != s.AccountID
	signs := doc.SignerID != "" && doc.SignerID == s.PersonID
	switch {
	case doc.State == StateDraft && signs:
		m = moves{Bind: moveSign, Mark: !isCopy(doc), Return: true}
	case doc.State == StateSigned && clerk:
		m = moves{Bind: moveNumber, Return: true}
	case doc.State == StateNumbered && clerk:
		m = moves{Bind: moveSeal, Mark: !isCopy(doc), Return: true}
	case doc.State == StateSealed && clerk:
		m.Issue = true
	case doc.State == StateIssued && doc.SignedBy == s.AccountID:
		m.Recall = true
	}
	m.Extend = doc.State == StateIssued && s.Has(auth.RoleClerk) && s.AgencyID == doc.AgencyID
	m.Again = doc.State == StateReturned && doc.CreatedBy == s.AccountID
	open := doc.State != StateIssued && doc.State != StateWithdrawn
	m.Withdraw = open && (doc.CreatedBy == s.AccountID || doc.SignedBy == s.AccountID)
	return m
}

type documentView struct {
	row
	Moves       moves
	Steps       []Step
	Attachments []Attachment
	Keys        []signer.Key
	Key         string
	Place       Place
	Pages       int
	// NextSymbol is what the document would be numbered now, Level of what is
	// bound.
	NextSymbol string
	Level      string
	Why        string
	Error      string
}

// Holder is the name in a key's certificate.
func (documentView) Holder(k signer.Key) string { return k.Chain[0].Subject.CommonName }

// Until is the last day of a key's certificate.
func (documentView) Until(k signer.Key) string {
	return k.Chain[0].NotAfter.In(workdays.Zone()).Format("02/01/2006")
}

func (p *pages) document(w http.ResponseWriter, r *http.Request) (*Document, bool) {
	doc, err := p.service.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return nil, false
	}
	return doc, true
}

// fail answers what is not there, or not the visitor's, alike.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	if errors.Is(err, ErrRequest) {
		p.site.Error(w, r, http.StatusBadRequest, "error.input", nil)
		return
	}
	p.site.Fail(w, r, err)
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if ok {
		p.render(w, r, doc, documentView{})
	}
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, doc *Document, view documentView) {
	ctx := r.Context()
	view.row, view.Moves = p.rowOf(r, doc), movesOf(auth.SubjectFrom(ctx), doc)
	var err error
	view.Steps, err = p.service.Steps(ctx, doc.ID)
	if err == nil {
		view.Attachments, err = p.service.Attachments(ctx, doc.ID)
	}
	if err == nil && view.Moves.Bind != "" {
		view.Keys, err = p.keys(r, doc, view.Moves.Bind)
	}
	if err == nil && view.Moves.Mark {
		err = p.suggest(r, doc, &view)
	}
	if err == nil {
		err = p.facts(ctx, doc, &view)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	status := 0
	if view.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	p.pages.Render(w, r, "document", web.Page{Title: "office.title", TitleText: doc.Name, Scripts: []string{"sign"}, Status: status, ExerciseID: doc.ExerciseID, View: view})
}

// facts adds the day by which the document must leave and its next number.
func (p *pages) facts(ctx context.Context, doc *Document, view *documentView) error {
	if view.Level == "" {
		view.Level = string(pades.LevelLT)
	}
	due, err := p.service.Due(ctx, []Document{*doc})
	if err != nil {
		return err
	}
	view.dated(due, p.service.d.Clock.Now())
	if view.Moves.Bind == moveNumber {
		view.NextSymbol, err = p.service.NextSymbol(ctx, doc)
	}
	return err
}

// Levels are those that a signature can be made at.
func (documentView) Levels() []pades.Level { return pades.Levels() }

// keys are those with which the move can be made.
func (p *pages) keys(r *http.Request, doc *Document, bind string) ([]signer.Key, error) {
	all, err := p.service.d.Keys.List(r.Context())
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	fits := agencyKey(doc)
	if bind == moveSign {
		fits = func(k signer.Key) bool { return k.PersonID == doc.SignerID }
	}
	return slices.DeleteFunc(slices.Clone(all), func(k signer.Key) bool { return len(k.Chain) < 2 || !fits(k) }), nil
}

// suggest finds where the mark belongs, where the person did not say.
func (p *pages) suggest(r *http.Request, doc *Document, view *documentView) error {
	f, _, err := p.service.Open(r.Context(), doc.ID)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	d, err := nd30.Open(f, doc.Size, "")
	if err != nil {
		return err
	}
	view.Pages = d.Pages()
	if view.Place.Page != 0 {
		return nil
	}
	view.Place = doc.Places.Person
	spec, name := appearance.Spec{Preset: appearance.Person}, view.Signer
	if view.Moves.Bind == moveSeal {
		view.Place, spec.Preset, name = doc.Places.Seal, appearance.Seal, ""
	}
	spec.Page, spec.Box, spec.Name = view.Place.Page, view.Place.Box, name
	placed, err := d.Complete(spec, name)
	if err != nil {
		return err
	}
	view.Place = Place{Page: placed.Page, Box: placed.Box}
	return nil
}

func (p *pages) file(w http.ResponseWriter, r *http.Request) {
	f, doc, err := p.service.Open(r.Context(), r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	disposition := "inline"
	if r.FormValue("download") != "" {
		disposition = "attachment"
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": doc.Name}))
	http.ServeContent(w, r, "", doc.MovedAt, f)
}

// Next tells whether the document has a way to go.
func (v documentView) Next() bool { return v.State != StateIssued && v.State != StateWithdrawn }
