package csc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// A session is an access token of the scope "service" with a refresh token that
// is changed at each use (RFC 9700 §4.14.2). One that comes a second time was
// stolen, from the program or by it: the whole family ends.

const (
	refreshPrefix = "antinref_"
	// refreshLife ends a session that is not used, familyLife one that is.
	refreshLife = 12 * time.Hour
	familyLife  = 30 * 24 * time.Hour
	// loginClient names the sessions of auth/login, which have no client_id.
	loginClient = "auth/login"
	// oauthName begins the name of an access token that a program got.
	oauthName = "oauth2 "
	// codeDigits is how many digits of the second factor follow the password in
	// auth/login.
	codeDigits = 6
)

// refreshSchema keeps the refresh tokens.
func refreshSchema() store.Migration {
	return store.Migration{ID: "csc/0003", SQL: `
CREATE TABLE csc_refresh (
	secret_sha256 TEXT PRIMARY KEY,
	family TEXT NOT NULL,
	account_id TEXT NOT NULL,
	client TEXT NOT NULL,
	token_id TEXT NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	deadline TIMESTAMPTZ NOT NULL,
	used_at TIMESTAMPTZ,
	ended_at TIMESTAMPTZ
);
CREATE INDEX csc_refresh_family ON csc_refresh (family);
CREATE TABLE csc_pushed (
	secret_sha256 TEXT PRIMARY KEY,
	client TEXT NOT NULL,
	query TEXT NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL
);
`}
}

// refresh is one refresh token.
type refresh struct {
	bun.BaseModel `bun:"table:csc_refresh"`

	SecretSHA256 string     `bun:"secret_sha256,pk"`
	Family       string     `bun:"family"`
	AccountID    string     `bun:"account_id"`
	Client       string     `bun:"client"`
	TokenID      string     `bun:"token_id"` // the access token that came with it
	ExpiresAt    time.Time  `bun:"expires_at"`
	Deadline     time.Time  `bun:"deadline"` // of the family
	UsedAt       *time.Time `bun:"used_at"`
	EndedAt      *time.Time `bun:"ended_at"`
}

// session gives an account an access token for a program and, when asked, a
// refresh token. before is the refresh token that was used for it; nil begins a
// family.
func (s *Server) session(ctx context.Context, account *auth.Account, client string, remember bool, before *refresh) (map[string]any, error) {
	ctx = auth.WithSubject(ctx, account.Subject())
	name := oauthName + client
	if client == loginClient {
		name = loginClient
	}
	token, secret, err := s.d.Tokens.Create(ctx, auth.NewToken{AccountID: account.ID, Name: name, Scopes: []string{Scope}, Life: serviceLife})
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"access_token": secret, "token_type": "Bearer", "expires_in": int(serviceLife / time.Second)}
	if !remember {
		return answer, nil
	}
	now := s.d.Clock.Now().UTC()
	again := refreshPrefix + rand.Text() + rand.Text()
	r := &refresh{
		SecretSHA256: hexDigest(again), Family: rand.Text(), AccountID: account.ID, Client: client, TokenID: token.ID,
		ExpiresAt: now.Add(refreshLife), Deadline: now.Add(familyLife),
	}
	if before != nil {
		r.Family, r.Deadline = before.Family, before.Deadline
	}
	if r.ExpiresAt.After(r.Deadline) {
		r.ExpiresAt = r.Deadline
	}
	err = s.keepRefresh(ctx, r, before)
	if err != nil {
		return nil, errors.Join(err, s.endToken(ctx, account, token.ID))
	}
	answer["refresh_token"] = again
	return answer, nil
}

// keepRefresh writes a refresh token down, unless its family ended meanwhile.
func (s *Server) keepRefresh(ctx context.Context, r, before *refresh) error {
	err := s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*refresh)(nil)).Where("deadline < ?", s.d.Clock.Now()).Exec(ctx)
		if err != nil {
			return err
		}
		if before != nil {
			// Whoever ends the family waits for this row, or was here before.
			lives, err := changed(tx.NewUpdate().Model((*refresh)(nil)).Set("deadline = ?", before.Deadline).
				Where("secret_sha256 = ?", before.SecretSHA256).Where("ended_at IS NULL").Exec(ctx))
			if err != nil || !lives {
				return errors.Join(err, auth.ErrCredentials)
			}
		}
		_, err = tx.NewInsert().Model(r).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	return nil
}

// refreshed changes a refresh token for a new pair. auth.ErrCredentials is the
// one answer to a token that does not hold.
func (s *Server) refreshed(ctx context.Context, secret, client string) (map[string]any, error) {
	r, err := s.refreshToken(ctx, secret)
	if err != nil {
		return nil, err
	}
	now := s.d.Clock.Now().UTC()
	// One that was made while its family ended is told by the others.
	ended, err := s.d.DB.NewSelect().Model((*refresh)(nil)).Where("family = ?", r.Family).Where("ended_at IS NOT NULL").Count(ctx)
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if r.Client != client || ended > 0 || !now.Before(r.ExpiresAt) {
		return nil, auth.ErrCredentials
	}
	first, err := changed(s.d.DB.NewUpdate().Model((*refresh)(nil)).Set("used_at = ?", now).Where("secret_sha256 = ?", r.SecretSHA256).
		Where("used_at IS NULL").Where("ended_at IS NULL").Exec(ctx))
	if err != nil {
		return nil, fmt.Errorf("use refresh token: %w", err)
	}
	if !first {
		return nil, errors.Join(s.endFamily(ctx, r, "used twice"), auth.ErrCredentials)
	}
	account, err := s.d.Accounts.Get(ctx, r.AccountID)
	if errors.Is(err, auth.ErrNoAccount) || err == nil && account.Disabled {
		return nil, errors.Join(s.endFamily(ctx, r, "account"), auth.ErrCredentials)
	}
	if err != nil {
		return nil, err
	}
	tokens, err := s.d.Tokens.List(auth.WithSubject(ctx, account.Subject()), account.ID)
	if err != nil {
		return nil, err
	}
	for _, token := range tokens {
		// Its holder, or who administers, has ended it by the access token.
		if token.ID == r.TokenID && token.RevokedAt != nil {
			return nil, errors.Join(s.endFamily(ctx, r, "revoked"), auth.ErrCredentials)
		}
	}
	err = s.endToken(ctx, account, r.TokenID)
	if err != nil {
		return nil, err
	}
	return s.session(ctx, account, client, true, r)
}

// refreshToken finds a refresh token.
func (s *Server) refreshToken(ctx context.Context, secret string) (*refresh, error) {
	if !strings.HasPrefix(secret, refreshPrefix) || len(secret) > maxSecret {
		return nil, auth.ErrCredentials
	}
	var r refresh
	err := s.d.DB.NewSelect().Model(&r).Where("secret_sha256 = ?", hexDigest(secret)).Scan(ctx)
	if err != nil {
		return nil, notThere(err)
	}
	return &r, nil
}

// endToken revokes an access token that may have ended by itself.
func (s *Server) endToken(ctx context.Context, account *auth.Account, id string) error {
	err := s.d.Tokens.Revoke(auth.WithSubject(ctx, account.Subject()), id)
	if errors.Is(err, auth.ErrToken) {
		return nil
	}
	return err
}

// endFamily ends all tokens of a session; that stands in the ledger before.
func (s *Server) endFamily(ctx context.Context, r *refresh, why string) error {
	now := s.d.Clock.Now().UTC()
	_, err := s.d.Ledger.Append(ctx, ledger.Entry{
		Time: now, Kind: "sign.remote.end", Actor: r.AccountID, Object: r.TokenID, Digest: hexDigest(r.Family), Detail: map[string]string{"client": r.Client, "why": why},
	})
	if err != nil {
		return fmt.Errorf("record end of session: %w", err)
	}
	_, err = s.d.DB.NewUpdate().Model((*refresh)(nil)).Set("ended_at = ?", now).Where("family = ?", r.Family).Where("ended_at IS NULL").Exec(ctx)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	account, err := s.d.Accounts.Get(ctx, r.AccountID)
	if err != nil {
		return err
	}
	var all []refresh
	err = s.d.DB.NewSelect().Model(&all).Where("family = ?", r.Family).Scan(ctx)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	tokens, err := s.d.Tokens.List(auth.WithSubject(ctx, account.Subject()), account.ID)
	if err != nil {
		return err
	}
	for _, one := range all {
		for _, token := range tokens {
			if token.ID != one.TokenID || token.RevokedAt != nil || !now.Before(token.ExpiresAt) {
				continue
			}
			err = s.endToken(ctx, account, token.ID)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// errLogin is the one answer to a log-in that does not hold (v1 §11.2).
func errLogin() *Fault {
	return &Fault{http.StatusUnauthorized, "authentication_error", "An error occurred during authentication process"}
}

// login answers auth/login of version 1: HTTP Basic (RFC 7617) with the account
// and, as no program gets in by a password alone, the password followed by the
// six digits of the second factor; or a refresh token. To sign still needs a
// code of its own.
func (s *Server) login(ctx context.Context, c caller, p params) (int, any, error) {
	remember, err := p.flag("rememberMe")
	if err != nil {
		return 0, nil, err
	}
	secret, err := p.text("refresh_token", false)
	if err != nil {
		return 0, nil, err
	}
	if !s.stranger.AllowN(s.d.Clock.Now(), 1) {
		return 0, nil, errBusy()
	}
	if secret != "" {
		answer, err := s.refreshed(ctx, secret, loginClient)
		if errors.Is(err, auth.ErrCredentials) {
			return 0, nil, badParameter("refresh_token")
		}
		return ok(answer, err)
	}
	if !c.basic {
		return 0, nil, invalid("Malformed authorization header")
	}
	account, err := s.twoFactors(ctx, c.user, c.password)
	if errors.Is(err, auth.ErrCredentials) || errors.Is(err, auth.ErrLocked) {
		return 0, nil, errLogin()
	}
	if err != nil {
		return 0, nil, err
	}
	return ok(s.session(ctx, account, loginClient, remember, nil))
}

func (s *Server) twoFactors(ctx context.Context, user, password string) (*auth.Account, error) {
	cut := max(0, len(password)-codeDigits)
	account, err := s.d.Accounts.CheckPassword(ctx, user, password[:cut])
	if err != nil {
		return nil, err
	}
	return account, s.d.Accounts.CheckCode(ctx, account.ID, password[cut:])
}

// logout answers auth/revoke of version 1: it ends an access token of the
// caller's, or a session by its refresh token.
func (s *Server) logout(ctx context.Context, c caller, p params) (int, any, error) {
	secret, err := p.text("token", true)
	if err != nil {
		return 0, nil, err
	}
	_, err = p.choice("token_type_hint", "access_token", "refresh_token")
	if err != nil {
		return 0, nil, err
	}
	unknown := badParameter("token")
	if strings.HasPrefix(secret, refreshPrefix) {
		r, err := s.refreshToken(ctx, secret)
		if errors.Is(err, auth.ErrCredentials) || err == nil && r.AccountID != c.subject.AccountID {
			return 0, nil, unknown
		}
		if err == nil {
			err = s.endFamily(ctx, r, "asked")
		}
		return http.StatusNoContent, nil, err
	}
	account, token, err := s.d.Tokens.ByBearer(ctx, secret)
	if errors.Is(err, auth.ErrCredentials) || err == nil && (account.ID != c.subject.AccountID || !token.Allows(Scope)) {
		return 0, nil, unknown
	}
	if err == nil {
		err = s.d.Tokens.Revoke(ctx, token.ID)
	}
	return http.StatusNoContent, nil, err
}
