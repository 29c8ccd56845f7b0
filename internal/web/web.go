// Package web is the console's shell: sessions, languages, the layout around
// every page, and the one place that writes headers. Rooms bring their pages
// as a folder of templates and locale files (see Site.Pages) and register
// handlers; the shell knows nothing of what they do.
//
// Every page works without JavaScript; the Content-Security-Policy allows no
// inline script and no other origin.
package web

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
)

// CookieSession is the session's cookie. The prefix makes browsers refuse it
// over plain HTTP or from another host (RFC 6265bis §4.1.3).
const (
	CookieSession = "__Host-antin"
	cookieLang    = "antin-lang"
)

// maxForm limits a form; handlers of uploads set their own limit.
const maxForm = 1 << 20

//go:embed templates locales
var shell embed.FS

//go:embed all:assets/dist
var assets embed.FS

// Access says who may open a page.
type Access int

const (
	// Public pages are open to anyone.
	Public Access = iota
	// SignedIn pages ask for a log-in first. What the person may do there is
	// the policy's to say.
	SignedIn
)

// NavItem is an entry of the navigation. Key is a locale key; Group is one of
// "documents", "security", "data", "trust".
type NavItem struct {
	Group, Path, Key string
	// Roles that see the entry; none means everybody who is signed in.
	Roles []string
	// Public entries are shown to people who are not signed in as well.
	Public bool
}

// Deps are what the shell needs.
type Deps struct {
	Accounts  *auth.Accounts
	Sessions  *auth.Sessions
	Passkeys  *auth.Passkeys
	Directory *directory.Directory
	Clock     clock.Clock
	Logger    *slog.Logger
}

// Site is the console under construction and, through Handler, in service.
type Site struct {
	deps  Deps
	mux   *http.ServeMux
	nav   []NavItem
	text  *texts
	shell *Pages
}

// ErrStart means that a template or a locale file is wrong; the console does
// not start with it.
var ErrStart = errors.New("web: the console cannot start")

// New returns the shell with the log-in and account pages.
func New(d Deps) (*Site, error) {
	s := &Site{deps: d, mux: http.NewServeMux(), text: newTexts()}
	pages, err := s.Pages(shell)
	if err != nil {
		return nil, err
	}
	s.shell = pages
	dist, err := fs.Sub(assets, "assets/dist")
	if err != nil {
		return nil, err
	}
	s.mux.Handle("GET /assets/", http.StripPrefix("/assets/", cached(http.FileServerFS(dist))))
	s.account()
	return s, nil
}

// Nav adds entries to the navigation.
func (s *Site) Nav(items ...NavItem) { s.nav = append(s.nav, items...) }

// Handle registers a handler for a pattern of net/http's ServeMux
// ("GET /incidents/{id}"). The subject is in the request's context.
func (s *Site) Handle(pattern string, access Access, h http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := s.visitor(r)
		ctx := context.WithValue(auth.WithSubject(r.Context(), v.Subject), visitorKey{}, v)
		r = r.WithContext(ctx)
		// net/http removes the temporary files of an upload only from the
		// request that it made itself, not from this copy.
		defer removeUpload(r)
		if !legible(r) {
			s.Error(w, r, http.StatusNotFound, "error.missing", nil)
			return
		}
		if access == SignedIn && v.Subject.AccountID == "" {
			if r.Method == http.MethodGet {
				http.Redirect(w, r, "/login?next="+queryEscape(r.URL.RequestURI()), http.StatusSeeOther)
				return
			}
			s.Error(w, r, http.StatusUnauthorized, "error.session", nil)
			return
		}
		h(w, r)
	})
}

// legible tells whether address and fields of a request are text, as they are
// whenever a browser wrote them: valid UTF-8 without NUL, which no database
// takes. The fields of an upload are its handler's to look at.
func legible(r *http.Request) bool {
	plain := func(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
	if !plain(r.URL.Path) {
		return false
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		_ = r.ParseForm() // a form that cannot be read lacks its fields, which its handler refuses
	}
	for _, values := range []url.Values{r.URL.Query(), r.PostForm} {
		for name, list := range values {
			if !plain(name) || slices.ContainsFunc(list, func(s string) bool { return !plain(s) }) {
				return false
			}
		}
	}
	return true
}

// Handler returns the console as an HTTP handler; it checks that every text
// that was registered stands in both languages.
func (s *Site) Handler() (http.Handler, error) {
	err := s.text.check()
	if err != nil {
		return nil, err
	}
	for _, item := range s.nav {
		if !s.text.has(item.Key) {
			return nil, fmt.Errorf("%w: navigation text %q is in no locale file", ErrStart, item.Key)
		}
	}
	guard := http.NewCrossOriginProtection()
	return s.recovered(headers(limited(guard.Handler(s.mux)))), nil
}

// recovered turns a handler's panic into an error page and a log line: no
// panic reaches a person.
func (s *Site) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			if fault == http.ErrAbortHandler {
				panic(fault)
			}
			s.deps.Logger.ErrorContext(r.Context(), "page failed", slog.String("path", r.URL.Path), slog.Any("fault", fault))
			s.Error(w, r, http.StatusInternalServerError, "error.internal", nil)
		}()
		next.ServeHTTP(w, r)
	})
}

type bodyKey struct{}

// limited bounds the body of every request; a handler that takes an upload
// asks for more by AllowUpload.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), bodyKey{}, r.Body))
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// AllowUpload lets the request's body have up to limit bytes. It must be
// called before anything of the body is read.
func AllowUpload(w http.ResponseWriter, r *http.Request, limit int64) {
	body, ok := r.Context().Value(bodyKey{}).(io.ReadCloser)
	if !ok {
		body = r.Body
	}
	r.Body = http.MaxBytesReader(w, body, limit)
}

func removeUpload(r *http.Request) {
	if r.MultipartForm != nil {
		_ = r.MultipartForm.RemoveAll() // what cannot be removed lies in the system's temporary folder
	}
}

// contentSecurity allows only what the console itself serves. The images of a
// previewed document are data and blob URLs; style attributes are pdf.js's and
// ECharts' way to place what they draw.
const contentSecurity = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
	"font-src 'self' data: blob:; connect-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurity)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Strict-Transport-Security", "max-age=31536000")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600")
		next.ServeHTTP(w, r)
	})
}

// Visitor is who looks at a page: the subject, what the top bar shows of them,
// and their language.
type Visitor struct {
	Subject Subject
	Name    string
	Title   string
	Agency  string
	Lang    string
}

// Subject is auth's.
type Subject = auth.Subject

type visitorKey struct{}

// VisitorFrom returns who looks at the page.
func VisitorFrom(ctx context.Context) Visitor {
	v, ok := ctx.Value(visitorKey{}).(Visitor)
	if !ok {
		return Visitor{Lang: Vietnamese}
	}
	return v
}

func (s *Site) visitor(r *http.Request) Visitor {
	v := Visitor{Lang: languageOf(r)}
	cookie, err := r.Cookie(CookieSession)
	if err != nil {
		return v
	}
	account, err := s.deps.Sessions.Account(r.Context(), cookie.Value)
	if err != nil {
		if !errors.Is(err, auth.ErrCredentials) {
			s.deps.Logger.ErrorContext(r.Context(), "session not read", slog.Any("error", err))
		}
		return v
	}
	v.Subject, v.Name = account.Subject(), account.ID
	person, err := s.deps.Directory.Person(r.Context(), account.PersonID)
	if err == nil {
		v.Name = person.Name
	}
	position, err := s.deps.Directory.Position(r.Context(), account.PersonID, s.deps.Clock.Now())
	if err == nil {
		v.Title = position.Title
		if v.Lang == English && position.TitleEN != "" {
			v.Title = position.TitleEN
		}
	}
	agency, err := s.deps.Directory.Agency(r.Context(), account.AgencyID)
	if err == nil {
		v.Agency = agency.Title(v.Lang)
	}
	return v
}

func (s *Site) navFor(v Visitor, path string) []navGroup {
	// Of entries that stand below one another the nearest is the current one.
	current := ""
	for _, item := range s.nav {
		if (path == item.Path || under(path, item.Path)) && len(item.Path) > len(current) {
			current = item.Path
		}
	}
	var groups []navGroup
	for _, name := range []string{"documents", "security", "data", "trust"} {
		g := navGroup{Key: "nav." + name}
		for _, item := range s.nav {
			signedIn := v.Subject.AccountID != ""
			shown := item.Public || signedIn && (len(item.Roles) == 0 || v.Subject.Has(auth.RoleAdmin) || slices.ContainsFunc(item.Roles, v.Subject.Has))
			if item.Group == name && shown {
				g.Items = append(g.Items, navLink{Path: item.Path, Key: item.Key, Current: item.Path == current})
			}
		}
		if len(g.Items) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

func under(path, prefix string) bool {
	return len(path) > len(prefix) && path[:len(prefix)] == prefix && path[len(prefix)] == '/'
}

type navGroup struct {
	Key   string
	Items []navLink
}

type navLink struct {
	Path, Key string
	Current   bool
}

// local is the province's time zone: Viet Nam has one and no summer time.
var local = time.FixedZone("+07", 7*60*60)
