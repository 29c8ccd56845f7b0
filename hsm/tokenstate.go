package hsm

import "time"

// TokenState says whether a token gets work.
type TokenState string

const (
	// StateActive: the token gets signatures.
	StateActive TokenState = "active"
	// StateDrained: an officer took the token out; what was under way finishes,
	// nothing new is sent, and nothing but an officer brings it back.
	StateDrained TokenState = "drained"
	// StateQuarantined: the token failed or an officer quarantined it; it is
	// tried again with growing pauses and becomes active by itself when a key
	// signs as before.
	StateQuarantined TokenState = "quarantined"
	// StateRefused: the token refused the PIN. It is not tried again until the
	// PIN's source changes and an officer activates it: tokens lock.
	StateRefused TokenState = "refused"
)

// TokenInfo is the state of one token of the worker.
type TokenInfo struct {
	// Name is unique in the worker: the label, with "@" and the serial number
	// where labels are equal.
	Name string `json:"name"`
	// URI names the token (RFC 7512); it holds no PIN.
	URI    string `json:"uri"`
	Kind   string `json:"kind"`
	Serial string `json:"serial,omitempty"`
	// Manufacturer, Model and Firmware are what the token says of itself.
	Manufacturer string `json:"manufacturer,omitempty"`
	Model        string `json:"model,omitempty"`
	Firmware     string `json:"firmware,omitempty"`

	State TokenState `json:"state"`
	// Since is when the state began; Cause why, for a token that is not active.
	Since time.Time `json:"since"`
	Cause string    `json:"cause,omitempty"`

	Keys int `json:"keys"`
	// Lanes is how many signatures it works on at the same time, Sessions how many
	// sessions are open, Outstanding how many signatures it owes.
	Lanes       int `json:"lanes"`
	Sessions    int `json:"sessions"`
	Outstanding int `json:"outstanding"`
	// Signatures, Recoveries, Losses and Refused count since the worker began:
	// signatures made, sessions or modules healed, times the token was lost,
	// signatures that did not verify and were not released.
	Signatures uint64 `json:"signatures"`
	Recoveries uint64 `json:"recoveries"`
	Losses     uint64 `json:"losses"`
	Refused    uint64 `json:"refused"`
}
