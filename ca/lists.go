package ca

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/internal/store"
)

// keptLists is how many lists of a kind keep their bytes. The state of a
// certificate at any time is in the register; old lists only matter as what a
// delta list is relative to, for which their number is enough.
const keptLists = 3

// listStore keeps the lists and reads what is revoked from the register.
type listStore struct {
	records records
}

var _ crl.Store = listStore{}

// listRow is a list as stored.
type listRow struct {
	bun.BaseModel `bun:"table:ca_crl_list"`

	Issuer     string    `bun:"issuer,pk"`
	Part       int64     `bun:"part,pk"`
	Delta      int64     `bun:"delta,pk"`
	Number     int64     `bun:"number,pk"`
	Base       int64     `bun:"base"`
	Revision   int64     `bun:"revision"`
	ThisUpdate time.Time `bun:"this_update"`
	NextUpdate time.Time `bun:"next_update"`
	Entries    int64     `bun:"entries"`
	DER        []byte    `bun:"der"`
}

func (r *listRow) list() *crl.List {
	return &crl.List{Scope: crl.Scope{Issuer: r.Issuer, Partition: int(r.Part)}, Delta: r.Delta == 1, Number: r.Number, Base: r.Base, Revision: r.Revision,
		ThisUpdate: r.ThisUpdate.UTC(), NextUpdate: r.NextUpdate.UTC(), Entries: int(r.Entries), DER: r.DER}
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Head reads the issuer's count of changes and the newest numbers of a scope.
func (s listStore) Head(ctx context.Context, sc crl.Scope) (crl.Head, error) {
	var h crl.Head
	err := s.records.db.NewRaw(`SELECT a.revision, COALESCE(s.number, 0), COALESCE(s.complete, 0), COALESCE(s.delta, 0)
		FROM ca_authority AS a LEFT JOIN ca_crl_scope AS s ON s.issuer = a.name AND s.part = ? WHERE a.name = ?`, sc.Partition, sc.Issuer).
		Scan(ctx, &h.Revision, &h.Number, &h.Complete, &h.Delta)
	if err != nil {
		return crl.Head{}, fmt.Errorf("read lists of %s: %w", sc.Issuer, err)
	}
	return h, nil
}

// Revoked lists the revoked and held certificates of a scope, expired ones with
// them.
func (s listStore) Revoked(ctx context.Context, sc crl.Scope) ([]crl.Entry, error) {
	q := s.records.db.NewSelect().TableExpr("ca_certificate").Column("serial", "revoked_at", "revocation_reason").
		Where("issuer = ?", sc.Issuer).Where("revoked_at IS NOT NULL").OrderExpr("serial")
	if sc.Partition > 0 {
		q = q.Where("crl_partition = ?", sc.Partition)
	}
	rows, err := q.Rows(ctx)
	if err != nil {
		return nil, fmt.Errorf("read revocations of %s: %w", sc.Issuer, err)
	}
	var list []crl.Entry
	for rows.Next() {
		var serial string
		var e crl.Entry
		err = rows.Scan(&serial, &e.At, &e.Reason)
		if err == nil {
			e.Serial, err = parseSerial(serial)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read revocations of %s: %w", sc.Issuer, err), rows.Close())
		}
		list = append(list, e)
	}
	err = errors.Join(rows.Err(), rows.Close())
	if err != nil {
		return nil, fmt.Errorf("read revocations of %s: %w", sc.Issuer, err)
	}
	return list, nil
}

// changedRow is a certificate that changed, with its last change.
type changedRow struct {
	Serial           string     `bun:"serial"`
	At               time.Time  `bun:"at"`
	State            State      `bun:"state"`
	NotAfter         *time.Time `bun:"not_after"`
	RevokedAt        *time.Time `bun:"revoked_at"`
	RevocationReason int        `bun:"revocation_reason"`
}

// changed reads the certificates of the issuer that changed after the revision,
// each once; of one partition, or of all for 0.
func (r records) changed(ctx context.Context, issuer string, partition int, since int64) ([]changedRow, error) {
	var rows []changedRow
	q := r.db.NewSelect().TableExpr("ca_revocation AS r").Join("JOIN ca_certificate AS c ON c.serial = r.serial").
		ColumnExpr("r.serial, r.at, c.state, c.not_after, c.revoked_at, c.revocation_reason").
		Where("r.issuer = ?", issuer).Where("r.revision > ?", since).OrderExpr("r.revision")
	if partition > 0 {
		q = q.Where("c.crl_partition = ?", partition)
	}
	err := q.Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read changes of %s: %w", issuer, err)
	}
	place := make(map[string]int, len(rows))
	list := rows[:0]
	for _, row := range rows {
		at, seen := place[row.Serial]
		if seen {
			list[at] = row // the later change
			continue
		}
		place[row.Serial] = len(list)
		list = append(list, row)
	}
	return list, nil
}

// Changes lists the certificates of a scope that changed after the revision.
func (s listStore) Changes(ctx context.Context, sc crl.Scope, since int64) ([]crl.Entry, error) {
	rows, err := s.records.changed(ctx, sc.Issuer, sc.Partition, since)
	if err != nil {
		return nil, err
	}
	list := make([]crl.Entry, 0, len(rows))
	for _, row := range rows {
		serial, err := parseSerial(row.Serial)
		if err != nil {
			return nil, err
		}
		e := crl.Entry{Serial: serial, At: row.At, Removed: row.RevokedAt == nil}
		if row.RevokedAt != nil {
			e.At, e.Reason = *row.RevokedAt, row.RevocationReason
		}
		list = append(list, e)
	}
	return list, nil
}

// Latest reads the newest list of a kind.
func (s listStore) Latest(ctx context.Context, sc crl.Scope, delta bool) (*crl.List, error) {
	return s.one(ctx, sc, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("delta = ?", flag(delta)).Where("der IS NOT NULL").OrderExpr("number DESC")
	})
}

// Oldest reads what is recorded of the oldest complete list in force.
func (s listStore) Oldest(ctx context.Context, sc crl.Scope, at time.Time) (*crl.List, error) {
	return s.one(ctx, sc, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.ExcludeColumn("der").Where("delta = 0").Where("next_update > ?", at.UTC()).OrderExpr("number")
	})
}

func (s listStore) one(ctx context.Context, sc crl.Scope, choose func(*bun.SelectQuery) *bun.SelectQuery) (*crl.List, error) {
	var row listRow
	err := choose(s.records.db.NewSelect().Model(&row)).Where("issuer = ?", sc.Issuer).Where("part = ?", sc.Partition).Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, crl.ErrNone
	}
	if err != nil {
		return nil, fmt.Errorf("read list of %s: %w", sc.Issuer, err)
	}
	return row.list(), nil
}

// Partitions reads the highest partition that a certificate names.
func (s listStore) Partitions(ctx context.Context, issuer string) (int, error) {
	var most sql.NullInt64
	err := s.records.db.NewSelect().TableExpr("ca_certificate").ColumnExpr("MAX(crl_partition)").Where("issuer = ?", issuer).Scan(ctx, &most)
	if err != nil {
		return 0, fmt.Errorf("read partitions of %s: %w", issuer, err)
	}
	return int(most.Int64), nil
}

// Lease takes the right to make lists of a scope.
func (s listStore) Lease(ctx context.Context, sc crl.Scope, owner string, now, until time.Time) (bool, error) {
	_, err := s.records.db.NewRaw("INSERT INTO ca_crl_scope (issuer, part) VALUES (?, ?) ON CONFLICT (issuer, part) DO NOTHING", sc.Issuer, sc.Partition).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("take lease: %w", err)
	}
	result, err := s.records.db.NewRaw(`UPDATE ca_crl_scope SET lease_owner = ?, lease_until = ?
		WHERE issuer = ? AND part = ? AND (lease_owner IN ('', ?) OR lease_until < ? OR lease_until > ?)`,
		owner, until.UnixNano(), sc.Issuer, sc.Partition, owner, now.UnixNano(), until.Add(leaseAhead).UnixNano()).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("take lease: %w", err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// leaseAhead is how far beyond its length a lease may reach: one that reaches
// further was taken by a clock that was wrong, and does not hold.
const leaseAhead = time.Minute

// Put stores lists of a scope, if their number is above every earlier one and
// the owner still has the lease, and gives the lease back.
func (s listStore) Put(ctx context.Context, owner string, lists []*crl.List, sc crl.Scope) error {
	return s.records.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		var head struct {
			Number     int64  `bun:"number"`
			LeaseOwner string `bun:"lease_owner"`
		}
		lock := "SELECT number, lease_owner FROM ca_crl_scope WHERE issuer = ? AND part = ?"
		if s.records.db.Postgres() {
			lock += " FOR UPDATE"
		}
		_, err := tx.NewRaw("INSERT INTO ca_crl_scope (issuer, part) VALUES (?, ?) ON CONFLICT (issuer, part) DO NOTHING", sc.Issuer, sc.Partition).Exec(ctx)
		if err == nil {
			err = tx.NewRaw(lock, sc.Issuer, sc.Partition).Scan(ctx, &head)
		}
		if err != nil {
			return err
		}
		if owner != "" && head.LeaseOwner != owner {
			return crl.ErrLease
		}
		for _, l := range lists {
			if l.Scope != sc || l.Number <= head.Number {
				return crl.ErrNotNewer
			}
			err = putList(ctx, tx, l)
			if err != nil {
				return err
			}
		}
		if owner == "" {
			return nil
		}
		_, err = tx.NewRaw("UPDATE ca_crl_scope SET lease_owner = '' WHERE issuer = ? AND part = ?", sc.Issuer, sc.Partition).Exec(ctx)
		return err
	})
}

// putList stores one list and lets go of what is not needed any more.
func putList(ctx context.Context, tx bun.Tx, l *crl.List) error {
	column := "complete"
	if l.Delta {
		column = "delta"
	}
	_, err := tx.NewRaw("UPDATE ca_crl_scope SET number = ?, ? = ? WHERE issuer = ? AND part = ?",
		l.Number, bun.Ident(column), l.Number, l.Scope.Issuer, l.Scope.Partition).Exec(ctx)
	if err != nil {
		return err
	}
	row := &listRow{Issuer: l.Scope.Issuer, Part: int64(l.Scope.Partition), Delta: flag(l.Delta), Number: l.Number, Base: l.Base, Revision: l.Revision,
		ThisUpdate: l.ThisUpdate.UTC(), NextUpdate: l.NextUpdate.UTC(), Entries: int64(l.Entries), DER: l.DER}
	_, err = tx.NewInsert().Model(row).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw(`UPDATE ca_crl_list SET der = NULL WHERE issuer = ? AND part = ? AND delta = ? AND der IS NOT NULL AND number NOT IN (
		SELECT number FROM ca_crl_list WHERE issuer = ? AND part = ? AND delta = ? ORDER BY number DESC LIMIT ?)`,
		row.Issuer, row.Part, row.Delta, row.Issuer, row.Part, row.Delta, keptLists).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = tx.NewRaw("DELETE FROM ca_crl_list WHERE issuer = ? AND part = ? AND der IS NULL AND (delta = 1 OR next_update < ?)",
		row.Issuer, row.Part, l.ThisUpdate.UTC()).Exec(ctx)
	return err
}
