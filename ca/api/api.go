// Package api is the REST interface of certification and registration under
// /api/v1/ca (OpenAPI 3.1, RFC 9457 problems in Vietnamese and English). It
// decides nothing: every call acts as an account, by a bearer token (RFC 6750)
// or a client certificate of our own authority, and the services ask the policy
// as they do for the console.
//
// There are no cookies here, so no page of another site can act through a
// browser.
package api

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/time/rate"

	"github.com/antin-gov/antin/ca"
	"github.com/antin-gov/antin/ca/ra"
	"github.com/antin-gov/antin/ca/ra/sheet"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
)

// Path is where the interface stands.
const Path = "/api/v1/ca"

// Scopes of credentials. A credential without the scope of a call may not make
// it, whatever its account may do.
const (
	ScopeRead    = "ca.read"    // see requests, certificates and files
	ScopeRequest = "ca.request" // make requests, attach to them, take them back
	ScopeDecide  = "ca.decide"  // confirm, approve, reject, return
	ScopeIssue   = "ca.issue"   // carry out, hand over
	ScopeRevoke  = "ca.revoke"  // revoke, hold, release
)

// Scopes lists the scopes.
func Scopes() []string {
	return []string{ScopeRead, ScopeRequest, ScopeDecide, ScopeIssue, ScopeRevoke}
}

// Limits of calls.
const (
	maxBody     = 256 << 10
	callsPer    = 20 // a second and account
	callsBurst  = 60
	strangers   = 5 // failed sign-ins a second, all together
	maxLimiters = 10000
	bodyTime    = 60 * time.Second
)

// Deps are what the interface stands on.
type Deps struct {
	CA     *ca.Service
	Tokens *auth.Tokens
	Logger *slog.Logger
	Clock  clock.Clock
	// Issue carries out a request, RunBulk a file of them; they bind keys of the
	// token to their certificates.
	Issue   func(ctx context.Context, id string) (*ca.Certificate, error)
	RunBulk func(ctx context.Context, id string, run ra.Run) (*ra.Job, error)
	// Client verifies the chain that a client brought, at every call: path and
	// whether it stands. Without it only tokens are taken.
	Client func(ctx context.Context, chain []*x509.Certificate) error
}

// API serves the interface.
type API struct {
	deps     Deps
	handler  http.Handler
	stranger *rate.Limiter

	mu       sync.Mutex
	limiters map[string]*rate.Limiter // guarded by mu
	running  map[string]bool          // jobs under way here; guarded by mu

	ctx  context.Context // ends the runs of files
	stop context.CancelFunc
	runs sync.WaitGroup
}

// New builds the interface. Close ends the runs that it started.
func New(ctx context.Context, deps Deps) (*API, error) {
	if deps.CA == nil || deps.Tokens == nil || deps.Logger == nil || deps.Clock == nil || deps.Issue == nil || deps.RunBulk == nil {
		return nil, errors.New("ca/api: a dependency is missing")
	}
	a := &API{deps: deps, stranger: rate.NewLimiter(strangers, strangers*4), limiters: make(map[string]*rate.Limiter), running: make(map[string]bool)}
	a.ctx, a.stop = context.WithCancel(ctx)
	mux := http.NewServeMux()
	cfg := huma.DefaultConfig("Ấn Tín: chứng thực và đăng ký", "1.0.0")
	// The documentation page would load scripts of another site.
	cfg.DocsPath, cfg.SchemasPath, cfg.OpenAPIPath, cfg.CreateHooks = "", "", Path+"/openapi", nil
	cfg.Transformers = append(cfg.Transformers, localise)
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer":      {Type: "http", Scheme: "bearer", Description: "antin account token create"},
		"certificate": {Type: "mutualTLS", Description: "antin account token create --certificate"},
	}
	cfg.Security = []map[string][]string{{"bearer": {}}, {"certificate": {}}}
	h := humago.New(mux, cfg)
	a.requests(h)
	a.certificates(h)
	a.bulk(h)
	a.handler = a.signedIn(mux)
	return a, nil
}

// Close ends the runs of files; what they have not done the next run does.
func (a *API) Close() error {
	a.stop()
	a.runs.Wait()
	return nil
}

// ServeHTTP serves every path below Path.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

type tokenKey struct{}

// signedIn finds out who calls. The description of the interface is for
// everybody.
func (a *API) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if strings.HasPrefix(r.URL.Path, Path+"/openapi") {
			next.ServeHTTP(w, r)
			return
		}
		account, token, err := a.caller(r)
		if err != nil {
			if !errors.Is(err, auth.ErrCredentials) {
				a.deps.Logger.ErrorContext(r.Context(), "API sign-in failed", slog.Any("error", err))
			}
			if !a.stranger.AllowN(a.deps.Clock.Now(), 1) {
				write(w, problemOf(codeRate, language(r.Header.Get("Accept-Language"))))
				return
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="antin"`)
			write(w, problemOf(codeSignIn, language(r.Header.Get("Accept-Language"))))
			return
		}
		if !a.limiter(account.ID).AllowN(a.deps.Clock.Now(), 1) {
			w.Header().Set("Retry-After", "1")
			write(w, problemOf(codeRate, language(r.Header.Get("Accept-Language"))))
			return
		}
		limit := int64(maxBody)
		if r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/bulk") || strings.HasSuffix(r.URL.Path, "/documents")) {
			limit = sheet.MaxFile + 1
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		ctx := context.WithValue(auth.WithSubject(r.Context(), account.Subject()), tokenKey{}, token)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// caller is the account of the bearer token, or of the client certificate; one
// that does not stand is nobody's.
func (a *API) caller(r *http.Request) (*auth.Account, *auth.Token, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if secret != "" {
		if !strings.EqualFold(scheme, "Bearer") {
			return nil, nil, auth.ErrCredentials
		}
		return a.deps.Tokens.ByBearer(r.Context(), strings.TrimSpace(secret))
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 || a.deps.Client == nil {
		return nil, nil, auth.ErrCredentials
	}
	account, token, err := a.deps.Tokens.ByCertificate(r.Context(), r.TLS.PeerCertificates[0])
	if err != nil {
		return nil, nil, err
	}
	err = a.deps.Client(r.Context(), r.TLS.PeerCertificates)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: client certificate: %w", auth.ErrCredentials, err)
	}
	return account, token, nil
}

func (a *API) limiter(account string) *rate.Limiter {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.limiters[account]
	if l == nil {
		if len(a.limiters) > maxLimiters {
			clear(a.limiters)
		}
		l = rate.NewLimiter(callsPer, callsBurst)
		a.limiters[account] = l
	}
	return l
}

// operation is what register needs to know of a call.
type operation struct {
	id, method, path, summary, tag, scope string
	status                                int
	body                                  int64
}

// register adds a call: its scope is looked at, and its error becomes a problem.
func register[I, O any](a *API, h huma.API, op operation, call func(ctx context.Context, in *I) (*O, error)) {
	if op.body == 0 {
		op.body = maxBody
	}
	huma.Register(h, huma.Operation{
		OperationID: op.id, Method: op.method, Path: Path + op.path, Summary: op.summary, Tags: []string{op.tag}, DefaultStatus: op.status,
		Description: "Scope: " + op.scope, MaxBodyBytes: op.body, BodyReadTimeout: bodyTime,
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, func(ctx context.Context, in *I) (*O, error) {
		token, _ := ctx.Value(tokenKey{}).(*auth.Token)
		var err error
		var out *O
		if token == nil || !token.Allows(op.scope) {
			err = fmt.Errorf("%w: want %s", auth.ErrScope, op.scope)
		} else {
			out, err = call(ctx, in)
		}
		if err != nil {
			return nil, a.fault(ctx, op.id, err)
		}
		return out, nil
	})
}

// body is an answer with a JSON body.
type body[T any] struct{ Body T }

func answer[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{Body: v}, nil
}
