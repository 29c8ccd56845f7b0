package drill

import (
	"time"

	"github.com/uptrace/bun"
)

// States of a drill.
const (
	StatePlanned  = "planned"
	StateApproved = "approved"
	StateRunning  = "running"
	StatePaused   = "paused"
	StateStopped  = "stopped"
	StateFinished = "finished"
	StateScored   = "scored"
)

// Drill is one run of a scenario. Its ID is the exercise_id of everything it
// raises.
type Drill struct {
	bun.BaseModel `bun:"table:drill"`

	ID         string `bun:"id,pk" json:"id"`
	AgencyID   string `bun:"agency_id" json:"agency_id"`
	ScenarioID string `bun:"scenario_id" json:"scenario_id"`
	Title      string `bun:"title" json:"title"`
	// Scenario is the text as approved; a later change of the file changes nothing.
	Scenario       string     `bun:"scenario" json:"-"`
	ScenarioSHA256 string     `bun:"scenario_sha256" json:"scenario_sha256"`
	State          string     `bun:"state" json:"state"`
	PlannedBy      string     `bun:"planned_by" json:"planned_by"`
	PlannedAt      time.Time  `bun:"planned_at" json:"planned_at"`
	ApprovedBy     string     `bun:"approved_by" json:"approved_by,omitempty"`
	ApprovedAt     *time.Time `bun:"approved_at" json:"approved_at,omitempty"`
	StartedAt      *time.Time `bun:"started_at" json:"started_at,omitempty"`
	EndedAt        *time.Time `bun:"ended_at" json:"ended_at,omitempty"`
	// DueEnd is when the running drill finishes by itself.
	DueEnd *time.Time `bun:"due_end" json:"due_end,omitempty"`
}

// Pause is a time in which the exercise clock stood.
type Pause struct {
	bun.BaseModel `bun:"table:drill_pause"`

	DrillID string     `bun:"drill_id,pk" json:"-"`
	Seq     int        `bun:"seq,pk" json:"seq"`
	FromAt  time.Time  `bun:"from_at" json:"from"`
	ToAt    *time.Time `bun:"to_at" json:"to,omitempty"`
}

// Happening is an inject of a drill: when it is due and what became of it.
type Happening struct {
	bun.BaseModel `bun:"table:drill_inject"`

	DrillID  string `bun:"drill_id,pk" json:"-"`
	InjectID string `bun:"inject_id,pk" json:"inject"`
	Seq      int    `bun:"seq" json:"seq"`
	OffsetMS int64  `bun:"offset_ms" json:"offset_ms"`
	Kind     string `bun:"kind" json:"kind"`
	// DueAt is wall time; nil while the exercise clock stands.
	DueAt *time.Time `bun:"due_at" json:"due_at,omitempty"`
	// FiredAt is when it reached the players (packets: when they began).
	FiredAt    *time.Time `bun:"fired_at" json:"fired_at,omitempty"`
	ClaimedAt  *time.Time `bun:"claimed_at" json:"-"`
	DoneAt     *time.Time `bun:"done_at" json:"done_at,omitempty"`
	Attempts   int        `bun:"attempts" json:"attempts"`
	Fault      string     `bun:"fault" json:"fault,omitempty"`
	Answer     string     `bun:"answer" json:"answer,omitempty"`
	AnsweredAt *time.Time `bun:"answered_at" json:"answered_at,omitempty"`
	AnsweredBy string     `bun:"answered_by" json:"answered_by,omitempty"`
}

// Message is a mail in the outbox.
type Message struct {
	bun.BaseModel `bun:"table:drill_mail"`

	ID        string     `bun:"id,pk" json:"id"`
	DrillID   string     `bun:"drill_id" json:"-"`
	InjectID  string     `bun:"inject_id" json:"inject"`
	Recipient string     `bun:"recipient" json:"recipient"`
	Subject   string     `bun:"subject" json:"subject"`
	Body      string     `bun:"body" json:"body"`
	CreatedAt time.Time  `bun:"created_at" json:"created_at"`
	SentAt    *time.Time `bun:"sent_at" json:"sent_at,omitempty"`
	NextAt    *time.Time `bun:"next_at" json:"-"`
	Attempts  int        `bun:"attempts" json:"attempts"`
	Fault     string     `bun:"fault" json:"fault,omitempty"`
}

// History is one act of a drill.
type History struct {
	bun.BaseModel `bun:"table:drill_history"`

	DrillID     string    `bun:"drill_id,pk" json:"-"`
	Seq         int       `bun:"seq,pk" json:"seq"`
	At          time.Time `bun:"at" json:"at"`
	Actor       string    `bun:"actor" json:"actor"`
	Action      string    `bun:"action" json:"action"`
	Detail      string    `bun:"detail" json:"detail,omitempty"`
	LedgerIndex *int64    `bun:"ledger_index" json:"ledger_index,omitempty"`
}

// Over says whether the drill has ended.
func (d *Drill) Over() bool {
	return d.State == StateStopped || d.State == StateFinished || d.State == StateScored
}

// paused sums how much of [from, to] the pauses cover; a pause that has not
// ended reaches to the end.
func paused(pauses []Pause, from, to time.Time) time.Duration {
	var sum time.Duration
	for _, p := range pauses {
		a, b := p.FromAt, to
		if p.ToAt != nil && p.ToAt.Before(b) {
			b = *p.ToAt
		}
		if a.Before(from) {
			a = from
		}
		if b.After(a) {
			sum += b.Sub(a)
		}
	}
	return sum
}

// Elapsed is the exercise clock at the time: since the start, less the pauses.
func (d *Drill) Elapsed(pauses []Pause, at time.Time) time.Duration {
	if d.StartedAt == nil {
		return 0
	}
	if d.EndedAt != nil && d.EndedAt.Before(at) {
		at = *d.EndedAt
	}
	return max(0, at.Sub(*d.StartedAt)-paused(pauses, *d.StartedAt, at))
}
