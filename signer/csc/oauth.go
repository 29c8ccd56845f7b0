package csc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// The authorization server: code with PKCE (RFC 7636, S256 alone) for public
// clients that the configuration names, with exact redirect URIs (RFC 9700
// §2.1).

// Limits.
const (
	codeLife    = time.Minute
	serviceLife = time.Hour
	maxForm     = 16 << 10
	// challengeLength is that of a SHA-256 in base64url; verifiers are bounded by
	// RFC 7636 §4.1.
	challengeLength            = 43
	minVerifier, maxVerifier   = 43, 128
	maxClientID, maxOAuthState = 64, 1024
)

// checkClients refuses a client that could not be answered safely: an address
// is https, loopback, or an application's own scheme.
func checkClients(clients map[string][]string) error {
	for id, addresses := range clients {
		if id == "" || len(id) > maxClientID || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) || len(addresses) == 0 {
			return fmt.Errorf("%w: client %q: want an id of 1 to %d ASCII characters and an address", ErrStart, id, maxClientID)
		}
		for _, a := range addresses {
			u, err := url.Parse(a)
			local := err == nil && u.Scheme == "http" && slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
			app := err == nil && strings.Contains(u.Scheme, ".")
			if err != nil || u.Fragment != "" || u.User != nil || !(u.Scheme == "https" && u.Host != "" || local || app) {
				return fmt.Errorf("%w: client %q: %q is not https://…, http://127.0.0.1… or an application's own scheme (reverse domain)", ErrStart, id, a)
			}
		}
	}
	return nil
}

// redirectable says whether the client may be answered at the address.
func (s *Server) redirectable(client, address string) bool {
	return address != "" && slices.Contains(s.d.Config.Clients[client], address)
}

// oauthFault is an error of the token endpoint (RFC 6749 §5.2).
func oauthFault(code, description string) *Fault {
	return &Fault{http.StatusBadRequest, code, description}
}

// form reads a form of a program. The parameters stand in the body alone, each
// once (RFC 6749 §3.2).
func form(w http.ResponseWriter, r *http.Request, most int64) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := r.ParseForm()
	if err != nil {
		return nil, oauthFault("invalid_request", "The request is not a form")
	}
	for name, values := range r.PostForm {
		if len(values) != 1 {
			return nil, oauthFault("invalid_request", "Parameter repeated: "+strings.ToValidUTF8(name, ""))
		}
	}
	return r.PostForm, nil
}

// token answers oauth2/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	answer, err := s.exchange(w, r)
	if err != nil {
		writeFault(w, s.faultOf(r.Context(), "oauth2/token", err))
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	f, err := form(w, r, maxForm)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"client_id", "grant_type"} {
		if f.Get(name) == "" {
			return nil, oauthFault("invalid_request", "Missing parameter "+name)
		}
	}
	if s.d.Config.Clients[f.Get("client_id")] == nil {
		return nil, oauthFault("invalid_client", "Invalid parameter client_id")
	}
	exchange, told, parameter := s.byCode, "Authorization code is invalid or expired", "code"
	switch f.Get("grant_type") {
	case "authorization_code":
	case "refresh_token":
		exchange, told, parameter = s.byRefresh, "Refresh token is invalid or expired", "refresh_token"
	default:
		return nil, oauthFault("unsupported_grant_type", "Invalid parameter grant_type")
	}
	if f.Get(parameter) == "" {
		return nil, oauthFault("invalid_request", "Missing parameter "+parameter)
	}
	answer, err := exchange(r.Context(), f)
	if errors.Is(err, auth.ErrCredentials) {
		if !s.stranger.AllowN(s.d.Clock.Now(), 1) {
			return nil, errBusy()
		}
		return nil, oauthFault("invalid_grant", told)
	}
	return answer, err
}

func (s *Server) byRefresh(ctx context.Context, f url.Values) (map[string]any, error) {
	return s.refreshed(ctx, f.Get("refresh_token"), f.Get("client_id"))
}

func (s *Server) byCode(ctx context.Context, f url.Values) (map[string]any, error) {
	request, err := s.redeem(ctx, f)
	if err != nil {
		return nil, err
	}
	account, err := s.d.Accounts.Get(ctx, request.AccountID)
	if err != nil || account.Disabled {
		return nil, auth.ErrCredentials
	}
	ctx = auth.WithSubject(ctx, account.Subject())
	if request.Kind == kindService {
		return s.session(ctx, account, request.Client, true, nil)
	}
	wish, err := s.wish(ctx, request)
	if err != nil {
		return nil, err
	}
	secret, g, err := s.grant(ctx, newGrant{key: wish.key, total: wish.total, digests: wish.digests, factor: request.Factor, client: request.Client, bearer: true})
	if err != nil {
		return nil, err
	}
	return map[string]any{"access_token": secret, "token_type": "Bearer", "expires_in": int(g.ExpiresAt.Sub(s.d.Clock.Now()) / time.Second), "credentialID": wish.key.Name}, nil
}

// redeem takes a code. The first who brings it uses it up, right or wrong: a
// code that somebody else has seen is good for nobody. One answer,
// auth.ErrCredentials, stands for everything that does not hold.
func (s *Server) redeem(ctx context.Context, f url.Values) (*Request, error) {
	var r Request
	err := s.d.DB.NewSelect().Model(&r).Where("secret_sha256 = ?", hexDigest(f.Get("code"))).Where("status = ?", stateAllowed).
		Where("kind <> ?", kindHandle).Where("expires_at > ?", s.d.Clock.Now()).Scan(ctx)
	if err != nil {
		return nil, notThere(err)
	}
	err = s.answer(ctx, &r, stateAllowed, stateDone, "", 0)
	if errors.Is(err, errAnswered) {
		return nil, auth.ErrCredentials
	}
	if err != nil {
		return nil, err
	}
	verifier := f.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	right := subtle.ConstantTimeCompare([]byte(challenge), []byte(r.Challenge)) == 1
	if !right || len(verifier) < minVerifier || len(verifier) > maxVerifier || f.Get("client_id") != r.Client || f.Get("redirect_uri") != r.RedirectURI {
		return nil, auth.ErrCredentials
	}
	return &r, nil
}

// notThere turns the absence of a row into the one answer to credentials that
// do not hold.
func notThere(err error) error {
	if store.IsNotFound(err) {
		return auth.ErrCredentials
	}
	return fmt.Errorf("read authorization: %w", err)
}

// revoke answers oauth2/revoke (RFC 7009): a token that is none is as good as
// revoked.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	f, err := form(w, r, maxForm)
	if err == nil {
		err = s.end(r.Context(), f)
	}
	if err != nil {
		writeFault(w, s.faultOf(r.Context(), "oauth2/revoke", err))
		return
	}
	writeJSON(w, http.StatusNoContent, nil)
}

func (s *Server) end(ctx context.Context, f url.Values) error {
	secret := f.Get("token")
	if secret == "" {
		return oauthFault("invalid_request", "Missing parameter token")
	}
	if s.d.Config.Clients[f.Get("client_id")] == nil {
		return oauthFault("invalid_client", "Invalid parameter client_id")
	}
	if strings.HasPrefix(secret, secretPrefix) {
		_, err := s.d.DB.NewUpdate().Model((*Grant)(nil)).Set("ended_at = ?", s.d.Clock.Now().UTC()).
			Where("secret_sha256 = ?", hexDigest(secret)).Where("bearer").Where("client = ?", f.Get("client_id")).Where("ended_at IS NULL").Exec(ctx)
		if err != nil {
			return fmt.Errorf("end authorization: %w", err)
		}
		return nil
	}
	if strings.HasPrefix(secret, refreshPrefix) {
		r, err := s.refreshToken(ctx, secret)
		if errors.Is(err, auth.ErrCredentials) || err == nil && r.Client != f.Get("client_id") {
			return nil
		}
		if err != nil {
			return err
		}
		return s.endFamily(ctx, r, "asked")
	}
	account, token, err := s.d.Tokens.ByBearer(ctx, secret)
	if errors.Is(err, auth.ErrCredentials) {
		return nil
	}
	if err != nil {
		return err
	}
	if token.Name != oauthName+f.Get("client_id") {
		return nil // another program's
	}
	return s.d.Tokens.Revoke(auth.WithSubject(ctx, account.Subject()), token.ID)
}
