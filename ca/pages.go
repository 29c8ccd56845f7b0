package ca

import (
	"embed"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

//go:embed templates locales
var pageFiles embed.FS

// pathPages is where the page of the registration authority stands.
const pathPages = "/ca"

// pages are the authority's pages in the console.
type pages struct {
	site    *web.Site
	service *Service
	pages   *web.Pages
}

// RegisterPages adds the queue of requests and the list of certificates to the
// console.
func RegisterPages(site *web.Site, s *Service) error {
	if site == nil || s == nil {
		return fmt.Errorf("%w: the pages need a site and the service", ErrConfig)
	}
	read, err := site.Pages(pageFiles)
	if err != nil {
		return fmt.Errorf("pages of the authority: %w", err)
	}
	p := &pages{site: site, service: s, pages: read}
	site.Nav(web.NavItem{Group: "trust", Path: pathPages, Key: "ca.nav",
		Roles: []string{auth.RoleRegistrar, auth.RoleCAOfficer, auth.RoleAuditor}})
	site.Handle("GET /ca", web.SignedIn, p.queue)
	site.Handle("POST /ca/requests/{id}/{act}", web.SignedIn, p.decide)
	site.Handle("POST /ca/certificates/{serial}/revoke", web.SignedIn, p.revoke)
	return nil
}

// queueView is what the page shows.
type queueView struct {
	Waiting      []waitingView
	Certificates []certificateView
	Causes       []Cause
	MayRevoke    bool
	Problem      string
}

type waitingView struct {
	ra.Request
	Title, TitleEN      string
	Holder              string
	MayDecide, MayIssue bool
	Own                 bool
}

type certificateView struct {
	Certificate
	Title, TitleEN string
}

func (p *pages) queue(w http.ResponseWriter, r *http.Request) { p.show(w, r, "", 0) }

func (p *pages) show(w http.ResponseWriter, r *http.Request, problem string, status int) {
	requests, err := p.service.Requests(r.Context(), "")
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	certificates, err := p.service.List(r.Context(), Filter{State: StateIssued})
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	who := auth.SubjectFrom(r.Context())
	officer := who.Has(auth.RoleCAOfficer)
	view := queueView{Causes: Causes(), MayRevoke: officer, Problem: problem}
	for _, q := range requests {
		if q.State != ra.StateRequested && q.State != ra.StateConfirmed && q.State != ra.StateApproved {
			continue
		}
		v := waitingView{Request: q, Holder: holder(q.Facts), Own: who.AccountID == q.CreatedBy}
		v.Title, v.TitleEN = p.title(q.Profile)
		v.MayDecide = officer && !v.Own && q.State == ra.StateConfirmed
		v.MayIssue = officer && q.State == ra.StateApproved
		view.Waiting = append(view.Waiting, v)
	}
	for _, c := range certificates {
		v := certificateView{Certificate: c}
		v.Title, v.TitleEN = p.title(c.Profile)
		view.Certificates = append(view.Certificates, v)
	}
	p.pages.Render(w, r, "queue", web.Page{Title: "ca.title", Status: status, View: view})
}

// title names a profile in both languages.
func (p *pages) title(name string) (vi, en string) {
	known, err := p.service.profiles.Get(name)
	if err != nil {
		return name, name
	}
	return known.Title, known.TitleEN
}

// holder is the name that will stand in the certificate, with the agency.
func holder(f profile.Facts) string {
	var parts []string
	for _, part := range []string{f.PersonName, f.MachineName, f.AgencyName} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " · ")
}

func (p *pages) decide(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	var err error
	switch r.PathValue("act") {
	case "approve":
		_, err = p.service.Approve(r.Context(), id, r.PostFormValue("note"))
	case "confirm":
		_, err = p.service.Desk().Confirm(r.Context(), id, r.PostFormValue("note"))
	case "reject":
		_, err = p.service.Reject(r.Context(), id, r.PostFormValue("note"))
	case "issue":
		_, err = p.service.Issue(r.Context(), id)
	default:
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	p.done(w, r, err)
}

func (p *pages) revoke(w http.ResponseWriter, r *http.Request) {
	_, err := p.service.Revoke(r.Context(), r.PathValue("serial"), Cause(r.PostFormValue("cause")), r.PostFormValue("note"))
	p.done(w, r, err)
}

// done goes back to the queue; a refusal that the person can act on is shown
// above it.
func (p *pages) done(w http.ResponseWriter, r *http.Request, err error) {
	key := ""
	switch {
	case err == nil:
		http.Redirect(w, r, pathPages, http.StatusSeeOther)
		return
	case errors.Is(err, ra.ErrNotFound), errors.Is(err, ErrNotFound):
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	case errors.Is(err, ra.ErrSamePerson):
		key = "ca.problem.same"
	case errors.Is(err, ra.ErrState), errors.Is(err, ErrRevoked), errors.Is(err, ErrState):
		key = "ca.problem.state"
	case errors.Is(err, ra.ErrChanged):
		key = "ca.problem.changed"
	case errors.Is(err, ra.ErrForm), errors.Is(err, ErrCause):
		key = "ca.problem.form"
	case errors.Is(err, profile.ErrLint):
		key = "ca.problem.lint"
	default:
		p.site.Fail(w, r, err)
		return
	}
	p.show(w, r, key, http.StatusConflict)
}
