package reorg

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
)

//go:embed all:templates locales
var pageFiles embed.FS

// pathPages is where re-organisations stand in the console.
const pathPages = "/ca/reorg"

// refreshSeconds is how often a page of a running re-organisation is read anew.
const refreshSeconds = "2"

// Pages are the re-organisations in the console.
type Pages struct {
	site    *web.Site
	service *Service
	pages   *web.Pages
	// runs are the executions that were started from a page.
	runs sync.WaitGroup
	// life ends when the console does; a run then stops after its item and can be
	// resumed.
	life context.Context
}

// RegisterPages adds the pages: list, dry run, plan, approval, execution with
// progress, undo list. Executions started from a page end with life; Wait
// waits for them.
func RegisterPages(life context.Context, site *web.Site, s *Service) (*Pages, error) {
	read, err := site.Pages(pageFiles)
	if err != nil {
		return nil, fmt.Errorf("pages of re-organisations: %w", err)
	}
	p := &Pages{site: site, service: s, pages: read, life: life}
	site.Nav(web.NavItem{Group: "trust", Path: pathPages, Key: "reorg.nav",
		Roles: []string{auth.RoleRegistrar, auth.RoleCAOfficer, auth.RoleLeader, auth.RoleAuditor}})
	site.Handle("GET "+pathPages, web.SignedIn, p.list)
	site.Handle("GET "+pathPages+"/new", web.SignedIn, p.form)
	site.Handle("POST "+pathPages+"/plan", web.SignedIn, p.plan)
	site.Handle("POST "+pathPages, web.SignedIn, p.submit)
	site.Handle("GET "+pathPages+"/{id}", web.SignedIn, p.job)
	site.Handle("POST "+pathPages+"/{id}/{act}", web.SignedIn, p.act)
	return p, nil
}

// Wait returns when no execution started from a page is under way.
func (p *Pages) Wait() { p.runs.Wait() }

func (p *Pages) list(w http.ResponseWriter, r *http.Request) {
	jobs, err := p.service.List(r.Context())
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	who := auth.SubjectFrom(r.Context())
	p.pages.Render(w, r, "list", web.Page{Title: "reorg.title", View: struct {
		Jobs      []Job
		MaySubmit bool
	}{jobs, maySubmit(who)}})
}

func maySubmit(who auth.Subject) bool {
	return who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleRegistrar) || who.Has(auth.RoleAdmin)
}

// formView is the form of one step, or of an order as text.
type formView struct {
	Kind     string
	Kinds    []string
	Agencies []directory.Agency
	YAML     string
	Problem  string
	Detail   string
	Filled   map[string][]string
}

// Is says whether a choice was made in the form that came back.
func (f formView) Is(field, value string) bool {
	for _, v := range f.Filled[field] {
		if v == value {
			return true
		}
	}
	return false
}

// Value is what was typed.
func (f formView) Value(field string) string {
	if len(f.Filled[field]) == 0 {
		return ""
	}
	return f.Filled[field][0]
}

// AgencyKinds are the kinds of agency.
func (f formView) AgencyKinds() []string {
	return []string{directory.KindDepartment, directory.KindUnit, directory.KindCommune, directory.KindProvince}
}

// kindText is the order as YAML.
const kindText = "text"

func kinds() []string { return []string{"merge", "split", "rename", "move", "dissolve", kindText} }

func (p *Pages) form(w http.ResponseWriter, r *http.Request) {
	p.showForm(w, r, formView{Kind: r.URL.Query().Get("kind"), YAML: Template}, 0)
}

func (p *Pages) showForm(w http.ResponseWriter, r *http.Request, v formView, status int) {
	err := p.service.authorize(r.Context(), ActionSubmit, auth.Resource{Kind: ResourceKind})
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	v.Agencies, err = p.service.deps.Directory.Agencies(r.Context(), p.service.deps.Clock.Now())
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	v.Kinds = kinds()
	known := false
	for _, k := range v.Kinds {
		known = known || k == v.Kind
	}
	if !known {
		v.Kind = v.Kinds[0]
	}
	p.pages.Render(w, r, "form", web.Page{Title: "reorg.new", Status: status, View: v})
}

// planView is a dry run.
type planView struct {
	Plan *Plan
	YAML string
	Rows []row
}

// row is an item in words.
type row struct {
	Action
	N     int
	State ItemState
	Item  *Item
}

func (p *Pages) plan(w http.ResponseWriter, r *http.Request) {
	order, text, err := formOrder(r)
	if err == nil {
		var plan *Plan
		plan, err = p.service.Plan(r.Context(), order)
		if err == nil {
			v := planView{Plan: plan, YAML: text}
			for i, a := range plan.Actions {
				v.Rows = append(v.Rows, row{Action: a, N: i + 1})
			}
			p.pages.Render(w, r, "plan", web.Page{Title: "reorg.plan", View: v})
			return
		}
	}
	p.refuse(w, r, text, err)
}

// refuse shows the form again with what was typed and what is wrong with it.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, text string, err error) {
	if !errors.Is(err, ErrOrder) && !errors.Is(err, directory.ErrNotFound) {
		p.site.Fail(w, r, err)
		return
	}
	p.showForm(w, r, formView{Kind: r.PostFormValue("kind"), YAML: text, Problem: "reorg.problem.order", Detail: err.Error(), Filled: r.PostForm}, http.StatusUnprocessableEntity)
}

// formOrder reads an order from the form, and returns it as YAML too.
func formOrder(r *http.Request) (*Order, string, error) {
	text := r.PostFormValue("yaml")
	if r.PostFormValue("kind") != kindText {
		made, err := stepOrder(r)
		if err != nil {
			return nil, text, err
		}
		b, err := yaml.Marshal(made)
		if err != nil {
			return nil, text, fmt.Errorf("write order: %w", err)
		}
		text = string(b)
	}
	o, err := ReadOrder(strings.NewReader(text))
	return o, text, err
}

// stepOrder makes an order of one step from the fields of its form.
func stepOrder(r *http.Request) (*Order, error) {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	o := &Order{Title: get("title"), LegalBasis: get("legal_basis")}
	if get("effective") != "" {
		at, err := timeOf(get("effective"))
		if err != nil {
			return nil, err
		}
		o.Effective = at
	}
	target := func(n string) Target {
		return Target{ID: get("id" + n), Code: get("code" + n), Name: get("name" + n), NameEN: get("name_en" + n), Abbreviation: get("abbreviation" + n), Kind: get("agency_kind" + n), Parent: get("parent" + n)}
	}
	agency := get("agency")
	switch get("kind") {
	case "merge":
		into := target("")
		if get("into") != "" {
			into = Target{ID: get("into")}
		}
		o.Steps = []Step{{Merge: &Merge{From: r.PostForm["from"], Into: into, Keep: get("keep")}}}
	case "split":
		o.Steps = []Step{{Split: &Split{Agency: agency, Into: []Target{target("1"), target("2")}}}}
	case "rename":
		to := target("")
		to.ID = ""
		o.Steps = []Step{{Rename: &Rename{Agency: agency, To: to}}}
	case "move":
		o.Steps = []Step{{Move: &Move{Agency: agency, Parent: get("parent")}}}
	case "dissolve":
		o.Steps = []Step{{Dissolve: &Dissolve{Agency: agency}}}
	default:
		return nil, fmt.Errorf("%w: unknown kind", ErrOrder)
	}
	return o, nil
}

func (p *Pages) submit(w http.ResponseWriter, r *http.Request) {
	text := r.PostFormValue("yaml")
	o, err := ReadOrder(strings.NewReader(text))
	if err != nil {
		p.refuse(w, r, text, err)
		return
	}
	j, err := p.service.Submit(r.Context(), o)
	if err != nil {
		p.refuse(w, r, text, err)
		return
	}
	http.Redirect(w, r, pathPages+"/"+j.ID, http.StatusSeeOther)
}

// jobView is a submitted re-organisation.
type jobView struct {
	Job                       *Job
	Rows                      []row
	Undo                      []Undo
	Done, Total, Failed       int
	MayDecide, MayRun, Own    bool
	Running, Early, Unsettled bool
	Problem                   string
}

func (p *Pages) job(w http.ResponseWriter, r *http.Request) { p.show(w, r, "", 0) }

func (p *Pages) show(w http.ResponseWriter, r *http.Request, problem string, status int) {
	j, items, err := p.service.Get(r.Context(), r.PathValue("id"))
	if errors.Is(err, ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	who := auth.SubjectFrom(r.Context())
	officer := who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleAdmin)
	v := jobView{Job: j, Total: len(items), Own: who.AccountID == j.CreatedBy, Problem: problem}
	for i := range items {
		item := &items[i]
		switch item.State {
		case ItemDone:
			v.Done++
		case ItemFailed:
			v.Failed++
		}
		v.Rows = append(v.Rows, row{Action: item.Action, N: item.N, State: item.State, Item: item})
	}
	v.Running = j.State == StateRunning
	v.Early = p.service.deps.Clock.Now().Before(j.Effective)
	v.MayDecide = officer && !v.Own && j.State == StateSubmitted
	v.MayRun = officer && !v.Early && (j.State == StateApproved || j.State == StateStopped)
	if v.Done > 0 {
		v.Undo, err = p.service.UndoList(r.Context(), j.ID)
		if err != nil {
			p.site.Fail(w, r, err)
			return
		}
	}
	if v.Running {
		w.Header().Set("Refresh", refreshSeconds)
	}
	p.pages.Render(w, r, "job", web.Page{TitleText: j.Title, Status: status, View: v})
}

func (p *Pages) act(w http.ResponseWriter, r *http.Request) {
	id, note := r.PathValue("id"), r.PostFormValue("note")
	var err error
	switch r.PathValue("act") {
	case "approve":
		_, err = p.service.Approve(r.Context(), id, note)
	case "reject":
		_, err = p.service.Reject(r.Context(), id, note)
	case "run":
		err = p.start(r.Context(), id)
	default:
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	key := ""
	switch {
	case err == nil:
		http.Redirect(w, r, pathPages+"/"+id, http.StatusSeeOther)
		return
	case errors.Is(err, ErrNotFound):
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	case errors.Is(err, ErrSamePerson):
		key = "reorg.problem.same"
	case errors.Is(err, ErrChanged):
		key = "reorg.problem.changed"
	case errors.Is(err, ErrState):
		key = "reorg.problem.state"
	case errors.Is(err, ErrEarly):
		key = "reorg.problem.early"
	case errors.Is(err, ErrOrder):
		key = "reorg.problem.note"
	default:
		p.site.Fail(w, r, err)
		return
	}
	p.show(w, r, key, http.StatusConflict)
}

// start takes the job and executes it beside the page.
func (p *Pages) start(ctx context.Context, id string) error {
	j, err := p.service.take(ctx, id)
	if err != nil {
		return err
	}
	run := auth.WithSubject(p.life, auth.SubjectFrom(ctx))
	p.runs.Go(func() {
		_, err := p.service.carry(run, j, nil)
		if err != nil && !errors.Is(err, ErrIncomplete) {
			p.service.deps.Logger.ErrorContext(run, "re-organisation stopped", "job", id, "error", err)
		}
	})
	return nil
}
