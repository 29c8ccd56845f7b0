package report

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/store"
)

// Activity is what was done in a period, of all agencies (the yearly report,
// R10) or of one (the six-month report, R50).
type Activity struct {
	Period
	AgencyID   string         `json:"agency_id,omitempty"`
	AgencyName string         `json:"agency_name,omitempty"`
	Issued     map[string]int `json:"issued_by_profile"`
	Revoked    map[string]int `json:"revoked_by_cause"`
	Requests   map[string]int `json:"requests_by_kind"`
	States     map[string]int `json:"requests_by_state"`
	InTime     int            `json:"in_time"` // carried out within their term
	Late       int            `json:"late"`    // after it, or still open past it
	Valid      map[string]int `json:"valid_at_end_by_profile"`
	Acts       map[string]int `json:"acts"` // acts on requests, by kind
	FirstIndex int64          `json:"first_ledger_index"`
	LastIndex  int64          `json:"last_ledger_index"`
}

// Activity counts what was done in a period; of one agency when it is named.
func (r *Reporter) Activity(ctx context.Context, p Period, agencyID string) (*Activity, error) {
	err := r.may(ctx, ActionRead)
	if err != nil {
		return nil, err
	}
	a := &Activity{Period: p, AgencyID: agencyID}
	if agencyID != "" {
		agency, err := r.cfg.Directory.Agency(ctx, agencyID)
		if err != nil {
			return nil, err
		}
		a.AgencyName = agency.Name
	}
	begin, end := p.Begin.UTC(), p.End.UTC()
	certificates := func(column string) *bun.SelectQuery {
		q := r.cfg.DB.NewSelect().TableExpr("ca_certificate AS c").Where("c.state = 'issued'").Where("c.request_id <> ''")
		if column != "" {
			q = q.Where("? >= ?", bun.Ident(column), begin).Where("? < ?", bun.Ident(column), end)
		}
		return ofAgency(q, "c.agency_id", agencyID)
	}
	requests := func() *bun.SelectQuery {
		return ofAgency(r.cfg.DB.NewSelect().TableExpr("ca_request AS q").Where("q.created_at >= ?", begin).Where("q.created_at < ?", end), "q.agency_id", agencyID)
	}
	last := end.Add(-time.Second)
	if now := r.cfg.Clock.Now().UTC(); now.Before(last) {
		last = now
	}
	for _, count := range []struct {
		into   *map[string]int
		query  *bun.SelectQuery
		column string
	}{
		{&a.Issued, certificates("c.issued_at"), "c.profile"},
		{&a.Revoked, certificates("c.revoked_at"), "c.revocation_cause"},
		{&a.Valid, valid(certificates(""), last), "c.profile"},
		{&a.Requests, requests(), "q.kind"},
		{&a.States, requests(), "q.state"},
		{&a.Acts, r.events(begin, end, agencyID), "e.act"},
	} {
		*count.into, err = r.counts(ctx, count.query, count.column, "COUNT(*)")
		if err != nil {
			return nil, err
		}
	}
	return a, r.terms(ctx, a, requests, last)
}

func ofAgency(q *bun.SelectQuery, column, agencyID string) *bun.SelectQuery {
	if agencyID == "" {
		return q
	}
	return q.Where("? = ?", bun.Ident(column), agencyID)
}

// events are the acts on requests.
func (r *Reporter) events(begin, end time.Time, agencyID string) *bun.SelectQuery {
	q := r.cfg.DB.NewSelect().TableExpr("ca_request_event AS e").Where("e.at >= ?", begin).Where("e.at < ?", end)
	if agencyID != "" {
		q = q.Join("JOIN ca_request AS q ON q.id = e.request_id").Where("q.agency_id = ?", agencyID)
	}
	return q
}

// terms counts the requests that were in time, and where the acts stand in the
// ledger.
func (r *Reporter) terms(ctx context.Context, a *Activity, requests func() *bun.SelectQuery, last time.Time) error {
	inTime, err := requests().Where("q.issued_at IS NOT NULL").Where("q.issued_at <= q.due_at").Count(ctx)
	if err != nil {
		return fmt.Errorf("count terms: %w", err)
	}
	late, err := requests().Where("(q.issued_at > q.due_at OR q.issued_at IS NULL AND q.due_at < ? AND q.state IN ('confirmed', 'approved', 'issuing'))", last).Count(ctx)
	if err != nil {
		return fmt.Errorf("count terms: %w", err)
	}
	a.InTime, a.Late = int(inTime), int(late)
	err = r.events(a.Begin.UTC(), a.End.UTC(), a.AgencyID).ColumnExpr("COALESCE(MIN(e.ledger_index), 0), COALESCE(MAX(e.ledger_index), 0)").Scan(ctx, &a.FirstIndex, &a.LastIndex)
	if err != nil && !store.IsNotFound(err) {
		return fmt.Errorf("range of the ledger: %w", err)
	}
	return nil
}

// Act is one act of certification or registration.
type Act struct {
	At      time.Time `bun:"at" json:"at"`
	Act     string    `bun:"act" json:"act"`
	Object  string    `bun:"object" json:"object"`
	Account string    `bun:"account" json:"account"`
	Index   int64     `bun:"ledger_index" json:"ledger_index"`
}

// Acts lists the acts of a period in the order of the ledger, after a place in
// it, at most limit: every act on a request, every issue, revocation, hold and release,
// each with the place where the ledger holds it.
func (r *Reporter) Acts(ctx context.Context, p Period, after int64, limit int) ([]Act, error) {
	err := r.may(ctx, ActionRead)
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > maxListed {
		limit = maxListed
	}
	begin, end := p.Begin.UTC(), p.End.UTC()
	acts := []Act{}
	err = r.cfg.DB.NewRaw(`SELECT at, act, object, account, ledger_index FROM (
		SELECT at, act, request_id AS object, account, ledger_index FROM ca_request_event WHERE at >= ? AND at < ? AND act <> 'ca.certificate.issue'
		UNION ALL SELECT issued_at, 'ca.certificate.issue', serial, actor, issue_index FROM ca_certificate WHERE issued_at >= ? AND issued_at < ? AND issue_index IS NOT NULL
		UNION ALL SELECT at, 'ca.certificate.' || act, serial, actor, ledger_index FROM ca_revocation WHERE at >= ? AND at < ? AND ledger_index IS NOT NULL
		) AS a WHERE ledger_index > ? ORDER BY ledger_index, object LIMIT ?`, begin, end, begin, end, begin, end, after, limit).Scan(ctx, &acts)
	if err != nil {
		return nil, fmt.Errorf("list acts: %w", err)
	}
	return acts, nil
}

func (a *Activity) document() *paper.Document {
	d := &paper.Document{Abstract: fmt.Sprintf("Về hoạt động chứng thực chữ ký số từ ngày %s đến ngày %s", day(a.Begin), day(a.End.Add(-time.Second)))}
	if a.AgencyName != "" {
		d.Abstract += " của " + a.AgencyName
	}
	for _, part := range []struct {
		title string
		rows  map[string]int
	}{
		{"1. Chứng thư đã cấp, theo loại", a.Issued}, {"2. Chứng thư đã thu hồi, theo lý do", a.Revoked}, {"3. Yêu cầu đã tiếp nhận, theo loại", a.Requests},
		{"4. Yêu cầu, theo trạng thái", a.States}, {"5. Chứng thư còn hiệu lực cuối kỳ, theo loại", a.Valid}, {"6. Thao tác đã ghi sổ", a.Acts},
	} {
		d.Body = append(d.Body, paper.Heading{Text: part.title})
		if len(part.rows) == 0 {
			d.Body = append(d.Body, paper.Paragraph{Text: "Không có."})
			continue
		}
		t := paper.Table{Columns: []paper.Column{{Title: "Mục", Share: 70}, {Title: "Số lượng", Share: 30, Right: true}}}
		for _, name := range slices.Sorted(maps.Keys(part.rows)) {
			t.Rows = append(t.Rows, []string{name, fmt.Sprint(part.rows[name])})
		}
		d.Body = append(d.Body, t)
	}
	d.Body = append(d.Body, paper.Heading{Text: "7. Thời hạn xử lý"},
		paper.Paragraph{Text: fmt.Sprintf("%d yêu cầu được giải quyết đúng hạn, %d yêu cầu quá hạn.", a.InTime, a.Late)},
		paper.Paragraph{Text: fmt.Sprintf("Các thao tác trên yêu cầu đứng từ vị trí %d đến vị trí %d của sổ; danh sách đầy đủ lấy bằng lệnh antin ca report acts.", a.FirstIndex, a.LastIndex)})
	return d
}
