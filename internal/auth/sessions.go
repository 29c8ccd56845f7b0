package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/store"
)

// A session ends after sessionIdle without a request, and after sessionLife in
// any case: one working day.
const (
	sessionIdle = 2 * time.Hour
	sessionLife = 12 * time.Hour
)

// touchEvery is how often a session's last use is written down.
const touchEvery = time.Minute

type session struct {
	bun.BaseModel `bun:"table:session"`

	ID        string    `bun:"id,pk"` // hex SHA-256 of the token: the table alone opens no session
	AccountID string    `bun:"account_id"`
	CreatedAt time.Time `bun:"created_at"`
	SeenAt    time.Time `bun:"seen_at"`
	ExpiresAt time.Time `bun:"expires_at"`
}

// Sessions keeps who is signed in.
type Sessions struct {
	db    *store.DB
	clock clock.Clock
}

// NewSessions returns the sessions kept in db.
func NewSessions(db *store.DB, c clock.Clock) *Sessions { return &Sessions{db: db, clock: c} }

// Start begins a session and returns its token, which only the browser keeps.
func (ss *Sessions) Start(ctx context.Context, accountID string) (string, error) {
	raw := make([]byte, 32)
	_, err := rand.Read(raw)
	if err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	now := ss.clock.Now()
	_, err = ss.db.NewInsert().Model(&session{
		ID: tokenID(token), AccountID: accountID, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(sessionLife),
	}).Exec(ctx)
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	_, err = ss.db.NewDelete().Model((*session)(nil)).Where("expires_at < ?", now).Exec(ctx)
	if err != nil {
		return "", fmt.Errorf("clear old sessions: %w", err)
	}
	return token, nil
}

// Account returns the account whose session the token opens; ErrCredentials
// when there is none.
func (ss *Sessions) Account(ctx context.Context, token string) (*Account, error) {
	var s session
	err := ss.db.NewSelect().Model(&s).Where("id = ?", tokenID(token)).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, ErrCredentials
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	now := ss.clock.Now()
	if now.After(s.ExpiresAt) || now.Sub(s.SeenAt) > sessionIdle {
		return nil, ErrCredentials
	}
	var a Account
	err = ss.db.NewSelect().Model(&a).Where("id = ?", s.AccountID).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read account of session: %w", err)
	}
	if a.Disabled {
		return nil, ErrCredentials
	}
	if now.Sub(s.SeenAt) > touchEvery {
		_, err = ss.db.NewUpdate().Model(&s).Set("seen_at = ?", now).WherePK().Exec(ctx)
		if err != nil {
			return nil, fmt.Errorf("touch session: %w", err)
		}
	}
	return &a, nil
}

// End ends the session.
func (ss *Sessions) End(ctx context.Context, token string) error {
	_, err := ss.db.NewDelete().Model((*session)(nil)).Where("id = ?", tokenID(token)).Exec(ctx)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

func tokenID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
