package drill

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
)

//go:embed all:templates locales
var room embed.FS

// PageDeps is what the pages need besides the service.
type PageDeps struct {
	Directory *directory.Directory
}

type pages struct {
	site    *web.Site
	service *Service
	d       PageDeps
	pages   *web.Pages
}

// exercisePage marks the pages that belong to drills as such but to no one
// drill: the list and a player's questions.
const exercisePage = "drills"

// RegisterPages adds the pages of drills to the console. All of them stand in
// the exercise frame.
func RegisterPages(site *web.Site, s *Service, d PageDeps) error {
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of drills: %w", err)
	}
	p := &pages{site: site, service: s, d: d, pages: read}
	site.Nav(web.NavItem{Group: "security", Path: "/drills", Key: "drills.nav", Roles: []string{
		auth.RoleDrillPlanner, auth.RoleDrillLead, auth.RoleIncidentLead, auth.RoleAnalyst, auth.RoleOfficial, auth.RoleLeader, auth.RoleAuditor,
	}})
	site.Handle("GET /drills", web.SignedIn, p.list)
	site.Handle("POST /drills", web.SignedIn, p.plan)
	site.Handle("GET /drills/{id}", web.SignedIn, p.show)
	site.Handle("GET /drills/{id}/events", web.SignedIn, p.events)
	site.Handle("GET /drills/{id}/report.pdf", web.SignedIn, p.report)
	site.Handle("POST /drills/{id}/answer/{inject}", web.SignedIn, p.answer)
	site.Handle("POST /drills/{id}/{act}", web.SignedIn, p.act)
	return nil
}

// fail writes the page that fits an error of the service.
func (p *pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, ErrNotFound):
		p.site.Error(w, r, http.StatusNotFound, "error.missing", err)
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrScenario):
		p.site.Error(w, r, http.StatusUnprocessableEntity, "error.input", err)
	default:
		p.site.Fail(w, r, err)
	}
}

// problem is the locale key of an error that belongs beside the form, with its
// status.
func problem(err error) (string, int) {
	switch {
	case errors.Is(err, ErrState):
		return "drills.error.state", http.StatusConflict
	case errors.Is(err, ErrSamePerson):
		return "drills.error.person", http.StatusForbidden
	case errors.Is(err, ErrRoster):
		return "drills.error.roster", http.StatusForbidden
	case errors.Is(err, ErrInvalid):
		return "drills.error.input", http.StatusUnprocessableEntity
	}
	return "", 0
}

type listView struct {
	// MayRead is false for a player, who sees the questions alone.
	MayRead   bool
	MayPlan   bool
	Drills    []Drill
	Library   []*Scenario
	Questions []Asked
	Error     string
	Typed     map[string]string
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) { p.renderList(w, r, "", 0, nil) }

func (p *pages) renderList(w http.ResponseWriter, r *http.Request, key string, status int, typed map[string]string) {
	ctx := r.Context()
	view := listView{MayRead: true, Error: key, Typed: typed}
	var err error
	view.Drills, err = p.service.List(ctx)
	if errors.Is(err, auth.ErrDenied) {
		view.MayRead, err = false, nil
	}
	if err == nil {
		view.Questions, err = p.service.Questions(ctx)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if p.service.may(ctx, "plan", &Drill{}) {
		view.MayPlan = true
		view.Library, err = Library()
		if err != nil {
			p.fail(w, r, err)
			return
		}
	}
	p.pages.Render(w, r, "list", web.Page{Title: "drills.title", ExerciseID: exercisePage, Status: status, View: view})
}

func (p *pages) plan(w http.ResponseWriter, r *http.Request) {
	text, err := LibraryFile(r.FormValue("scenario"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	d, err := p.service.Plan(r.Context(), text)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/drills/"+d.ID, http.StatusSeeOther)
}

// may says whether the policy lets the visitor do the action: what is refused
// is not offered.
func (s *Service) may(ctx context.Context, action string, d *Drill) bool {
	_, err := s.permit(ctx, d, action)
	return err == nil
}

type injectView struct {
	Happening
	Inject Inject
	Team   string
	// State is waiting, now, done or failed; Class the timeline's.
	State, Class string
	At           string // on the exercise clock
}

type teamView struct {
	Team   Team
	Agency string
}

type measureView struct {
	Measure
	Title  Text
	Taken  string
	Limit  string
	Paused string
	Bar    int    // per cent of the expected time
	Level  string // of the bar
}

// button is an act that the state and the policy allow.
type button struct{ Act, Class string }

type boardView struct {
	*Board
	Agency   string
	Clock    string
	Length   string
	Percent  int
	Injects  []injectView
	Teams    []teamView
	Measures []measureView
	Total    Total
	Buttons  []button
	Error    string
	Live     bool
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) { p.renderBoard(w, r, "", 0) }

func (p *pages) renderBoard(w http.ResponseWriter, r *http.Request, key string, status int) {
	ctx := r.Context()
	b, err := p.service.Get(ctx, r.PathValue("id"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	lang := web.VisitorFrom(ctx).Lang
	view := boardView{
		Board: b, Agency: p.agency(ctx, b.Drill.AgencyID), Clock: clockText(b.Elapsed), Length: clockText(b.Scenario.Duration),
		Percent: int(min(100, 100*b.Elapsed/b.Scenario.Duration)), Total: Sum(b.Measures), Error: key, Live: !b.Drill.Over(),
	}
	for _, h := range b.Injects {
		in := b.Scenario.inject(h.InjectID)
		if in == nil {
			continue
		}
		v := injectView{Happening: h, Inject: *in, Team: b.Scenario.team(in.Team).Name.In(lang), At: clockText(in.At), State: "waiting"}
		switch {
		case h.Fault != "":
			v.State = "failed"
		case h.DoneAt != nil:
			v.State, v.Class = "done", "done"
		case h.FiredAt != nil:
			v.State, v.Class = "now", "now"
		}
		view.Injects = append(view.Injects, v)
	}
	for _, t := range b.Scenario.Teams {
		view.Teams = append(view.Teams, teamView{Team: t, Agency: p.agency(ctx, t.Agency)})
	}
	for _, m := range b.Measures {
		view.Measures = append(view.Measures, viewMeasure(m, b.Scenario))
	}
	for _, next := range buttons(b.Drill.State) {
		if p.service.may(ctx, next.Act, &b.Drill) {
			view.Buttons = append(view.Buttons, next)
		}
	}
	p.pages.Render(w, r, "board", web.Page{TitleText: b.Scenario.Title.In(lang), ExerciseID: b.Drill.ID, Status: status, View: view})
}

func viewMeasure(m Measure, sc *Scenario) measureView {
	v := measureView{
		Measure: m, Taken: clockText(m.Taken()), Limit: clockText(m.Limit()),
		Paused: clockText(time.Duration(m.PausedUS) * time.Microsecond), Bar: 100, Level: "bad",
	}
	in := sc.inject(m.InjectID)
	if in != nil {
		v.Title = in.Title
	}
	if m.Done() {
		v.Bar = int(min(100, 100*m.TakenUS/max(1, m.LimitUS)))
		switch m.Points {
		case maxPoints:
			v.Level = ""
		case 0:
		default:
			v.Level = "warn"
		}
	}
	return v
}

// buttons are the acts that a state offers; red is for what binds or ends.
func buttons(state string) []button {
	switch state {
	case StatePlanned:
		return []button{{"approve", "bind"}}
	case StateApproved:
		return []button{{"start", "primary"}}
	case StateRunning:
		return []button{{"pause", "primary"}, {"stop", "bind"}}
	case StatePaused:
		return []button{{"resume", "primary"}, {"stop", "bind"}}
	case StateStopped, StateFinished:
		return []button{{"score", "bind"}}
	case StateScored:
		return []button{{"report", "bind"}, {"score", ""}}
	}
	return nil
}

func (p *pages) agency(ctx context.Context, id string) string {
	a, err := p.d.Directory.Agency(ctx, id)
	if err != nil {
		return id
	}
	return a.Title(web.VisitorFrom(ctx).Lang)
}

func (p *pages) act(w http.ResponseWriter, r *http.Request) {
	ctx, id := r.Context(), r.PathValue("id")
	var err error
	switch r.PathValue("act") {
	case "approve":
		_, err = p.service.Approve(ctx, id)
	case "start":
		_, err = p.service.Start(ctx, id)
	case "pause":
		_, err = p.service.Pause(ctx, id)
	case "resume":
		_, err = p.service.Resume(ctx, id)
	case "stop":
		_, err = p.service.Stop(ctx, id)
	case "score":
		_, err = p.service.Score(ctx, id)
	case "report":
		_, err = p.service.Report(ctx, id)
	default:
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	key, status := problem(err)
	switch {
	case key != "":
		p.renderBoard(w, r, key, status)
	case err != nil:
		p.fail(w, r, err)
	default:
		http.Redirect(w, r, "/drills/"+url.PathEscape(id), http.StatusSeeOther)
	}
}

// answer records a player's answer; what was typed stays when it is refused.
func (p *pages) answer(w http.ResponseWriter, r *http.Request) {
	text := r.FormValue("answer")
	err := p.service.Answer(r.Context(), r.PathValue("id"), r.PathValue("inject"), text)
	key, status := problem(err)
	switch {
	case key != "":
		p.renderList(w, r, key, status, map[string]string{r.PathValue("inject"): text})
	case err != nil:
		p.fail(w, r, err)
	default:
		http.Redirect(w, r, "/drills", http.StatusSeeOther)
	}
}

func (p *pages) report(w http.ResponseWriter, r *http.Request) {
	seq := 0
	if text := r.URL.Query().Get("seq"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			p.fail(w, r, fmt.Errorf("%w: report %.16q", ErrInvalid, text))
			return
		}
		seq = n
	}
	report, err := p.service.ReportPDF(r.Context(), r.PathValue("id"), seq)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/pdf")
	w.Header().Set("Content-Disposition", `attachment; filename="bao-cao-`+report.DrillID+`.pdf"`)
	_, _ = w.Write(report.PDF) // an error here means that the reader has gone
}

// Times of a board's stream.
const (
	lookEvery = time.Second      // at the rows of the drill
	clockStep = 10 * time.Second // between two refreshes of the running clock
	beatEvery = 15 * time.Second
)

// events tells the board of a change (server-sent events). It looks at the
// rows, so that what another process does shows as well.
func (p *pages) events(w http.ResponseWriter, r *http.Request) {
	ctx, id := r.Context(), r.PathValue("id")
	seen, err := p.service.fingerprint(ctx, id)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // a server without deadlines knows none
	w.Header().Set("Content-Type", "text/event-stream")
	line, written := ": open\n\n", time.Now()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		if line != "" {
			_, err = fmt.Fprint(w, line)
			if err != nil || control.Flush() != nil {
				return // the reader has gone
			}
			written = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-p.service.over:
			return
		case <-look.C:
		}
		now, err := p.service.fingerprint(ctx, id)
		if err != nil {
			return
		}
		line = ""
		switch {
		case now != seen:
			seen, line = now, "data: changed\n\n"
		case now.state == StateRunning && time.Since(written) >= clockStep:
			line = "data: clock\n\n"
		case time.Since(written) >= beatEvery:
			line = ": beat\n\n"
		}
	}
}

// glance is what a board shows, in short: it differs when the board would.
type glance struct {
	state                                  string
	history, fired, done, answered, mailed int
	cases                                  string
}

func (s *Service) fingerprint(ctx context.Context, id string) (glance, error) {
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return glance{}, err
	}
	_, err = s.permit(ctx, d, "read")
	if err != nil {
		return glance{}, err
	}
	f := glance{state: d.State}
	err = s.d.DB.NewSelect().Model((*History)(nil)).ColumnExpr("count(*)").Where("drill_id = ?", id).Scan(ctx, &f.history)
	if err != nil {
		return f, fmt.Errorf("look at drill %s: %w", id, err)
	}
	err = s.d.DB.NewSelect().Model((*Happening)(nil)).ColumnExpr("count(fired_at), count(done_at), count(answered_at)").
		Where("drill_id = ?", id).Scan(ctx, &f.fired, &f.done, &f.answered)
	if err != nil {
		return f, fmt.Errorf("look at drill %s: %w", id, err)
	}
	err = s.d.DB.NewSelect().Model((*Message)(nil)).ColumnExpr("count(sent_at)").Where("drill_id = ?", id).Scan(ctx, &f.mailed)
	if err != nil {
		return f, fmt.Errorf("look at drill %s: %w", id, err)
	}
	cases, err := s.d.Cases.ExerciseCases(ctx, id)
	if err != nil {
		return f, err
	}
	for _, k := range cases {
		f.cases += caseMark(&k.Case)
	}
	return f, nil
}

func caseMark(k *incident.Case) string { return k.ID + k.UpdatedAt.String() }
