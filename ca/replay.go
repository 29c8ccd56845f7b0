package ca

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/profile"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
)

// LedgerReader reads the ledger.
type LedgerReader interface {
	// Scan gives the entries from the index on, and returns how many there are.
	Scan(ctx context.Context, from uint64, take func(index uint64, e ledger.Entry) error) (uint64, error)
	// Head is the newest published state.
	Head(ctx context.Context) (ledger.Head, error)
	// Extends says whether the ledger goes on from an earlier state of it.
	Extends(ctx context.Context, size uint64, root string) error
}

// Kinds of entries of the ledger that the register follows.
const (
	entryIntent  = "ca.certificate.intent"
	entryIssue   = "ca.certificate.issue"
	entryAbandon = "ca.certificate.abandon"
	entryStamp   = "tsa.stamp"
)

// markName is the row that says how far register and ledger agree.
const markName = "register"

// replayBatch is how many entries are looked up together.
const replayBatch = 256

// Replayed is what Reconcile brought from the ledger into the register.
type Replayed struct {
	// From and To are the entries that were read: from From up to before To.
	From         uint64 `json:"from"`
	To           uint64 `json:"to"`
	Certificates int    `json:"certificates"`
	Revocations  int    `json:"revocations"`
	Holds        int    `json:"holds"`
	Releases     int    `json:"releases"`
	Stamps       int    `json:"stamps"`
}

// Total counts everything that was brought.
func (r Replayed) Total() int {
	return r.Certificates + r.Revocations + r.Holds + r.Releases + r.Stamps
}

// reconciler brings the register up to the ledger.
type reconciler struct {
	records records
	ledger  LedgerReader
	clock   clock.Clock
	log     *slog.Logger
	found   Replayed
	// fresh are the certificates that the ledger alone knew.
	fresh map[string]bool
}

// Reconcile compares the register with the ledger and brings into the register
// what only the ledger knows: issued serial numbers, revocations, holds and
// releases, and time-stamps. It is to be called before anything is answered, so
// that a register restored from an older copy neither takes back a revocation
// nor uses a serial number again.
//
// It refuses with ledger.ErrBehind when the ledger is older than the register
// or than one of the heads, which are copies kept elsewhere, and with
// ledger.ErrForked when it does not go on from them.
func Reconcile(ctx context.Context, db *store.DB, from LedgerReader, heads []ledger.Head, now clock.Clock, log *slog.Logger) (Replayed, error) {
	r := &reconciler{records: records{db, store.NewGroup(db)}, ledger: from, clock: now, log: log}
	for _, h := range heads {
		err := from.Extends(ctx, h.Size, h.Root)
		if err != nil {
			return Replayed{}, fmt.Errorf("compare the ledger with a kept checkpoint: %w", err)
		}
	}
	mark, err := r.mark(ctx)
	if err != nil {
		return Replayed{}, err
	}
	err = from.Extends(ctx, mark.Size, mark.Root)
	if err != nil {
		return Replayed{}, fmt.Errorf("compare the ledger with the register: %w", err)
	}
	head, err := from.Head(ctx)
	if err != nil {
		return Replayed{}, fmt.Errorf("read the ledger's head: %w", err)
	}
	size, err := r.replay(ctx, mark.Size)
	if err != nil {
		return Replayed{}, err
	}
	err = r.refuseBehind(ctx, size)
	if err != nil {
		return Replayed{}, err
	}
	r.found.From, r.found.To = mark.Size, size
	if r.found.Total() > 0 {
		log.WarnContext(ctx, "the register lacked what the ledger knows; it was brought up to it", slog.Any("replayed", r.found))
	}
	return r.found, r.setMark(ctx, head)
}

// markRow says up to which head of the ledger the register is known to agree.
type markRow struct {
	bun.BaseModel `bun:"table:ca_ledger_mark"`

	Name string    `bun:"name,pk"`
	Size uint64    `bun:"size"`
	Root string    `bun:"root"`
	At   time.Time `bun:"at"`
}

func (r *reconciler) mark(ctx context.Context) (markRow, error) {
	var row markRow
	err := r.records.db.NewSelect().Model(&row).Where("name = ?", markName).Scan(ctx)
	if err != nil && !store.IsNotFound(err) {
		return markRow{}, fmt.Errorf("read how far register and ledger agree: %w", err)
	}
	return row, nil
}

func (r *reconciler) setMark(ctx context.Context, head ledger.Head) error {
	row := &markRow{Name: markName, Size: head.Size, Root: head.Root, At: r.clock.Now().UTC()}
	_, err := r.records.db.NewInsert().Model(row).On("CONFLICT (name) DO UPDATE").
		Set("size = EXCLUDED.size").Set("root = EXCLUDED.root").Set("at = EXCLUDED.at").Where("mark_row.size < EXCLUDED.size").Exec(ctx)
	if err != nil {
		return fmt.Errorf("record how far register and ledger agree: %w", err)
	}
	return nil
}

// refuseBehind refuses a ledger that ends before an entry that the register
// names: it is an older copy.
func (r *reconciler) refuseBehind(ctx context.Context, size uint64) error {
	for _, where := range []struct{ table, column string }{
		{"ca_certificate", "intent_index"}, {"ca_certificate", "issue_index"}, {"ca_revocation", "ledger_index"}, {"ca_timestamp", "ledger_index"},
	} {
		var most *int64
		err := r.records.db.NewSelect().TableExpr(where.table).ColumnExpr("MAX(?)", bun.Ident(where.column)).Scan(ctx, &most)
		if err != nil {
			return fmt.Errorf("compare %s with the ledger: %w", where.table, err)
		}
		if most != nil && uint64(*most) >= size {
			// The register may have gone on meanwhile; the ledger then has as well.
			size, err = r.ledger.Scan(ctx, size, func(uint64, ledger.Entry) error { return nil })
			if err != nil {
				return fmt.Errorf("compare %s with the ledger: %w", where.table, err)
			}
		}
		if most != nil && uint64(*most) >= size {
			return fmt.Errorf("%w: it has %d entries, and the register names entry %d (%s.%s); bring the newer ledger (antin restore --ledger)",
				ledger.ErrBehind, size, *most, where.table, where.column)
		}
	}
	return nil
}

// replay reads the entries from the index on.
func (r *reconciler) replay(ctx context.Context, from uint64) (uint64, error) {
	batch := make([]indexed, 0, replayBatch)
	size, err := r.ledger.Scan(ctx, from, func(index uint64, e ledger.Entry) error {
		if !follows(e.Kind) {
			return nil
		}
		batch = append(batch, indexed{int64(index), e})
		if len(batch) < replayBatch {
			return nil
		}
		err := r.apply(ctx, batch)
		batch = batch[:0]
		return err
	})
	if err == nil && len(batch) > 0 {
		err = r.apply(ctx, batch)
	}
	if err != nil {
		return 0, fmt.Errorf("replay the ledger: %w", err)
	}
	return size, nil
}

// indexed is an entry with its place.
type indexed struct {
	index int64
	entry ledger.Entry
}

// follows says whether the register follows entries of the kind.
func follows(kind string) bool {
	switch kind {
	case entryIntent, entryIssue, entryAbandon, entryStamp, ActionRevoke, ActionHold, ActionRelease:
		return true
	}
	return false
}

// apply brings what a batch of entries knows into the register.
func (r *reconciler) apply(ctx context.Context, batch []indexed) error {
	var serials []string
	for _, b := range batch {
		serials = append(serials, b.entry.Object)
	}
	var certificates []Certificate
	err := r.records.db.NewSelect().Model(&certificates).ExcludeColumn("der").Where("serial IN (?)", bun.List(serials)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read certificates: %w", err)
	}
	known := make(map[string]*Certificate, len(certificates))
	for i := range certificates {
		known[certificates[i].Serial] = &certificates[i]
	}
	var changes []Change
	err = r.records.db.NewSelect().Model(&changes).Where("serial IN (?)", bun.List(serials)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}
	done := make(map[int64]bool, len(changes))
	for _, c := range changes {
		if c.LedgerIndex != nil {
			done[*c.LedgerIndex] = true
		}
	}
	for _, b := range batch {
		err = r.one(ctx, b, known, done[b.index])
		if err != nil {
			return fmt.Errorf("entry %d (%s %s): %w", b.index, b.entry.Kind, b.entry.Object, err)
		}
	}
	return nil
}

func (r *reconciler) one(ctx context.Context, b indexed, known map[string]*Certificate, done bool) error {
	e := b.entry
	row := known[e.Object]
	switch e.Kind {
	case entryIntent, entryIssue, entryAbandon:
		fresh, err := r.certificate(ctx, b, row)
		if err == nil && fresh != nil {
			known[e.Object] = fresh
		}
		return err
	case entryStamp:
		return r.stamp(ctx, b)
	}
	if done {
		return nil
	}
	if row == nil {
		return fmt.Errorf("%w: the ledger changes a certificate that it did not issue", ErrNotFound)
	}
	return r.change(ctx, b, row)
}

// certificate brings in a serial number that was used, and what became of it.
func (r *reconciler) certificate(ctx context.Context, b indexed, row *Certificate) (*Certificate, error) {
	e := b.entry
	if row == nil {
		fresh := &Certificate{Serial: e.Object, Issuer: e.Detail["issuer"], Profile: e.Detail["profile"], State: StateIntent, RequestID: e.Detail["request"],
			AgencyID: e.Agency, SPKI: e.Detail["key_sha256"], Actor: e.Actor, CreatedAt: e.Time.UTC()}
		switch e.Kind {
		case entryIntent:
			fresh.TBS, fresh.IntentIndex = e.Digest, &b.index
		case entryIssue:
			at := e.Time.UTC()
			fresh.State, fresh.SHA256, fresh.IssueIndex, fresh.IssuedAt = StateReplayed, e.Digest, &b.index, &at
			r.found.Certificates++
		case entryAbandon:
			fresh.State, fresh.TBS = StateAbandoned, e.Digest
		}
		if r.fresh == nil {
			r.fresh = make(map[string]bool)
		}
		r.fresh[e.Object] = true
		_, err := r.records.reserve(ctx, fresh)
		return fresh, err
	}
	// What is under way now goes on by itself; what is old was broken off, or the
	// register is an older copy.
	old := r.fresh[e.Object] || r.clock.Now().Sub(e.Time) > auditGrace
	switch {
	case e.Kind == entryIssue && (row.State == StateIntent || row.State == StateReserved) && old:
		err := r.records.advance(ctx, row.Serial, row.State, StateReplayed, func(q *bun.UpdateQuery) *bun.UpdateQuery {
			return q.Set("sha256 = ?", e.Digest).Set("issue_index = ?", b.index).Set("issued_at = ?", e.Time.UTC())
		})
		row.State, row.SHA256 = StateReplayed, e.Digest
		r.found.Certificates++
		return nil, err
	case e.Kind == entryIssue && row.State == StateSigned && row.SHA256 == e.Digest && old:
		err := r.records.advance(ctx, row.Serial, StateSigned, StateIssued, func(q *bun.UpdateQuery) *bun.UpdateQuery {
			return q.Set("issue_index = ?", b.index).Set("issued_at = ?", e.Time.UTC())
		})
		row.State = StateIssued
		r.found.Certificates++
		return nil, err
	case e.Kind == entryAbandon && row.State == StateIntent && old:
		row.State = StateAbandoned
		return nil, r.records.advance(ctx, row.Serial, StateIntent, StateAbandoned, nil)
	}
	return nil, nil
}

// change brings in a revocation, a hold or a release.
func (r *reconciler) change(ctx context.Context, b indexed, row *Certificate) error {
	e := b.entry
	c := &Change{Issuer: row.Issuer, Serial: row.Serial, At: e.Time.UTC(), Actor: e.Actor, LedgerIndex: &b.index, Cause: Cause(e.Detail["cause"])}
	switch e.Kind {
	case ActionRevoke:
		c.Act = ActRevoke
	case ActionHold:
		c.Act = ActHold
	case ActionRelease:
		c.Act = ActRelease
	}
	if c.Act != ActRelease {
		reason, err := strconv.Atoi(e.Detail["reason"])
		if err != nil {
			return fmt.Errorf("reason %q: %w", e.Detail["reason"], err)
		}
		c.Reason = reason
	}
	err := r.records.change(ctx, c)
	if errors.Is(err, ErrRevoked) || errors.Is(err, ErrState) {
		// A second entry for what had taken place: two officers at once.
		r.log.WarnContext(ctx, "an act in the ledger changes nothing in the register", "entry", b.index, "serial", row.Serial, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	switch c.Act {
	case ActRevoke:
		r.found.Revocations++
	case ActHold:
		r.found.Holds++
	default:
		r.found.Releases++
	}
	return nil
}

// stamp brings in a time-stamp, so that its serial number is not used again and
// no stamp is given before its time.
func (r *reconciler) stamp(ctx context.Context, b indexed) error {
	e := b.entry
	there, err := r.records.db.NewSelect().Model((*stampRow)(nil)).Where("serial = ?", e.Object).Exists(ctx)
	if err != nil || there {
		return err
	}
	_, err = r.records.db.NewInsert().Model(&stampRow{Serial: e.Object, GenTime: e.Time.UTC().Truncate(time.Second), Hash: e.Detail["hash"],
		Imprint: e.Detail["imprint"], Policy: e.Detail["policy"], TokenSHA256: e.Digest, LedgerIndex: &b.index}).On("CONFLICT (serial) DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("record stamp: %w", err)
	}
	r.found.Stamps++
	return nil
}

// Recover gives a replayed certificate its bytes back, which its holder or
// anybody else brings: they must be the ones that the ledger recorded.
func (s *Service) Recover(ctx context.Context, der []byte) (*Certificate, error) {
	digest := hexSum(der)
	cert, err := parseCertificate(der)
	if err != nil {
		return nil, err
	}
	serial := profile.FormatSerial(new(big.Int).Set(cert.SerialNumber))
	row, err := s.engine.records.get(ctx, serial)
	if err != nil {
		return nil, err
	}
	if row.State != StateReplayed || row.SHA256 != digest {
		return nil, fmt.Errorf("%w: %s is %s, or the bytes are not those that were recorded", ErrState, serial, row.State)
	}
	err = s.engine.records.advance(ctx, serial, StateReplayed, StateIssued, func(q *bun.UpdateQuery) *bun.UpdateQuery {
		return q.Set("der = ?", der).Set("subject = ?", profile.NameText(cert.RawSubject)).Set("tbs_sha256 = ?", hexSum(cert.RawTBSCertificate)).
			Set("not_before = ?", cert.NotBefore.UTC()).Set("not_after = ?", cert.NotAfter.UTC()).Set("crl_partition = ?", partitionOf(cert))
	})
	if err != nil {
		return nil, err
	}
	return s.engine.records.get(ctx, serial)
}
