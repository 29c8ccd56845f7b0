package incident

import "github.com/antin-gov/antin/internal/store"

// Schema is the room's part of the database. An empty exercise_id marks what
// is real.
var Schema = []store.Migration{{ID: "incident/0001", SQL: `
CREATE TABLE incident_event (
	id TEXT PRIMARY KEY,
	sensor TEXT NOT NULL,
	site TEXT NOT NULL,
	exercise_id TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	received_at TIMESTAMPTZ NOT NULL,
	type TEXT NOT NULL,
	proto TEXT NOT NULL,
	src_ip TEXT NOT NULL,
	src_port INTEGER NOT NULL,
	dst_ip TEXT NOT NULL,
	dst_port INTEGER NOT NULL,
	community_id TEXT NOT NULL,
	flow_id BIGINT NOT NULL,
	sid BIGINT NOT NULL,
	raw BYTEA NOT NULL,
	sha256 TEXT NOT NULL
);
CREATE INDEX incident_event_at ON incident_event (exercise_id, at);
CREATE INDEX incident_event_flow ON incident_event (community_id);
CREATE TABLE incident_deadletter (
	key TEXT PRIMARY KEY,
	at TIMESTAMPTZ NOT NULL,
	subject TEXT NOT NULL,
	reason TEXT NOT NULL,
	raw BYTEA NOT NULL,
	sha256 TEXT NOT NULL
);
CREATE TABLE incident_case (
	id TEXT PRIMARY KEY,
	number TEXT NOT NULL UNIQUE,
	exercise_id TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	title TEXT NOT NULL,
	class TEXT NOT NULL,
	severity INTEGER NOT NULL,
	state TEXT NOT NULL,
	assignee TEXT NOT NULL,
	t0 TIMESTAMPTZ NOT NULL,
	first_at TIMESTAMPTZ NOT NULL,
	last_at TIMESTAMPTZ NOT NULL,
	alerts INTEGER NOT NULL,
	events INTEGER NOT NULL,
	profile TEXT NOT NULL,
	ack_at TIMESTAMPTZ,
	closed_at TIMESTAMPTZ,
	close_reason TEXT NOT NULL,
	updated_at TIMESTAMPTZ NOT NULL,
	opened_ledger BIGINT
);
CREATE INDEX incident_case_open ON incident_case (exercise_id, agency_id, state);
CREATE INDEX incident_case_t0 ON incident_case (t0, id);
CREATE INDEX incident_case_updated ON incident_case (updated_at);
CREATE TABLE incident_case_host (
	case_id TEXT NOT NULL REFERENCES incident_case (id),
	addr TEXT NOT NULL,
	PRIMARY KEY (case_id, addr)
);
CREATE INDEX incident_case_host_addr ON incident_case_host (addr);
CREATE TABLE incident_alert (
	id TEXT PRIMARY KEY,
	exercise_id TEXT NOT NULL,
	agency_id TEXT NOT NULL,
	site TEXT NOT NULL,
	dedup_key TEXT NOT NULL,
	source TEXT NOT NULL,
	rule_id TEXT NOT NULL,
	title TEXT NOT NULL,
	class TEXT NOT NULL,
	severity INTEGER NOT NULL,
	client TEXT NOT NULL,
	server TEXT NOT NULL,
	count INTEGER NOT NULL,
	first_at TIMESTAMPTZ NOT NULL,
	last_at TIMESTAMPTZ NOT NULL,
	raised_at TIMESTAMPTZ NOT NULL,
	case_id TEXT NOT NULL
);
CREATE INDEX incident_alert_key ON incident_alert (dedup_key, last_at);
CREATE INDEX incident_alert_case ON incident_alert (case_id);
CREATE TABLE incident_evidence (
	alert_id TEXT NOT NULL REFERENCES incident_alert (id),
	event_id TEXT NOT NULL REFERENCES incident_event (id),
	PRIMARY KEY (alert_id, event_id)
);
CREATE TABLE incident_history (
	case_id TEXT NOT NULL REFERENCES incident_case (id),
	seq INTEGER NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	detail TEXT NOT NULL,
	ledger_index BIGINT,
	prev_hash TEXT NOT NULL,
	hash TEXT NOT NULL,
	PRIMARY KEY (case_id, seq)
);
CREATE TABLE incident_clock (
	case_id TEXT NOT NULL REFERENCES incident_case (id),
	clock TEXT NOT NULL,
	due_at TIMESTAMPTZ NOT NULL,
	warn_at TIMESTAMPTZ NOT NULL,
	warned_at TIMESTAMPTZ,
	fired_at TIMESTAMPTZ,
	met_at TIMESTAMPTZ,
	met_ref TEXT NOT NULL DEFAULT '',
	stopped_at TIMESTAMPTZ,
	PRIMARY KEY (case_id, clock)
);
CREATE INDEX incident_clock_due ON incident_clock (due_at);
CREATE TABLE incident_number (
	series TEXT PRIMARY KEY,
	last INTEGER NOT NULL
);
`}}
