package ceremony

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// States of a recorded ceremony.
const (
	StateBegun = "begun"
	StateEnded = "ended"
)

// Schema is the ceremonies' part of the database.
func Schema() []store.Migration {
	return []store.Migration{{ID: "hsm/ceremony/0001", SQL: `
CREATE TABLE hsm_ceremony (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	title TEXT NOT NULL,
	title_en TEXT NOT NULL,
	state TEXT NOT NULL,
	folder TEXT NOT NULL,
	script_sha256 TEXT NOT NULL,
	actor TEXT NOT NULL,
	custodians TEXT NOT NULL,
	quorum BIGINT NOT NULL,
	begun_at TIMESTAMPTZ NOT NULL,
	begin_index BIGINT NOT NULL,
	ended_at TIMESTAMPTZ,
	end_index BIGINT,
	transcript_sha256 TEXT NOT NULL DEFAULT ''
);
CREATE INDEX hsm_ceremony_begun ON hsm_ceremony (begun_at);
`}}
}

// Record is a ceremony as the database keeps it. Rehearsals are not recorded.
type Record struct {
	ID               string     `bun:"id,pk" json:"id"`
	Kind             string     `bun:"kind" json:"kind"`
	Title            string     `bun:"title" json:"title"`
	TitleEN          string     `bun:"title_en" json:"title_en"`
	State            string     `bun:"state" json:"state"`
	Folder           string     `bun:"folder" json:"folder"`
	ScriptSHA256     string     `bun:"script_sha256" json:"script_sha256"`
	Actor            string     `bun:"actor" json:"actor"`
	Custodians       string     `bun:"custodians" json:"custodians"` // names of those present, separated by spaces
	Quorum           int64      `bun:"quorum" json:"quorum"`
	BegunAt          time.Time  `bun:"begun_at" json:"begun_at"`
	BeginIndex       int64      `bun:"begin_index" json:"begin_index"`
	EndedAt          *time.Time `bun:"ended_at" json:"ended_at,omitempty"`
	EndIndex         *int64     `bun:"end_index" json:"end_index,omitempty"`
	TranscriptSHA256 string     `bun:"transcript_sha256" json:"transcript_sha256,omitempty"`

	bun.BaseModel `bun:"table:hsm_ceremony" json:"-"`
}

// Records keeps ceremonies in the database.
type Records struct{ DB *store.DB }

// begin records a ceremony that begins, or one that is resumed.
func (rs *Records) begin(ctx context.Context, r Record, again bool) error {
	var old Record
	err := rs.DB.NewSelect().Model(&old).Where("id = ?", r.ID).Scan(ctx)
	if store.IsNotFound(err) {
		_, err = rs.DB.NewInsert().Model(&r).Exec(ctx)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if old.State == StateEnded {
		return fmt.Errorf("%w: %s, ended at %s", ErrDone, r.ID, old.EndedAt.UTC().Format(time.RFC3339))
	}
	if !again && old.Folder != r.Folder {
		return fmt.Errorf("%w: %s was begun at %s in %s", ErrUnfinished, r.ID, old.BegunAt.UTC().Format(time.RFC3339), old.Folder)
	}
	_, err = rs.DB.NewUpdate().Model((*Record)(nil)).Set("custodians = ?", r.Custodians).Set("actor = ?", r.Actor).Where("id = ?", r.ID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

// end records that a ceremony ended.
func (rs *Records) end(ctx context.Context, id, transcript string, at time.Time, index int64) error {
	_, err := rs.DB.NewUpdate().Model((*Record)(nil)).Set("state = ?", StateEnded).Set("transcript_sha256 = ?", transcript).
		Set("ended_at = ?", at).Set("end_index = ?", index).Where("id = ?", id).Exec(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return nil
}

// List gives the ceremonies, the newest first.
func (rs *Records) List(ctx context.Context) ([]Record, error) {
	out := []Record{}
	err := rs.DB.NewSelect().Model(&out).OrderExpr("begun_at DESC").Limit(maxList).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list ceremonies: %w", err)
	}
	return out, nil
}
