package drill

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/paper"
	"github.com/antin-gov/antin/internal/store"
)

// PurposeReport is what the signer is told the signature is for.
const PurposeReport = "drill.report"

// Report is a signed report of a drill.
type Report struct {
	bun.BaseModel `bun:"table:drill_report"`

	DrillID     string    `bun:"drill_id,pk" json:"-"`
	Seq         int       `bun:"seq,pk" json:"seq"`
	At          time.Time `bun:"at" json:"at"`
	MadeBy      string    `bun:"made_by" json:"made_by"`
	PDF         []byte    `bun:"pdf" json:"-"`
	SHA256      string    `bun:"sha256" json:"sha256"`
	LedgerIndex int64     `bun:"ledger_index" json:"ledger_index"`
}

// measureWords are the measures as the report names them.
var measureWords = map[string]string{
	MeasureDetect: "Phát hiện", MeasureAcknowledge: "Tiếp nhận", MeasureClose: "Xử lý, đóng sự cố", MeasureAnswer: "Trả lời câu hỏi",
}

// ict is the zone in which reports state times.
var ict = time.FixedZone("ICT", 7*60*60)

// Report composes the one-page report of a scored drill, has it signed, and
// keeps it. The person who asks for it is named as its author.
func (s *Service) Report(ctx context.Context, id string) (*Report, error) {
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return nil, err
	}
	by, err := s.permit(ctx, d, "report")
	if err != nil {
		return nil, err
	}
	if d.State != StateScored {
		return nil, fmt.Errorf("%w: %s is %s; score it first", ErrState, id, d.State)
	}
	doc, err := s.document(ctx, d, auth.SubjectFrom(ctx).PersonID)
	if err != nil {
		return nil, fmt.Errorf("compose the report of drill %s: %w", id, err)
	}
	made, err := doc.Render()
	if err != nil {
		return nil, fmt.Errorf("compose the report of drill %s: %w", id, err)
	}
	signed, err := s.d.Documents.SignReport(ctx, made.PDF, PurposeReport)
	if err != nil {
		return nil, fmt.Errorf("sign the report of drill %s: %w", id, err)
	}
	now := s.now()
	entry := d.entry(by, "report", now)
	entry.Digest = digest(signed)
	receipt, err := s.d.Ledger.Append(ctx, entry)
	if err != nil {
		return nil, fmt.Errorf("report of drill %s: record in the ledger: %w", id, err)
	}
	r := &Report{DrillID: id, At: now, MadeBy: by, PDF: signed, SHA256: digest(signed), LedgerIndex: int64(receipt.Index)}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		err = tx.NewSelect().Model((*Report)(nil)).ColumnExpr("coalesce(max(seq), 0) + 1").Where("drill_id = ?", id).Scan(ctx, &r.Seq)
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(r).Exec(ctx)
		if err != nil {
			return err
		}
		return note(ctx, tx, id, by, "report", r.SHA256, now, &receipt)
	})
	if err != nil {
		return nil, fmt.Errorf("keep the report of drill %s: %w", id, err)
	}
	return r, nil
}

// ReportPDF returns a kept report, the newest when seq is 0.
func (s *Service) ReportPDF(ctx context.Context, id string, seq int) (*Report, error) {
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return nil, err
	}
	_, err = s.permit(ctx, d, "read")
	if err != nil {
		return nil, err
	}
	var r Report
	q := s.d.DB.NewSelect().Model(&r).Where("drill_id = ?", id).OrderExpr("seq DESC").Limit(1)
	if seq > 0 {
		q = q.Where("seq = ?", seq)
	}
	err = q.Scan(ctx)
	if store.IsNotFound(err) {
		return nil, fmt.Errorf("%w: report of drill %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read the report of drill %s: %w", id, err)
	}
	return &r, nil
}

// document is the report in the form of NĐ 30.
func (s *Service) document(ctx context.Context, d *Drill, personID string) (*paper.Document, error) {
	sc, err := ParseScenario([]byte(d.Scenario))
	if err != nil {
		return nil, err
	}
	agency, err := s.d.People.Agency(ctx, d.AgencyID)
	if err != nil {
		return nil, err
	}
	parent := ""
	if agency.ParentID != "" {
		above, err := s.d.People.Agency(ctx, agency.ParentID)
		if err != nil {
			return nil, err
		}
		parent = above.Name
	}
	person, err := s.d.People.Person(ctx, personID)
	if err != nil {
		return nil, err
	}
	position, err := s.d.People.Position(ctx, personID, s.now())
	if err != nil {
		return nil, err
	}
	measures, err := s.measures(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	pauses, err := readPauses(ctx, s.d.DB, d.ID)
	if err != nil {
		return nil, err
	}
	return &paper.Document{
		Parent: parent, Agency: agency.Name, Place: s.d.Place, Date: s.now(), Type: "Báo cáo",
		Abstract: "Kết quả diễn tập “" + sc.Title.VI + "”", Exercise: true,
		Body:       body(sc, d, measures, pauses),
		Signer:     paper.Signer{Title: position.Title, Name: person.Name},
		Recipients: []string{parentOr(parent, agency.Name), "Các đội tham gia", "Lưu: VT"},
	}, nil
}

func parentOr(parent, own string) string {
	if parent != "" {
		return parent
	}
	return own
}

func body(sc *Scenario, d *Drill, measures []Measure, pauses []Pause) []paper.Block {
	clockTime := func(t *time.Time) string {
		if t == nil {
			return "–"
		}
		return t.In(ict).Format("15:04:05")
	}
	table := paper.Table{Small: true, Columns: []paper.Column{
		{Title: "Tình huống", Share: 2.8}, {Title: "Nội dung đo", Share: 2}, {Title: "Từ", Share: 1.55}, {Title: "Đến", Share: 1.55},
		{Title: "Tạm dừng", Share: 1.55, Right: true}, {Title: "Kết quả", Share: 1.55, Right: true}, {Title: "Yêu cầu", Share: 1.55, Right: true},
		{Title: "Điểm", Share: 1.1, Right: true},
	}}
	for i := range measures {
		m := &measures[i]
		taken := "không"
		if m.Done() {
			taken = clockText(m.Taken())
		}
		table.Rows = append(table.Rows, []string{
			sc.inject(m.InjectID).Title.VI, measureWords[m.Name], clockTime(m.FromAt), clockTime(m.ToAt),
			clockText(time.Duration(m.PausedUS) * time.Microsecond), taken, clockText(m.Limit()), fmt.Sprintf("%d/%d", m.Points, m.Max),
		})
	}
	total := Sum(measures)
	stood := paused(pauses, *d.StartedAt, *d.EndedAt)
	return []paper.Block{
		paper.Paragraph{Text: "Mục đích: " + sc.Aim.VI},
		paper.Paragraph{Text: "Phạm vi: " + sc.Scope.VI},
		paper.Paragraph{Text: fmt.Sprintf("Thời gian: từ %s đến %s ngày %s, tạm dừng %s; mã diễn tập %s.",
			clockTime(d.StartedAt), clockTime(d.EndedAt), d.StartedAt.In(ict).Format("02/01/2006"), clockText(stood), d.ID)},
		table,
		paper.Paragraph{Text: "Tổng điểm: " + strconv.Itoa(total.Points) + "/" + strconv.Itoa(total.Max) + " (" + strconv.Itoa(total.Percent()) +
			"%). Kết quả tính từ hồ sơ sự cố và câu trả lời đã ghi; thời gian đo không tính thời gian tạm dừng."},
	}
}

// clockText writes a duration as hh:mm:ss.
func clockText(d time.Duration) string {
	d = d.Round(time.Second)
	return fmt.Sprintf("%02d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}
