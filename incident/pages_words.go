package incident

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/antin-gov/antin/incident/clocks"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/web"
)

// words says things in the visitor's language, for one request: names are
// looked up once.
type words struct {
	ctx      context.Context
	p        *casePages
	lang     string
	now      time.Time
	agencies map[string]string
	accounts map[string]string
}

func (p *casePages) words(r *http.Request) *words {
	return &words{
		ctx: r.Context(), p: p, lang: web.VisitorFrom(r.Context()).Lang, now: p.service.now(),
		agencies: map[string]string{}, accounts: map[string]string{},
	}
}

func (w *words) t(key string, args ...any) string { return w.p.site.T(w.lang, key, args...) }

// agency is the agency's name; the id where the directory does not know it.
func (w *words) agency(id string) (string, error) {
	if id == "" {
		return w.t("incidents.agency.none"), nil
	}
	name, ok := w.agencies[id]
	if ok {
		return name, nil
	}
	a, err := w.p.d.Directory.Agency(w.ctx, id)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		name = id
	case err != nil:
		return "", err
	default:
		name = a.Title(w.lang)
	}
	w.agencies[id] = name
	return name, nil
}

// account is the name of the person behind the account; the id where nobody
// stands behind it.
func (w *words) account(id string) (string, error) {
	switch id {
	case "":
		return "", nil
	case ActorSystem:
		return w.t("incidents.actor.system"), nil
	}
	name, ok := w.accounts[id]
	if ok {
		return name, nil
	}
	name = id
	a, err := w.p.d.Accounts.Get(w.ctx, id)
	if err != nil && !errors.Is(err, auth.ErrNoAccount) {
		return "", err
	}
	if err == nil {
		name, err = w.person(a)
		if err != nil {
			return "", err
		}
	}
	w.accounts[id] = name
	return name, nil
}

func (w *words) person(a *auth.Account) (string, error) {
	if a.PersonID == "" {
		return a.ID, nil
	}
	person, err := w.p.d.Directory.Person(w.ctx, a.PersonID)
	if errors.Is(err, directory.ErrNotFound) {
		return a.ID, nil
	}
	if err != nil {
		return "", err
	}
	return person.Name, nil
}

// span is a length of time in its two greatest units.
func (w *words) span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day < time.Hour:
		return w.t("incidents.span.day", "D", int(d/day))
	case d >= 2*day:
		return w.t("incidents.span.days", "D", int(d/day), "H", int(d%day/time.Hour))
	case d >= time.Hour && d%time.Hour < time.Minute:
		return w.t("incidents.span.hour", "H", int(d/time.Hour))
	case d >= time.Hour:
		return w.t("incidents.span.hours", "H", int(d/time.Hour), "M", int(d%time.Hour/time.Minute))
	case d >= time.Minute:
		return w.t("incidents.span.minutes", "M", int(d/time.Minute))
	default:
		return w.t("incidents.span.moment")
	}
}

// severityView is a severity as colour, word and (by the colour's class) shape.
type severityView struct{ Word, Tone string }

var severityTones = map[Severity]string{Info: "", Low: "info", Medium: "warn", High: "bad", Critical: "critical"}

func (w *words) severity(s Severity) severityView {
	return severityView{Word: w.t("incidents.severity." + s.String()), Tone: severityTones[s]}
}

// class is the class in words; one that has none yet is shown by its code.
func (w *words) class(code string) string { return w.orCode("incidents.class.", code) }

func (w *words) orCode(prefix, code string) string {
	text := w.t(prefix + code)
	if text == prefix+code {
		return code
	}
	return text
}

// clockView is a legal clock as a bar and its text.
type clockView struct {
	ID, Name, Within, Text, Tone, Basis, To string
	// Percent is the share of the time that has passed, at most 100.
	Percent int
	Due     time.Time
	Running bool
	MetAt   *time.Time
	Ref     string
}

// clock describes a clock of the case. Tones: ok, warn from the moment the duty
// is called to mind, bad when it is overdue or was done late.
func (w *words) clock(k *Case, c *Clock, profile *clocks.Profile) clockView {
	total := c.DueAt.Sub(k.T0)
	v := clockView{
		ID: c.ID, Name: w.orCode("incidents.clock.", c.ID), Due: c.DueAt, Running: c.Running(), MetAt: c.MetAt, Ref: c.MetRef, Tone: "ok",
		Within: w.t("incidents.within", "Hours", int(total.Hours())),
	}
	if rule := profile.Clock(c.ID); rule != nil {
		v.Basis, v.To = rule.Basis, w.orCode("incidents.to.", rule.To)
	}
	end := w.now
	switch {
	case c.MetAt != nil:
		end = *c.MetAt
		v.Text = w.t("incidents.clock.met")
		if c.MetAt.After(c.DueAt) {
			v.Tone, v.Text = "bad", w.t("incidents.clock.metlate", "Span", w.span(c.MetAt.Sub(c.DueAt)))
		}
	case c.StoppedAt != nil:
		// Nothing is owed: the bar stays empty.
		end, v.Tone, v.Text = k.T0, "", w.t("incidents.clock.stopped")
	case !w.now.Before(c.DueAt):
		v.Tone, v.Text = "bad", w.t("incidents.clock.overdue", "Span", w.span(w.now.Sub(c.DueAt)))
	default:
		if !w.now.Before(c.WarnAt) {
			v.Tone = "warn"
		}
		v.Text = w.t("incidents.clock.left", "Span", w.span(c.DueAt.Sub(w.now)))
	}
	if total > 0 {
		v.Percent = max(0, min(100, int(100*end.Sub(k.T0)/total)))
	}
	return v
}

// clocks describes the clocks of a case in order of their deadlines.
func (w *words) clocks(k *Case, rows []Clock) ([]clockView, error) {
	profile := w.p.service.profile
	if k.Profile != profile.ID {
		var err error
		profile, err = clocks.Load(k.Profile)
		if err != nil {
			return nil, err
		}
	}
	views := make([]clockView, len(rows))
	for i := range rows {
		views[i] = w.clock(k, &rows[i], profile)
	}
	return views, nil
}
