package directory

import "github.com/antin-gov/antin/internal/store"

// Schema is the directory's part of the database.
var Schema = []store.Migration{{ID: "directory/0001", SQL: `
CREATE TABLE agency (
	id TEXT PRIMARY KEY,
	code TEXT NOT NULL,
	name TEXT NOT NULL,
	name_en TEXT NOT NULL DEFAULT '',
	abbreviation TEXT NOT NULL DEFAULT '',
	kind TEXT NOT NULL,
	parent_id TEXT NOT NULL DEFAULT '',
	predecessor_id TEXT NOT NULL DEFAULT '',
	successor_id TEXT NOT NULL DEFAULT '',
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ
);
CREATE INDEX agency_code ON agency (code);
CREATE TABLE person (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	email TEXT NOT NULL DEFAULT '',
	phone TEXT NOT NULL DEFAULT ''
);
CREATE TABLE position (
	id TEXT PRIMARY KEY,
	person_id TEXT NOT NULL REFERENCES person (id),
	agency_id TEXT NOT NULL REFERENCES agency (id),
	title TEXT NOT NULL,
	title_en TEXT NOT NULL DEFAULT '',
	valid_from TIMESTAMPTZ NOT NULL,
	valid_to TIMESTAMPTZ
);
CREATE INDEX position_person ON position (person_id);
CREATE TABLE agency_network (
	id TEXT PRIMARY KEY,
	agency_id TEXT NOT NULL REFERENCES agency (id),
	site TEXT NOT NULL DEFAULT '',
	cidr TEXT NOT NULL
);
`}, changeSchema, {ID: "directory/0003", SQL: `ALTER TABLE agency ADD COLUMN registrar_id TEXT NOT NULL DEFAULT ''`}}
