package signer

import (
	"context"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer/appearance"
	"github.com/antin-gov/antin/signer/cos"
	"github.com/antin-gov/antin/signer/nd30"
	"github.com/antin-gov/antin/signer/pades"
)

//go:embed all:templates locales
var room embed.FS

// Where a mark first stands on an A4 page that cannot be read, in millimetres
// from the top left, before the person moves it: the signature block of NĐ
// 30/2020 Appendix I, boxes 7c and 8.
var (
	firstPerson = appearance.Box{X: 125, Y: 215, Width: 50, Height: 20}
	firstSeal   = appearance.SealOver(firstPerson, 36)
)

// maxPlace bounds what is typed for the place of a mark, in millimetres and in
// pages: the largest page of ISO 32000-2 has 5,080 mm (Annex C.2).
const maxPlace = 5080

type pages struct {
	site    *web.Site
	service *Service
	pages   *web.Pages
}

// RegisterPages adds the pages of signing and of public verification to the
// console.
func RegisterPages(site *web.Site, s *Service) error {
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of signing: %w", err)
	}
	p := &pages{site: site, service: s, pages: read}
	site.Nav(
		web.NavItem{Group: "documents", Path: "/sign", Key: "sign.nav", Roles: []string{auth.RoleOfficial, auth.RoleClerk}},
		web.NavItem{Group: "documents", Path: "/verify", Key: "verify.nav", Public: true},
	)
	site.Handle("GET /sign", web.SignedIn, p.list)
	site.Handle("POST /sign", web.SignedIn, p.add)
	site.Handle("GET /sign/{id}", web.SignedIn, p.show)
	site.Handle("POST /sign/{id}", web.SignedIn, p.sign)
	site.Handle("POST /sign/{id}/passkey", web.SignedIn, p.passkey)
	site.Handle("POST /sign/{id}/extend", web.SignedIn, p.extend)
	site.Handle("GET /sign/{id}/file", web.SignedIn, p.file)
	site.Handle("GET /sign/{id}/report/{form}", web.SignedIn, p.documentReport)
	site.Handle("GET /verify", web.Public, p.verifyForm)
	site.Handle("POST /verify", web.Public, p.admitted(p.verify))
	site.Handle("POST /verify/report/{form}", web.Public, p.admitted(p.verifyReport))
	return nil
}

type listView struct {
	Documents []Document
	Error     string
	Limit     int64
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) { p.renderList(w, r, "") }

func (p *pages) renderList(w http.ResponseWriter, r *http.Request, problem string) {
	docs, err := p.service.Documents(r.Context())
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	status := 0
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	p.pages.Render(w, r, "list", web.Page{Title: "sign.title", Status: status, View: listView{Documents: docs, Error: problem, Limit: p.service.d.MaxUpload >> 20}})
}

func (p *pages) add(w http.ResponseWriter, r *http.Request) {
	// The form's own parts take little beside the file.
	web.AllowUpload(w, r, p.service.d.MaxUpload+1<<20)
	file, header, err := r.FormFile("file")
	if err != nil {
		problem := uploadProblem(err)
		if problem == "" {
			problem = "sign.error.missing"
		}
		p.renderList(w, r, problem)
		return
	}
	defer func() { _ = file.Close() }()
	doc, err := p.service.AddDocument(r.Context(), header.Filename, file)
	if err != nil {
		problem := uploadProblem(err)
		if problem == "" {
			p.site.Fail(w, r, err)
			return
		}
		p.renderList(w, r, problem)
		return
	}
	http.Redirect(w, r, "/sign/"+doc.ID, http.StatusSeeOther)
}

// uploadProblem is the locale key of what is wrong with a file, or "".
func uploadProblem(err error) string {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, ErrTooLarge):
		return "sign.error.large"
	case errors.Is(err, ErrProtected):
		return "sign.error.protected"
	case errors.Is(err, ErrNotPDF):
		return "sign.error.pdf"
	case errors.Is(err, ErrSecret):
		return secretProblem(err)
	case errors.Is(err, http.ErrMissingFile), errors.Is(err, http.ErrNotMultipart), errors.Is(err, multipart.ErrMessageTooLarge):
		return "sign.error.missing"
	}
	return ""
}

type showView struct {
	Document *Document
	Act      *Act
	Keys     []keyChoice
	Key      string // the chosen one
	Box      appearance.Box
	Page     int
	Pages    string // all that show the mark, when these are several
	Preset   string
	Level    string
	Extended *Act
	Reason   string
	Error    string
	Report   *verdictView
}

type keyChoice struct {
	Name, Holder, Serial, Until string
	Seal                        bool
	// Bad says that the certificate must not be signed with just now.
	Bad   bool
	chain []*x509.Certificate
}

// certificateCheck bounds the look at the certificates while a page waits; the
// same check is made again, without hurry, when the document is signed.
const certificateCheck = 5 * time.Second

// judge marks the keys whose certificates are not good, before the person
// chooses one (TT 15/2025/TT-BKHCN: checked before it lets the user sign), and
// says whether none is left.
func (p *pages) judge(ctx context.Context, keys []keyChoice) bool {
	ctx, cancel := context.WithTimeout(ctx, certificateCheck)
	defer cancel()
	none := len(keys) > 0
	for i := range keys {
		keys[i].Bad = p.service.checkCertificate(ctx, keys[i].chain) != nil
		none = none && keys[i].Bad
	}
	return none
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	p.renderShow(w, r, doc, showView{})
}

func (p *pages) document(w http.ResponseWriter, r *http.Request) (*Document, bool) {
	doc, err := p.service.Document(r.Context(), r.PathValue("id"))
	if errors.Is(err, ErrNotFound) {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return nil, false
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return nil, false
	}
	return doc, true
}

func (p *pages) renderShow(w http.ResponseWriter, r *http.Request, doc *Document, view showView) {
	view.Document = doc
	status := 0
	if view.Error != "" {
		status = http.StatusUnprocessableEntity
	}
	var err error
	if doc.ActID != "" {
		view.Act, err = p.service.Act(r.Context(), doc.ActID)
		if err == nil && doc.ExtendID != "" {
			view.Extended, err = p.service.Act(r.Context(), doc.ExtendID)
		}
		if err == nil {
			view.Report, err = p.report(r, doc)
		}
	} else {
		view.Keys, err = p.service.keysOf(r.Context())
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	if p.judge(r.Context(), view.Keys) && view.Error == "" {
		view.Error = "sign.error.certificate"
	}
	seal := len(view.Keys) > 0 && view.Keys[0].Seal
	for _, k := range view.Keys {
		if k.Name == view.Key {
			seal = k.Seal
		}
	}
	view.Preset = string(presetOf(seal))
	if view.Box == (appearance.Box{}) {
		name := web.VisitorFrom(r.Context()).Name
		if seal {
			name = web.VisitorFrom(r.Context()).Agency
		}
		view.Page, view.Box = p.service.Suggest(doc, presetOf(seal), name)
	}
	p.pages.Render(w, r, "document", web.Page{Title: "sign.title", TitleText: doc.Name, Scripts: []string{"sign"}, Status: status, View: view})
}

func (p *pages) report(r *http.Request, doc *Document) (*verdictView, error) {
	f, err := p.service.Open(doc)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	report, err := p.service.Verify(r.Context(), f, info.Size(), doc.Name)
	if err != nil {
		return nil, err
	}
	view := viewOf(report, web.VisitorFrom(r.Context()).Lang)
	view.ReportsAt = "/sign/" + doc.ID + "/report/"
	return view, nil
}

func (p *pages) passkey(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	p.site.BeginFactor(w, r, auth.SubjectFrom(r.Context()).AccountID, "sign:"+doc.SHA256)
}

func (p *pages) sign(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	subject := auth.SubjectFrom(r.Context())
	view := showView{Key: r.FormValue("key"), Level: r.FormValue("level"), Reason: r.FormValue("reason"), Pages: r.FormValue("pages")}
	q, err := p.request(r, doc, &view)
	if err != nil {
		view.Error = signProblem(err)
		if view.Error == "" {
			p.site.Fail(w, r, err)
			return
		}
		p.renderShow(w, r, doc, view)
		return
	}
	// The factor is given for this document's digest, and only then is the key
	// asked: what is bound is what was shown (R15).
	factor := web.FactorOf(r)
	err = p.site.SecondFactor(r.Context(), subject.AccountID, "sign:"+doc.SHA256, factor)
	if err != nil {
		key, told := web.FactorError(err)
		if !told {
			p.site.Fail(w, r, err)
			return
		}
		view.Error = key
		p.renderShow(w, r, doc, view)
		return
	}
	q.Factor = FactorTOTP
	if factor.Answer != "" {
		q.Factor = FactorPasskey
	}
	_, err = p.service.SignDocument(r.Context(), doc, q)
	if err != nil {
		view.Error = signProblem(err)
		if view.Error == "" {
			p.site.Fail(w, r, err)
			return
		}
		p.renderShow(w, r, doc, view)
		return
	}
	http.Redirect(w, r, "/sign/"+doc.ID, http.StatusSeeOther)
}

// presetOf is the mark that belongs to a kind of key.
func presetOf(seal bool) appearance.Preset {
	if seal {
		return appearance.Seal
	}
	return appearance.Person
}

// offeredLevels are the levels between which a person chooses, the usual one
// first. Less than B-LT does not outlive the certificate and is left to the
// command line.
func offeredLevels() []string { return []string{string(pades.LevelLT), string(pades.LevelLTA)} }

// Levels are the levels that the form offers.
func (showView) Levels() []string { return offeredLevels() }

// errPlace means that the place of the mark is not five usable numbers.
var errPlace = fmt.Errorf("%w: place of the mark", ErrRequest)

// request reads the form: key, page and place of the mark in millimetres. The
// key alone decides whether this is a person's signature or a seal.
func (p *pages) request(r *http.Request, doc *Document, view *showView) (Request, error) {
	keys, err := p.service.keysOf(r.Context())
	if err != nil {
		return Request{}, err
	}
	at := slices.IndexFunc(keys, func(k keyChoice) bool { return k.Name == view.Key })
	if at < 0 {
		return Request{}, fmt.Errorf("%w: not among the person's", ErrKey)
	}
	if view.Level != "" && !slices.Contains(offeredLevels(), view.Level) {
		return Request{}, fmt.Errorf("%w: level %q", ErrRequest, view.Level)
	}
	var numbers [5]float64
	for i, name := range []string{"page", "x", "y", "width", "height"} {
		v, err := strconv.ParseFloat(r.FormValue(name), 64)
		if err != nil || !(v >= 0 && v <= maxPlace) { // written so that NaN fails
			return Request{}, fmt.Errorf("%w: %s", errPlace, name)
		}
		numbers[i] = v
	}
	view.Page = int(numbers[0])
	view.Box = appearance.Box{X: numbers[1], Y: numbers[2], Width: numbers[3], Height: numbers[4]}
	if view.Page < 1 || int64(view.Page) > doc.Pages {
		return Request{}, fmt.Errorf("%w: page %d of %d", errPlace, view.Page, doc.Pages)
	}
	shown, err := appearance.ParsePages(view.Pages)
	if err != nil {
		return Request{}, fmt.Errorf("%w: %w", errPlace, err)
	}
	if len(shown) > 0 {
		shown = append(shown, appearance.Range{From: view.Page, To: view.Page})
	}
	seal := keys[at].Seal
	name := web.VisitorFrom(r.Context()).Name
	if seal {
		name = web.VisitorFrom(r.Context()).Agency
	}
	return Request{
		Key: view.Key, Level: view.Level, Reason: view.Reason, Seal: seal,
		Visible: &appearance.Spec{Preset: presetOf(seal), Page: view.Page, Pages: shown, Box: view.Box, Name: name},
	}, nil
}

// secretProblem tells a mark of secrecy from what may be a list of levels.
func secretProblem(err error) string {
	var mark *nd30.SecretError
	if errors.As(err, &mark) && mark.List {
		return "sign.error.levels"
	}
	return "sign.error.secret"
}

// signProblem is the locale key of why a document was not signed, or "".
func signProblem(err error) string {
	var refused *cos.RefusedError
	switch {
	case errors.Is(err, auth.ErrDenied):
		return "sign.error.denied"
	case errors.Is(err, ErrSecret):
		return secretProblem(err)
	case errors.Is(err, ErrUnsigned):
		return "sign.error.unsigned"
	case errors.Is(err, ErrCertificate):
		return "sign.error.certificate"
	case errors.Is(err, ErrKey):
		return "sign.error.key"
	case errors.Is(err, ErrRecord):
		return "sign.error.record"
	case errors.Is(err, ErrSigned):
		return "sign.error.signed"
	case errors.Is(err, ErrChanged), errors.Is(err, ErrDisagreement):
		return "sign.error.changed"
	case errors.As(err, &refused):
		return "sign.error.refused"
	case errors.Is(err, errPlace), errors.Is(err, appearance.ErrOutside), errors.Is(err, appearance.ErrSpec):
		return "sign.error.place"
	case errors.Is(err, ErrRequest):
		return "sign.error.level"
	case errors.Is(err, context.DeadlineExceeded):
		return "sign.error.late"
	}
	return ""
}

func (p *pages) file(w http.ResponseWriter, r *http.Request) {
	doc, ok := p.document(w, r)
	if !ok {
		return
	}
	f, err := p.service.Open(doc)
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/pdf")
	disposition := "inline"
	if r.FormValue("download") != "" {
		disposition = "attachment"
	}
	w.Header().Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": downloadName(doc)}))
	http.ServeContent(w, r, "", doc.CreatedAt, f)
}

func downloadName(doc *Document) string {
	if doc.ActID == "" {
		return doc.Name
	}
	return "da-ky-" + doc.Name
}
