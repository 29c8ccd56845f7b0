package office

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/nd30"
)

// maxMany bounds how many documents one second factor signs on the console.
const maxMany = 50

// maxPlace bounds what is typed for a place, in millimetres and in pages.
const maxPlace = 5080

// errStale means that the document moved on since the page was shown.
var errStale = fmt.Errorf("%w: the page shows an older file", signer.ErrChanged)

// purpose binds a second factor to a move of the file that was shown.
func purpose(move, id, digest string) string { return "office." + move + ":" + id + ":" + digest }

func (p *pages) passkey(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	subject := auth.SubjectFrom(r.Context())
	p.site.BeginFactor(w, r, subject.AccountID, purpose(movesOf(subject, doc).Bind, doc.ID, doc.SHA256))
}

// move makes the step that the form names.
func (p *pages) move(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	view := documentView{Key: r.FormValue("key"), Why: r.FormValue("reason"), Level: r.FormValue("level")}
	err := p.made(r, doc, &view)
	if err == nil {
		http.Redirect(w, r, "/office/document/"+doc.ID, http.StatusSeeOther)
		return
	}
	view.Error = problem(err)
	if view.Error == "" {
		p.fail(w, r, err)
		return
	}
	fresh, err := p.service.Get(r.Context(), doc.ID)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.render(w, r, fresh, view)
}

func (p *pages) made(r *http.Request, doc *Document, view *documentView) error {
	ctx, s := r.Context(), p.service
	var err error
	switch do := r.FormValue("do"); do {
	case moveIssue:
		_, err = s.Issue(ctx, doc.ID)
	case moveReturn:
		_, err = s.Return(ctx, doc.ID, view.Why)
	case moveWithdraw:
		_, err = s.Withdraw(ctx, doc.ID, view.Why)
	case moveRecall:
		_, err = s.Recall(ctx, doc.ID, view.Why)
	case moveExtend:
		_, err = s.Extend(ctx, doc.ID)
	case moveSign, moveNumber, moveSeal:
		err = p.bind(r, doc, do, view)
	default:
		err = fmt.Errorf("%w: move %q", ErrRequest, do)
	}
	return err
}

// bind makes a step that needs a key: the second factor is given for this move
// of this file, and only then is the key asked (R15).
func (p *pages) bind(r *http.Request, doc *Document, do string, view *documentView) error {
	ctx := r.Context()
	subject := auth.SubjectFrom(ctx)
	offered := movesOf(subject, doc)
	if offered.Bind != do || r.FormValue("digest") != doc.SHA256 {
		return errStale
	}
	use := Use{Key: view.Key, Digest: doc.SHA256, Level: view.Level}
	if offered.Mark {
		place, err := placeOf(r)
		if err != nil {
			return err
		}
		use.Place, view.Place = place, *place
	}
	var err error
	use.Factor, err = p.factor(r, purpose(do, doc.ID, doc.SHA256))
	if err != nil {
		return err
	}
	switch do {
	case moveSign:
		_, err = p.service.Sign(ctx, doc.ID, use)
	case moveNumber:
		_, err = p.service.Number(ctx, doc.ID, use)
	case moveSeal:
		_, err = p.service.Seal(ctx, doc.ID, use)
	}
	return err
}

// factor checks the second factor of the form and names its kind.
func (p *pages) factor(r *http.Request, purpose string) (string, error) {
	given := web.FactorOf(r)
	err := p.site.SecondFactor(r.Context(), auth.SubjectFrom(r.Context()).AccountID, purpose, given)
	if err != nil {
		return "", err
	}
	if given.Answer != "" {
		return signer.FactorPasskey, nil
	}
	return signer.FactorTOTP, nil
}

// placeOf reads page and place of the mark in millimetres.
func placeOf(r *http.Request) (*Place, error) {
	var n [5]float64
	for i, name := range []string{"page", "x", "y", "width", "height"} {
		v, err := strconv.ParseFloat(r.FormValue(name), 64)
		if err != nil || !(v >= 0 && v <= maxPlace) { // written so that NaN fails
			return nil, fmt.Errorf("%w: %s", appearance.ErrOutside, name)
		}
		n[i] = v
	}
	return &Place{Page: max(1, int(n[0])), Box: appearance.Box{X: n[1], Y: n[2], Width: n[3], Height: n[4]}}, nil
}

// problem is the locale key of why a step was not made, or "".
func problem(err error) string {
	var refused *cos.RefusedError
	key, factor := web.FactorError(err)
	switch {
	case factor:
		return key
	case errors.Is(err, auth.ErrDenied):
		return "office.error.denied"
	case errors.Is(err, nd30.ErrSecret):
		return secretProblem(err)
	case errors.Is(err, signer.ErrNotExtendable):
		return "office.error.extend"
	case errors.Is(err, ErrDelegation):
		return "office.error.delegation"
	case errors.Is(err, errForm):
		return "office.error.form"
	case errors.Is(err, ErrAuthority):
		return "office.error.authority"
	case errors.Is(err, ErrOrder), errors.Is(err, signer.ErrChanged), errors.Is(err, ErrBusy):
		return "office.error.order"
	case errors.Is(err, ErrRecord), errors.Is(err, signer.ErrRecord):
		return "office.error.record"
	case errors.Is(err, signer.ErrCertificate), errors.Is(err, ErrKey), errors.Is(err, signer.ErrKey):
		return "office.error.key"
	case errors.Is(err, signer.ErrUnsigned):
		return "office.error.unsigned"
	case errors.Is(err, appearance.ErrOutside), errors.Is(err, appearance.ErrSpec):
		return "office.error.place"
	case errors.As(err, &refused), errors.Is(err, signer.ErrDisagreement):
		return "office.error.refused"
	case errors.Is(err, context.DeadlineExceeded):
		return "office.error.late"
	case errors.Is(err, ErrRequest):
		return "office.error.request"
	}
	return ""
}

type manyView struct {
	Rows  []row
	Done  []outcome
	Error string
}

// outcome is what became of one of several documents.
type outcome struct {
	Row   row
	Error string // a locale key; empty when it is signed
}

// chosen reads the documents that the form names and that wait for the visitor.
func (p *pages) chosen(r *http.Request) ([]row, error) {
	err := r.ParseForm()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	ids := slices.Compact(slices.Sorted(slices.Values(r.Form["id"])))
	if len(ids) > maxMany {
		ids = ids[:maxMany]
	}
	var rows []row
	for _, id := range ids {
		doc, err := p.service.Get(r.Context(), id)
		if err != nil {
			return nil, err
		}
		one := p.rowOf(r, doc)
		if one.Mine {
			rows = append(rows, one)
		}
	}
	return rows, nil
}

// manyPurpose binds one second factor to all of the files that were shown.
func manyPurpose(rows []row) string {
	h := sha256.New()
	for _, one := range rows {
		_, _ = fmt.Fprintln(h, one.ID, one.SHA256) // a hash takes everything
	}
	return "office/many:" + hex.EncodeToString(h.Sum(nil))
}

// many shows what exactly would be signed.
func (p *pages) many(w http.ResponseWriter, r *http.Request) {
	rows, err := p.chosen(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if len(rows) == 0 {
		http.Redirect(w, r, "/office", http.StatusSeeOther)
		return
	}
	p.renderMany(w, r, manyView{Rows: rows})
}

func (p *pages) renderMany(w http.ResponseWriter, r *http.Request, view manyView) {
	status := 0
	if view.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	p.pages.Render(w, r, "many", web.Page{Title: "office.many.title", Status: status, View: view})
}

func (p *pages) passkeyMany(w http.ResponseWriter, r *http.Request) {
	rows, err := p.chosen(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.site.BeginFactor(w, r, auth.SubjectFrom(r.Context()).AccountID, manyPurpose(rows))
}

// signMany signs each of the documents; one that is refused does not stop the
// rest.
func (p *pages) signMany(w http.ResponseWriter, r *http.Request) {
	rows, err := p.chosen(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	// What was shown is what is signed: the digest of the whole selection came
	// with the page.
	if len(rows) == 0 || r.FormValue("shown") != manyPurpose(rows) {
		p.renderMany(w, r, manyView{Rows: rows, Error: "office.error.order"})
		return
	}
	factor, err := p.factor(r, manyPurpose(rows))
	if err != nil {
		key := problem(err)
		if key == "" {
			p.fail(w, r, err)
			return
		}
		p.renderMany(w, r, manyView{Rows: rows, Error: key})
		return
	}
	var view manyView
	for _, one := range rows {
		_, err = p.service.Sign(r.Context(), one.ID, Use{Digest: one.SHA256, Factor: factor})
		done := outcome{Row: one}
		if err != nil {
			done.Error = problem(err)
		}
		if err != nil && done.Error == "" {
			p.service.d.Logger.ErrorContext(r.Context(), "document not signed", "document", one.ID, "error", err)
			done.Error = "error.internal"
		}
		view.Done = append(view.Done, done)
	}
	p.renderMany(w, r, view)
}

// Shown is the digest of the whole selection.
func (v manyView) Shown() string { return manyPurpose(v.Rows) }
