package csc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// Limits of requests that wait for a person.
const (
	requestLife = 10 * time.Minute
	maxRequests = 10 // of an account
)

// Kinds of request.
const (
	kindService    = "service"    // OAuth: to use the service
	kindCredential = "credential" // OAuth: to sign these digests
	kindHandle     = "handle"     // credentials/authorize without a second factor
)

// States of a request: asked → allowed → done, or refused.
const (
	stateAsked   = "asked"
	stateAllowed = "allowed"
	stateRefused = "refused"
	stateDone    = "done"
)

// Request is what a program asks and a person answers in the console.
type Request struct {
	bun.BaseModel `bun:"table:csc_request"`

	ID          string `bun:"id,pk"`
	Kind        string `bun:"kind"`
	AccountID   string `bun:"account_id"`
	Client      string `bun:"client"`
	RedirectURI string `bun:"redirect_uri"`
	State       string `bun:"state"`     // the client's own, given back to it
	Challenge   string `bun:"challenge"` // PKCE, S256
	KeyName     string `bun:"key_name"`
	Hashes      string `bun:"hashes"` // in hex, separated by spaces
	Total       int64  `bun:"total"`
	Description string `bun:"description"`
	Factor      string `bun:"factor"`
	// SecretSHA256 is that of the handle, or of the code once there is one.
	SecretSHA256 string    `bun:"secret_sha256"`
	Status       string    `bun:"status"`
	CreatedAt    time.Time `bun:"created_at"`
	ExpiresAt    time.Time `bun:"expires_at"`
}

// keep writes a request down. Old ones go.
func (s *Server) keep(ctx context.Context, r *Request) error {
	now := s.d.Clock.Now().UTC()
	r.ID, r.Status, r.CreatedAt, r.ExpiresAt = rand.Text(), stateAsked, now, now.Add(requestLife)
	r.AccountID = auth.SubjectFrom(ctx).AccountID
	if r.SecretSHA256 == "" {
		r.SecretSHA256 = hexDigest(rand.Text()) // nobody's, until there is a code
	}
	_, err := s.d.DB.NewDelete().Model((*Request)(nil)).Where("expires_at < ?", now).Exec(ctx)
	if err != nil {
		return fmt.Errorf("clear old requests: %w", err)
	}
	n, err := s.d.DB.NewSelect().Model((*Request)(nil)).Where("account_id = ?", r.AccountID).Where("status = ?", stateAsked).Count(ctx)
	if err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	if n >= maxRequests {
		return &Fault{http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests are waiting for an answer"}
	}
	_, err = s.d.DB.NewInsert().Model(r).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep request: %w", err)
	}
	return nil
}

// ask puts a wish before the person and returns the handle.
func (s *Server) ask(ctx context.Context, client string, w wish) (string, error) {
	handle := newSecret()
	r := requestOf(w)
	r.Kind, r.Client, r.SecretSHA256 = kindHandle, client, hexDigest(handle)
	return handle, s.keep(ctx, r)
}

// requestOf writes a wish into a request.
func requestOf(w wish) *Request {
	words := make([]string, 0, len(w.digests))
	for _, d := range w.digests {
		words = append(words, hex.EncodeToString(d))
	}
	return &Request{KeyName: w.key.Name, Hashes: strings.Join(words, " "), Total: int64(w.total), Description: w.description}
}

// wish reads it again; the key must still be the subject's.
func (s *Server) wish(ctx context.Context, r *Request) (wish, error) {
	k, err := s.key(ctx, r.KeyName)
	if err != nil {
		return wish{}, err
	}
	w := wish{key: k, total: int(r.Total), description: r.Description}
	for _, word := range strings.Fields(r.Hashes) {
		d, err := hex.DecodeString(word)
		if err != nil {
			return wish{}, fmt.Errorf("read request %s: %w", r.ID, err)
		}
		w.digests = append(w.digests, d)
	}
	return w, nil
}

// request is one of the subject that still waits for an answer.
func (s *Server) request(ctx context.Context, id string) (*Request, error) {
	var r Request
	err := s.d.DB.NewSelect().Model(&r).Where("id = ?", id).Where("account_id = ?", auth.SubjectFrom(ctx).AccountID).
		Where("status = ?", stateAsked).Where("expires_at > ?", s.d.Clock.Now()).Scan(ctx)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// waiting lists the requests that programs brought by credentials/authorize.
func (s *Server) waiting(ctx context.Context) ([]Request, error) {
	var list []Request
	err := s.d.DB.NewSelect().Model(&list).Where("account_id = ?", auth.SubjectFrom(ctx).AccountID).Where("kind = ?", kindHandle).
		Where("status = ?", stateAsked).Where("expires_at > ?", s.d.Clock.Now()).OrderExpr("created_at").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	return list, nil
}

// answer moves a request from one state to another, once. A secret, when
// given, replaces the one that it had.
func (s *Server) answer(ctx context.Context, r *Request, from, to string, secret string, life time.Duration) error {
	q := s.d.DB.NewUpdate().Model((*Request)(nil)).Set("status = ?", to).Set("factor = ?", r.Factor).Where("id = ?", r.ID).Where("status = ?", from)
	if secret != "" {
		q = q.Set("secret_sha256 = ?", hexDigest(secret))
	}
	if life > 0 {
		q = q.Set("expires_at = ?", s.d.Clock.Now().UTC().Add(life))
	}
	moved, err := changed(q.Exec(ctx))
	if err != nil {
		return fmt.Errorf("answer request: %w", err)
	}
	if !moved {
		return errAnswered
	}
	return nil
}

// errAnswered says that a request has its answer already.
var errAnswered = errors.New("csc: the request was answered already")

// authorizeCheck says what became of a request by its handle: 202 while it
// waits, the SAD once, and the standard's refusals otherwise.
func (s *Server) authorizeCheck(ctx context.Context, c caller, p params) (int, any, error) {
	handle, err := p.text("handle", true)
	if err != nil {
		return 0, nil, err
	}
	var r Request
	err = s.d.DB.NewSelect().Model(&r).Where("secret_sha256 = ?", hexDigest(handle)).Where("kind = ?", kindHandle).
		Where("account_id = ?", c.subject.AccountID).Where("expires_at > ?", s.d.Clock.Now()).Scan(ctx)
	if store.IsNotFound(err) {
		return 0, nil, badParameter("handle")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read request: %w", err)
	}
	switch r.Status {
	case stateAsked:
		return http.StatusAccepted, map[string]any{"handle": handle}, nil
	case stateRefused:
		return 0, nil, &Fault{http.StatusBadRequest, "access_denied", "The holder refused"}
	case stateAllowed:
	default:
		return 0, nil, badParameter("handle")
	}
	w, err := s.wish(ctx, &r)
	if err != nil {
		return 0, nil, err
	}
	err = s.answer(ctx, &r, stateAllowed, stateDone, "", 0)
	if err != nil {
		return 0, nil, badParameter("handle")
	}
	return s.granted(s.grant(ctx, newGrant{key: w.key, total: w.total, digests: w.digests, factor: r.Factor, client: r.Client}))
}

// allow notes that the person allowed a request, with the second factor that
// they gave for it.
func (s *Server) allow(ctx context.Context, r *Request, factor, secret string, life time.Duration) error {
	r.Factor = factor
	return s.answer(ctx, r, stateAsked, stateAllowed, secret, life)
}
