package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/antin-gov/antin/internal/auth"
)

type loginView struct{ Account, Next, Error string }

type accountView struct {
	Error    string
	Done     bool
	Passkeys int64
}

// account registers the pages of signing in and of one's own account.
func (s *Site) account() {
	s.Handle("GET /{$}", Public, s.showHome)
	s.Handle("GET /", Public, func(w http.ResponseWriter, r *http.Request) {
		s.Error(w, r, http.StatusNotFound, "error.missing", nil)
	})
	s.Handle("GET /login", Public, s.showLogin)
	s.Handle("POST /login", Public, s.login)
	s.Handle("POST /login/passkey", Public, s.beginLoginPasskey)
	s.Handle("POST /logout", Public, s.logout)
	s.Handle("POST /language", Public, s.setLanguage)
	s.Handle("GET /account", SignedIn, s.showAccount)
	s.Handle("POST /account/passkey/begin", SignedIn, s.beginPasskey)
	s.Handle("POST /account/passkey", SignedIn, s.addPasskey)
}

func (s *Site) showHome(w http.ResponseWriter, r *http.Request) {
	s.shell.Render(w, r, "home", Page{Title: "home.title"})
}

func (s *Site) showLogin(w http.ResponseWriter, r *http.Request) {
	s.shell.Render(w, r, "login", Page{Title: "login.title", View: loginView{Next: safeNext(r.FormValue("next"))}})
}

func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	view := loginView{Account: r.FormValue("account"), Next: safeNext(r.FormValue("next"))}
	account, err := s.deps.Accounts.CheckPassword(r.Context(), view.Account, r.FormValue("password"))
	if err == nil {
		err = s.SecondFactor(r.Context(), account.ID, "login", FactorOf(r))
	}
	if err != nil {
		view.Error = factorKey(err)
		if view.Error == "" {
			s.Fail(w, r, err)
			return
		}
		s.shell.Render(w, r, "login", Page{Title: "login.title", Status: http.StatusUnauthorized, View: view})
		return
	}
	token, err := s.deps.Sessions.Start(r.Context(), account.ID)
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: CookieSession, Value: token, Path: "/", HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, view.Next, http.StatusSeeOther)
}

// Factor is a second factor as a form carries it: a TOTP code, or a passkey's
// challenge and answer.
type Factor struct {
	Code      string
	Challenge string
	Answer    string
}

// FactorOf reads the second factor of a form: fields code, passkey_challenge,
// passkey_answer.
func FactorOf(r *http.Request) Factor {
	return Factor{Code: strings.TrimSpace(r.FormValue("code")), Challenge: r.FormValue("passkey_challenge"), Answer: r.FormValue("passkey_answer")}
}

// SecondFactor checks a second factor for a purpose: "login", or "sign:" and
// the digest of what is to be bound.
func (s *Site) SecondFactor(ctx context.Context, accountID, purpose string, f Factor) error {
	if f.Answer != "" {
		return s.deps.Passkeys.FinishAssertion(ctx, accountID, purpose, f.Challenge, []byte(f.Answer))
	}
	return s.deps.Accounts.CheckCode(ctx, accountID, f.Code)
}

// BeginFactor answers the browser's request to use a passkey for a purpose.
func (s *Site) BeginFactor(w http.ResponseWriter, r *http.Request, accountID, purpose string) {
	options, challenge, err := s.deps.Passkeys.BeginAssertion(r.Context(), accountID, purpose)
	if err != nil {
		http.Error(w, s.T(VisitorFrom(r.Context()).Lang, "login.passkey.failed"), http.StatusForbidden)
		return
	}
	s.JSON(w, r, http.StatusOK, map[string]any{"challenge": challenge, "options": options})
}

// factorKey is the locale key of a refused factor, or "" for another error.
func factorKey(err error) string {
	switch {
	case errors.Is(err, auth.ErrLocked):
		return "login.locked"
	case errors.Is(err, auth.ErrPasskey):
		return "login.passkey.failed"
	case errors.Is(err, auth.ErrCredentials):
		return "login.wrong"
	}
	return ""
}

// FactorError returns the locale key that tells the person why a factor was
// refused, and whether err is such a refusal.
func FactorError(err error) (key string, ok bool) {
	key = factorKey(err)
	if key == "login.wrong" { // who is signed in typed a code alone
		key = "factor.wrong"
	}
	return key, key != ""
}

func (s *Site) beginLoginPasskey(w http.ResponseWriter, r *http.Request) {
	account, err := s.deps.Accounts.CheckPassword(r.Context(), r.FormValue("account"), r.FormValue("password"))
	if err != nil {
		http.Error(w, s.T(VisitorFrom(r.Context()).Lang, factorKey(err)), http.StatusForbidden)
		return
	}
	s.BeginFactor(w, r, account.ID, "login")
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	cookie, err := r.Cookie(CookieSession)
	if err == nil {
		err = s.deps.Sessions.End(r.Context(), cookie.Value)
		if err != nil {
			s.Fail(w, r, err)
			return
		}
	}
	http.SetCookie(w, &http.Cookie{Name: CookieSession, Path: "/", MaxAge: -1, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Site) setLanguage(w http.ResponseWriter, r *http.Request) {
	lang := Vietnamese
	if r.FormValue("lang") == English {
		lang = English
	}
	http.SetCookie(w, &http.Cookie{Name: cookieLang, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, Secure: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, safeNext(r.FormValue("next")), http.StatusSeeOther)
}

func (s *Site) showAccount(w http.ResponseWriter, r *http.Request) {
	s.renderAccount(w, r, accountView{Done: r.FormValue("done") != ""})
}

func (s *Site) renderAccount(w http.ResponseWriter, r *http.Request, view accountView) {
	n, err := s.deps.Passkeys.Count(r.Context(), auth.SubjectFrom(r.Context()).AccountID)
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	view.Passkeys = n
	s.shell.Render(w, r, "account", Page{Title: "account.title", View: view})
}

// beginPasskey asks for a code first: a new passkey signs documents, so a
// session alone, which may be a stolen one, must not be enough to add it (R15).
func (s *Site) beginPasskey(w http.ResponseWriter, r *http.Request) {
	account := auth.SubjectFrom(r.Context()).AccountID
	err := s.deps.Accounts.CheckCode(r.Context(), account, FactorOf(r).Code)
	key, told := FactorError(err)
	if told {
		http.Error(w, s.T(VisitorFrom(r.Context()).Lang, key), http.StatusForbidden)
		return
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	options, challenge, err := s.deps.Passkeys.BeginRegistration(r.Context(), account)
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	s.JSON(w, r, http.StatusOK, map[string]any{"challenge": challenge, "options": options})
}

func (s *Site) addPasskey(w http.ResponseWriter, r *http.Request) {
	// The library reads the authenticator's answer from a request's body.
	answer := r.Clone(r.Context())
	answer.Body = io.NopCloser(bytes.NewReader([]byte(r.FormValue("passkey_answer"))))
	answer.ContentLength = int64(len(r.FormValue("passkey_answer")))
	err := s.deps.Passkeys.FinishRegistration(r.Context(), auth.SubjectFrom(r.Context()).AccountID, r.FormValue("passkey_challenge"), r.FormValue("name"), answer)
	if errors.Is(err, auth.ErrPasskey) {
		s.renderAccount(w, r, accountView{Error: "login.passkey.failed"})
		return
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/account?done=1", http.StatusSeeOther)
}

// JSON writes v as JSON.
func (s *Site) JSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the reader went away: nothing to tell it
}

// safeNext keeps a redirect on this site. Browsers drop tabs and line ends
// within an address (WHATWG URL §4.4), so "/<tab>/host" would lead away.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.HasPrefix(next, "/\\") ||
		strings.ContainsFunc(next, unicode.IsControl) {
		return "/"
	}
	return next
}
