package device

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// Errors that a caller can act on.
var (
	ErrNotFound = errors.New("device: not found")
	ErrExists   = errors.New("device: serial number in the register already")
	ErrInvalid  = errors.New("device: invalid entry")
	// ErrState says that the device is not in a state from which the change can
	// be made, or that another change waits.
	ErrState = errors.New("device: not possible now")
	// ErrRecord says that a change could not be recorded; it was not made.
	ErrRecord = errors.New("device: change cannot be recorded")
)

// State is where a device is.
type State string

// States of a device.
const (
	StateInStock   State = "in-stock"
	StateHandedOut State = "handed-out"
	StateReturned  State = "returned"
	StateLost      State = "lost"
	StateDamaged   State = "damaged"
	StateRecovered State = "recovered"
	StateDestroyed State = "destroyed"
)

// Kinds lists the kinds of devices.
func Kinds() []string { return []string{"usb", "card", "hsm", "partition"} }

// Change is what may happen to a device.
type Change string

// Changes of a device.
const (
	ChangeHandOut Change = "hand-out"
	ChangeReturn  Change = "return"
	ChangeLose    Change = "lose"
	ChangeDamage  Change = "damage"
	ChangeRecover Change = "recover" // works again after it was locked, damaged or found
	ChangeRestock Change = "restock"
	ChangeDestroy Change = "destroy"
)

// Changes lists the changes.
func Changes() []Change {
	return []Change{ChangeHandOut, ChangeReturn, ChangeLose, ChangeDamage, ChangeRecover, ChangeRestock, ChangeDestroy}
}

// rule is from where a change leads where.
func (c Change) rule() (from []State, to State) {
	switch c {
	case ChangeHandOut:
		return []State{StateInStock}, StateHandedOut
	case ChangeReturn:
		return []State{StateHandedOut, StateRecovered, StateDamaged}, StateReturned
	case ChangeLose:
		return []State{StateHandedOut, StateRecovered, StateDamaged}, StateLost
	case ChangeDamage:
		return []State{StateInStock, StateHandedOut, StateRecovered, StateReturned}, StateDamaged
	case ChangeRecover:
		return []State{StateHandedOut, StateDamaged, StateLost}, StateRecovered
	case ChangeRestock:
		return []State{StateReturned}, StateInStock
	case ChangeDestroy:
		return []State{StateInStock, StateReturned, StateDamaged}, StateDestroyed
	}
	return nil, ""
}

// Device is a device of the register.
type Device struct {
	Serial string `bun:"serial,pk" json:"serial"`
	Kind   string `bun:"kind" json:"kind"`
	Maker  string `bun:"maker" json:"maker"`
	Model  string `bun:"model" json:"model"`
	State  State  `bun:"state" json:"state"`
	// HolderPerson and HolderAgency have the device, or had it when it was lost.
	HolderPerson string `bun:"holder_person" json:"holder_person,omitempty"`
	HolderAgency string `bun:"holder_agency" json:"holder_agency,omitempty"`
	// Certificate is the serial number of the certificate whose key it holds.
	Certificate string `bun:"certificate" json:"certificate,omitempty"`
	// RevokedAt is when that certificate was revoked, for certificates of
	// another authority; our own are asked for.
	RevokedAt *time.Time `bun:"revoked_at" json:"revoked_at,omitempty"`
	// RecoveryAskedAt is when recovery was asked for, until it is done.
	RecoveryAskedAt *time.Time `bun:"recovery_asked_at" json:"recovery_asked_at,omitempty"`
	Note            string     `bun:"note" json:"note,omitempty"`
	StateAt         time.Time  `bun:"state_at" json:"state_at"`
	CreatedBy       string     `bun:"created_by" json:"created_by"`
	CreatedAt       time.Time  `bun:"created_at" json:"created_at"`

	bun.BaseModel `bun:"table:hsm_device" json:"-"`
}

// Held says whether somebody has the device.
func (d *Device) Held() bool {
	return d.HolderPerson != "" && slices.Contains([]State{StateHandedOut, StateDamaged, StateRecovered}, d.State)
}

// States of an act.
const (
	ActPending   = "pending"
	ActConfirmed = "confirmed"
	ActRefused   = "refused"
)

// Act is a change that somebody proposed.
type Act struct {
	ID     string `bun:"id,pk" json:"id"`
	Serial string `bun:"serial" json:"serial"`
	Change Change `bun:"change" json:"change"`
	State  string `bun:"state" json:"state"`
	// From is the device's state when the change was proposed.
	From State `bun:"from_state" json:"from"`
	// PersonID and AgencyID hand over or take over, or had the device.
	PersonID    string     `bun:"person_id" json:"person,omitempty"`
	AgencyID    string     `bun:"agency_id" json:"agency,omitempty"`
	Certificate string     `bun:"certificate" json:"certificate,omitempty"`
	HappenedAt  time.Time  `bun:"happened_at" json:"happened_at"`
	Note        string     `bun:"note" json:"note,omitempty"`
	ProposedBy  string     `bun:"proposed_by" json:"proposed_by"`
	Proposer    string     `bun:"proposer" json:"-"` // person
	ProposedAt  time.Time  `bun:"proposed_at" json:"proposed_at"`
	ProposeIdx  int64      `bun:"propose_index" json:"propose_index"`
	DecidedBy   string     `bun:"decided_by" json:"decided_by,omitempty"`
	DecidedAt   *time.Time `bun:"decided_at" json:"decided_at,omitempty"`
	DecideIdx   *int64     `bun:"decide_index" json:"decide_index,omitempty"`
	// Minutes is the signed PDF of a confirmed act, where there is one.
	Minutes       []byte `bun:"minutes" json:"-"`
	MinutesSHA256 string `bun:"minutes_sha256" json:"minutes_sha256,omitempty"`

	bun.BaseModel `bun:"table:hsm_device_act" json:"-"`
}

// Schema is the register's part of the database.
func Schema() []store.Migration {
	return []store.Migration{{ID: "hsm/device/0001", SQL: `
CREATE TABLE hsm_device (
	serial TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	maker TEXT NOT NULL,
	model TEXT NOT NULL,
	state TEXT NOT NULL,
	holder_person TEXT NOT NULL DEFAULT '',
	holder_agency TEXT NOT NULL DEFAULT '',
	certificate TEXT NOT NULL DEFAULT '',
	revoked_at TIMESTAMPTZ,
	recovery_asked_at TIMESTAMPTZ,
	note TEXT NOT NULL DEFAULT '',
	state_at TIMESTAMPTZ NOT NULL,
	created_by TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX hsm_device_state ON hsm_device (state);
CREATE INDEX hsm_device_holder ON hsm_device (holder_agency, holder_person);
CREATE TABLE hsm_device_act (
	id TEXT PRIMARY KEY,
	serial TEXT NOT NULL REFERENCES hsm_device (serial),
	change TEXT NOT NULL,
	state TEXT NOT NULL,
	from_state TEXT NOT NULL,
	person_id TEXT NOT NULL DEFAULT '',
	agency_id TEXT NOT NULL DEFAULT '',
	certificate TEXT NOT NULL DEFAULT '',
	happened_at TIMESTAMPTZ NOT NULL,
	note TEXT NOT NULL DEFAULT '',
	proposed_by TEXT NOT NULL,
	proposer TEXT NOT NULL DEFAULT '',
	proposed_at TIMESTAMPTZ NOT NULL,
	propose_index BIGINT NOT NULL,
	decided_by TEXT NOT NULL DEFAULT '',
	decided_at TIMESTAMPTZ,
	decide_index BIGINT,
	minutes BYTEA,
	minutes_sha256 TEXT NOT NULL DEFAULT ''
);
CREATE INDEX hsm_device_act_serial ON hsm_device_act (serial, proposed_at);
CREATE INDEX hsm_device_act_state ON hsm_device_act (state);
`}}
}

const (
	maxField = 100
	maxNote  = 500
)

// checkText refuses what cannot be printed.
func checkText(what, text string, limit int, needed bool) error {
	if needed && text == "" {
		return fmt.Errorf("%w: %s is missing", ErrInvalid, what)
	}
	if len(text) > limit || !utf8.ValidString(text) {
		return fmt.Errorf("%w: %s has more than %d bytes or is not UTF-8", ErrInvalid, what, limit)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%w: %s holds a character that cannot be printed", ErrInvalid, what)
		}
	}
	return nil
}

// checkSerial takes what makers print on devices: it goes into the ledger too.
func checkSerial(serial string) error {
	if serial == "" || len(serial) > maxField {
		return fmt.Errorf("%w: serial number of %d bytes", ErrInvalid, len(serial))
	}
	for _, r := range serial {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("%w: serial number %q: letters, digits and marks without spaces", ErrInvalid, serial)
		}
	}
	return nil
}
