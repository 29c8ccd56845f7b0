// Package ra is the registration authority (R4): a request is made by one
// person, approved by another, and only then certified. Who the holder is
// comes from the directory, not from the request.
//
// It signs no certificates and holds no keys; it hands an approved request to
// the authority once.
package ra

import (
	"errors"
	"net"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
)

// Errors of registration.
var (
	// ErrNotFound says that no request has that id.
	ErrNotFound = errors.New("ra: request not found")
	// ErrForm says that the form does not hold together.
	ErrForm = errors.New("ra: form refused")
	// ErrSamePerson is the rule of the two persons.
	ErrSamePerson = errors.New("ra: who asks may not approve")
	// ErrState says that the request is in another state than the act needs.
	ErrState = errors.New("ra: request is in another state")
	// ErrActor says that nobody is signed in.
	ErrActor = errors.New("ra: no actor")
	// ErrChanged says that the directory no longer says what was approved.
	ErrChanged = errors.New("ra: the holder's facts changed since the request")
	// ErrKeyUsed says that the key belongs to another holder, or that a
	// certificate of it was revoked for a compromise.
	ErrKeyUsed = errors.New("ra: key refused")
	// ErrLedger says that the ledger refused the entry; the act did not take
	// place.
	ErrLedger = errors.New("ra: ledger refused")
)

// State is how far a request has come.
type State string

// The states of a request.
const (
	StateRequested State = "requested"
	StateApproved  State = "approved"
	StateRejected  State = "rejected"
	StateIssuing   State = "issuing"
	StateIssued    State = "issued"
)

// Form is what a requester fills in.
type Form struct {
	Profile string
	// PersonID names the holder of a personal certificate.
	PersonID string
	// AgencyID names the agency of a seal or of a machine; for a person it may
	// be left out, and must else be that of the position.
	AgencyID string
	// Machine is the name of a service, device or sensor.
	Machine  string
	DNSNames []string
	IPs      []net.IP
	// KeyLabel names a key in the token, which then signs the request itself;
	// otherwise CSR is a PKCS#10 request, DER or PEM.
	KeyLabel string
	CSR      []byte
	Note     string
}

// Request is a registered request.
type Request struct {
	bun.BaseModel `bun:"table:ca_request"`

	ID            string     `bun:"id,pk" json:"id"`
	Profile       string     `bun:"profile" json:"profile"`
	State         State      `bun:"state" json:"state"`
	AgencyID      string     `bun:"agency_id" json:"agency_id"`
	PersonID      string     `bun:"person_id" json:"person_id,omitempty"`
	FactsJSON     string     `bun:"facts" json:"-"`
	CSR           []byte     `bun:"csr" json:"-"`
	KeyLabel      string     `bun:"key_label" json:"key_label,omitempty"`
	SPKI          string     `bun:"spki_sha256" json:"spki_sha256"`
	Note          string     `bun:"note" json:"note,omitempty"`
	CreatedBy     string     `bun:"created_by" json:"created_by"`
	CreatedPerson string     `bun:"created_person" json:"-"`
	CreatedAt     time.Time  `bun:"created_at" json:"created_at"`
	CreateIndex   int64      `bun:"create_index" json:"create_index"`
	DecidedBy     string     `bun:"decided_by" json:"decided_by,omitempty"`
	DecidedAt     *time.Time `bun:"decided_at" json:"decided_at,omitempty"`
	DecisionNote  string     `bun:"decision_note" json:"decision_note,omitempty"`
	DecideIndex   *int64     `bun:"decide_index" json:"decide_index,omitempty"`
	IssuingSince  *time.Time `bun:"issuing_since" json:"issuing_since,omitempty"`
	IssuedBy      string     `bun:"issued_by" json:"issued_by,omitempty"`
	IssuedAt      *time.Time `bun:"issued_at" json:"issued_at,omitempty"`
	Serial        string     `bun:"serial" json:"serial,omitempty"`

	// Facts are what stood in the directory when the request was made.
	Facts profile.Facts `bun:"-" json:"facts"`
}
