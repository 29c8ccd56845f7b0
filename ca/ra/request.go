// Package ra is the registration authority (R4): a request is made by one
// person, confirmed by the agency that manages the holder's, approved by a
// certification officer, and only then carried out; never does one person take
// two of these parts, but for a registrar of the managing agency, whose own
// request confirms it. Who the holder is comes from the directory, not from
// the request. Requests come one by one (Desk) or many in one file (bulk.go).
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
	ErrSamePerson = errors.New("ra: who asks or confirms may not approve")
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

// Kind is what a request asks for.
type Kind string

// The kinds of request.
const (
	// KindNew asks for a first certificate.
	KindNew Kind = "new"
	// KindRenew asks for a further term with the same key; at most the profile's
	// renewal term (NĐ 68/2024: 3 years).
	KindRenew Kind = "renew"
	// KindChange asks for the same key and the same end with what the directory
	// says of the holder today.
	KindChange Kind = "change"
	// KindRekey asks for a further term with another key.
	KindRekey Kind = "rekey"
	// KindRevoke asks for the end of a certificate.
	KindRevoke Kind = "revoke"
	// KindRecover asks that the device of a certificate be unlocked (form 06).
	KindRecover Kind = "recover"
)

// Kinds lists the kinds of request.
func Kinds() []Kind {
	return []Kind{KindNew, KindRenew, KindChange, KindRekey, KindRevoke, KindRecover}
}

// Certifies says whether a request of the kind ends with a new certificate.
func (k Kind) Certifies() bool {
	return k == KindNew || k == KindRenew || k == KindChange || k == KindRekey
}

// sameKey says whether the new certificate carries the key of the old one.
func (k Kind) sameKey() bool { return k == KindRenew || k == KindChange }

// State is how far a request has come.
type State string

// The states of a request. Requested, confirmed, approved and issuing follow
// each other; the others are ends, but for returned, from where the requester
// files it again.
const (
	StateRequested State = "requested" // waits for the managing agency
	StateConfirmed State = "confirmed" // waits for a certification officer
	StateApproved  State = "approved"  // may be carried out
	StateIssuing   State = "issuing"   // is being carried out
	StateReturned  State = "returned"  // back for correction
	StateIssued    State = "issued"    // certified
	StateDone      State = "done"      // carried out; nothing was certified
	StateRejected  State = "rejected"
	StateWithdrawn State = "withdrawn"
)

// States lists the states in their order.
func States() []State {
	return []State{StateRequested, StateConfirmed, StateApproved, StateIssuing, StateReturned, StateIssued, StateDone, StateRejected, StateWithdrawn}
}

// open are the states in which somebody has still to act.
func open() []State {
	return []State{StateRequested, StateConfirmed, StateApproved, StateIssuing, StateReturned}
}

// Form is what a requester fills in.
type Form struct {
	// Kind is KindNew when empty.
	Kind Kind
	// Profile names the kind of certificate; for all kinds of request but new it
	// is that of the certificate and may be left out.
	Profile string
	// Serial names the certificate that the request is about; none for KindNew.
	Serial string
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
	// otherwise CSR is a PKCS#10 request, DER or PEM. A request that keeps the
	// key of its certificate needs neither.
	KeyLabel string
	CSR      []byte
	// MakeKey has a key of this algorithm made in the token when the request is
	// carried out, under KeyLabel or else the id of the request.
	MakeKey string
	// Cause says why a certificate is to be revoked: of KindRevoke, and of
	// KindChange and KindRekey when the old one is to end with the new one.
	Cause string
	// Device is the serial number of the holder's device.
	Device string
	Note   string
}

// Request is a registered request.
type Request struct {
	bun.BaseModel `bun:"table:ca_request"`

	ID            string     `bun:"id,pk" json:"id"`
	Kind          Kind       `bun:"kind" json:"kind"`
	Profile       string     `bun:"profile" json:"profile"`
	State         State      `bun:"state" json:"state"`
	AgencyID      string     `bun:"agency_id" json:"agency_id"`
	PersonID      string     `bun:"person_id" json:"person_id,omitempty"`
	OldSerial     string     `bun:"old_serial" json:"old_serial,omitempty"`
	Cause         string     `bun:"cause" json:"cause,omitempty"`
	Device        string     `bun:"device" json:"device,omitempty"`
	FactsJSON     string     `bun:"facts" json:"-"`
	CSR           []byte     `bun:"csr" json:"-"`
	KeyLabel      string     `bun:"key_label" json:"key_label,omitempty"`
	KeyAlgorithm  string     `bun:"key_algorithm" json:"key_algorithm,omitempty"`
	SPKI          string     `bun:"spki_sha256" json:"spki_sha256,omitempty"`
	Note          string     `bun:"note" json:"note,omitempty"`
	ManagerID     string     `bun:"manager_id" json:"manager_id,omitempty"`
	RegistrarID   string     `bun:"registrar_id" json:"registrar_id,omitempty"`
	Revision      int64      `bun:"revision" json:"revision"`
	CreatedBy     string     `bun:"created_by" json:"created_by"`
	CreatedPerson string     `bun:"created_person" json:"-"`
	CreatedAt     time.Time  `bun:"created_at" json:"created_at"`
	CreateIndex   int64      `bun:"create_index" json:"create_index"`
	ConfirmedBy   string     `bun:"confirmed_by" json:"confirmed_by,omitempty"`
	ConfirmPerson string     `bun:"confirmed_person" json:"-"`
	ConfirmedAt   *time.Time `bun:"confirmed_at" json:"confirmed_at,omitempty"`
	ConfirmIndex  *int64     `bun:"confirm_index" json:"confirm_index,omitempty"`
	DecidedBy     string     `bun:"decided_by" json:"decided_by,omitempty"`
	DecidedPerson string     `bun:"decided_person" json:"-"`
	DecidedAt     *time.Time `bun:"decided_at" json:"decided_at,omitempty"`
	DecisionNote  string     `bun:"decision_note" json:"decision_note,omitempty"`
	DecideIndex   *int64     `bun:"decide_index" json:"decide_index,omitempty"`
	DueAt         *time.Time `bun:"due_at" json:"due_at,omitempty"`
	IssuingSince  *time.Time `bun:"issuing_since" json:"issuing_since,omitempty"`
	IssuedBy      string     `bun:"issued_by" json:"issued_by,omitempty"`
	IssuedAt      *time.Time `bun:"issued_at" json:"issued_at,omitempty"`
	Serial        string     `bun:"serial" json:"serial,omitempty"`
	JobID         string     `bun:"job_id" json:"job_id,omitempty"`
	HandedAt      *time.Time `bun:"handed_at" json:"handed_at,omitempty"`
	HandedBy      string     `bun:"handed_by" json:"handed_by,omitempty"`
	HandedTo      string     `bun:"handed_to" json:"handed_to,omitempty"`
	HandedDevice  string     `bun:"handed_device" json:"handed_device,omitempty"`

	// Facts are what stood in the directory when the request was made.
	Facts profile.Facts `bun:"-" json:"facts"`
	// Overdue says that the term of an open request is over.
	Overdue bool `bun:"-" json:"overdue"`
}

// Event is one act on a request, oldest first in its history.
type Event struct {
	bun.BaseModel `bun:"table:ca_request_event"`

	ID        int64     `bun:"id,pk,autoincrement" json:"-"`
	RequestID string    `bun:"request_id" json:"-"`
	At        time.Time `bun:"at" json:"at"`
	Act       string    `bun:"act" json:"act"`
	State     State     `bun:"state" json:"state"`
	Account   string    `bun:"account" json:"account"`
	Note      string    `bun:"note" json:"note,omitempty"`
	Index     int64     `bun:"ledger_index" json:"ledger_index"`
}
