package policy

import (
	"embed"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/policy/agreement"
	"github.com/antin-gov/antin/policy/catalogue"
	"github.com/antin-gov/antin/policy/record"
)

//go:embed templates locales
var room embed.FS

type pages struct {
	site    *web.Site
	service *Service
	pages   *web.Pages
}

// RegisterPages adds the sharing map, the catalogue, the agreements and the
// access log to the console, under /sharing.
func RegisterPages(site *web.Site, s *Service) error {
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of data sharing: %w", err)
	}
	p := &pages{site: site, service: s, pages: read}
	site.Nav(
		web.NavItem{Group: "data", Path: "/sharing", Key: "sharing.nav"},
		web.NavItem{Group: "data", Path: "/sharing/accesses", Key: "sharing.accesses.nav", Roles: []string{auth.RoleSteward, auth.RoleAuditor}},
	)
	site.Handle("GET /sharing", web.SignedIn, p.sharingMap)
	site.Handle("GET /sharing/cell", web.SignedIn, p.cell)
	site.Handle("GET /sharing/datasets/{id}", web.SignedIn, p.dataset)
	site.Handle("GET /sharing/agreements/{id}/{version}", web.SignedIn, p.agreement)
	site.Handle("GET /sharing/accesses", web.SignedIn, p.accesses)
	return nil
}

// fail answers what does not exist with 404 and the rest as the shell does.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	missing := errors.Is(err, directory.ErrNotFound) || errors.Is(err, catalogue.ErrNotFound) || errors.Is(err, agreement.ErrNotFound)
	if missing {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", err)
		return
	}
	p.site.Fail(w, r, err)
}

// tone is the colour class of a cell's state.
func tone(state string) string {
	switch state {
	case CellOwner:
		return "info"
	case CellShared:
		return "ok"
	case CellProposed, CellExpired:
		return "warn"
	case CellSuspended:
		return "bad"
	}
	return ""
}

type mapRow struct {
	Agency, Dataset         string // ids
	AgencyName, DatasetName string
	State, Tone             string
	Fields, Masked          int
	Agreement               string
}

type mapView struct {
	Map      *Map
	Rows     []mapRow
	Agencies []directory.Agency
	Outside  []string // names
	Unshared []choice
	Unused   []mapRow
	Chart    heatMap
	Height   int
}

type choice struct{ ID, Name string }

func (p *pages) sharingMap(w http.ResponseWriter, r *http.Request) {
	m, err := p.service.Map(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	lang := web.VisitorFrom(r.Context()).Lang
	names := m.names(lang)
	view := mapView{Map: m, Agencies: m.Agencies, Chart: p.chart(m, lang), Height: chartHeight(len(m.Agencies))}
	for _, cell := range m.Cells {
		if cell.State == CellNone {
			continue
		}
		view.Rows = append(view.Rows, mapRow{
			Agency: cell.Agency, Dataset: cell.Dataset, AgencyName: names[cell.Agency], DatasetName: names["/"+cell.Dataset],
			State: cell.State, Tone: tone(cell.State), Fields: len(cell.Fields), Masked: len(cell.Masked), Agreement: cell.Grants[0].Agreement,
		})
	}
	for _, id := range m.Outside {
		view.Outside = append(view.Outside, names[id])
	}
	for _, id := range m.Unshared {
		view.Unshared = append(view.Unshared, choice{ID: id, Name: names["/"+id]})
	}
	for _, unused := range m.Unused {
		view.Unused = append(view.Unused, mapRow{
			Agency: unused.Consumer, Dataset: unused.Dataset, AgencyName: names[unused.Consumer], DatasetName: names["/"+unused.Dataset], Agreement: unused.Agreement,
		})
	}
	p.pages.Render(w, r, "map", web.Page{Title: "sharing.title", Scripts: []string{"chart"}, View: view})
}

// names returns what agencies (by id) and databases (by "/" and id) are called.
func (m *Map) names(lang string) map[string]string {
	names := make(map[string]string, len(m.Agencies)+len(m.Datasets))
	for i := range m.Agencies {
		names[m.Agencies[i].ID] = m.Agencies[i].Title(lang)
	}
	for i := range m.Datasets {
		names["/"+m.Datasets[i].ID] = m.Datasets[i].Title(lang)
	}
	return names
}

type fieldRow struct {
	Field     catalogue.Field
	Treatment string
}

type grantView struct {
	Grant
	Href   string
	Fields []fieldRow
}

type cellView struct {
	Cell    *Cell
	Tone    string
	Agency  *directory.Agency
	Dataset *catalogue.Dataset
	Owner   *directory.Agency
	Grants  []grantView
}

func (p *pages) cell(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	agency, err := p.service.Directory.Agency(ctx, r.FormValue("agency"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	dataset, err := catalogue.Get(ctx, p.service.DB, r.FormValue("dataset"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	owner, err := p.service.Directory.Agency(ctx, dataset.OwnerID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	cell, err := p.service.Cell(ctx, agency.ID, dataset.ID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	view := cellView{Cell: cell, Tone: tone(cell.State), Agency: agency, Dataset: dataset, Owner: owner}
	for _, grant := range cell.Grants {
		one := grantView{Grant: grant}
		if grant.Agreement != "" {
			one.Href = "/sharing/agreements/" + grant.Agreement
		}
		for _, f := range dataset.Fields {
			treatment, named := grant.Decision.Fields[f.Name]
			if named {
				one.Fields = append(one.Fields, fieldRow{Field: f, Treatment: string(treatment)})
			}
		}
		view.Grants = append(view.Grants, one)
	}
	p.pages.Render(w, r, "cell", web.Page{Title: "sharing.cell.title", View: view})
}

type datasetView struct {
	Dataset *catalogue.Dataset
	Owner   *directory.Agency
	Rows    []mapRow
}

func (p *pages) dataset(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	m, err := p.service.Map(ctx)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	dataset, err := catalogue.Get(ctx, p.service.DB, r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	owner, err := p.service.Directory.Agency(ctx, dataset.OwnerID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	view := datasetView{Dataset: dataset, Owner: owner}
	names := m.names(web.VisitorFrom(ctx).Lang)
	for _, cell := range m.Cells {
		if cell.Dataset != dataset.ID || cell.State == CellNone || cell.State == CellOwner {
			continue
		}
		view.Rows = append(view.Rows, mapRow{
			Agency: cell.Agency, Dataset: cell.Dataset, AgencyName: names[cell.Agency], State: cell.State, Tone: tone(cell.State),
			Fields: len(cell.Fields), Masked: len(cell.Masked), Agreement: cell.Grants[0].Agreement,
		})
	}
	p.pages.Render(w, r, "dataset", web.Page{Title: "sharing.dataset.title", TitleText: dataset.Title(web.VisitorFrom(ctx).Lang), View: view})
}

type agreementView struct {
	Agreement *agreement.Agreement
	Live      bool
	Dataset   *catalogue.Dataset
	Provider  *directory.Agency
	Consumer  *directory.Agency
	Fields    []fieldRow
	Events    []agreement.Event
}

func (p *pages) agreement(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	err := p.service.Authorize(ctx, auth.SubjectFrom(ctx), "policy.catalogue.read", auth.Resource{Kind: "agreement", ID: r.PathValue("id")})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	view, err := p.readAgreement(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.pages.Render(w, r, "agreement", web.Page{Title: "sharing.agreement.title", View: view})
}

func (p *pages) readAgreement(r *http.Request) (*agreementView, error) {
	ctx := r.Context()
	version, err := strconv.Atoi(r.PathValue("version"))
	if err != nil || version < 1 {
		return nil, fmt.Errorf("%w: version %q", agreement.ErrNotFound, r.PathValue("version"))
	}
	a, err := agreement.Get(ctx, p.service.DB, r.PathValue("id"), version)
	if err != nil {
		return nil, err
	}
	view := &agreementView{Agreement: a, Live: a.Live(p.service.Clock.Now())}
	view.Dataset, err = catalogue.Get(ctx, p.service.DB, a.DatasetID)
	if err != nil {
		return nil, err
	}
	view.Provider, err = p.service.Directory.Agency(ctx, a.ProviderID)
	if err != nil {
		return nil, err
	}
	view.Consumer, err = p.service.Directory.Agency(ctx, a.ConsumerID)
	if err != nil {
		return nil, err
	}
	for _, f := range view.Dataset.Fields {
		treatment, agreed := a.Fields[f.Name]
		if agreed {
			view.Fields = append(view.Fields, fieldRow{Field: f, Treatment: treatment})
		}
	}
	view.Events, err = agreement.Events(ctx, p.service.DB, a.ID)
	return view, err
}

type accessesView struct {
	Accesses []record.Access
	Agency   string
	Agencies []choice
}

// accessPage is how many accesses a page shows.
const accessPage = 100

func (p *pages) accesses(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	err := p.service.Authorize(ctx, auth.SubjectFrom(ctx), "policy.record.read", auth.Resource{Kind: "access"})
	if err != nil {
		p.fail(w, r, err)
		return
	}
	agency := r.FormValue("agency")
	list, err := record.List(ctx, p.service.DB, agency, accessPage)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	agencies, err := p.service.Directory.Agencies(ctx, p.service.Clock.Now())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	view := accessesView{Accesses: list, Agency: agency}
	lang := web.VisitorFrom(ctx).Lang
	for i := range agencies {
		view.Agencies = append(view.Agencies, choice{ID: agencies[i].ID, Name: agencies[i].Title(lang)})
	}
	p.pages.Render(w, r, "accesses", web.Page{Title: "sharing.accesses.title", View: view})
}

// states lists the states of a cell in the order of the map's legend.
func states() []string {
	return []string{CellNone, CellOwner, CellShared, CellProposed, CellSuspended, CellExpired}
}
