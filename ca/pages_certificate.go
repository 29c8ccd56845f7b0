package ca

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/web"
)

// certificateView is a certificate in words.
type certificateView struct {
	Certificate
	Title, TitleEN string
	// Name is the common name, or the whole subject without one.
	Name string
	// Status is "valid", "held", "revoked" or "expired".
	Status string
}

func (p *pages) viewCertificate(c Certificate) certificateView {
	v := certificateView{Certificate: c, Name: profile.CommonName(c.Subject), Status: "valid"}
	v.Title, v.TitleEN = p.title(c.Profile)
	switch {
	case c.held():
		v.Status = "held"
	case c.RevokedAt != nil:
		v.Status = "revoked"
	case c.NotAfter != nil && p.service.deps.Clock.Now().After(*c.NotAfter):
		v.Status = "expired"
	}
	return v
}

// listView is a page of certificates.
type listView struct {
	Search
	Page     []certificateView
	Next     string
	Statuses []string
}

func (p *pages) certificates(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	v := listView{Search: Search{Text: strings.TrimSpace(query.Get("q")), Status: query.Get("status"), After: query.Get("after")},
		Statuses: []string{"valid", "held", "revoked", "expired"}}
	found, err := p.service.Search(r.Context(), v.Search)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v.Next = found.Next
	for _, c := range found.Certificates {
		v.Page = append(v.Page, p.viewCertificate(c))
	}
	p.pages.Render(w, r, "certificates", web.Page{Title: "ca.certificates", View: v})
}

// detailView is one certificate with its history.
type detailView struct {
	certificateView
	Algorithm            string
	Usages               []string
	Names                []string
	History              []Change
	Causes               []Cause
	MayRevoke, MayHold   bool
	MayRelease, MayRenew bool
	Problem              string
}

func (p *pages) certificate(w http.ResponseWriter, r *http.Request) { p.showCertificate(w, r, "", 0) }

func (p *pages) showCertificate(w http.ResponseWriter, r *http.Request, problem string, status int) {
	row, err := p.service.Get(r.Context(), r.PathValue("serial"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := detailView{certificateView: p.viewCertificate(*row), Causes: Causes(), Problem: problem}
	v.History, err = p.service.History(r.Context(), row.Serial)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	cert, err := row.X509()
	if err == nil {
		v.Algorithm = cert.SignatureAlgorithm.String()
		v.Names = append(append(v.Names, cert.DNSNames...), cert.EmailAddresses...)
		for _, ip := range cert.IPAddresses {
			v.Names = append(v.Names, ip.String())
		}
	}
	who := auth.SubjectFrom(r.Context())
	officer := who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleAdmin)
	known, err := p.service.profiles.Get(row.Profile)
	hold := err == nil && known.Hold
	v.MayRevoke = officer && row.State == StateIssued && (row.RevokedAt == nil || row.held())
	v.MayHold = officer && hold && row.State == StateIssued && row.RevokedAt == nil
	v.MayRelease = officer && row.held()
	v.MayRenew = row.RevokedAt == nil && row.RequestID != "" && (officer || who.Has(auth.RoleRegistrar))
	p.pages.Render(w, r, "certificate", web.Page{Title: "ca.certificate", Status: status, View: v})
}

func (p *pages) certificateFile(w http.ResponseWriter, r *http.Request) {
	row, err := p.service.Get(r.Context(), r.PathValue("serial"))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if len(row.DER) == 0 {
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", row.Serial+".pem"))
	_, err = w.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: row.DER}))
	if err != nil {
		p.service.deps.Logger.DebugContext(r.Context(), "certificate not delivered", "error", err)
	}
}

func (p *pages) certificateAct(w http.ResponseWriter, r *http.Request) {
	ctx, serial, note := r.Context(), r.PathValue("serial"), r.PostFormValue("note")
	var err error
	switch r.PathValue("act") {
	case "revoke":
		_, err = p.service.Revoke(ctx, serial, Cause(r.PostFormValue("cause")), note)
	case "hold":
		_, err = p.service.Hold(ctx, serial, note)
	case "release":
		_, err = p.service.Release(ctx, serial, note)
	default:
		p.site.Error(w, r, http.StatusNotFound, "error.missing", nil)
		return
	}
	if err == nil {
		http.Redirect(w, r, pathCertificates+"/"+serial, http.StatusSeeOther)
		return
	}
	key := problem(err)
	if key == "" {
		p.fail(w, r, err)
		return
	}
	p.showCertificate(w, r, key, http.StatusConflict)
}

// may asks the policy, and answers the visitor when it says no.
func (p *pages) may(w http.ResponseWriter, r *http.Request, action string) bool {
	err := p.service.deps.Authorizer.Authorize(r.Context(), auth.SubjectFrom(r.Context()), action, auth.Resource{Kind: ResourceKind})
	if err != nil {
		p.fail(w, r, err)
		return false
	}
	return true
}

// statusView is how the public side stands.
type statusView struct {
	Condition
	Now      time.Time
	MayAudit bool
}

func (p *pages) status(w http.ResponseWriter, r *http.Request) {
	if !p.may(w, r, ActionStatus) {
		return
	}
	c, err := p.service.Condition(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	who := auth.SubjectFrom(r.Context())
	p.pages.Render(w, r, "status", web.Page{Title: "ca.status", View: statusView{Condition: c, Now: p.service.deps.Clock.Now(),
		MayAudit: who.Has(auth.RoleCAOfficer) || who.Has(auth.RoleAuditor) || who.Has(auth.RoleAdmin)}})
}

// audit compares register, lists, answers and ledger now.
func (p *pages) audit(w http.ResponseWriter, r *http.Request) {
	if !p.may(w, r, ActionAudit) {
		return
	}
	_, err := p.service.AuditNow(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	http.Redirect(w, r, pathStatus, http.StatusSeeOther)
}
