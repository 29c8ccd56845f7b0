// Package control is how an operator speaks with a running sensor: HTTP with
// JSON over a Unix socket, whose file mode says who may. It shows figures and
// does what does not stop the capture: reload rules, open files anew, record
// packets.
package control

import (
	"time"

	"github.com/antin-gov/antin/sensor/rules"
)

// Figures are what a sensor counts.
type Figures struct {
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
	// Now is when the figures were asked for; those of packets are at most a
	// second older.
	Now        time.Time `json:"now"`
	Uptime     float64   `json:"uptime"`
	Interfaces []string  `json:"interfaces"`
	Packets    Packets   `json:"packets"`
	// Drops counts what was lost, by the stage that lost it.
	Drops map[string]uint64 `json:"drops"`
	Flows Flows             `json:"flows"`
	// Events counts the records by event_type.
	Events     map[string]uint64 `json:"events"`
	Alerts     uint64            `json:"alerts"`
	Suppressed uint64            `json:"alerts_suppressed"`
	Rules      Rules             `json:"rules"`
	// Sinks are where records go.
	Sinks []Sink `json:"sinks"`
	Hub   *Hub   `json:"hub,omitempty"`
	// Panics are parsers that failed by our own mistake.
	Panics uint64 `json:"parser_panics"`
}

// Packets counts them: Received = Processed + Dropped + Invalid.
type Packets struct {
	Received  uint64 `json:"received"`
	Processed uint64 `json:"processed"`
	Dropped   uint64 `json:"dropped"`
	Invalid   uint64 `json:"invalid"`
	Bytes     uint64 `json:"bytes"`
	// Truncated are those of which a part was taken (capture.snaplen).
	Truncated uint64 `json:"truncated"`
	// Kernel is what the kernel counted at the sockets.
	Kernel uint64 `json:"kernel"`
}

// Flows counts them.
type Flows struct {
	Active uint64 `json:"active"`
	Total  uint64 `json:"total"`
	Forced uint64 `json:"forced_out"`
}

// Rules say what is in force.
type Rules struct {
	Version string `json:"version"`
	Loaded  int    `json:"loaded"`
	// Reloads were done, Failed left the rules of before; LastError is why the
	// last one failed, empty after one that was done.
	Reloads   uint64     `json:"reloads"`
	Failed    uint64     `json:"reloads_failed"`
	Last      *time.Time `json:"last_reload,omitempty"`
	LastError string     `json:"last_error,omitempty"`
}

// Sink counts the records of one way out.
type Sink struct {
	Name      string `json:"name"`
	Accepted  uint64 `json:"accepted"`
	Delivered uint64 `json:"delivered"`
	Dropped   uint64 `json:"dropped"`
}

// Hub is the way to the centre.
type Hub struct {
	Connected bool  `json:"connected"`
	Failing   bool  `json:"disk_failing"`
	Bytes     int64 `json:"spool_bytes"`
	Limit     int64 `json:"spool_limit"`
}

// Top is what passes just now.
type Top struct {
	Figures
	// Seconds is how long the talkers and protocols were counted; it is zero
	// for the first answer, which begins the counting.
	Seconds   float64 `json:"seconds"`
	Talkers   []Row   `json:"talkers"`
	Protocols []Row   `json:"protocols"`
	// TopAlerts counts from the start.
	TopAlerts []Alert `json:"top_alerts"`
}

// Row is one line of a table.
type Row struct {
	Name    string `json:"name"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Alert counts the alerts of a rule.
type Alert struct {
	GID     uint32    `json:"gid"`
	SID     uint32    `json:"sid"`
	Message string    `json:"signature"`
	Count   uint64    `json:"count"`
	Last    time.Time `json:"last"`
}

// Reload says what a reload of the rules did.
type Reload struct {
	Version string  `json:"version"`
	Loaded  int     `json:"loaded"`
	Refused int     `json:"refused"`
	Seconds float64 `json:"seconds"`
}

// Record asks for the packets of a flow or a host.
type Record struct {
	Flow    uint64  `json:"flow,omitempty"`
	Host    string  `json:"host,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Recorded says where packets are kept, and how long.
type Recorded struct {
	Dir   string    `json:"dir"`
	Until time.Time `json:"until"`
}

// ProfileAsk asks to measure the rules for some time; the answer has at most
// that many rules, in that order.
type ProfileAsk struct {
	Seconds float64         `json:"seconds"`
	Rows    int             `json:"rows"`
	Order   rules.CostOrder `json:"sort"`
}

// Profile is what rules cost while they were measured.
type Profile struct {
	rules.CostReport
	// Ended says that other rules came into force, which ended it.
	Ended bool `json:"ended_by_reload"`
	// Packets passed the sensor meanwhile, to a second.
	Packets uint64 `json:"packets"`
}

// Rotate says which files were begun anew.
type Rotate struct {
	Files []string `json:"files"`
}
