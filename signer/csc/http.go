package csc

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/antin-gov/antin/internal/auth"
)

// caller is who calls: an account by a credential, and perhaps an access token
// of the scope "credential", which is a grant.
type caller struct {
	subject auth.Subject
	// client names the program in records.
	client string
	// grant comes with an access token that allows to sign and nothing else.
	grant *Grant
	// basic says that there are a user and a password instead (RFC 7617).
	basic          bool
	user, password string
}

// call answers a method: a status and a value for the body, nil for none.
type call func(ctx context.Context, c caller, p params) (int, any, error)

// method is a method of the interface.
type method struct {
	name  string
	do    call
	open  bool  // for everybody
	basic bool  // for everybody, with a user and a password
	sign  bool  // an access token of the scope "credential" is enough
	spent bool  // even one that is used up
	body  int64 // 0 means maxBody
}

// ok is an answer with a body.
func ok(v any, err error) (int, any, error) { return http.StatusOK, v, err }

func (s *Server) routes() {
	for version, methods := range map[string][]method{"v1": s.v1(), "v2": s.v2()} {
		for _, m := range methods {
			s.mux.HandleFunc(Path+"/"+version+"/"+m.name, s.serve(m))
		}
		s.mux.HandleFunc(Path+"/"+version+"/", func(w http.ResponseWriter, _ *http.Request) {
			writeFault(w, &Fault{http.StatusNotImplemented, "invalid_request", "The method is not implemented"})
		})
	}
	s.mux.HandleFunc("POST "+Path+"/oauth2/token", s.token)
	s.mux.HandleFunc("POST "+Path+"/oauth2/revoke", s.revoke)
	s.mux.HandleFunc("POST "+Path+"/oauth2/pushed_authorize", s.push)
	s.mux.HandleFunc("GET "+Path+"/logo.png", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(s.logo) // the caller has gone
	})
}

// v2 are the methods of version 2.
func (s *Server) v2() []method {
	return []method{
		{name: "info", do: s.infoV2, open: true},
		{name: "credentials/list", do: s.listV2},
		{name: "credentials/info", do: s.credentialV2},
		{name: "credentials/authorize", do: s.authorizeV2},
		{name: "credentials/authorizeCheck", do: s.authorizeCheck},
		{name: "credentials/getChallenge", do: s.getChallenge},
		{name: "credentials/extendTransaction", do: s.extendV2},
		{name: "signatures/signHash", do: s.signHashV2, sign: true},
		{name: "signatures/signDoc", do: s.signDoc, sign: true, body: maxDocuments},
		{name: "signatures/signPolling", do: s.signPolling, sign: true, spent: true},
		{name: "signatures/timestamp", do: s.timestamp},
	}
}

// v1 are the methods of version 1.
func (s *Server) v1() []method {
	return []method{
		{name: "info", do: s.infoV1, open: true},
		{name: "auth/login", do: s.login, basic: true},
		{name: "auth/revoke", do: s.logout},
		{name: "credentials/list", do: s.listV1},
		{name: "credentials/info", do: s.credentialV1},
		{name: "credentials/authorize", do: s.authorizeV1},
		{name: "credentials/extendTransaction", do: s.extendV1},
		{name: "signatures/signHash", do: s.signHashV1, sign: true},
		{name: "signatures/timestamp", do: s.timestamp},
	}
}

// names are the methods of a version as info tells them.
func names(methods []method) []string {
	var list []string
	for _, m := range methods {
		list = append(list, m.name)
	}
	return append(list, "oauth2/authorize", "oauth2/pushed_authorize", "oauth2/token", "oauth2/revoke")
}

// ServeHTTP serves every path below Path but the page of oauth2/authorize,
// which is the console's.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Strict-Transport-Security", "max-age=31536000")
	defer func() {
		fault := recover()
		if fault == nil {
			return
		}
		if fault == http.ErrAbortHandler {
			panic(fault)
		}
		s.d.Logger.ErrorContext(r.Context(), "remote signing failed", slog.String("path", r.URL.Path), slog.Any("fault", fault))
		writeFault(w, errServer())
	}()
	s.mux.ServeHTTP(w, r)
}

func (s *Server) serve(m method) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			writeFault(w, &Fault{http.StatusMethodNotAllowed, "invalid_request", "The method is POST"})
			return
		}
		var c caller
		var err error
		switch {
		case m.basic:
			c, err = basicCaller(r)
		case !m.open:
			c, err = s.caller(r, m)
			if err == nil && !s.of(c.subject.AccountID).calls.AllowN(s.d.Clock.Now(), 1) {
				err = errBusy()
			}
		}
		var p params
		if err == nil {
			p, err = body(w, r, m.body)
		}
		if err != nil {
			writeFault(w, s.faultOf(r.Context(), m.name, err))
			return
		}
		ctx := auth.WithSubject(r.Context(), c.subject)
		status, answer, err := m.do(ctx, c, p)
		if err != nil {
			writeFault(w, s.faultOf(ctx, m.name, err))
			return
		}
		writeJSON(w, status, answer)
	}
}

// body reads the object of a request; no body at all is an empty object.
func body(w http.ResponseWriter, r *http.Request, limit int64) (params, error) {
	if limit == 0 {
		limit = maxBody
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &Fault{http.StatusRequestEntityTooLarge, "invalid_request", "The request is too large"}
	}
	if err != nil {
		return nil, invalid("The request could not be read")
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return params{}, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, invalid("The content type is not application/json")
	}
	p, err := parseParams(b)
	if err != nil {
		return nil, invalid("The request is not a JSON object with each parameter once")
	}
	return p, nil
}

// basicCaller reads a user and a password, where there are any.
func basicCaller(r *http.Request) (caller, error) {
	if r.Header.Get("Authorization") == "" {
		return caller{}, nil
	}
	user, password, right := r.BasicAuth()
	if !right || len(user) > maxSecret || len(password) > maxSecret {
		return caller{}, invalid("Malformed authorization header")
	}
	return caller{basic: true, user: user, password: password}, nil
}

// caller finds out who calls. One answer stands for every token that does not
// hold, and strangers share one rate.
func (s *Server) caller(r *http.Request, m method) (caller, error) {
	values := r.Header.Values("Authorization")
	scheme, secret, _ := strings.Cut(strings.Join(values, ","), " ")
	secret = strings.TrimSpace(secret)
	if len(values) > 0 && (len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || secret == "" || len(secret) > maxSecret) {
		return caller{}, invalid("Malformed authorization header")
	}
	c, err := s.bearer(r.Context(), secret, m)
	if err == nil {
		return c, nil
	}
	if !errors.Is(err, auth.ErrCredentials) {
		return caller{}, err
	}
	if !s.stranger.AllowN(s.d.Clock.Now(), 1) {
		return caller{}, errBusy()
	}
	return caller{}, errToken()
}

func (s *Server) bearer(ctx context.Context, secret string, m method) (caller, error) {
	if m.sign && strings.HasPrefix(secret, secretPrefix) {
		return s.bearerGrant(ctx, secret, m.spent)
	}
	account, token, err := s.d.Tokens.ByBearer(ctx, secret)
	if err != nil {
		return caller{}, err
	}
	if !token.Allows(Scope) {
		return caller{}, &Fault{http.StatusForbidden, "insufficient_scope", "The access token is not for this service"}
	}
	return caller{subject: account.Subject(), client: token.ID}, nil
}

// bearerGrant is an access token of the scope "credential".
func (s *Server) bearerGrant(ctx context.Context, secret string, spent bool) (caller, error) {
	var g Grant
	err := s.d.DB.NewSelect().Model(&g).Where("secret_sha256 = ?", hexDigest(secret)).Where("bearer").Limit(1).Scan(ctx)
	if err != nil {
		return caller{}, notThere(err)
	}
	account, err := s.d.Accounts.Get(ctx, g.AccountID)
	if err != nil {
		return caller{}, err
	}
	if account.Disabled || g.EndedAt != nil || g.Used >= g.Total && !spent || !s.d.Clock.Now().Before(g.ExpiresAt) {
		return caller{}, auth.ErrCredentials
	}
	return caller{subject: account.Subject(), client: g.Client, grant: &g}, nil
}

// drawLogo makes the picture that info names: a seal's red disc with a star's
// gold in it, as plain as its size.
func drawLogo() ([]byte, error) {
	const side, outer, inner = 64, 30, 12
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.Transparent, color.RGBA{0xc8, 0x10, 0x2e, 0xff}, color.RGBA{0xff, 0xd1, 0x00, 0xff}})
	for y := range side {
		for x := range side {
			dx, dy := x-side/2, y-side/2
			switch d := dx*dx + dy*dy; {
			case d <= inner*inner:
				img.SetColorIndex(x, y, 2)
			case d <= outer*outer:
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, img)
	return out.Bytes(), err
}
