package ca

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/hsm"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
)

//go:embed all:templates locales
var pageFiles embed.FS

// Where the pages stand.
const (
	pathPages        = "/ca"
	pathCertificates = "/ca/certificates"
	pathStatus       = "/ca/status"
)

// PageDeps is what the pages need beside the service.
type PageDeps struct {
	// Issue carries an approved request out and binds the certificate to its key;
	// Service.Issue when nil.
	Issue func(ctx context.Context, requestID string) (*Certificate, error)
}

// pages are the authority's pages in the console.
type pages struct {
	site    *web.Site
	service *Service
	pages   *web.Pages
	deps    PageDeps
}

// RegisterPages adds to the console: the queue of requests and each request,
// the certificates and each certificate, and the state of lists, answers and
// time-stamps.
func RegisterPages(site *web.Site, s *Service, deps PageDeps) error {
	if site == nil || s == nil {
		return fmt.Errorf("%w: the pages need a site and the service", ErrConfig)
	}
	read, err := site.Pages(pageFiles)
	if err != nil {
		return fmt.Errorf("pages of the authority: %w", err)
	}
	if deps.Issue == nil {
		deps.Issue = s.Issue
	}
	p := &pages{site: site, service: s, pages: read, deps: deps}
	staff := []string{auth.RoleRegistrar, auth.RoleCAOfficer, auth.RoleAuditor}
	site.Nav(
		web.NavItem{Group: "trust", Path: pathPages, Key: "ca.nav", Roles: staff},
		web.NavItem{Group: "trust", Path: pathCertificates, Key: "ca.nav.certificates", Roles: staff},
		web.NavItem{Group: "trust", Path: pathStatus, Key: "ca.nav.status", Roles: []string{auth.RoleCAOfficer, auth.RoleAuditor}},
	)
	site.Handle("GET /ca", web.SignedIn, p.queue)
	site.Handle("GET /ca/requests/new", web.SignedIn, p.newRequest)
	site.Handle("POST /ca/requests", web.SignedIn, p.request)
	site.Handle("GET /ca/requests/{id}", web.SignedIn, p.oneRequest)
	site.Handle("POST /ca/requests/{id}/documents", web.SignedIn, p.attach)
	site.Handle("GET /ca/requests/{id}/documents/{document}", web.SignedIn, p.document)
	site.Handle("POST /ca/requests/{id}/{act}", web.SignedIn, p.decide)
	site.Handle("GET /ca/certificates", web.SignedIn, p.certificates)
	site.Handle("GET /ca/certificates/{serial}", web.SignedIn, p.certificate)
	site.Handle("GET /ca/certificates/{serial}/file", web.SignedIn, p.certificateFile)
	site.Handle("POST /ca/certificates/{serial}/{act}", web.SignedIn, p.certificateAct)
	site.Handle("GET /ca/status", web.SignedIn, p.status)
	site.Handle("POST /ca/status/audit", web.SignedIn, p.audit)
	return nil
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

// problem is the text for a refusal that the person can act on; empty for an
// error that is none.
func problem(err error) string {
	switch {
	case errors.Is(err, ra.ErrSamePerson):
		return "ca.problem.same"
	case errors.Is(err, ra.ErrState), errors.Is(err, ErrRevoked), errors.Is(err, ErrState):
		return "ca.problem.state"
	case errors.Is(err, ra.ErrChanged):
		return "ca.problem.changed"
	case errors.Is(err, ra.ErrKeyUsed):
		return "ca.problem.key"
	case errors.Is(err, ra.ErrForm), errors.Is(err, ErrCause), errors.Is(err, profile.ErrFacts), errors.Is(err, profile.ErrKey),
		errors.Is(err, profile.ErrUnknown), errors.Is(err, hsm.ErrNotFound), errors.Is(err, directory.ErrNotFound):
		return "ca.problem.form"
	case errors.Is(err, profile.ErrLint):
		return "ca.problem.lint"
	default:
		return ""
	}
}

// fail answers an error that no page of its own explains.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ra.ErrNotFound) || errors.Is(err, ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	p.site.Fail(w, r, err)
}
