package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/uptrace/bun"
)

// States of a case.
const (
	StateNew          = "new"
	StateAcknowledged = "acknowledged"
	StateClosed       = "closed"
)

// Reasons for which a case is closed.
const (
	ReasonResolved      = "resolved"
	ReasonFalsePositive = "false-positive"
	ReasonDuplicate     = "duplicate"
	ReasonExercise      = "exercise-ended"
)

// Case is one incident that somebody answers for.
type Case struct {
	bun.BaseModel `bun:"table:incident_case"`

	ID     string `bun:"id,pk" json:"id"`
	Number string `bun:"number" json:"number"`
	// ExerciseID is the drill the case belongs to, empty for a real incident.
	ExerciseID string   `bun:"exercise_id" json:"exercise_id,omitempty"`
	AgencyID   string   `bun:"agency_id" json:"agency_id"`
	Title      string   `bun:"title" json:"title"`
	Class      string   `bun:"class" json:"class"`
	Severity   Severity `bun:"severity" json:"severity"`
	State      string   `bun:"state" json:"state"`
	Assignee   string   `bun:"assignee" json:"assignee,omitempty"`
	// T0 is the detection time: when the platform raised the first alert (R43).
	// The clocks count from it; FirstAt and LastAt are times of the traffic.
	T0          time.Time  `bun:"t0" json:"t0"`
	FirstAt     time.Time  `bun:"first_at" json:"first_at"`
	LastAt      time.Time  `bun:"last_at" json:"last_at"`
	Alerts      int        `bun:"alerts" json:"alerts"`
	Events      int        `bun:"events" json:"events"`
	Profile     string     `bun:"profile" json:"profile"`
	AckAt       *time.Time `bun:"ack_at" json:"ack_at,omitempty"`
	ClosedAt    *time.Time `bun:"closed_at" json:"closed_at,omitempty"`
	CloseReason string     `bun:"close_reason" json:"close_reason,omitempty"`
	UpdatedAt   time.Time  `bun:"updated_at" json:"updated_at"`
	// OpenedLedger is the ledger index of the opening, nil until recorded.
	OpenedLedger *int64 `bun:"opened_ledger" json:"opened_ledger,omitempty"`
}

// T0Minute is the detection time to the minute, as reports state it.
func (c *Case) T0Minute() time.Time { return c.T0.Truncate(time.Minute) }

// Exercise says whether the case belongs to a drill.
func (c *Case) Exercise() bool { return c.ExerciseID != "" }

// Alert is what one rule says of one pair of hosts, deduplicated.
type Alert struct {
	bun.BaseModel `bun:"table:incident_alert"`

	ID         string   `bun:"id,pk" json:"id"`
	ExerciseID string   `bun:"exercise_id" json:"exercise_id,omitempty"`
	AgencyID   string   `bun:"agency_id" json:"agency_id"`
	Site       string   `bun:"site" json:"site,omitempty"`
	DedupKey   string   `bun:"dedup_key" json:"-"`
	Source     string   `bun:"source" json:"source"` // eve, sigma
	RuleID     string   `bun:"rule_id" json:"rule_id"`
	Title      string   `bun:"title" json:"title"`
	Class      string   `bun:"class" json:"class"`
	Severity   Severity `bun:"severity" json:"severity"`
	Client     string   `bun:"client" json:"client"`
	Server     string   `bun:"server" json:"server"`
	Count      int      `bun:"count" json:"count"`
	// FirstAt and LastAt are times of the traffic, RaisedAt that of the platform.
	FirstAt  time.Time `bun:"first_at" json:"first_at"`
	LastAt   time.Time `bun:"last_at" json:"last_at"`
	RaisedAt time.Time `bun:"raised_at" json:"raised_at"`
	CaseID   string    `bun:"case_id" json:"case_id,omitempty"`
}

// Clock is a running, met or missed duty of a case.
type Clock struct {
	bun.BaseModel `bun:"table:incident_clock"`

	CaseID    string     `bun:"case_id,pk" json:"-"`
	ID        string     `bun:"clock,pk" json:"clock"`
	DueAt     time.Time  `bun:"due_at" json:"due_at"`
	WarnAt    time.Time  `bun:"warn_at" json:"warn_at"`
	WarnedAt  *time.Time `bun:"warned_at" json:"warned_at,omitempty"`
	FiredAt   *time.Time `bun:"fired_at" json:"fired_at,omitempty"`
	MetAt     *time.Time `bun:"met_at" json:"met_at,omitempty"`
	MetRef    string     `bun:"met_ref" json:"met_ref,omitempty"`
	StoppedAt *time.Time `bun:"stopped_at" json:"stopped_at,omitempty"`
}

// Running says whether the duty still waits to be done.
func (c *Clock) Running() bool { return c.MetAt == nil && c.StoppedAt == nil }

// StoredEvent is a record as kept: the raw bytes, their digest and the columns
// that are searched.
type StoredEvent struct {
	bun.BaseModel `bun:"table:incident_event"`

	ID          string    `bun:"id,pk" json:"id"`
	Sensor      string    `bun:"sensor" json:"sensor"`
	Site        string    `bun:"site" json:"site,omitempty"`
	ExerciseID  string    `bun:"exercise_id" json:"exercise_id,omitempty"`
	AgencyID    string    `bun:"agency_id" json:"agency_id"`
	At          time.Time `bun:"at" json:"at"`
	ReceivedAt  time.Time `bun:"received_at" json:"received_at"`
	Type        string    `bun:"type" json:"type"`
	Proto       string    `bun:"proto" json:"proto,omitempty"`
	SrcIP       string    `bun:"src_ip" json:"src_ip,omitempty"`
	SrcPort     int       `bun:"src_port" json:"src_port,omitempty"`
	DstIP       string    `bun:"dst_ip" json:"dst_ip,omitempty"`
	DstPort     int       `bun:"dst_port" json:"dst_port,omitempty"`
	CommunityID string    `bun:"community_id" json:"community_id,omitempty"`
	FlowID      int64     `bun:"flow_id" json:"flow_id,omitempty"`
	SID         int64     `bun:"sid" json:"sid,omitempty"`
	Raw         []byte    `bun:"raw" json:"-"`
	SHA256      string    `bun:"sha256" json:"sha256"`
}

// DeadLetter is what could not be parsed, kept with the reason.
type DeadLetter struct {
	bun.BaseModel `bun:"table:incident_deadletter"`

	Key     string    `bun:"key,pk" json:"key"`
	At      time.Time `bun:"at" json:"at"`
	Subject string    `bun:"subject" json:"subject"`
	Reason  string    `bun:"reason" json:"reason"`
	Raw     []byte    `bun:"raw" json:"-"`
	SHA256  string    `bun:"sha256" json:"sha256"`
}

// intact says whether the raw bytes still have the digest taken at the door.
func (e *StoredEvent) intact() bool {
	sum := sha256.Sum256(e.Raw)
	return hex.EncodeToString(sum[:]) == e.SHA256
}
