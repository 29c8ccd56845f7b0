package csc

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
)

// Pushed authorization requests (RFC 9126): what a program asks for does not
// pass through the browser's address, where a hundred hashes have no room.

const (
	pushedURN  = "urn:ietf:params:oauth:request_uri:"
	pushedLife = time.Minute
	maxPushed  = 1000 // that wait, of all programs
	// maxPushedForm has room for the digests of an authorization.
	maxPushedForm = 256 << 10
)

// pushedRequest is a query of oauth2/authorize that waits for its browser.
type pushedRequest struct {
	bun.BaseModel `bun:"table:csc_pushed"`

	SecretSHA256 string    `bun:"secret_sha256,pk"`
	Client       string    `bun:"client"`
	Query        string    `bun:"query"`
	ExpiresAt    time.Time `bun:"expires_at"`
}

// push answers oauth2/pushed_authorize.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	answer, err := s.pushed(w, r)
	if err != nil {
		writeFault(w, s.faultOf(r.Context(), "oauth2/pushed_authorize", err))
		return
	}
	writeJSON(w, http.StatusCreated, answer)
}

func (s *Server) pushed(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	f, err := form(w, r, maxPushedForm)
	if err != nil {
		return nil, err
	}
	if !s.redirectable(f.Get("client_id"), f.Get("redirect_uri")) {
		return nil, oauthFault("invalid_client", "Invalid parameter client_id or redirect_uri")
	}
	if f.Has("request_uri") {
		return nil, oauthFault("invalid_request", "Invalid parameter request_uri")
	}
	if !s.stranger.AllowN(s.d.Clock.Now(), 1) {
		return nil, errBusy()
	}
	ctx, now := r.Context(), s.d.Clock.Now().UTC()
	_, err = s.d.DB.NewDelete().Model((*pushedRequest)(nil)).Where("expires_at < ?", now).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("clear pushed requests: %w", err)
	}
	n, err := s.d.DB.NewSelect().Model((*pushedRequest)(nil)).Count(ctx)
	if err != nil {
		return nil, fmt.Errorf("count pushed requests: %w", err)
	}
	if n >= maxPushed {
		return nil, errBusy()
	}
	secret := rand.Text()
	_, err = s.d.DB.NewInsert().Model(&pushedRequest{SecretSHA256: hexDigest(secret), Client: f.Get("client_id"), Query: f.Encode(), ExpiresAt: now.Add(pushedLife)}).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("keep pushed request: %w", err)
	}
	return map[string]any{"request_uri": pushedURN + secret, "expires_in": int(pushedLife / time.Second)}, nil
}

// takePushed gives the query that a program pushed, once. auth.ErrCredentials
// is the one answer to an address that is not its own, used or too old.
func (s *Server) takePushed(ctx context.Context, client, address string) (url.Values, error) {
	if len(address) <= len(pushedURN) || address[:len(pushedURN)] != pushedURN {
		return nil, auth.ErrCredentials
	}
	var r pushedRequest
	err := s.d.DB.NewSelect().Model(&r).Where("secret_sha256 = ?", hexDigest(address[len(pushedURN):])).Where("client = ?", client).
		Where("expires_at > ?", s.d.Clock.Now()).Scan(ctx)
	if err != nil {
		return nil, notThere(err)
	}
	taken, err := changed(s.d.DB.NewDelete().Model(&r).WherePK().Exec(ctx))
	if err != nil {
		return nil, fmt.Errorf("take pushed request: %w", err)
	}
	if !taken {
		return nil, auth.ErrCredentials
	}
	return url.ParseQuery(r.Query)
}
