package incident

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
)

//go:embed templates locales
var pageFiles embed.FS

// pathCases is where the pages of cases stand.
const pathCases = "/incidents"

// PageDirectory names agencies and people: the directory.
type PageDirectory interface {
	Agency(ctx context.Context, id string) (*directory.Agency, error)
	Agencies(ctx context.Context, at time.Time) ([]directory.Agency, error)
	Person(ctx context.Context, id string) (*directory.Person, error)
}

// PageAccounts lists the accounts a case may be given to.
type PageAccounts interface {
	List(ctx context.Context) ([]auth.Account, error)
}

// PageDeps is what the pages need besides the service.
type PageDeps struct {
	Directory PageDirectory
	Accounts  PageAccounts
}

type casePages struct {
	site    *web.Site
	service *Service
	d       PageDeps
	pages   *web.Pages
}

// RegisterPages adds the queue of cases and the page of one case to the
// console. The live parts need Service.Run.
func RegisterPages(site *web.Site, s *Service, d PageDeps) error {
	if site == nil || s == nil || d.Directory == nil || d.Accounts == nil {
		return fmt.Errorf("%w: the pages need a site, the service, a directory and accounts", ErrInvalid)
	}
	read, err := site.Pages(pageFiles)
	if err != nil {
		return fmt.Errorf("pages of incidents: %w", err)
	}
	p := &casePages{site: site, service: s, d: d, pages: read}
	site.Nav(web.NavItem{
		Group: "security", Path: pathCases, Key: "incidents.nav",
		Roles: []string{auth.RoleAnalyst, auth.RoleIncidentLead, auth.RoleLeader, auth.RoleAuditor},
	})
	site.Handle("GET /incidents", web.SignedIn, p.list)
	return nil
}

func (p *casePages) list(w http.ResponseWriter, r *http.Request) {
	page, err := p.service.List(r.Context(), Filter{State: StateOpen})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.pages.Render(w, r, "list", web.Page{Title: "incidents.title", View: page})
}

// fail answers with the page that fits the error.
func (p *casePages) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
	case errors.Is(err, ErrInvalid):
		p.site.Error(w, r, http.StatusBadRequest, "error.input", err)
	default:
		p.site.Fail(w, r, err)
	}
}
