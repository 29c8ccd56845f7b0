package acme

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/uptrace/bun"
)

// States, as RFC 8555 §7.1.6 names them. An order is kept as pending, processing, valid
// or invalid; ready and the end by time are told from its authorizations.
const (
	statusPending     = "pending"
	statusReady       = "ready"
	statusProcessing  = "processing"
	statusValid       = "valid"
	statusInvalid     = "invalid"
	statusDeactivated = "deactivated"
	statusExpired     = "expired"
)

// Kinds of identifiers.
const (
	identifierDNS = "dns"
	identifierIP  = "ip" // RFC 8738
)

// Identifier is a name that a certificate is asked for.
type Identifier struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type accountRow struct {
	bun.BaseModel `bun:"table:acme_account"`

	ID           string    `bun:"id,pk"`
	AgencyID     string    `bun:"agency_id"`
	CredentialID string    `bun:"credential_id"`
	Thumbprint   string    `bun:"thumbprint"`
	JWK          string    `bun:"jwk"`
	Status       string    `bun:"status"`
	Contact      string    `bun:"contact"`
	CreatedAt    time.Time `bun:"created_at"`
	CreateIndex  int64     `bun:"create_index"`
}

func (a *accountRow) key() (*jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	err := key.UnmarshalJSON([]byte(a.JWK))
	if err != nil {
		return nil, fmt.Errorf("key of account %s: %w", a.ID, err)
	}
	return &key, nil
}

type orderRow struct {
	bun.BaseModel `bun:"table:acme_order,alias:o"`

	ID            string     `bun:"id,pk"`
	AccountID     string     `bun:"account_id"`
	AgencyID      string     `bun:"agency_id"`
	Profile       string     `bun:"profile"`
	Identifiers   string     `bun:"identifiers"` // JSON
	Replaces      string     `bun:"replaces"`
	State         string     `bun:"state"`
	CSR           []byte     `bun:"csr"`
	Serial        string     `bun:"serial"`
	CreatedAt     time.Time  `bun:"created_at"`
	ExpiresAt     time.Time  `bun:"expires_at"`
	ClaimedAt     *time.Time `bun:"claimed_at"`
	FinaliseIndex *int64     `bun:"finalise_index"`
	NotAfter      *time.Time `bun:"not_after"`
}

func (o *orderRow) identifiers() ([]Identifier, error) {
	var list []Identifier
	err := json.Unmarshal([]byte(o.Identifiers), &list)
	if err != nil {
		return nil, fmt.Errorf("identifiers of order %s: %w", o.ID, err)
	}
	return list, nil
}

// status tells the state of an order from its own and its authorizations'.
func (o *orderRow) status(authzs []authzRow, now time.Time) string {
	if o.State != statusPending {
		return o.State
	}
	if !now.Before(o.ExpiresAt) || len(authzs) == 0 {
		return statusInvalid
	}
	ready := true
	for i := range authzs {
		switch authzs[i].status(now) {
		case statusValid:
		case statusPending:
			ready = false
		default:
			return statusInvalid
		}
	}
	if ready {
		return statusReady
	}
	return statusPending
}

type authzRow struct {
	bun.BaseModel `bun:"table:acme_authz"`

	ID        string    `bun:"id,pk"`
	OrderID   string    `bun:"order_id"`
	AccountID string    `bun:"account_id"`
	Position  int64     `bun:"position"`
	Kind      string    `bun:"kind"`
	Value     string    `bun:"value"`
	State     string    `bun:"state"`
	ChangedAt time.Time `bun:"changed_at"`
	ExpiresAt time.Time `bun:"expires_at"`
}

func (a *authzRow) identifier() Identifier { return Identifier{Type: a.Kind, Value: a.Value} }

// status tells the end of an authorization by time (RFC 8555 §7.1.6).
func (a *authzRow) status(now time.Time) string {
	if now.Before(a.ExpiresAt) {
		return a.State
	}
	switch a.State {
	case statusValid:
		return statusExpired
	case statusPending:
		return statusInvalid
	default:
		return a.State
	}
}

type challengeRow struct {
	bun.BaseModel `bun:"table:acme_challenge"`

	ID          string     `bun:"id,pk"`
	AuthzID     string     `bun:"authz_id"`
	Position    int64      `bun:"position"`
	Kind        string     `bun:"kind"`
	Token       string     `bun:"token"`
	State       string     `bun:"state"`
	Fault       string     `bun:"fault"` // JSON of a Problem
	ClaimedAt   *time.Time `bun:"claimed_at"`
	ValidatedAt *time.Time `bun:"validated_at"`
}

// newID gives a name that cannot be guessed; as a token of a challenge it has
// the 128 bits of RFC 8555 §8.1 and more.
func newID() (string, error) {
	b := make([]byte, 24)
	_, err := rand.Read(b)
	if err != nil {
		return "", fmt.Errorf("new id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
