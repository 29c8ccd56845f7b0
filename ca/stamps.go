package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// stampRow is a time-stamp as stored.
type stampRow struct {
	bun.BaseModel `bun:"table:ca_timestamp"`

	Serial      string    `bun:"serial,pk"`
	GenTime     time.Time `bun:"gen_time"`
	Hash        string    `bun:"hash"`
	Imprint     string    `bun:"imprint"`
	Policy      string    `bun:"policy"`
	TokenSHA256 string    `bun:"token_sha256"`
	LedgerIndex *int64    `bun:"ledger_index"`
}

// clockTolerance is how far the clock may stand behind the newest stamp: the
// accuracy that stamps claim.
const clockTolerance = time.Second

// journal records time-stamps.
type journal struct {
	records records
	ledger  ledger.Appender
	clock   clock.Clock
}

// Reserve records the intent to stamp. A clock that stands behind an earlier
// stamp was set back: nothing is stamped until it has caught up.
func (j *journal) Reserve(ctx context.Context, s tsa.Stamp) (time.Time, error) {
	var last stampRow
	err := j.records.db.NewSelect().Model(&last).Column("gen_time").OrderExpr("gen_time DESC").Limit(1).Scan(ctx)
	if err != nil && !store.IsNotFound(err) {
		return time.Time{}, fmt.Errorf("read last stamp: %w", err)
	}
	if err == nil && s.GenTime.Before(last.GenTime.Add(-clockTolerance)) {
		return time.Time{}, fmt.Errorf("%w: it is behind an earlier stamp", tsa.ErrClock)
	}
	if s.Ordered {
		s.GenTime, err = j.next(ctx, s)
		if err != nil {
			return time.Time{}, err
		}
	}
	row := &stampRow{Serial: profile.FormatSerial(s.Serial), GenTime: s.GenTime, Hash: s.Hash.String(),
		Imprint: hex.EncodeToString(s.Imprint), Policy: s.Policy}
	_, err = j.records.db.NewInsert().Model(row).Exec(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("reserve stamp: %w", err)
	}
	return s.GenTime, nil
}

// next moves the time of an ordered stamp behind every earlier one of its
// policy, in whichever process that was made: a millisecond each. Ahead of the
// clock by more than its accuracy nothing is stamped.
func (j *journal) next(ctx context.Context, s tsa.Stamp) (time.Time, error) {
	var ms int64
	err := j.records.db.NewRaw(`INSERT INTO ca_timestamp_order (policy, last) VALUES (?, ?) ON CONFLICT (policy) DO UPDATE
		SET last = CASE WHEN ca_timestamp_order.last >= EXCLUDED.last THEN ca_timestamp_order.last + 1 ELSE EXCLUDED.last END RETURNING last`,
		s.Policy, s.GenTime.UnixMilli()).Scan(ctx, &ms)
	if err != nil {
		return time.Time{}, fmt.Errorf("order stamp: %w", err)
	}
	at := time.UnixMilli(ms).UTC()
	if at.Sub(s.GenTime) > clockTolerance {
		return time.Time{}, fmt.Errorf("%w: more ordered stamps than milliseconds", tsa.ErrClock)
	}
	return at, nil
}

// Complete records the token in the ledger and the database.
func (j *journal) Complete(ctx context.Context, s tsa.Stamp, token [sha256.Size]byte) error {
	serial, digest := profile.FormatSerial(s.Serial), hex.EncodeToString(token[:])
	index, err := appendEntry(ctx, j.ledger, ledger.Entry{Time: j.clock.Now().UTC(), Kind: "tsa.stamp", Actor: "system:tsa",
		Object: serial, Digest: digest, Detail: map[string]string{
			"hash": s.Hash.String(), "imprint": hex.EncodeToString(s.Imprint), "policy": s.Policy}})
	if err != nil {
		return err
	}
	_, err = j.records.db.NewUpdate().Model((*stampRow)(nil)).Set("token_sha256 = ?", digest).Set("ledger_index = ?", index).
		Where("serial = ?", serial).Exec(ctx)
	if err != nil {
		return fmt.Errorf("record stamp: %w", err)
	}
	return nil
}
