package drill

import "github.com/antin-gov/antin/internal/store"

// Schema is the drills' part of the database; it needs incident.Schema before.
var Schema = []store.Migration{{ID: "drill/0001", SQL: `
CREATE TABLE drill (
	id TEXT PRIMARY KEY,
	agency_id TEXT NOT NULL,
	scenario_id TEXT NOT NULL,
	title TEXT NOT NULL,
	scenario TEXT NOT NULL,
	scenario_sha256 TEXT NOT NULL,
	state TEXT NOT NULL,
	planned_by TEXT NOT NULL,
	planned_at TIMESTAMPTZ NOT NULL,
	approved_by TEXT NOT NULL,
	approved_at TIMESTAMPTZ,
	started_at TIMESTAMPTZ,
	ended_at TIMESTAMPTZ,
	due_end TIMESTAMPTZ
);
CREATE INDEX drill_state ON drill (state);
CREATE TABLE drill_pause (
	drill_id TEXT NOT NULL REFERENCES drill (id),
	seq INTEGER NOT NULL,
	from_at TIMESTAMPTZ NOT NULL,
	to_at TIMESTAMPTZ,
	PRIMARY KEY (drill_id, seq)
);
CREATE TABLE drill_inject (
	drill_id TEXT NOT NULL REFERENCES drill (id),
	inject_id TEXT NOT NULL,
	seq INTEGER NOT NULL,
	offset_ms BIGINT NOT NULL,
	kind TEXT NOT NULL,
	due_at TIMESTAMPTZ,
	fired_at TIMESTAMPTZ,
	claimed_at TIMESTAMPTZ,
	done_at TIMESTAMPTZ,
	attempts INTEGER NOT NULL,
	fault TEXT NOT NULL,
	answer TEXT NOT NULL,
	answered_at TIMESTAMPTZ,
	answered_by TEXT NOT NULL,
	PRIMARY KEY (drill_id, inject_id)
);
CREATE INDEX drill_inject_due ON drill_inject (due_at);
CREATE TABLE drill_mail (
	id TEXT PRIMARY KEY,
	drill_id TEXT NOT NULL REFERENCES drill (id),
	inject_id TEXT NOT NULL,
	recipient TEXT NOT NULL,
	subject TEXT NOT NULL,
	body TEXT NOT NULL,
	created_at TIMESTAMPTZ NOT NULL,
	sent_at TIMESTAMPTZ,
	next_at TIMESTAMPTZ,
	attempts INTEGER NOT NULL,
	fault TEXT NOT NULL
);
CREATE TABLE drill_history (
	drill_id TEXT NOT NULL REFERENCES drill (id),
	seq INTEGER NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	actor TEXT NOT NULL,
	action TEXT NOT NULL,
	detail TEXT NOT NULL,
	ledger_index BIGINT,
	PRIMARY KEY (drill_id, seq)
);
CREATE TABLE drill_score (
	drill_id TEXT NOT NULL REFERENCES drill (id),
	round INTEGER NOT NULL,
	seq INTEGER NOT NULL,
	inject_id TEXT NOT NULL,
	measure TEXT NOT NULL,
	case_id TEXT NOT NULL,
	case_seq INTEGER NOT NULL,
	from_at TIMESTAMPTZ,
	to_at TIMESTAMPTZ,
	paused_us BIGINT NOT NULL,
	taken_us BIGINT NOT NULL,
	limit_us BIGINT NOT NULL,
	points INTEGER NOT NULL,
	max_points INTEGER NOT NULL,
	scored_at TIMESTAMPTZ NOT NULL,
	scored_by TEXT NOT NULL,
	PRIMARY KEY (drill_id, round, seq)
);
CREATE TABLE drill_report (
	drill_id TEXT NOT NULL REFERENCES drill (id),
	seq INTEGER NOT NULL,
	at TIMESTAMPTZ NOT NULL,
	made_by TEXT NOT NULL,
	pdf BYTEA NOT NULL,
	sha256 TEXT NOT NULL,
	ledger_index BIGINT NOT NULL,
	PRIMARY KEY (drill_id, seq)
);
`}}
