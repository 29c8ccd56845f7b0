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

//go:embed all:templates locales
var pageFiles embed.FS

// pathCases is where the pages of cases stand.
const pathCases = "/incidents"

// PageDirectory names agencies and people: the directory.
type PageDirectory interface {
	Agency(ctx context.Context, id string) (*directory.Agency, error)
	Agencies(ctx context.Context, at time.Time) ([]directory.Agency, error)
	Person(ctx context.Context, id string) (*directory.Person, error)
}

// PageAccounts knows the accounts: who acted, and to whom a case may be given.
type PageAccounts interface {
	Get(ctx context.Context, id string) (*auth.Account, error)
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
	site.Handle("GET /incidents/events", web.SignedIn, p.events)
	site.Handle("GET /incidents/{id}", web.SignedIn, p.show)
	site.Handle("GET /incidents/{id}/record", web.SignedIn, p.record)
	site.Handle("GET /incidents/{id}/packet", web.SignedIn, p.packet)
	site.Handle("POST /incidents/{id}/acknowledge", web.SignedIn, p.acknowledge)
	site.Handle("POST /incidents/{id}/assign", web.SignedIn, p.assign)
	site.Handle("POST /incidents/{id}/comment", web.SignedIn, p.comment)
	site.Handle("POST /incidents/{id}/close", web.SignedIn, p.close)
	site.Handle("POST /incidents/{id}/fulfil", web.SignedIn, p.fulfil)
	return nil
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
