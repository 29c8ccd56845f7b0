package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// Actions asked of the Authorizer for credentials of programs. The resource
// names the account as its ID and as AssignedTo.
const (
	ActionTokenCreate = "account.token.create"
	ActionTokenRevoke = "account.token.revoke"
	ActionTokenRead   = "account.token.read"
)

// Limits of credentials.
const (
	// MaxTokenLife is the longest life of a credential.
	MaxTokenLife = 366 * 24 * time.Hour
	maxTokenName = 100
	maxScopes    = 20
	// tokenPrefix marks our tokens for those who look for secrets in files.
	tokenPrefix = "antin_"
	// useEvery is how often the last use is written.
	useEvery = time.Minute
)

// ErrScope says that a credential is not for the act.
var ErrScope = errors.New("auth: the credential's scopes do not hold this act")

// Token is a credential by which a program acts as an account: a bearer token
// (RFC 6750), of which only the SHA-256 is kept, or a client certificate. What
// the account may do is the policy's to say; the scopes narrow that down.
type Token struct {
	bun.BaseModel `bun:"table:api_token"`

	ID        string     `bun:"id,pk" json:"id"`
	AccountID string     `bun:"account_id" json:"account"`
	Name      string     `bun:"name" json:"name"`
	Kind      string     `bun:"kind" json:"kind"` // "bearer" or "certificate"
	SHA256    string     `bun:"sha256" json:"-"`
	ScopeList string     `bun:"scopes" json:"scopes"` // separated by spaces
	CreatedBy string     `bun:"created_by" json:"created_by"`
	CreatedAt time.Time  `bun:"created_at" json:"created_at"`
	ExpiresAt time.Time  `bun:"expires_at" json:"expires_at"`
	UsedAt    *time.Time `bun:"used_at" json:"used_at,omitempty"`
	RevokedAt *time.Time `bun:"revoked_at" json:"revoked_at,omitempty"`
	Index     int64      `bun:"ledger_index" json:"ledger_index"`
}

// Kinds of credential.
const (
	TokenBearer      = "bearer"
	TokenCertificate = "certificate"
)

// Allows says whether the credential is for acts of the scope.
func (t *Token) Allows(scope string) bool {
	return slices.Contains(strings.Fields(t.ScopeList), scope)
}

// TokenSchema is the credentials' part of the database.
func TokenSchema() []store.Migration {
	return []store.Migration{{ID: "auth-token/0001", SQL: `
CREATE TABLE api_token (
	id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL REFERENCES account (id),
	name TEXT NOT NULL,
	kind TEXT NOT NULL,
	sha256 TEXT NOT NULL UNIQUE,
	scopes TEXT NOT NULL,
	created_by TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	expires_at TIMESTAMPTZ NOT NULL,
	used_at TIMESTAMPTZ,
	revoked_at TIMESTAMPTZ,
	ledger_index BIGINT NOT NULL
);
CREATE INDEX api_token_account ON api_token (account_id);
`}}
}

// NewToken is what Create needs.
type NewToken struct {
	AccountID, Name string
	Scopes          []string
	// Life is how long it is valid, at most MaxTokenLife.
	Life time.Duration
	// Certificate makes a credential of a client certificate; nil makes a token.
	Certificate *x509.Certificate
}

// Tokens keeps the credentials.
type Tokens struct {
	DB         *store.DB
	Accounts   *Accounts
	Ledger     ledger.Appender
	Clock      clock.Clock
	Authorizer Authorizer
}

func (ts *Tokens) may(ctx context.Context, action, account string) (Subject, error) {
	who := SubjectFrom(ctx)
	return who, ts.Authorizer.Authorize(ctx, who, action, Resource{Kind: "account", ID: account, AssignedTo: account})
}

// Create makes a credential and returns the token, which is shown this once;
// it is empty for a certificate.
func (ts *Tokens) Create(ctx context.Context, n NewToken) (*Token, string, error) {
	who, err := ts.may(ctx, ActionTokenCreate, n.AccountID)
	if err != nil {
		return nil, "", fmt.Errorf("credential of %s: %w", n.AccountID, err)
	}
	err = n.check()
	if err != nil {
		return nil, "", err
	}
	_, err = ts.Accounts.Get(ctx, n.AccountID)
	if err != nil {
		return nil, "", err
	}
	now := ts.Clock.Now().UTC()
	t := &Token{ID: "tok-" + strings.ToLower(rand.Text()[:12]), AccountID: n.AccountID, Name: n.Name, ScopeList: strings.Join(n.Scopes, " "),
		CreatedBy: who.AccountID, CreatedAt: now, ExpiresAt: now.Add(n.Life)}
	secret := ""
	if n.Certificate == nil {
		secret = tokenPrefix + rand.Text() + rand.Text()
		t.Kind, t.SHA256 = TokenBearer, hexDigest([]byte(secret))
	} else {
		t.Kind, t.SHA256 = TokenCertificate, hexDigest(n.Certificate.Raw)
		if n.Certificate.NotAfter.Before(t.ExpiresAt) {
			t.ExpiresAt = n.Certificate.NotAfter.UTC()
		}
	}
	receipt, err := ts.Ledger.Append(ctx, ledger.Entry{Time: now, Kind: ActionTokenCreate, Actor: who.AccountID, Object: t.ID, Digest: t.SHA256,
		Detail: map[string]string{"account": t.AccountID, "kind": t.Kind, "scopes": t.ScopeList, "expires": t.ExpiresAt.Format(time.RFC3339)}})
	if err != nil {
		return nil, "", fmt.Errorf("credential of %s: %w", n.AccountID, err)
	}
	t.Index = int64(receipt.Index)
	_, err = ts.DB.NewInsert().Model(t).Exec(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("record credential of %s: %w", n.AccountID, err)
	}
	return t, secret, nil
}

// ErrToken says that a credential cannot be made as asked.
var ErrToken = errors.New("auth: credential refused")

func (n NewToken) check() error {
	scope := regexp.MustCompile(`^[a-z][a-z0-9.-]{0,39}$`)
	switch {
	case n.Name == "" || len(n.Name) > maxTokenName:
		return fmt.Errorf("%w: want a name of 1 to %d bytes", ErrToken, maxTokenName)
	case len(n.Scopes) == 0 || len(n.Scopes) > maxScopes || slices.ContainsFunc(n.Scopes, func(s string) bool { return !scope.MatchString(s) }):
		return fmt.Errorf("%w: want 1 to %d scopes", ErrToken, maxScopes)
	case n.Life <= 0 || n.Life > MaxTokenLife:
		return fmt.Errorf("%w: want a life of at most %d days", ErrToken, int(MaxTokenLife.Hours()/24))
	}
	return nil
}

// List returns the credentials of an account, newest first.
func (ts *Tokens) List(ctx context.Context, account string) ([]Token, error) {
	_, err := ts.may(ctx, ActionTokenRead, account)
	if err != nil {
		return nil, fmt.Errorf("credentials of %s: %w", account, err)
	}
	list := []Token{}
	err = ts.DB.NewSelect().Model(&list).Where("account_id = ?", account).OrderExpr("ledger_index DESC").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("credentials of %s: %w", account, err)
	}
	return list, nil
}

// Revoke ends a credential.
func (ts *Tokens) Revoke(ctx context.Context, id string) error {
	var t Token
	err := ts.DB.NewSelect().Model(&t).Where("id = ?", id).Scan(ctx)
	if store.IsNotFound(err) {
		return fmt.Errorf("%w: no credential %q", ErrToken, id)
	}
	if err != nil {
		return fmt.Errorf("read credential %s: %w", id, err)
	}
	who, err := ts.may(ctx, ActionTokenRevoke, t.AccountID)
	if err != nil {
		return fmt.Errorf("credential %s: %w", id, err)
	}
	now := ts.Clock.Now().UTC()
	_, err = ts.Ledger.Append(ctx, ledger.Entry{Time: now, Kind: ActionTokenRevoke, Actor: who.AccountID, Object: id, Digest: t.SHA256, Detail: map[string]string{"account": t.AccountID}})
	if err != nil {
		return fmt.Errorf("credential %s: %w", id, err)
	}
	_, err = ts.DB.NewUpdate().Model((*Token)(nil)).Set("revoked_at = ?", now).Where("id = ?", id).Where("revoked_at IS NULL").Exec(ctx)
	if err != nil {
		return fmt.Errorf("record credential %s: %w", id, err)
	}
	return nil
}

// ByBearer returns the account of a token. ErrCredentials is the one answer to
// a token that is unknown, expired, revoked or of a disabled account.
func (ts *Tokens) ByBearer(ctx context.Context, secret string) (*Account, *Token, error) {
	if !strings.HasPrefix(secret, tokenPrefix) || len(secret) > 200 {
		return nil, nil, ErrCredentials
	}
	return ts.find(ctx, TokenBearer, hexDigest([]byte(secret)))
}

// ByCertificate returns the account of a client certificate, which the TLS
// listener has verified; whether it is revoked is the caller's to ask.
func (ts *Tokens) ByCertificate(ctx context.Context, cert *x509.Certificate) (*Account, *Token, error) {
	return ts.find(ctx, TokenCertificate, hexDigest(cert.Raw))
}

func (ts *Tokens) find(ctx context.Context, kind, digest string) (*Account, *Token, error) {
	var t Token
	err := ts.DB.NewSelect().Model(&t).Where("sha256 = ?", digest).Where("kind = ?", kind).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil, ErrCredentials
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read credential: %w", err)
	}
	now := ts.Clock.Now().UTC()
	if t.RevokedAt != nil || now.After(t.ExpiresAt) {
		return nil, nil, ErrCredentials
	}
	a, err := ts.Accounts.Get(ctx, t.AccountID)
	if err != nil {
		return nil, nil, err
	}
	if a.Disabled {
		return nil, nil, ErrCredentials
	}
	if t.UsedAt == nil || now.Sub(*t.UsedAt) > useEvery {
		_, err = ts.DB.NewUpdate().Model((*Token)(nil)).Set("used_at = ?", now).Where("id = ?", t.ID).Exec(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("record use of credential %s: %w", t.ID, err)
		}
	}
	return a, &t, nil
}

func hexDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
