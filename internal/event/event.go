// Package event holds the two shapes of an observation from the wire: the raw
// EVE record, which is evidence and never changed, and the small typed event
// that rules and searches read.
//
// EVE is the JSON event format of Suricata (docs.suricata.io, "EVE JSON
// Format"). Field names of the flat view are those of the Elastic Common
// Schema where ECS has one.
package event

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"
)

// MaxRawBytes limits one EVE record. Suricata itself stays under 64 KiB by
// default; a larger record is refused, not cut.
const MaxRawBytes = 1 << 20

// Event is one EVE record with the fields that the pipeline itself needs.
type Event struct {
	// ID is unique and stable over redelivery: sensor, run and sequence
	// number, see Batch.ID.
	ID string
	// Sensor and Site name where the record was made.
	Sensor string
	Site   string
	// ExerciseID is the drill the record belongs to, empty for real traffic.
	ExerciseID string
	// Raw is the record as the sensor wrote it, without the line end.
	Raw []byte
	// Time is the record's "timestamp" in UTC.
	Time time.Time
	// Type is EVE's "event_type": alert, dns, tls, http, flow, …
	Type        string
	Proto       string
	Src, Dst    netip.AddrPort
	CommunityID string
	FlowID      uint64
	// Alert is set when Type is "alert".
	Alert *Alert
	// Fields is the record decoded as JSON, for field look-up by rules.
	Fields map[string]any
}

// Alert is EVE's "alert" object.
type Alert struct {
	SID       int64
	GID       int64
	Rev       int64
	Signature string
	Category  string
	// Severity is EVE's: 1 is the most severe, 4 the least.
	Severity int
	Metadata map[string][]string
}

// SHA256 returns the hex digest of the raw record: its name as evidence.
func (e *Event) SHA256() string {
	sum := sha256.Sum256(e.Raw)
	return hex.EncodeToString(sum[:])
}
