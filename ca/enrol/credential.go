// Package enrol keeps the credentials by which machines of an agency ask for
// certificates themselves: keys of ACME's external account binding (RFC 8555
// §7.3.4) and one-time secrets of EST (RFC 7030 §3.2.3). An officer makes one
// for an agency, profiles and names; where the policy asks for two persons,
// another officer approves it before it opens anything.
//
// It issues nothing: ca/acme and ca/est ask it whom they have before them and
// what that one may have.
package enrol

import (
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Errors of credentials.
var (
	// ErrNotFound says that no credential has that id.
	ErrNotFound = errors.New("enrol: no such credential")
	// ErrForm says that the form does not hold together.
	ErrForm = errors.New("enrol: form refused")
	// ErrActor says that nobody is signed in.
	ErrActor = errors.New("enrol: no actor")
	// ErrSamePerson is the rule of the two persons.
	ErrSamePerson = errors.New("enrol: who made the credential may not approve it")
	// ErrState says that the credential is in another state than the act needs:
	// waiting for approval, used up, expired or revoked.
	ErrState = errors.New("enrol: credential is in another state")
	// ErrSecret says that the secret is not the credential's.
	ErrSecret = errors.New("enrol: secret does not fit")
	// ErrScope says that a name or profile is not among those agreed.
	ErrScope = errors.New("enrol: outside what was agreed")
	// ErrKeyUsed says that a key belongs to another agency's certificate, or to
	// one revoked for a compromise.
	ErrKeyUsed = errors.New("enrol: key refused")
	// ErrLedger says that the ledger refused the entry; the act did not take
	// place.
	ErrLedger = errors.New("enrol: ledger refused")
)

// Kind is what a credential opens.
type Kind string

// The kinds.
const (
	// KindACME is a key of external account binding.
	KindACME Kind = "acme"
	// KindEST is a one-time secret.
	KindEST Kind = "est"
)

// State is what a credential is good for.
type State string

// The states, told from the times of the credential.
const (
	StateWaiting State = "waiting" // for another officer's approval
	StateActive  State = "active"
	StateUsed    State = "used" // as often as allowed
	StateExpired State = "expired"
	StateRevoked State = "revoked"
)

// Credential is one key or secret. The secret itself is shown once, when it is
// made; kept are the sealed key of ACME, which must be computed with, and the
// digest of EST's.
type Credential struct {
	bun.BaseModel `bun:"table:ca_enrolment"`

	ID       string `bun:"id,pk" json:"id"`
	Kind     Kind   `bun:"kind" json:"kind"`
	AgencyID string `bun:"agency_id" json:"agency_id"`
	// Profiles, the first of which is the default.
	Profiles List `bun:"profiles" json:"profiles"`
	// Domains that certificates may name: "www.so.example", or "*.so.example"
	// for every name below so.example.
	Domains List `bun:"domains" json:"domains,omitempty"`
	// Networks in which addresses may be named, as CIDR.
	Networks List `bun:"networks" json:"networks,omitempty"`
	// Machine is the common name of an EST certificate.
	Machine string `bun:"machine" json:"machine,omitempty"`
	Secret  []byte `bun:"secret" json:"-"`
	// MaxUses is how many accounts may be bound, or enrolments begun.
	MaxUses int64 `bun:"max_uses" json:"max_uses"`
	Uses    int64 `bun:"uses" json:"uses"`
	// Preauthorised names need no challenge where acme.skip_challenges allows.
	Preauthorised bool `bun:"preauthorised" json:"preauthorised,omitempty"`
	// ByOfficer has each EST request wait for an officer.
	ByOfficer     bool       `bun:"by_officer" json:"by_officer,omitempty"`
	Note          string     `bun:"note" json:"note,omitempty"`
	CreatedBy     string     `bun:"created_by" json:"created_by"`
	CreatedPerson string     `bun:"created_person" json:"-"`
	CreatedAt     time.Time  `bun:"created_at" json:"created_at"`
	CreateIndex   int64      `bun:"create_index" json:"create_index"`
	ExpiresAt     time.Time  `bun:"expires_at" json:"expires_at"`
	ApprovedBy    string     `bun:"approved_by" json:"approved_by,omitempty"`
	ApprovedAt    *time.Time `bun:"approved_at" json:"approved_at,omitempty"`
	ApproveIndex  *int64     `bun:"approve_index" json:"approve_index,omitempty"`
	RevokedBy     string     `bun:"revoked_by" json:"revoked_by,omitempty"`
	RevokedAt     *time.Time `bun:"revoked_at" json:"revoked_at,omitempty"`
	RevokeIndex   *int64     `bun:"revoke_index" json:"revoke_index,omitempty"`
	UsedAt        *time.Time `bun:"used_at" json:"used_at,omitempty"`
	// State is told by the reading functions.
	State State `bun:"-" json:"state"`
}

// at says what the credential is good for at a time.
func (c *Credential) at(now time.Time) State {
	switch {
	case c.RevokedAt != nil:
		return StateRevoked
	case c.Uses >= c.MaxUses:
		return StateUsed
	case !now.Before(c.ExpiresAt):
		return StateExpired
	case c.ApprovedAt == nil:
		return StateWaiting
	default:
		return StateActive
	}
}

// Form is what an officer fills in.
type Form struct {
	Kind          Kind
	AgencyID      string
	Profiles      []string
	Domains       []string
	Networks      []string
	Machine       string
	Valid         time.Duration // 0: 30 days for ACME, 7 for EST
	Uses          int64         // 0: 1
	Preauthorised bool
	ByOfficer     bool
	Note          string
}
