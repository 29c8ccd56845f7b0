package ca

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/ca/crl"
	"github.com/antin-gov/antin/ca/ocsp"
	"github.com/antin-gov/antin/ca/tsa"
	"github.com/antin-gov/antin/internal/store"
)

const (
	// auditTick is how often Run looks whether an audit is due, auditFirst how
	// long after the start the first one waits.
	auditTick  = time.Minute
	auditFirst = 2 * time.Minute
	// keptAudits is how many reports are kept.
	keptAudits = 100
	leaseAudit = "audit"
)

// auditRow is an audit as stored.
type auditRow struct {
	bun.BaseModel `bun:"table:ca_audit"`

	ID       int64     `bun:"id,pk,autoincrement"`
	At       time.Time `bun:"at"`
	TookMS   int64     `bun:"took_ms"`
	Findings int64     `bun:"findings"`
	Report   string    `bun:"report"`
}

// auditWhenDue makes an audit when the last one, of any process, is older than
// the configuration has it, and brings the register up to the ledger.
func (s *Service) auditWhenDue(ctx context.Context) {
	err := s.settle(ctx)
	if err == nil {
		err = s.auditIfDue(ctx)
	}
	if err != nil && ctx.Err() == nil {
		s.deps.Logger.ErrorContext(ctx, "the register was not audited", "error", err)
	}
}

func (s *Service) auditIfDue(ctx context.Context) error {
	now := s.deps.Clock.Now()
	if s.cfg.AuditEvery < 0 || now.Sub(s.began) < auditFirst {
		return nil
	}
	last, err := s.LastAudit(ctx)
	if err != nil || last != nil && now.Sub(last.At) < s.cfg.AuditEvery {
		return err
	}
	mine, err := s.engine.records.lease(ctx, leaseAudit, s.owner, now, now.Add(s.cfg.AuditEvery/2))
	if err != nil || !mine {
		return err
	}
	began := time.Now()
	report, err := s.Audit(ctx)
	if err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		s.deps.Logger.ErrorContext(ctx, "the audit of the register has findings (antin ca audit)", "findings", len(report.Findings), "first", report.Findings[0].Kind)
	}
	return s.keepAudit(ctx, report, time.Since(began))
}

// settle takes the ledger's head of a while ago as agreed with the register,
// once everything before it is in the register: at the next start only what
// came later is compared.
func (s *Service) settle(ctx context.Context) error {
	if s.deps.History == nil {
		return nil
	}
	now := s.deps.Clock.Now()
	if s.settled.head.Size == 0 || now.Sub(s.settled.at) < 2*auditGrace {
		if s.settled.head.Size == 0 {
			head, err := s.deps.History.Head(ctx)
			if err != nil {
				return fmt.Errorf("read the ledger's head: %w", err)
			}
			s.settled.head, s.settled.at = head, now
		}
		return nil
	}
	head := s.settled.head
	s.settled.head.Size = 0
	r := &reconciler{records: s.engine.records, ledger: s.deps.History, clock: s.deps.Clock, log: s.deps.Logger}
	mark, err := r.mark(ctx)
	if err != nil {
		return err
	}
	_, err = r.replay(ctx, mark.Size)
	if err != nil {
		return err
	}
	if r.found.Total() > 0 {
		s.deps.Logger.WarnContext(ctx, "acts that stand in the ledger alone were brought into the register", "replayed", r.found)
	}
	return r.setMark(ctx, head)
}

func (s *Service) keepAudit(ctx context.Context, r *Report, took time.Duration) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep audit: %w", err)
	}
	row := &auditRow{At: r.At, TookMS: took.Milliseconds(), Findings: int64(len(r.Findings)), Report: string(text)}
	_, err = s.deps.DB.NewInsert().Model(row).Exec(ctx)
	if err == nil {
		_, err = s.deps.DB.NewRaw("DELETE FROM ca_audit WHERE id NOT IN (SELECT id FROM ca_audit ORDER BY id DESC LIMIT ?)", keptAudits).Exec(ctx)
	}
	if err != nil {
		return fmt.Errorf("keep audit: %w", err)
	}
	return nil
}

// AuditNow makes an audit and keeps its report.
func (s *Service) AuditNow(ctx context.Context) (*Report, error) {
	began := time.Now()
	report, err := s.Audit(ctx)
	if err != nil {
		return nil, err
	}
	return report, s.keepAudit(ctx, report, time.Since(began))
}

// LastAudit returns the report of the newest audit; nil when there was none.
func (s *Service) LastAudit(ctx context.Context) (*Report, error) {
	var row auditRow
	err := s.deps.DB.NewSelect().Model(&row).OrderExpr("id DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last audit: %w", err)
	}
	report := new(Report)
	err = json.Unmarshal([]byte(row.Report), report)
	if err != nil {
		return nil, fmt.Errorf("read last audit: %w", err)
	}
	report.At = row.At.UTC()
	return report, nil
}

// Lists makes the lists that are due and tells how all of them stand.
func (s *Service) Lists(ctx context.Context) ([]crl.Health, error) {
	return s.public.crls.Refresh(ctx)
}

// Condition is how the public side of the authority stands.
type Condition struct {
	Lists []crl.Health `json:"lists"`
	OCSP  ocsp.Stats   `json:"ocsp"`
	TSA   tsa.Stats    `json:"tsa"`
	// Audit is the newest audit; nil when there was none.
	Audit *Report `json:"audit,omitempty"`
	// Problems are what keeps the system from being ready, by part.
	Problems map[string]string `json:"problems"`
}

// Condition tells how the public side stands; Run keeps the state of the lists.
func (s *Service) Condition(ctx context.Context) (Condition, error) {
	s.public.mu.Lock()
	c := Condition{Lists: s.public.lists, Problems: make(map[string]string)}
	s.public.mu.Unlock()
	c.OCSP, c.TSA = s.public.responder.Stats(), s.public.stamper.Stats()
	for _, l := range c.Lists {
		if l.Late {
			c.Problems["crl"] = fmt.Sprintf("list %s ends at %s and was not made anew", l.Name, l.NextUpdate.Format(time.RFC3339))
		}
	}
	if c.TSA.Clock != "" {
		c.Problems["clock"] = c.TSA.Clock
	}
	var err error
	c.Audit, err = s.LastAudit(ctx)
	if err != nil {
		return c, err
	}
	if c.Audit != nil && len(c.Audit.Findings) > 0 {
		c.Problems["audit"] = fmt.Sprintf("%d findings (antin ca audit)", len(c.Audit.Findings))
	}
	return c, nil
}
