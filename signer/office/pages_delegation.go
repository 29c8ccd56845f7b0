package office

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/internal/workdays"
)

// purposeRegister binds a second factor to a change of the register.
const purposeRegister = "office.delegation"

// expirySpan is how far the page of what expires looks ahead.
const expirySpan = 90 * 24 * time.Hour

// entryRow is an entry of the register as the page shows it.
type entryRow struct {
	Delegation
	Person, Title, For string
	// State is "holds", "early", "expired" or "revoked".
	State, Tone string
}

// personRow is a person of the agency with the office held.
type personRow struct{ ID, Name, Title string }

type delegationView struct {
	Rows []entryRow
	// May says that the visitor may change the register.
	May    bool
	Forms  []Form
	Kinds  []Kind
	People []personRow
	// What was typed.
	Form             Form
	Person, For      string
	Chosen           []string
	Decision         string
	From, To, Reason string
	Error            string
	// Revoking is the entry whose revocation was refused.
	Revoking string
}

// Has tells whether a type was ticked.
func (v delegationView) Has(code string) bool { return slices.Contains(v.Chosen, code) }

func (p *pages) delegations(w http.ResponseWriter, r *http.Request) {
	p.renderDelegations(w, r, delegationView{})
}

func (p *pages) renderDelegations(w http.ResponseWriter, r *http.Request, view delegationView) {
	ctx, now := r.Context(), p.service.d.Clock.Now()
	subject := auth.SubjectFrom(ctx)
	list, err := p.service.Delegations(ctx, subject.AgencyID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, d := range list {
		one := entryRow{Delegation: d, Person: p.service.personName(ctx, d.PersonID), Title: p.title(ctx, d.PersonID), State: "holds", Tone: "ok"}
		if d.GrantorID != "" {
			one.For = p.service.personName(ctx, d.GrantorID)
		}
		code, _ := d.lapse(now)
		if code != "" {
			one.State, one.Tone = code, map[string]string{"early": "info", "expired": "warn", "revoked": "bad"}[code]
		}
		view.Rows = append(view.Rows, one)
	}
	view.May = subject.Has(auth.RoleLeader) || subject.Has(auth.RoleRegistrar)
	if view.May {
		view.People, err = p.people(ctx, subject.AgencyID)
		if err != nil {
			p.fail(w, r, err)
			return
		}
	}
	view.Forms, view.Kinds = Forms(), Kinds()
	if view.From == "" {
		view.From = now.In(workdays.Zone()).Format(time.DateOnly)
	}
	status := 0
	if view.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	p.pages.Render(w, r, "delegations", web.Page{Title: "office.delegations.title", Status: status, View: view})
}

// people are those who hold an office at an agency, each once.
func (p *pages) people(ctx context.Context, agencyID string) ([]personRow, error) {
	positions, err := p.service.d.Directory.Positions(ctx, agencyID, p.service.d.Clock.Now())
	if err != nil {
		return nil, err
	}
	var list []personRow
	for _, position := range positions {
		if len(list) > 0 && list[len(list)-1].ID == position.PersonID {
			continue
		}
		list = append(list, personRow{ID: position.PersonID, Name: p.service.personName(ctx, position.PersonID), Title: position.Title})
	}
	return list, nil
}

// day reads a day of a form: its beginning in Vietnam.
func day(text string) (time.Time, error) {
	at, err := time.ParseInLocation(time.DateOnly, text, workdays.Zone())
	if err != nil {
		return at, fmt.Errorf("%w: day %q", ErrDelegation, text)
	}
	return at, nil
}

// delegate enters what the form says, with a second factor.
func (p *pages) delegate(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // a form that cannot be read lacks its fields, which is refused
	view := delegationView{
		Form: Form(r.FormValue("form")), Person: r.FormValue("person"), For: r.FormValue("for"), Chosen: r.PostForm["kind"],
		Decision: strings.TrimSpace(r.FormValue("decision")), From: r.FormValue("from"), To: r.FormValue("to"),
	}
	err := p.entered(r, view)
	if err == nil {
		http.Redirect(w, r, "/office/delegations", http.StatusSeeOther)
		return
	}
	view.Error = problem(err)
	if view.Error == "" {
		p.fail(w, r, err)
		return
	}
	p.renderDelegations(w, r, view)
}

func (p *pages) entered(r *http.Request, view delegationView) error {
	ctx := r.Context()
	d := Delegation{
		AgencyID: auth.SubjectFrom(ctx).AgencyID, Form: view.Form, PersonID: view.Person, GrantorID: view.For, Kinds: strings.Join(view.Chosen, " "), Decision: view.Decision,
	}
	if view.Form.own() {
		d.GrantorID = ""
	}
	from, err := day(view.From)
	if err != nil {
		return err
	}
	d.ValidFrom = from
	if view.To != "" {
		last, err := day(view.To)
		if err != nil {
			return err
		}
		end := last.AddDate(0, 0, 1) // the last day counts whole
		d.ValidTo = &end
	}
	err = d.check() // before a code is spent
	if err != nil {
		return err
	}
	_, err = p.factor(r, purposeRegister)
	if err != nil {
		return err
	}
	_, err = p.service.Delegate(ctx, d)
	return err
}

// revoke ends an entry with a reason and a second factor.
func (p *pages) revoke(w http.ResponseWriter, r *http.Request) {
	view := delegationView{Revoking: r.PathValue("id"), Reason: r.FormValue("reason")}
	_, err := words(view.Reason)
	if err == nil {
		_, err = p.factor(r, purposeRegister)
	}
	if err == nil {
		_, err = p.service.Revoke(r.Context(), view.Revoking, view.Reason)
	}
	if err == nil {
		http.Redirect(w, r, "/office/delegations", http.StatusSeeOther)
		return
	}
	view.Error = problem(err)
	if view.Error == "" {
		p.fail(w, r, err)
		return
	}
	p.renderDelegations(w, r, view)
}

// expiryRow is what ends, as the page shows it.
type expiryRow struct {
	Expiry
	// Days are left, negative when it has ended.
	Days int
	Tone string
}

// Href is where something can be done about it; empty where it is not here.
func (e expiryRow) Href() string {
	switch e.What {
	case ExpiryDocument:
		return "/office/document/" + e.ID
	case ExpiryDelegation:
		return "/office/delegations"
	}
	return ""
}

func (p *pages) expiring(w http.ResponseWriter, r *http.Request) {
	now := p.service.d.Clock.Now()
	list, err := p.service.Expiring(r.Context(), now.Add(expirySpan))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	rows := []expiryRow{}
	for _, e := range list {
		one := expiryRow{Expiry: e, Days: int(e.Until.Sub(now) / (24 * time.Hour)), Tone: "info"}
		switch {
		case !e.Until.After(now):
			one.Tone = "bad"
		case one.Days < 30:
			one.Tone = "warn"
		}
		rows = append(rows, one)
	}
	p.pages.Render(w, r, "expiring", web.Page{Title: "office.expiring.title", View: rows})
}
