package ca

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// keptLists is how many lists of an issuer are kept. The state of a certificate
// at any time is in the register; old lists are only kept for comparison.
const keptLists = 16

// statusStore tells the responder and the lists what the register says.
type statusStore struct {
	records records
}

// Status reads the state of a certificate from the database.
func (s statusStore) Status(ctx context.Context, issuer string, serial *big.Int) (ocsp.Status, error) {
	var row Certificate
	err := s.records.db.NewSelect().Model(&row).Column("state", "revoked_at", "revocation_reason").
		Where("serial = ?", profile.FormatSerial(serial)).Where("issuer = ?", issuer).Scan(ctx)
	switch {
	case store.IsNotFound(err):
		return ocsp.Status{State: ocsp.Unknown}, nil
	case err != nil:
		return ocsp.Status{}, fmt.Errorf("read status: %w", err)
	case row.RevokedAt != nil:
		return ocsp.Status{State: ocsp.Revoked, RevokedAt: *row.RevokedAt, Reason: row.RevocationReason}, nil
	case row.State == StateIssued:
		return ocsp.Status{State: ocsp.Good}, nil
	default:
		// Signed but never released: nobody may rely on it.
		return ocsp.Status{State: ocsp.Unknown}, nil
	}
}

// Revision reads the issuer's count of revocations and its highest list number.
func (s statusStore) Revision(ctx context.Context, issuer string) (revision, number int64, err error) {
	var row authorityRow
	err = s.records.db.NewSelect().Model(&row).Column("revision", "crl_number").Where("name = ?", issuer).Scan(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("read authority %s: %w", issuer, err)
	}
	return row.Revision, row.CRLNumber, nil
}

// Revoked lists the issuer's revoked certificates, expired ones with them.
func (s statusStore) Revoked(ctx context.Context, issuer string) ([]crl.Revoked, error) {
	var rows []Certificate
	err := s.records.db.NewSelect().Model(&rows).Column("serial", "revoked_at", "revocation_reason").
		Where("issuer = ?", issuer).Where("revoked_at IS NOT NULL").OrderExpr("serial").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read revocations of %s: %w", issuer, err)
	}
	list := make([]crl.Revoked, 0, len(rows))
	for _, row := range rows {
		serial, err := parseSerial(row.Serial)
		if err != nil {
			return nil, err
		}
		list = append(list, crl.Revoked{Serial: serial, At: *row.RevokedAt, Reason: row.RevocationReason})
	}
	return list, nil
}

// listRow is a list as stored.
type listRow struct {
	bun.BaseModel `bun:"table:ca_crl"`

	Issuer     string    `bun:"issuer,pk"`
	Number     int64     `bun:"number,pk"`
	Revision   int64     `bun:"revision"`
	ThisUpdate time.Time `bun:"this_update"`
	NextUpdate time.Time `bun:"next_update"`
	DER        []byte    `bun:"der"`
}

// Latest reads the newest list.
func (s statusStore) Latest(ctx context.Context, issuer string) (*crl.List, error) {
	var row listRow
	err := s.records.db.NewSelect().Model(&row).Where("issuer = ?", issuer).OrderExpr("number DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, crl.ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("read list of %s: %w", issuer, err)
	}
	return &crl.List{Issuer: row.Issuer, Number: row.Number, Revision: row.Revision,
		ThisUpdate: row.ThisUpdate.UTC(), NextUpdate: row.NextUpdate.UTC(), DER: row.DER}, nil
}

// Put stores a list, if its number is above every earlier one.
func (s statusStore) Put(ctx context.Context, l *crl.List) error {
	return s.records.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := tx.NewUpdate().Model((*authorityRow)(nil)).Set("crl_number = ?", l.Number).
			Where("name = ?", l.Issuer).Where("crl_number < ?", l.Number).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if n != 1 {
			return crl.ErrNotNewer
		}
		row := &listRow{Issuer: l.Issuer, Number: l.Number, Revision: l.Revision, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, DER: l.DER}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		if err != nil {
			return err
		}
		_, err = tx.NewDelete().Model((*listRow)(nil)).Where("issuer = ?", l.Issuer).
			Where("number NOT IN (?)", tx.NewSelect().Model((*listRow)(nil)).ModelTableExpr("ca_crl AS kept").ColumnExpr("kept.number").
				Where("kept.issuer = ?", l.Issuer).OrderExpr("kept.number DESC").Limit(keptLists)).Exec(ctx)
		return err
	})
}

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
func (j *journal) Reserve(ctx context.Context, s tsa.Stamp) error {
	var last stampRow
	err := j.records.db.NewSelect().Model(&last).Column("gen_time").OrderExpr("gen_time DESC").Limit(1).Scan(ctx)
	if err != nil && !store.IsNotFound(err) {
		return fmt.Errorf("read last stamp: %w", err)
	}
	if err == nil && s.GenTime.Before(last.GenTime.Add(-clockTolerance)) {
		return fmt.Errorf("%w: it is behind an earlier stamp", tsa.ErrClock)
	}
	row := &stampRow{Serial: profile.FormatSerial(s.Serial), GenTime: s.GenTime, Hash: s.Hash.String(),
		Imprint: hex.EncodeToString(s.Imprint), Policy: s.Policy}
	_, err = j.records.db.NewInsert().Model(row).Exec(ctx)
	if err != nil {
		return fmt.Errorf("reserve stamp: %w", err)
	}
	return nil
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
