package csc

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/trust"
	"github.com/antin-gov/antin/internal/web"
	"github.com/antin-gov/antin/signer"
)

//go:embed templates locales
var room embed.FS

// shownHashes is how many digests a page shows; it says how many there are.
const shownHashes = 20

// unfoldedHashes are few enough to stand on the page as they are.
const unfoldedHashes = 3

type pages struct {
	site   *web.Site
	server *Server
	pages  *web.Pages
}

// RegisterPages adds the pages on which a person answers what programs ask:
// oauth2/authorize, and the requests that wait. Without a server there are none.
func RegisterPages(site *web.Site, s *Server) error {
	if s == nil {
		return nil
	}
	read, err := site.Pages(room)
	if err != nil {
		return fmt.Errorf("pages of remote signing: %w", err)
	}
	p := &pages{site: site, server: s, pages: read}
	site.Nav(web.NavItem{Group: "documents", Path: "/remote-signing", Key: "csc.nav", Roles: []string{auth.RoleOfficial}})
	site.Handle("GET /remote-signing", web.SignedIn, p.list)
	site.Handle("GET "+Path+"/oauth2/authorize", web.SignedIn, p.authorize)
	site.Handle("GET /remote-signing/{id}", web.SignedIn, p.show)
	site.Handle("POST /remote-signing/{id}", web.SignedIn, p.answer)
	site.Handle("POST /remote-signing/{id}/passkey", web.SignedIn, p.passkey)
	return nil
}

type listView struct {
	Requests []Request
	Programs map[string]string // their names, by Request.Client
	Done     string
}

// programs names programs as their user does: one with a credential by the name
// that it was given, any other by its client_id.
func (p *pages) programs(ctx context.Context, list ...Request) (map[string]string, error) {
	tokens, err := p.server.d.Tokens.List(ctx, auth.SubjectFrom(ctx).AccountID)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, r := range list {
		names[r.Client] = r.Client
		for _, t := range tokens {
			if t.ID == r.Client {
				names[r.Client] = strings.TrimPrefix(t.Name, oauthName)
			}
		}
	}
	return names, nil
}

func (p *pages) list(w http.ResponseWriter, r *http.Request) {
	list, err := p.server.waiting(r.Context())
	var names map[string]string
	if err == nil {
		names, err = p.programs(r.Context(), list...)
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	done := ""
	for _, known := range []string{stateAllowed, stateRefused} {
		if r.FormValue("done") == known {
			done = "csc.done." + known
		}
	}
	p.pages.Render(w, r, "waiting", web.Page{Title: "csc.title", View: listView{Requests: list, Programs: names, Done: done}})
}

type requestView struct {
	Request *Request
	Program string
	Holder  string
	Serial  string
	Hashes  []string
	More    int
	// Folded is how many hashes there are, when they are folded away: what is to
	// be answered stays in sight.
	Folded  int
	Error   string
	Passkey bool
}

// request finds the request of the path.
func (p *pages) request(w http.ResponseWriter, r *http.Request) (*Request, bool) {
	request, err := p.server.request(r.Context(), r.PathValue("id"))
	if store.IsNotFound(err) {
		p.site.Error(w, r, http.StatusNotFound, "csc.error.gone", nil)
		return nil, false
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return nil, false
	}
	return request, true
}

func (p *pages) show(w http.ResponseWriter, r *http.Request) {
	request, found := p.request(w, r)
	if found {
		p.render(w, r, request, "")
	}
}

func (p *pages) render(w http.ResponseWriter, r *http.Request, request *Request, problem string) {
	names, err := p.programs(r.Context(), *request)
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	view := requestView{Request: request, Program: names[request.Client], Error: problem}
	if request.Kind != kindService {
		wish, err := p.server.wish(r.Context(), request)
		if err != nil {
			p.site.Fail(w, r, err)
			return
		}
		leaf := wish.key.Chain[0]
		view.Holder, view.Serial = leaf.Subject.CommonName, trust.SerialText(leaf)
		view.Hashes = strings.Fields(request.Hashes)
		if len(view.Hashes) > unfoldedHashes {
			view.Folded = len(view.Hashes)
		}
		if len(view.Hashes) > shownHashes {
			view.More, view.Hashes = len(view.Hashes)-shownHashes, view.Hashes[:shownHashes]
		}
		n, err := p.server.d.Passkeys.Count(r.Context(), request.AccountID)
		if err != nil {
			p.site.Fail(w, r, err)
			return
		}
		view.Passkey = n > 0
	}
	p.leadBack(w, request)
	status := 0
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	p.pages.Render(w, r, "request", web.Page{Title: "csc.title", Status: status, View: view})
}

// leadBack lets the form of the page lead to the program's registered address:
// browsers hold a form's redirect against form-action as well.
func (p *pages) leadBack(w http.ResponseWriter, request *Request) {
	u, err := url.Parse(request.RedirectURI)
	if err != nil || u.Scheme == "" {
		return
	}
	target := u.Scheme + ":"
	if u.Host != "" {
		target += "//" + u.Host
	}
	policy := w.Header().Get("Content-Security-Policy")
	w.Header().Set("Content-Security-Policy", strings.Replace(policy, "form-action 'self'", "form-action 'self' "+target, 1))
}

func (p *pages) passkey(w http.ResponseWriter, r *http.Request) {
	request, found := p.request(w, r)
	if !found {
		return
	}
	wish, err := p.server.wish(r.Context(), request)
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	p.site.BeginFactor(w, r, request.AccountID, wish.purpose())
}

// answer takes the person's answer. To sign it needs the second factor, for
// these digests; to use the service the log-in was enough.
func (p *pages) answer(w http.ResponseWriter, r *http.Request) {
	request, found := p.request(w, r)
	if !found {
		return
	}
	if r.FormValue("answer") != "allow" {
		err := p.server.answer(r.Context(), request, stateAsked, stateRefused, "", 0)
		p.leave(w, r, request, err, url.Values{"error": {"access_denied"}, "error_description": {"The holder refused"}}, stateRefused)
		return
	}
	factor := ""
	if request.Kind != kindService {
		var problem string
		var err error
		factor, problem, err = p.factor(r, request)
		if err != nil {
			p.site.Fail(w, r, err)
			return
		}
		if problem != "" {
			p.render(w, r, request, problem)
			return
		}
	}
	if request.Kind == kindHandle {
		p.leave(w, r, request, p.server.allow(r.Context(), request, factor, "", requestLife), nil, stateAllowed)
		return
	}
	code := newSecret()
	err := p.server.allow(r.Context(), request, factor, code, codeLife)
	p.leave(w, r, request, err, url.Values{"code": {code}}, stateAllowed)
}

// factor checks the certificate and the second factor that the form brought; a
// problem is a locale key.
func (p *pages) factor(r *http.Request, request *Request) (factor, problem string, err error) {
	wish, err := p.server.wish(r.Context(), request)
	if err != nil {
		return "", "", err
	}
	err = p.server.d.Signer.CheckKey(r.Context(), wish.key)
	if errors.Is(err, signer.ErrCertificate) {
		return "", "csc.error.certificate", nil
	}
	if err == nil {
		err = p.server.live(r.Context(), request.AccountID)
	}
	var fault *Fault
	if errors.As(err, &fault) {
		return "", "csc.error.many", nil
	}
	if err != nil {
		return "", "", err
	}
	given := web.FactorOf(r)
	err = p.site.SecondFactor(r.Context(), request.AccountID, wish.purpose(), given)
	if errors.Is(err, auth.ErrCredentials) {
		return "", "csc.error.code", nil // the account is known here
	}
	if err != nil {
		key, told := web.FactorError(err)
		if told {
			return "", key, nil
		}
		return "", "", err
	}
	if given.Answer != "" {
		return signer.FactorPasskey, "", nil
	}
	return signer.FactorTOTP, "", nil
}

// leave leads the person on: back to the program, or to the list.
func (p *pages) leave(w http.ResponseWriter, r *http.Request, request *Request, err error, back url.Values, state string) {
	if errors.Is(err, errAnswered) {
		p.site.Error(w, r, http.StatusNotFound, "csc.error.gone", nil)
		return
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	if request.Kind == kindHandle {
		http.Redirect(w, r, "/remote-signing?done="+state, http.StatusSeeOther)
		return
	}
	p.leadBack(w, request)
	http.Redirect(w, r, backTo(request.RedirectURI, request.State, p.server.d.Config.URL, back), http.StatusSeeOther)
}

// backTo is the program's address with the answer (RFC 6749 §4.1.2), its own
// state and the issuer (RFC 9207).
func backTo(address, state, issuer string, answer url.Values) string {
	u, err := url.Parse(address)
	if err != nil {
		return "/"
	}
	q := u.Query()
	for name, values := range answer {
		q.Set(name, values[0])
	}
	if state != "" {
		q.Set("state", state)
	}
	q.Set("iss", issuer+Path)
	u.RawQuery = q.Encode()
	return u.String()
}

// authorize begins at oauth2/authorize. An unknown program or address is told
// to the person and never redirected to; every other fault goes back.
func (p *pages) authorize(w http.ResponseWriter, r *http.Request) {
	q, err := p.query(r)
	if errors.Is(err, auth.ErrCredentials) {
		p.site.Error(w, r, http.StatusBadRequest, "csc.error.pushed", nil)
		return
	}
	if err != nil {
		p.site.Fail(w, r, err)
		return
	}
	client, address := q.Get("client_id"), q.Get("redirect_uri")
	for _, values := range q {
		if len(values) != 1 {
			client = ""
		}
	}
	if !p.server.redirectable(client, address) {
		p.site.Error(w, r, http.StatusBadRequest, "csc.error.client", nil)
		return
	}
	state := q.Get("state")
	request, err := p.asked(r, q)
	if err == nil {
		request.Client, request.RedirectURI, request.State, request.Challenge = client, address, state, q.Get("code_challenge")
		err = p.server.keep(r.Context(), request)
	}
	if err != nil {
		fault := p.server.faultOf(r.Context(), "oauth2/authorize", err)
		if len(state) > maxOAuthState {
			state = ""
		}
		http.Redirect(w, r, backTo(address, state, p.server.d.Config.URL, url.Values{"error": {fault.Code}, "error_description": {fault.Description}}), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/remote-signing/"+request.ID, http.StatusSeeOther)
}

// query is what a program asks for, in the address or pushed beforehand (RFC
// 9126 §4).
func (p *pages) query(r *http.Request) (url.Values, error) {
	q := r.URL.Query()
	if !q.Has("request_uri") {
		return q, nil
	}
	if len(q["request_uri"]) != 1 || len(q["client_id"]) != 1 {
		return nil, auth.ErrCredentials
	}
	return p.server.takePushed(r.Context(), q.Get("client_id"), q.Get("request_uri"))
}

// asked reads what a program asks for by a query (v2 §8.4.2). Version 1 names
// the digests "hash".
func (p *pages) asked(r *http.Request, q url.Values) (*Request, error) {
	switch {
	case q.Get("response_type") != "code":
		return nil, oauthFault("unsupported_response_type", "Invalid parameter response_type")
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != challengeLength:
		return nil, oauthFault("invalid_request", "PKCE with S256 is required")
	case len(q.Get("state")) > maxOAuthState:
		return nil, oauthFault("invalid_request", "Invalid parameter state")
	case q.Has("authorization_details") || q.Has("request_uri") || q.Has("request"):
		return nil, oauthFault("invalid_request", "authorization_details and request are not supported")
	}
	switch q.Get("scope") {
	case "", "service":
		return &Request{Kind: kindService}, nil
	case "credential":
	default:
		return nil, oauthFault("invalid_scope", "Invalid parameter scope")
	}
	k, err := p.server.key(r.Context(), q.Get("credentialID"))
	if err != nil {
		return nil, err
	}
	total, err := strconv.Atoi(q.Get("numSignatures"))
	if err != nil || total < 1 {
		return nil, badParameter("numSignatures")
	}
	text := q.Get("hashes")
	if text == "" {
		text = q.Get("hash")
	}
	wish := wish{key: k, total: total, description: q.Get("description")}
	for word := range strings.SplitSeq(text, ",") {
		d, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(word, "="))
		if err != nil || len(d) != 32 && len(d) != 48 && len(d) != 64 {
			return nil, badParameter("hashes")
		}
		wish.digests = append(wish.digests, d)
	}
	if total > p.server.d.Config.MaxSignatures || len(wish.digests) > total {
		return nil, invalid("Numbers of signatures is too high")
	}
	if len([]rune(wish.description)) > maxDescription {
		return nil, badParameter("description")
	}
	request := requestOf(wish)
	request.Kind = kindCredential
	return request, nil
}
