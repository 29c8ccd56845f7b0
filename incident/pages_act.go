package incident

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/antin-gov/antin/internal/auth"
)

// maxReference limits what Fulfil takes.
const maxReference = 200

// caseForm is what the forms of a case's page typed, kept for correction.
type caseForm struct{ Account, Text, Reason, Note, Clock, Reference string }

// acknowledge may be pressed in the queue as well: then one returns to it with
// its filter.
func (p *casePages) acknowledge(w http.ResponseWriter, r *http.Request) {
	_, err := p.service.Acknowledge(r.Context(), r.PathValue("id"))
	filter, fromList := listOf(r.FormValue("next"))
	switch {
	case fromList && err == nil:
		http.Redirect(w, r, filter.address(filter.After), http.StatusSeeOther)
	case fromList:
		problem, status := p.problem(r, err)
		if status == http.StatusNotFound {
			p.fail(w, r, err)
			return
		}
		p.renderList(w, r, filter, problem, status)
	default:
		p.finish(w, r, ActionAcknowledge, caseView{}, err)
	}
}

// listOf reads the address of the queue that a form names; anything else is no
// place to return to.
func listOf(next string) (listFilter, bool) {
	u, err := url.Parse(next)
	if err != nil || next == "" || u.IsAbs() || u.Host != "" || u.Path != pathCases {
		return listFilter{}, false
	}
	return filterOf(u.Query()), true
}

func (p *casePages) assign(w http.ResponseWriter, r *http.Request) {
	view := caseView{Form: caseForm{Account: r.FormValue("account")}}
	people, err := p.people(r, p.words(r))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	known := slices.ContainsFunc(people, func(c choice) bool { return c.Value == view.Form.Account })
	if !known && view.Form.Account != auth.SubjectFrom(r.Context()).AccountID {
		p.reject(w, r, view, "account", "incidents.error.account")
		return
	}
	_, err = p.service.Assign(r.Context(), r.PathValue("id"), view.Form.Account)
	p.finish(w, r, ActionAssign, view, err)
}

func (p *casePages) comment(w http.ResponseWriter, r *http.Request) {
	view := caseView{Form: caseForm{Text: typed(r, "text")}}
	switch {
	case view.Form.Text == "":
		p.reject(w, r, view, "text", "incidents.error.text")
		return
	case tooLong(view.Form.Text, maxComment):
		p.reject(w, r, view, "text", "incidents.error.long")
		return
	}
	_, err := p.service.Comment(r.Context(), r.PathValue("id"), view.Form.Text)
	p.finish(w, r, ActionComment, view, err)
}

func (p *casePages) close(w http.ResponseWriter, r *http.Request) {
	view := caseView{Form: caseForm{Reason: r.FormValue("reason"), Note: typed(r, "note")}}
	switch {
	case view.Form.Reason == "":
		p.reject(w, r, view, "reason", "incidents.error.reason")
		return
	case tooLong(view.Form.Note, maxComment):
		p.reject(w, r, view, "note", "incidents.error.long")
		return
	}
	_, err := p.service.Close(r.Context(), r.PathValue("id"), view.Form.Reason, view.Form.Note)
	p.finish(w, r, ActionClose, view, err)
}

func (p *casePages) fulfil(w http.ResponseWriter, r *http.Request) {
	view := caseView{Form: caseForm{Clock: r.FormValue("clock"), Reference: typed(r, "reference")}}
	switch {
	case view.Form.Clock == "":
		p.reject(w, r, view, "clock", "incidents.error.clock")
		return
	case view.Form.Reference == "":
		p.reject(w, r, view, "reference", "incidents.error.reference")
		return
	case tooLong(view.Form.Reference, maxReference):
		p.reject(w, r, view, "reference", "incidents.error.long")
		return
	}
	_, err := p.service.Fulfil(r.Context(), r.PathValue("id"), view.Form.Clock, view.Form.Reference)
	p.finish(w, r, ActionFulfil, view, err)
}

// typed is a text field as the person meant it: browsers send CRLF.
func typed(r *http.Request, name string) string {
	return strings.TrimSpace(strings.ReplaceAll(r.FormValue(name), "\r\n", "\n"))
}

func tooLong(text string, most int) bool { return len(text) > most || !utf8.ValidString(text) }

// reject shows the page again with the error beside its field.
func (p *casePages) reject(w http.ResponseWriter, r *http.Request, view caseView, field, key string) {
	view.Errors = map[string]string{field: key}
	p.renderCase(w, r, view, http.StatusUnprocessableEntity)
}

// finish answers an act: the page of the case by redirect, or the page again
// with what was typed and why it was not done.
func (p *casePages) finish(w http.ResponseWriter, r *http.Request, action string, view caseView, err error) {
	if err == nil {
		http.Redirect(w, r, pathCases+"/"+url.PathEscape(r.PathValue("id"))+"?done="+action, http.StatusSeeOther)
		return
	}
	problem, status := p.problem(r, err)
	if status == http.StatusNotFound {
		p.fail(w, r, err)
		return
	}
	view.Problem = problem
	p.renderCase(w, r, view, status)
}

// problem is the locale key of why an act was not done, and the status of the
// answer.
func (p *casePages) problem(r *http.Request, err error) (key string, status int) {
	switch {
	case errors.Is(err, ErrNotFound):
		return "", http.StatusNotFound
	case errors.Is(err, auth.ErrDenied):
		p.service.log.WarnContext(r.Context(), "act refused by policy", slog.String("path", r.URL.Path), slog.Any("error", err))
		return "incidents.error.denied", http.StatusForbidden
	case errors.Is(err, ErrState):
		return "incidents.error.state", http.StatusConflict
	case errors.Is(err, ErrInvalid):
		return "incidents.error.invalid", http.StatusUnprocessableEntity
	default:
		p.service.log.ErrorContext(r.Context(), "act not done", slog.String("path", r.URL.Path), slog.Any("error", err))
		return "incidents.error.fault", http.StatusInternalServerError
	}
}
