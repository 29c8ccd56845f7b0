package ca

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/ledger"
)

// auditLedger compares the ledger with the register, entry by entry, and the
// numbers of both: what is in one must be in the other.
func (s *Service) auditLedger(ctx context.Context, r *Report) error {
	// What is recorded in the register now is in the ledger already.
	before, err := s.ledgerCounts(ctx)
	if err != nil {
		return err
	}
	a := &ledgerAudit{s: s, report: r}
	size, err := s.deps.History.Scan(ctx, 0, func(index uint64, e ledger.Entry) error {
		r.Entries++
		if !follows(e.Kind) || e.Kind == entryIntent || e.Kind == entryAbandon {
			return nil
		}
		a.batch = append(a.batch, indexed{int64(index), e})
		if len(a.batch) < replayBatch {
			return nil
		}
		return a.flush(ctx)
	})
	if err == nil {
		err = a.flush(ctx)
	}
	if err != nil {
		return err
	}
	for what, n := range before {
		if a.matched[what] < n {
			r.add(FindingLedger, what, "the register names %d entries, the ledger of %d entries has %d of them", n, size, a.matched[what])
		}
	}
	return nil
}

// ledgerCounts counts what the register has in the ledger.
func (s *Service) ledgerCounts(ctx context.Context) (map[string]int, error) {
	counts := make(map[string]int)
	for _, q := range []struct{ what, table, where string }{
		{entryIssue, "ca_certificate", "issue_index IS NOT NULL"},
		{ActionRevoke, "ca_revocation", "ledger_index IS NOT NULL"},
		{entryStamp, "ca_timestamp", "ledger_index IS NOT NULL"},
	} {
		n, err := s.deps.DB.NewSelect().TableExpr(q.table).Where(q.where).Count(ctx)
		if err != nil {
			return nil, fmt.Errorf("count %s: %w", q.table, err)
		}
		counts[q.what] = int(n)
	}
	return counts, nil
}

// ledgerAudit holds entries against the register in batches.
type ledgerAudit struct {
	s       *Service
	report  *Report
	batch   []indexed
	matched map[string]int
}

func (a *ledgerAudit) flush(ctx context.Context) error {
	if a.matched == nil {
		a.matched = make(map[string]int)
	}
	if len(a.batch) == 0 {
		return nil
	}
	var serials []string
	for _, b := range a.batch {
		serials = append(serials, b.entry.Object)
	}
	var certificates []Certificate
	db := a.s.deps.DB
	err := db.NewSelect().Model(&certificates).Column("serial", "issuer", "state", "sha256", "issue_index").Where("serial IN (?)", bun.List(serials)).Scan(ctx)
	if err != nil {
		return err
	}
	rows := make(map[string]*Certificate, len(certificates))
	for i := range certificates {
		rows[certificates[i].Serial] = &certificates[i]
	}
	var changes []Change
	err = db.NewSelect().Model(&changes).Where("serial IN (?)", bun.List(serials)).Scan(ctx)
	if err != nil {
		return err
	}
	byIndex := make(map[int64]*Change, len(changes))
	for i := range changes {
		if changes[i].LedgerIndex != nil {
			byIndex[*changes[i].LedgerIndex] = &changes[i]
		}
	}
	var stamps []stampRow
	err = db.NewSelect().Model(&stamps).Column("serial", "token_sha256", "ledger_index").Where("serial IN (?)", bun.List(serials)).Scan(ctx)
	if err != nil {
		return err
	}
	stamped := make(map[string]*stampRow, len(stamps))
	for i := range stamps {
		stamped[stamps[i].Serial] = &stamps[i]
	}
	for _, b := range a.batch {
		a.compare(b, rows[b.entry.Object], byIndex[b.index], stamped[b.entry.Object])
	}
	a.batch = a.batch[:0]
	return nil
}

// compare holds one entry against the register. An act that is under way now is
// in the ledger first; it is left for the next audit.
func (a *ledgerAudit) compare(b indexed, row *Certificate, change *Change, stamp *stampRow) {
	e := b.entry
	recent := a.s.deps.Clock.Now().Sub(e.Time) < auditGrace
	differs := func(format string, args ...any) {
		if !recent {
			a.report.add(FindingLedger, e.Object, "entry %d (%s): %s", b.index, e.Kind, fmt.Sprintf(format, args...))
		}
	}
	switch e.Kind {
	case entryIssue:
		switch {
		case row == nil:
			differs("the register does not have the certificate")
		case row.SHA256 != e.Digest || row.Issuer != e.Detail["issuer"]:
			differs("the register has another certificate")
		case row.IssueIndex != nil && *row.IssueIndex == b.index:
			a.matched[entryIssue]++
		}
	case entryStamp:
		switch {
		case stamp == nil:
			differs("the register does not have the time-stamp")
		case stamp.TokenSHA256 != e.Digest:
			differs("the register has another time-stamp")
		case stamp.LedgerIndex != nil && *stamp.LedgerIndex == b.index:
			a.matched[entryStamp]++
		}
	default:
		want := map[string]Act{ActionRevoke: ActRevoke, ActionHold: ActHold, ActionRelease: ActRelease}[e.Kind]
		if change == nil || change.Act != want || change.Serial != e.Object {
			differs("the register does not have the act")
			return
		}
		a.matched[ActionRevoke]++
	}
}
