package incident

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
)

// Which cases a list shows besides the real ones. Anything else in
// Filter.Exercise is the id of one drill.
const (
	ExerciseNone = ""    // real incidents only
	ExerciseAny  = "any" // cases of drills only
	ExerciseBoth = "both"
)

// Filter of List.
type Filter struct {
	State       string // a state, "open" for all but closed, or ""
	MinSeverity Severity
	AgencyID    string
	Exercise    string
	Assignee    string
	// After is the cursor of the page before.
	After string
	Limit int
}

// StateOpen in a filter means every state but closed.
const StateOpen = "open"

// Limits of a page of a list.
const (
	defaultPage = 50
	maxPage     = 200
)

// Page is a part of a list, newest first.
type Page struct {
	Cases []Case `json:"cases"`
	// Next is the cursor of the following page, "" at the end.
	Next string `json:"next,omitempty"`
	// Clocks holds the duties of the listed cases.
	Clocks map[string][]Clock `json:"clocks"`
}

// List returns the cases that the filter lets through and the account may
// read: those of all agencies, or of its own.
func (s *Service) List(ctx context.Context, f Filter) (*Page, error) {
	var err error
	f.AgencyID, err = s.scope(ctx, f.AgencyID)
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	if f.Limit <= 0 {
		f.Limit = defaultPage
	}
	f.Limit = min(f.Limit, maxPage)
	q := s.db.NewSelect().Model((*Case)(nil))
	q, err = f.where(q)
	if err != nil {
		return nil, err
	}
	page := &Page{Clocks: map[string][]Clock{}}
	err = q.OrderExpr("t0 DESC, id DESC").Limit(int64(f.Limit)+1).Scan(ctx, &page.Cases)
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	if len(page.Cases) > f.Limit {
		page.Cases = page.Cases[:f.Limit]
		last := page.Cases[f.Limit-1]
		page.Next = cursor(last.T0, last.ID)
	}
	ids := make([]string, len(page.Cases))
	for i := range page.Cases {
		ids[i] = page.Cases[i].ID
	}
	if len(ids) == 0 {
		return page, nil
	}
	var rows []Clock
	err = s.db.NewSelect().Model(&rows).Where("case_id IN (?)", bun.List(ids)).OrderExpr("due_at").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list clocks: %w", err)
	}
	for _, c := range rows {
		page.Clocks[c.CaseID] = append(page.Clocks[c.CaseID], c)
	}
	return page, nil
}

func (f *Filter) where(q *bun.SelectQuery) (*bun.SelectQuery, error) {
	switch f.State {
	case "":
	case StateOpen:
		q = q.Where("state <> ?", StateClosed)
	case StateNew, StateAcknowledged, StateClosed:
		q = q.Where("state = ?", f.State)
	default:
		return nil, fmt.Errorf("%w: state %q", ErrInvalid, f.State)
	}
	switch f.Exercise {
	case ExerciseNone:
		q = q.Where("exercise_id = ''")
	case ExerciseAny:
		q = q.Where("exercise_id <> ''")
	case ExerciseBoth:
	default:
		q = q.Where("exercise_id = ?", f.Exercise)
	}
	if f.MinSeverity > 0 {
		q = q.Where("severity >= ?", int(f.MinSeverity))
	}
	if f.AgencyID != "" {
		q = q.Where("agency_id = ?", f.AgencyID)
	}
	if f.Assignee != "" {
		q = q.Where("assignee = ?", f.Assignee)
	}
	if f.After != "" {
		at, id, err := readCursor(f.After)
		if err != nil {
			return nil, err
		}
		q = q.Where("(t0 < ? OR t0 = ? AND id < ?)", at, at, id)
	}
	return q, nil
}

func cursor(at time.Time, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id))
}

func readCursor(s string) (time.Time, string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("%w: page cursor", ErrInvalid)
	}
	text, id, _ := strings.Cut(string(b), " ")
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, "", fmt.Errorf("%w: page cursor", ErrInvalid)
	}
	return at.UTC(), id, nil
}

// scope returns the agency that the account may read when it asks for one, or
// for all (""): all, or its own.
func (s *Service) scope(ctx context.Context, agency string) (string, error) {
	who := auth.SubjectFrom(ctx)
	err := s.mayRead(ctx, who, agency)
	if errors.Is(err, auth.ErrDenied) && agency == "" && who.AgencyID != "" {
		agency = who.AgencyID
		err = s.mayRead(ctx, who, agency)
	}
	return agency, err
}

func (s *Service) mayRead(ctx context.Context, who auth.Subject, agency string) error {
	return s.authz.Authorize(ctx, who, "incident.read", auth.Resource{Kind: resourceCase, AgencyID: agency})
}

// Evidence is a record behind an alert.
type Evidence struct {
	AlertID string      `json:"alert"`
	Event   StoredEvent `json:"event"`
	// Raw is the record as the sensor wrote it, Intact whether its SHA-256 is
	// still the one taken at the door.
	Raw    json.RawMessage `json:"raw"`
	Intact bool            `json:"intact"`
	// Packet is the frame that the sensor kept with the alert, when it did.
	Packet []byte `json:"packet,omitempty"`
}

// Detail is a case with everything that stands to it.
type Detail struct {
	Case     Case       `json:"case"`
	Alerts   []Alert    `json:"alerts"`
	Clocks   []Clock    `json:"clocks"`
	History  []History  `json:"history"`
	Evidence []Evidence `json:"evidence"`
	Hosts    []string   `json:"hosts"`
	// HistoryIntact says whether the hash chain of the history holds.
	HistoryIntact bool `json:"history_intact"`
}

// maxShown limits the records of one case shown at once.
const maxShown = 500

// Get returns a case by id or number with its alerts, evidence and history.
// Every record is hashed again on the way out.
func (s *Service) Get(ctx context.Context, id string) (*Detail, error) {
	k, err := s.readCase(ctx, s.db, id)
	if err != nil {
		return nil, err
	}
	err = s.mayRead(ctx, auth.SubjectFrom(ctx), k.AgencyID)
	if err != nil {
		return nil, fmt.Errorf("read case %s: %w", k.Number, err)
	}
	d := &Detail{Case: *k}
	err = s.db.NewSelect().Model(&d.Alerts).Where("case_id = ?", k.ID).OrderExpr("first_at, id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read alerts of case %s: %w", k.Number, err)
	}
	err = s.db.NewSelect().Model(&d.Clocks).Where("case_id = ?", k.ID).OrderExpr("due_at").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read clocks of case %s: %w", k.Number, err)
	}
	d.History, err = s.history(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	d.HistoryIntact = checkHistory(d.History) == nil
	d.Hosts, err = s.hosts(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	d.Evidence, err = s.evidenceOf(ctx, k.ID)
	return d, err
}

func (s *Service) history(ctx context.Context, caseID string) ([]History, error) {
	var rows []History
	err := s.db.NewSelect().Model(&rows).Where("case_id = ?", caseID).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read history of case %s: %w", caseID, err)
	}
	return rows, nil
}

func (s *Service) evidenceOf(ctx context.Context, caseID string) ([]Evidence, error) {
	var rows []struct {
		AlertID string `bun:"alert_id"`
		StoredEvent
	}
	err := s.db.NewSelect().TableExpr("incident_evidence AS v").ColumnExpr("v.alert_id, e.*").
		Join("JOIN incident_event AS e ON e.id = v.event_id").
		Join("JOIN incident_alert AS a ON a.id = v.alert_id").
		Where("a.case_id = ?", caseID).OrderExpr("e.at, e.id").Limit(maxShown).Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("read evidence of case %s: %w", caseID, err)
	}
	found := make([]Evidence, 0, len(rows))
	for _, r := range rows {
		e := Evidence{AlertID: r.AlertID, Event: r.StoredEvent, Raw: json.RawMessage(r.Raw), Intact: r.StoredEvent.intact()}
		e.Packet = packetOf(r.Raw)
		found = append(found, e)
	}
	return found, nil
}

// packetOf returns the frame of the record's "packet" field (EVE, base64).
func packetOf(raw []byte) []byte {
	if !bytes.Contains(raw, []byte(`"packet"`)) {
		return nil
	}
	var w struct {
		Packet []byte `json:"packet"`
	}
	err := json.Unmarshal(raw, &w)
	if err != nil {
		return nil
	}
	return w.Packet
}

// VerifyHistory says whether the history of a case hangs together.
func (s *Service) VerifyHistory(ctx context.Context, id string) error {
	k, err := s.readCase(ctx, s.db, id)
	if err != nil {
		return err
	}
	rows, err := s.history(ctx, k.ID)
	if err != nil {
		return err
	}
	return checkHistory(rows)
}

// ExerciseCase is a case of a drill with what its score is computed from.
type ExerciseCase struct {
	Case    Case      `json:"case"`
	Hosts   []string  `json:"hosts"`
	History []History `json:"history"`
}

// ExerciseCases returns the cases of a drill, oldest first; it fails when a
// history does not hang together. It asks nobody: the drill service has asked.
func (s *Service) ExerciseCases(ctx context.Context, exerciseID string) ([]ExerciseCase, error) {
	if exerciseID == "" {
		return nil, fmt.Errorf("%w: no exercise named", ErrInvalid)
	}
	var cases []Case
	err := s.db.NewSelect().Model(&cases).Where("exercise_id = ?", exerciseID).OrderExpr("t0, id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read cases of exercise %s: %w", exerciseID, err)
	}
	all := make([]ExerciseCase, len(cases))
	for i := range cases {
		all[i].Case = cases[i]
		all[i].History, err = s.history(ctx, cases[i].ID)
		if err != nil {
			return nil, err
		}
		err = checkHistory(all[i].History)
		if err != nil {
			return nil, err
		}
		all[i].Hosts, err = s.hosts(ctx, cases[i].ID)
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Service) hosts(ctx context.Context, caseID string) ([]string, error) {
	var hosts []string
	err := s.db.NewSelect().Model((*caseHost)(nil)).Column("addr").Where("case_id = ?", caseID).OrderExpr("addr").Scan(ctx, &hosts)
	if err != nil {
		return nil, fmt.Errorf("read hosts of case %s: %w", caseID, err)
	}
	return hosts, nil
}
