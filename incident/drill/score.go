package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/incident"
)

// Measures.
const (
	MeasureDetect      = "detect"
	MeasureAcknowledge = "acknowledge"
	MeasureClose       = "close"
	MeasureAnswer      = "answer"
)

// maxPoints of one measure: all within the expected time, half within twice
// of it, none later or never.
const maxPoints = 10

// Measure is one measured time. FromAt and ToAt are copied from the records
// named by CaseID and CaseSeq (the case's history) or by the inject's row, so
// that anybody can do the sum: taken = to - from - paused.
type Measure struct {
	bun.BaseModel `bun:"table:drill_score"`

	DrillID  string     `bun:"drill_id,pk" json:"-"`
	Round    int        `bun:"round,pk" json:"round"`
	Seq      int        `bun:"seq,pk" json:"seq"`
	InjectID string     `bun:"inject_id" json:"inject"`
	Name     string     `bun:"measure" json:"measure"`
	CaseID   string     `bun:"case_id" json:"case,omitempty"`
	CaseSeq  int        `bun:"case_seq" json:"case_seq,omitempty"`
	FromAt   *time.Time `bun:"from_at" json:"from,omitempty"`
	ToAt     *time.Time `bun:"to_at" json:"to,omitempty"`
	PausedUS int64      `bun:"paused_us" json:"paused_us"`
	TakenUS  int64      `bun:"taken_us" json:"taken_us"`
	LimitUS  int64      `bun:"limit_us" json:"limit_us"`
	Points   int        `bun:"points" json:"points"`
	Max      int        `bun:"max_points" json:"max_points"`
	ScoredAt time.Time  `bun:"scored_at" json:"scored_at"`
	ScoredBy string     `bun:"scored_by" json:"scored_by"`
}

// Taken is the measured time on the exercise clock.
func (m *Measure) Taken() time.Duration { return time.Duration(m.TakenUS) * time.Microsecond }

// Limit is the expected time.
func (m *Measure) Limit() time.Duration { return time.Duration(m.LimitUS) * time.Microsecond }

// Done says whether it happened before the drill ended.
func (m *Measure) Done() bool { return m.ToAt != nil }

// Total is the points of a round.
type Total struct{ Points, Max int }

// Percent of the points.
func (t Total) Percent() int {
	if t.Max == 0 {
		return 0
	}
	return t.Points * 100 / t.Max
}

// Sum adds the measures up.
func Sum(measures []Measure) Total {
	var t Total
	for _, m := range measures {
		t.Points += m.Points
		t.Max += m.Max
	}
	return t
}

// measure computes the measures of a drill that has ended from its records.
// It is a pure function of them. What did not reach the players is not scored.
func measure(sc *Scenario, d *Drill, happened []Happening, pauses []Pause, cases []incident.ExerciseCase) []Measure {
	var all []Measure
	add := func(in *Inject, name string, limit time.Duration, from, to *time.Time, caseID string, seq int) {
		if limit <= 0 {
			return
		}
		m := Measure{DrillID: d.ID, InjectID: in.ID, Name: name, CaseID: caseID, CaseSeq: seq, FromAt: from, LimitUS: limit.Microseconds(), Max: maxPoints}
		if from != nil && to != nil && !to.After(*d.EndedAt) {
			m.ToAt = to
			pause := paused(pauses, *from, *to)
			m.PausedUS = pause.Microseconds()
			m.TakenUS = (to.Sub(*from) - pause).Microseconds()
			switch taken := m.Taken(); {
			case taken <= limit:
				m.Points = maxPoints
			case taken <= 2*limit:
				m.Points = maxPoints / 2
			}
		}
		all = append(all, m)
	}
	used := map[string]bool{}
	for i := range sc.Injects {
		in := &sc.Injects[i]
		at := slices.IndexFunc(happened, func(h Happening) bool { return h.InjectID == in.ID })
		if at < 0 {
			continue
		}
		h := &happened[at]
		if h.FiredAt == nil {
			continue // the drill ended before it; nobody is judged by it
		}
		if in.Kind == KindQuestion {
			add(in, MeasureAnswer, in.Expect.Answer, h.FiredAt, h.AnsweredAt, "", 0)
			continue
		}
		if in.Kind != KindPackets {
			continue
		}
		k := caseOf(in, h, cases, used)
		if k == nil && h.Fault != "" {
			continue // the packets did not go out
		}
		if k == nil {
			add(in, MeasureDetect, in.Expect.Detect, h.FiredAt, nil, "", 0)
			add(in, MeasureAcknowledge, in.Expect.Acknowledge, nil, nil, "", 0)
			add(in, MeasureClose, in.Expect.Close, nil, nil, "", 0)
			continue
		}
		used[k.Case.ID] = true
		opened, _ := k.first(incident.ActionOpen)
		acknowledged, ackSeq := k.first(incident.ActionAcknowledge)
		closed, closeSeq := k.first(incident.ActionClose)
		add(in, MeasureDetect, in.Expect.Detect, h.FiredAt, opened, k.Case.ID, 1)
		add(in, MeasureAcknowledge, in.Expect.Acknowledge, opened, acknowledged, k.Case.ID, ackSeq)
		add(in, MeasureClose, in.Expect.Close, opened, closed, k.Case.ID, closeSeq)
	}
	return all
}

type scored struct{ incident.ExerciseCase }

// first returns the time and number of the first history row of the action.
func (k *scored) first(action string) (*time.Time, int) {
	for i := range k.History {
		if k.History[i].Action == action {
			return &k.History[i].At, k.History[i].Seq
		}
	}
	return nil, 0
}

// caseOf finds the case that the packets raised: the first of the exercise,
// not taken by an earlier inject, opened after they began and about their victim.
func caseOf(in *Inject, h *Happening, cases []incident.ExerciseCase, used map[string]bool) *scored {
	for _, k := range cases {
		if !used[k.Case.ID] && !k.Case.T0.Before(*h.FiredAt) && slices.Contains(k.Hosts, in.Packets.Victim.String()) {
			return &scored{k}
		}
	}
	return nil
}

// Score measures a drill that has ended. Each scoring adds a round of rows and
// a ledger entry; the newest round counts.
func (s *Service) Score(ctx context.Context, id string) ([]Measure, error) {
	var measures []Measure
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return nil, err
	}
	who, err := s.permit(ctx, d, "score")
	if err != nil {
		return nil, err
	}
	if !d.Over() {
		return nil, fmt.Errorf("%w: %s is %s; stop it first", ErrState, id, d.State)
	}
	measures, err = s.compute(ctx, d)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(measures)
	if err != nil {
		return nil, fmt.Errorf("score drill %s: %w", id, err)
	}
	now := s.now()
	entry := d.entry(who, "score", now)
	total := Sum(measures)
	entry.Digest = digest(body)
	entry.Detail["points"], entry.Detail["max_points"] = strconv.Itoa(total.Points), strconv.Itoa(total.Max)
	receipt, err := s.d.Ledger.Append(ctx, entry)
	if err != nil {
		return nil, fmt.Errorf("score drill %s: record in the ledger: %w", id, err)
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		d, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		var round int
		err = tx.NewSelect().Model((*Measure)(nil)).ColumnExpr("coalesce(max(round), 0)").Where("drill_id = ?", id).Scan(ctx, &round)
		if err != nil {
			return err
		}
		for i := range measures {
			measures[i].Round, measures[i].Seq, measures[i].ScoredAt, measures[i].ScoredBy = round+1, i+1, now, who
		}
		if len(measures) > 0 {
			_, err = tx.NewInsert().Model(&measures).Exec(ctx)
			if err != nil {
				return err
			}
		}
		d.State = StateScored
		_, err = tx.NewUpdate().Model(d).Column("state").WherePK().Exec(ctx)
		if err != nil {
			return err
		}
		return note(ctx, tx, id, who, "score", fmt.Sprintf("%d/%d", total.Points, total.Max), now, &receipt)
	})
	if err != nil {
		return nil, fmt.Errorf("score drill %s: %w", id, err)
	}
	return measures, nil
}

func (s *Service) compute(ctx context.Context, d *Drill) ([]Measure, error) {
	sc, err := ParseScenario([]byte(d.Scenario))
	if err != nil {
		return nil, err
	}
	happened, err := s.happened(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	pauses, err := readPauses(ctx, s.d.DB, d.ID)
	if err != nil {
		return nil, err
	}
	cases, err := s.d.Cases.ExerciseCases(ctx, d.ID)
	if err != nil {
		return nil, fmt.Errorf("score drill %s: %w", d.ID, err)
	}
	return measure(sc, d, happened, pauses, cases), nil
}
