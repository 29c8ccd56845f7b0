package ca

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

// requestView is a request in words, with what the visitor may do.
type requestView struct {
	ra.Request
	Title, TitleEN string
	Holder         string
	Own            bool
	// May are the acts that make sense now for the visitor's roles; whether one is
	// allowed in the end is the policy's to say.
	May map[string]bool
}

func (p *pages) view(r *http.Request, q ra.Request) requestView {
	who := auth.SubjectFrom(r.Context())
	v := requestView{Request: q, Holder: holder(q.Facts), Own: who.AccountID == q.CreatedBy, May: map[string]bool{}}
	v.Title, v.TitleEN = p.title(q.Profile)
	officer, registrar := who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleAdmin), who.Has(auth.RoleRegistrar) || who.Has(auth.RoleAdmin)
	open := q.State == ra.StateRequested || q.State == ra.StateConfirmed
	v.May["confirm"] = q.State == ra.StateRequested && !v.Own && (registrar || officer)
	v.May["approve"] = q.State == ra.StateConfirmed && officer && !v.Own && who.AccountID != q.ConfirmedBy
	v.May["return"] = open && !v.Own && (officer || registrar)
	v.May["reject"] = open && !v.Own && officer
	v.May["withdraw"] = v.Own && (open || q.State == ra.StateReturned)
	v.May["issue"] = q.State == ra.StateApproved && officer
	v.May["hand-over"] = q.State == ra.StateIssued && q.HandedAt == nil && officer
	v.May["attach"] = open && (v.Own || officer)
	return v
}

// queueView is what waits.
type queueView struct {
	Page      []requestView
	Next      string
	State     string
	States    []ra.State
	Overdue   bool
	MayCreate bool
	Problem   string
}

func (p *pages) queue(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f := ra.Filter{Open: query.Get("state") == "", Overdue: query.Get("overdue") != "", After: query.Get("after")}
	if query.Get("state") != "" && query.Get("state") != "all" {
		f.States = []ra.State{ra.State(query.Get("state"))}
	}
	page, err := p.service.Desk().List(r.Context(), f)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	who := auth.SubjectFrom(r.Context())
	view := queueView{Next: page.Next, State: query.Get("state"), States: ra.States(), Overdue: f.Overdue,
		MayCreate: who.Has(auth.RoleRegistrar) || who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleAdmin)}
	for _, q := range page.Requests {
		view.Page = append(view.Page, p.view(r, q))
	}
	p.pages.Render(w, r, "queue", web.Page{Title: "ca.title", View: view})
}

// oneView is a request with its documents and history.
type oneView struct {
	requestView
	Documents []ra.Document
	History   []ra.Event
	Problem   string
}

func (p *pages) oneRequest(w http.ResponseWriter, r *http.Request) { p.showRequest(w, r, "", 0) }

func (p *pages) showRequest(w http.ResponseWriter, r *http.Request, problem string, status int) {
	desk, id := p.service.Desk(), r.PathValue("id")
	q, err := desk.Get(r.Context(), id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := oneView{requestView: p.view(r, *q), Problem: problem}
	v.Documents, err = desk.Documents(r.Context(), id)
	if err == nil {
		v.History, err = desk.History(r.Context(), id)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.pages.Render(w, r, "request", web.Page{TitleText: v.Holder, Status: status, View: v})
}

func (p *pages) decide(w http.ResponseWriter, r *http.Request) {
	desk, ctx, id, note := p.service.Desk(), r.Context(), r.PathValue("id"), r.PostFormValue("note")
	var err error
	switch r.PathValue("act") {
	case "confirm":
		_, err = desk.Confirm(ctx, id, note)
	case "approve":
		_, err = desk.Approve(ctx, id, note)
	case "reject":
		_, err = desk.Reject(ctx, id, note)
	case "return":
		_, err = desk.Return(ctx, id, note)
	case "withdraw":
		_, err = desk.Withdraw(ctx, id, note)
	case "issue":
		_, err = p.deps.Issue(ctx, id)
	case "hand-over":
		_, err = desk.HandOver(ctx, id, r.PostFormValue("to"), r.PostFormValue("device"))
	default:
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	if err == nil {
		http.Redirect(w, r, "/ca/requests/"+url.PathEscape(id), http.StatusSeeOther)
		return
	}
	key := problem(err)
	if key == "" {
		p.fail(w, r, err)
		return
	}
	p.showRequest(w, r, key, http.StatusConflict)
}

// maxAttachment bounds an upload; the desk has its own, smaller bound.
const maxAttachment = 32 << 20

func (p *pages) attach(w http.ResponseWriter, r *http.Request) {
	web.AllowUpload(w, r, maxAttachment)
	file, head, err := r.FormFile("file")
	if err != nil {
		p.showRequest(w, r, "ca.problem.file", http.StatusBadRequest)
		return
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxAttachment))
	if err != nil {
		p.showRequest(w, r, "ca.problem.file", http.StatusBadRequest)
		return
	}
	id := r.PathValue("id")
	_, err = p.service.Desk().Attach(r.Context(), id, head.Filename, content)
	switch {
	case err == nil:
		http.Redirect(w, r, "/ca/requests/"+url.PathEscape(id), http.StatusSeeOther)
	case errors.Is(err, ra.ErrForm):
		p.showRequest(w, r, "ca.problem.file", http.StatusUnprocessableEntity)
	case problem(err) != "":
		p.showRequest(w, r, problem(err), http.StatusConflict)
	default:
		p.fail(w, r, err)
	}
}

func (p *pages) document(w http.ResponseWriter, r *http.Request) {
	doc, err := p.service.Desk().Document(r.Context(), r.PathValue("id"), r.PathValue("document"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	ra.ServeDocument(w, doc)
}

// formView is the form of a new request.
type formView struct {
	Kinds    []ra.Kind
	Profiles []profile.Profile
	Causes   []Cause
	Filled   url.Values
	Problem  string
	Detail   string
}

// Value is what was typed or chosen.
func (f formView) Value(name string) string { return f.Filled.Get(name) }

func (p *pages) newRequest(w http.ResponseWriter, r *http.Request) {
	p.showForm(w, r, formView{Filled: r.URL.Query()}, 0)
}

func (p *pages) showForm(w http.ResponseWriter, r *http.Request, v formView, status int) {
	v.Kinds, v.Causes = ra.Kinds(), Causes()
	for _, known := range p.service.profiles.All() {
		if known.Kind == profile.KindPerson || known.Kind == profile.KindAgency || known.Kind == profile.KindMachine {
			v.Profiles = append(v.Profiles, *known)
		}
	}
	p.pages.Render(w, r, "form", web.Page{Title: "ca.new", Status: status, View: v})
}

func (p *pages) request(w http.ResponseWriter, r *http.Request) {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	f := ra.Form{Kind: ra.Kind(get("kind")), Profile: get("profile"), PersonID: get("person"), AgencyID: get("agency"), Machine: get("machine"),
		Serial: strings.ToLower(get("serial")), Cause: get("cause"), KeyLabel: get("key"), CSR: []byte(get("csr")), Note: get("note")}
	f.DNSNames = slices.DeleteFunc(strings.Fields(strings.ReplaceAll(get("dns"), ",", " ")), func(n string) bool { return n == "" })
	q, err := p.service.Desk().Request(r.Context(), f)
	if err == nil {
		http.Redirect(w, r, "/ca/requests/"+url.PathEscape(q.ID), http.StatusSeeOther)
		return
	}
	key := problem(err)
	if key == "" && !errors.Is(err, ErrNotFound) {
		p.fail(w, r, err)
		return
	}
	p.showForm(w, r, formView{Filled: r.PostForm, Problem: "ca.problem.request", Detail: err.Error()}, http.StatusUnprocessableEntity)
}
