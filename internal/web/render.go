package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/auth"
)

// Pages are the templates of one room over the shell's layout.
type Pages struct {
	site  *Site
	pages map[string]*template.Template
}

// Page is what a handler gives to Render.
type Page struct {
	// Title is a locale key; TitleText wins where the title is data.
	Title     string
	TitleText string
	// Scripts are asset names without their ending: "chart", "sign".
	Scripts []string
	// ExerciseID makes the layout put the exercise frame around the page.
	ExerciseID string
	// Status is the HTTP status; 0 means 200.
	Status int
	// View is the page's own typed data.
	View any
}

// frame is what templates see.
type frame struct {
	Page
	Visitor Visitor
	Nav     []navGroup
	Path    string
	Here    string // path and query, for the language switch
	View    any
}

// Pages reads a room's templates (templates/*.html, each defining "main") and
// its locale files (locales/vi.json, locales/en.json). Names beginning with an
// underscore are partials of all.
func (s *Site) Pages(room fs.FS) (*Pages, error) {
	err := s.text.add(room)
	if err != nil {
		return nil, err
	}
	base, err := template.New("layout.html").Funcs(s.funcs(Vietnamese)).ParseFS(shell, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	partials, err := fs.Glob(room, "templates/_*.html")
	if err != nil {
		return nil, err
	}
	if len(partials) > 0 {
		base, err = base.ParseFS(room, partials...)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStart, err)
		}
	}
	names, err := fs.Glob(room, "templates/*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{site: s, pages: make(map[string]*template.Template, len(names))}
	for _, name := range names {
		file := path.Base(name)
		if strings.HasPrefix(file, "_") || file == "layout.html" {
			continue
		}
		clone, err := base.Clone()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStart, err)
		}
		page, err := clone.ParseFS(room, name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStart, err)
		}
		p.pages[strings.TrimSuffix(file, ".html")] = page
	}
	return p, nil
}

// Render writes the page in the visitor's language. The page is complete
// before its first byte leaves: an error is an error page, not half a page.
func (p *Pages) Render(w http.ResponseWriter, r *http.Request, name string, page Page) {
	v := VisitorFrom(r.Context())
	body, err := p.execute(name, v, r, page)
	if err != nil {
		p.site.deps.Logger.ErrorContext(r.Context(), "page not rendered", slog.String("page", name), slog.Any("error", err))
		http.Error(w, p.site.T(v.Lang, "error.internal"), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.Lang)
	if page.Status != 0 {
		w.WriteHeader(page.Status)
	}
	_, err = w.Write(body)
	if err != nil {
		p.site.deps.Logger.DebugContext(r.Context(), "page not delivered", slog.Any("error", err))
	}
}

func (p *Pages) execute(name string, v Visitor, r *http.Request, page Page) ([]byte, error) {
	t, ok := p.pages[name]
	if !ok {
		return nil, fmt.Errorf("no template %q", name)
	}
	// The clone binds the language: a shared template cannot.
	t, err := t.Clone()
	if err != nil {
		return nil, err
	}
	here := *r.URL
	q := here.Query()
	q.Del("lang")
	here.RawQuery = q.Encode()
	var out bytes.Buffer
	err = t.Funcs(p.site.funcs(v.Lang)).ExecuteTemplate(&out, "layout.html", frame{
		Page: page, Visitor: v, Nav: p.site.navFor(v, r.URL.Path), Path: r.URL.Path, Here: here.RequestURI(), View: page.View,
	})
	return out.Bytes(), err
}

// Error writes an error page: what was wrong and what to do, by locale keys
// key and key + ".do". The cause is logged, not shown.
func (s *Site) Error(w http.ResponseWriter, r *http.Request, status int, key string, cause error) {
	if cause != nil {
		s.deps.Logger.WarnContext(r.Context(), "request refused", slog.String("path", r.URL.Path), slog.Int("status", status), slog.Any("error", cause))
	}
	s.shell.Render(w, r, "error", Page{Title: "error.title", Status: status, View: key})
}

// Fail writes the error page that fits the error: a refusal by policy is 403,
// anything else is 500 with a record in the log.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, auth.ErrDenied) {
		s.Error(w, r, http.StatusForbidden, "error.denied", err)
		return
	}
	s.Error(w, r, http.StatusInternalServerError, "error.internal", err)
}

// T returns the text of the key in the language; args are names and values in
// turn.
func (s *Site) T(lang, key string, args ...any) string { return s.text.get(lang, key, args...) }

// funcs are the words of the templates in a language:
//
//	{{t "sign.title"}} {{t "sign.count" "N" 3}}   text from the locale files
//	{{when .At}}                                  local time, exact ISO time on hover
//	{{lang}}                                      "vi" or "en"
//	{{pick .Name .NameEN}}                        the one in the visitor's language
//	{{hash .Digest}}                              a shortened digest with the whole one on hover
//	{{dict "A" 1 "B" 2}}                          arguments for a partial
func (s *Site) funcs(lang string) template.FuncMap {
	return template.FuncMap{
		"t":    func(key string, args ...any) string { return s.text.get(lang, key, args...) },
		"lang": func() string { return lang },
		"when": func(at any) template.HTML { return when(at) },
		"pick": func(vi, en string) string {
			if lang == English && en != "" {
				return en
			}
			return vi
		},
		"hash": func(digest string) template.HTML {
			short := digest
			if len(short) > 16 {
				short = short[:12] + "…"
			}
			return template.HTML(`<code title="` + template.HTMLEscapeString(digest) + `">` + template.HTMLEscapeString(short) + `</code>`)
		},
		"dict": func(args ...any) (map[string]any, error) {
			m := make(map[string]any, len(args)/2)
			for i := 0; i+1 < len(args); i += 2 {
				key, ok := args[i].(string)
				if !ok {
					return nil, fmt.Errorf("dict: argument %d is not a name", i)
				}
				m[key] = args[i+1]
			}
			return m, nil
		},
	}
}

func when(at any) template.HTML {
	var moment time.Time
	switch at := at.(type) {
	case time.Time:
		moment = at
	case *time.Time:
		if at != nil {
			moment = *at
		}
	}
	if moment.IsZero() {
		return "–"
	}
	moment = moment.In(local)
	return template.HTML(`<time class="nowrap" datetime="` + moment.Format(time.RFC3339Nano) + `" title="` + moment.Format("2006-01-02T15:04:05.000-07:00") + `">` +
		moment.Format("02/01/2006 15:04:05") + `</time>`)
}

func queryEscape(s string) string { return url.QueryEscape(s) }
