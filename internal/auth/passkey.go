package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// challengeLife is how long a person may take to touch the authenticator.
const challengeLife = 3 * time.Minute

// ErrPasskey means that a passkey's answer was not accepted.
var ErrPasskey = errors.New("auth: passkey not accepted")

type passkeyRow struct {
	bun.BaseModel `bun:"table:passkey"`

	ID         string    `bun:"id,pk"` // base64url of the credential id
	AccountID  string    `bun:"account_id"`
	Name       string    `bun:"name"`
	Credential []byte    `bun:"credential"` // JSON of webauthn.Credential; public
	CreatedAt  time.Time `bun:"created_at"`
}

type challengeRow struct {
	bun.BaseModel `bun:"table:auth_challenge"`

	ID        string    `bun:"id,pk"`
	AccountID string    `bun:"account_id"`
	Purpose   string    `bun:"purpose"`
	State     []byte    `bun:"state"` // JSON of webauthn.SessionData
	ExpiresAt time.Time `bun:"expires_at"`
}

// Passkeys registers and checks passkeys (W3C WebAuthn Level 2) as the second
// factor of accounts.
type Passkeys struct {
	db       *store.DB
	accounts *Accounts
	rp       *webauthn.WebAuthn
}

// NewPasskeys returns the passkeys of the relying party: its host name and the
// origins from which it is reached.
func NewPasskeys(db *store.DB, as *Accounts, host string, origins []string) (*Passkeys, error) {
	rp, err := webauthn.New(&webauthn.Config{RPID: host, RPDisplayName: "Ấn Tín", RPOrigins: origins})
	if err != nil {
		return nil, fmt.Errorf("passkeys of %s: %w", host, err)
	}
	return &Passkeys{db: db, accounts: as, rp: rp}, nil
}

// user shows an account to the library.
type user struct {
	id   string
	keys []webauthn.Credential
}

func (u *user) WebAuthnID() []byte                         { return []byte(u.id) }
func (u *user) WebAuthnName() string                       { return u.id }
func (u *user) WebAuthnDisplayName() string                { return u.id }
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.keys }

// Count returns how many passkeys the account has.
func (p *Passkeys) Count(ctx context.Context, accountID string) (int64, error) {
	return p.db.NewSelect().Model((*passkeyRow)(nil)).Where("account_id = ?", accountID).Count(ctx)
}

// BeginRegistration returns the options for the browser and the challenge's id.
func (p *Passkeys) BeginRegistration(ctx context.Context, accountID string) (*protocol.CredentialCreation, string, error) {
	u, err := p.user(ctx, accountID)
	if err != nil {
		return nil, "", err
	}
	options, state, err := p.rp.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.keys).CredentialDescriptors()))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	id, err := p.keep(ctx, accountID, "register", state)
	return options, id, err
}

// FinishRegistration checks the browser's answer in r and keeps the passkey.
func (p *Passkeys) FinishRegistration(ctx context.Context, accountID, challenge, name string, r *http.Request) error {
	state, err := p.take(ctx, challenge, accountID, "register")
	if err != nil {
		return err
	}
	u, err := p.user(ctx, accountID)
	if err != nil {
		return err
	}
	credential, err := p.rp.FinishRegistration(u, *state, r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	b, err := json.Marshal(credential)
	if err != nil {
		return err
	}
	_, err = p.db.NewInsert().Model(&passkeyRow{
		ID: base64.RawURLEncoding.EncodeToString(credential.ID), AccountID: accountID, Name: name, Credential: b, CreatedAt: p.accounts.clock.Now(),
	}).Exec(ctx)
	if err != nil {
		return fmt.Errorf("keep passkey: %w", err)
	}
	return nil
}

// BeginAssertion asks for the account's passkey for a purpose: "login", or
// "sign:" and the digest that is to be bound, so that an answer given for one
// document cannot serve for another.
func (p *Passkeys) BeginAssertion(ctx context.Context, accountID, purpose string) (*protocol.CredentialAssertion, string, error) {
	u, err := p.user(ctx, accountID)
	if err != nil {
		return nil, "", err
	}
	if len(u.keys) == 0 {
		return nil, "", fmt.Errorf("%w: the account has none", ErrPasskey)
	}
	options, state, err := p.rp.BeginLogin(u, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	id, err := p.keep(ctx, accountID, purpose, state)
	return options, id, err
}

// FinishAssertion checks the browser's answer, the JSON of a
// PublicKeyCredential, against the challenge, account and purpose.
func (p *Passkeys) FinishAssertion(ctx context.Context, accountID, purpose, challenge string, answer []byte) error {
	state, err := p.take(ctx, challenge, accountID, purpose)
	if err != nil {
		return err
	}
	u, err := p.user(ctx, accountID)
	if err != nil {
		return err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	credential, err := p.rp.ValidateLogin(u, *state, parsed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPasskey, err)
	}
	if credential.Authenticator.CloneWarning {
		return fmt.Errorf("%w: its counter went back: it may be a copy", ErrPasskey)
	}
	b, err := json.Marshal(credential)
	if err != nil {
		return err
	}
	_, err = p.db.NewUpdate().Model((*passkeyRow)(nil)).Set("credential = ?", b).
		Where("id = ?", base64.RawURLEncoding.EncodeToString(credential.ID)).Where("account_id = ?", accountID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("update passkey: %w", err)
	}
	return nil
}

func (p *Passkeys) user(ctx context.Context, accountID string) (*user, error) {
	var rows []passkeyRow
	err := p.db.NewSelect().Model(&rows).Where("account_id = ?", accountID).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	u := &user{id: accountID}
	for _, row := range rows {
		var c webauthn.Credential
		err = json.Unmarshal(row.Credential, &c)
		if err != nil {
			return nil, fmt.Errorf("read passkey %s: %w", row.ID, err)
		}
		u.keys = append(u.keys, c)
	}
	return u, nil
}

func (p *Passkeys) keep(ctx context.Context, accountID, purpose string, state *webauthn.SessionData) (string, error) {
	b, err := json.Marshal(state)
	if err != nil {
		return "", err
	}
	id := rand.Text()
	now := p.accounts.clock.Now()
	_, err = p.db.NewInsert().Model(&challengeRow{ID: id, AccountID: accountID, Purpose: purpose, State: b, ExpiresAt: now.Add(challengeLife)}).Exec(ctx)
	if err != nil {
		return "", fmt.Errorf("keep challenge: %w", err)
	}
	_, err = p.db.NewDelete().Model((*challengeRow)(nil)).Where("expires_at < ?", now).Exec(ctx)
	return id, err
}

// take uses the challenge up: whatever the answer, it serves once.
func (p *Passkeys) take(ctx context.Context, id, accountID, purpose string) (*webauthn.SessionData, error) {
	var row challengeRow
	err := p.db.NewDelete().Model(&row).Where("id = ?", id).Where("account_id = ?", accountID).Where("purpose = ?", purpose).
		Where("expires_at >= ?", p.accounts.clock.Now()).Returning("*").Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: the challenge is unknown, used or too old", ErrPasskey)
	}
	if err != nil {
		return nil, fmt.Errorf("take challenge: %w", err)
	}
	var state webauthn.SessionData
	err = json.Unmarshal(row.State, &state)
	if err != nil {
		return nil, err
	}
	return &state, nil
}
