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

// Reserve records the intent to stamp, in a transaction that it shares with
// other stamps. A clock that stands behind an earlier stamp was set back: nothing
// is stamped until it has caught up.
func (j *journal) Reserve(ctx context.Context, s tsa.Stamp) (time.Time, error) {
	at := s.GenTime
	err := j.records.group.Do(ctx, func(ctx context.Context, tx bun.Tx) error {
		ahead, err := tx.NewSelect().Model((*stampRow)(nil)).Where("gen_time > ?", s.GenTime.Add(clockTolerance)).Exists(ctx)
		if err != nil {
			return fmt.Errorf("read last stamp: %w", err)
		}
		if ahead {
			return fmt.Errorf("%w: it is behind an earlier stamp", tsa.ErrClock)
		}
		at = s.GenTime
		if s.Ordered {
			at, err = next(ctx, tx, s)
		}
		if err != nil {
			return err
		}
		row := &stampRow{Serial: profile.FormatSerial(s.Serial), GenTime: at, Hash: s.Hash.String(),
			Imprint: hex.EncodeToString(s.Imprint), Policy: s.Policy}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		if err != nil {
			return fmt.Errorf("reserve stamp: %w", err)
		}
		return nil
	})
	return at, err
}

// next moves the time of an ordered stamp behind every earlier one of its
// policy, in whichever process that was made: a millisecond each. Ahead of the
// clock by more than its accuracy nothing is stamped.
func next(ctx context.Context, tx bun.Tx, s tsa.Stamp) (time.Time, error) {
	var ms int64
	err := tx.NewRaw(`INSERT INTO ca_timestamp_order (policy, last) VALUES (?, ?) ON CONFLICT (policy) DO UPDATE
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
	n, err := j.records.group.Exec(ctx, "record stamp", func(tx bun.Tx) store.Executor {
		return tx.NewUpdate().Model((*stampRow)(nil)).Set("token_sha256 = ?", digest).Set("ledger_index = ?", index).Where("serial = ?", serial)
	})
	if err == nil && n != 1 {
		return fmt.Errorf("record stamp: %w: %s", ErrNotFound, serial)
	}
	return err
}
