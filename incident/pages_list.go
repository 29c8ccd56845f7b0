package incident

import (
	"net/http"
	"net/url"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

// Values of the list's filters that are not codes of the service. An address
// without filters is the queue of work: open and real.
const (
	stateAll     = "all"
	exerciseReal = "real"
)

// listFilter is the queue's filter as it stands in the address.
type listFilter struct {
	State, Severity, Agency, Exercise, After string
	Mine                                     bool
}

// filterOf reads the filter; a value that means nothing counts as not given.
func filterOf(q url.Values) listFilter {
	f := listFilter{
		State: q.Get("state"), Severity: q.Get("severity"), Agency: q.Get("agency"), Exercise: q.Get("exercise"),
		After: q.Get("after"), Mine: q.Get("mine") != "",
	}
	switch f.State {
	case stateAll, StateNew, StateAcknowledged, StateClosed:
	default:
		f.State = StateOpen
	}
	_, err := ParseSeverity(f.Severity)
	if err != nil {
		f.Severity = ""
	}
	// "both" would put exercise rows into the real list.
	if f.Exercise == ExerciseBoth || f.Exercise != "" && !ValidID(f.Exercise) {
		f.Exercise = exerciseReal
	}
	if f.Exercise == "" {
		f.Exercise = exerciseReal
	}
	return f
}

// query is the filter for the service.
func (f listFilter) query(account string) Filter {
	q := Filter{State: f.State, AgencyID: f.Agency, Exercise: f.Exercise, After: f.After}
	if f.State == stateAll {
		q.State = ""
	}
	if f.Exercise == exerciseReal {
		q.Exercise = ExerciseNone
	}
	severity, err := ParseSeverity(f.Severity)
	if err == nil {
		q.MinSeverity = severity
	}
	if f.Mine {
		q.Assignee = account
	}
	return q
}

// address is the list under the filter, from the cursor on.
func (f listFilter) address(after string) string {
	q := url.Values{}
	set := func(name, value, usual string) {
		if value != usual {
			q.Set(name, value)
		}
	}
	set("state", f.State, StateOpen)
	set("severity", f.Severity, "")
	set("agency", f.Agency, "")
	set("exercise", f.Exercise, exerciseReal)
	set("after", after, "")
	if f.Mine {
		q.Set("mine", "1")
	}
	if len(q) == 0 {
		return pathCases
	}
	return pathCases + "?" + q.Encode()
}

// plain says whether the filter is the usual one.
func (f listFilter) plain() bool { return f.address("") == pathCases }

type choice struct{ Value, Text string }

type listView struct {
	Filter     listFilter
	States     []choice
	Severities []choice
	Agencies   []choice
	Exercises  []choice
	Rows       []rowView
	Here       string
	First      string // the address of the first page, "" when this is it
	Next       string // the address of the following page, ""  at the end
	Plain      bool
	Problem    string
	// MayAcknowledge says whether rows offer the button.
	MayAcknowledge bool
}

type rowView struct {
	Case     Case
	Severity severityView
	Class    string
	Agency   string
	Assignee string
	Mine     bool
	State    string
	New      bool
	Age      string
	Clocks   []clockView
}

func (p *casePages) list(w http.ResponseWriter, r *http.Request) {
	p.renderList(w, r, filterOf(r.URL.Query()), "", 0)
}

// renderList shows the queue under the filter; problem is the key of what was
// wrong with an act begun in it.
func (p *casePages) renderList(w http.ResponseWriter, r *http.Request, f listFilter, problem string, status int) {
	who := auth.SubjectFrom(r.Context())
	page, err := p.service.List(r.Context(), f.query(who.AccountID))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	say := p.words(r)
	view := listView{Filter: f, Here: f.address(f.After), Plain: f.plain(), Problem: problem}
	view.MayAcknowledge = p.service.may(r.Context(), "incident.acknowledge", auth.Resource{Kind: resourceCase})
	if f.After != "" {
		view.First = f.address("")
	}
	if page.Next != "" {
		view.Next = f.address(page.Next)
	}
	view.Agencies, err = p.agencyChoices(r, say, f.Agency)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	view.choices(say)
	for i := range page.Cases {
		row, err := p.row(say, &page.Cases[i], page.Clocks[page.Cases[i].ID], who.AccountID)
		if err != nil {
			p.fail(w, r, err)
			return
		}
		view.Rows = append(view.Rows, row)
	}
	exercise := ""
	if f.Exercise != exerciseReal {
		exercise = f.Exercise
	}
	p.pages.Render(w, r, "list", web.Page{Title: "incidents.title", ExerciseID: exercise, Status: status, View: view})
}

func (v *listView) choices(say *words) {
	for _, s := range []string{StateOpen, StateNew, StateAcknowledged, StateClosed, stateAll} {
		v.States = append(v.States, choice{s, say.t("incidents.state." + s)})
	}
	v.Severities = []choice{{"", say.t("incidents.severity.any")}}
	for s := Critical; s >= Low; s-- {
		text := say.t("incidents.severity." + s.String())
		if s != Critical {
			text = say.t("incidents.severity.from", "Word", text)
		}
		v.Severities = append(v.Severities, choice{s.String(), text})
	}
	v.Exercises = []choice{{exerciseReal, say.t("incidents.real")}, {ExerciseAny, say.t("incidents.exercise")}}
	if v.Filter.Exercise != exerciseReal && v.Filter.Exercise != ExerciseAny {
		v.Exercises = append(v.Exercises, choice{v.Filter.Exercise, say.t("incidents.exercise.one", "ID", v.Filter.Exercise)})
	}
}

// agencyChoices are the agencies whose cases the visitor may list: all, or the
// own one.
func (p *casePages) agencyChoices(r *http.Request, say *words, chosen string) ([]choice, error) {
	who := auth.SubjectFrom(r.Context())
	if !p.service.may(r.Context(), "incident.read", auth.Resource{Kind: resourceCase}) {
		name, err := say.agency(who.AgencyID)
		return []choice{{who.AgencyID, name}}, err
	}
	all, err := p.d.Directory.Agencies(r.Context(), say.now)
	if err != nil {
		return nil, err
	}
	choices := []choice{{"", say.t("incidents.agency.all")}}
	known := chosen == ""
	for i := range all {
		name := all[i].Title(say.lang)
		say.agencies[all[i].ID] = name
		choices = append(choices, choice{all[i].ID, name})
		known = known || all[i].ID == chosen
	}
	if !known {
		name, err := say.agency(chosen)
		if err != nil {
			return nil, err
		}
		choices = append(choices, choice{chosen, name})
	}
	return choices, nil
}

func (p *casePages) row(say *words, k *Case, running []Clock, account string) (rowView, error) {
	row := rowView{
		Case: *k, Severity: say.severity(k.Severity), Class: say.class(k.Class), State: k.State, New: k.State == StateNew,
		Age: say.span(max(0, say.now.Sub(k.FirstAt)).Truncate(time.Minute)), Mine: k.Assignee != "" && k.Assignee == account,
	}
	var err error
	row.Agency, err = say.agency(k.AgencyID)
	if err != nil {
		return row, err
	}
	row.Assignee, err = say.account(k.Assignee)
	if err != nil {
		return row, err
	}
	row.Clocks, err = say.clocks(k, running)
	return row, err
}
