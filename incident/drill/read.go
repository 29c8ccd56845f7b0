package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/store"
)

// permit asks the policy and returns the actor's account.
func (s *Service) permit(ctx context.Context, d *Drill, action string) (string, error) {
	who := auth.SubjectFrom(ctx)
	err := s.d.Authorizer.Authorize(ctx, who, "drill."+action, d.resource())
	if err != nil {
		return "", fmt.Errorf("%s drill %s: %w", action, d.ID, err)
	}
	return who.AccountID, nil
}

// listLimit bounds the list: a province holds a few drills a year.
const listLimit = 200

// List returns the drills, newest first.
func (s *Service) List(ctx context.Context) ([]Drill, error) {
	_, err := s.permit(ctx, &Drill{}, "read")
	if err != nil {
		return nil, err
	}
	var all []Drill
	err = s.d.DB.NewSelect().Model(&all).OrderExpr("planned_at DESC, id DESC").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list drills: %w", err)
	}
	return all, nil
}

// Board is a drill with everything that its page shows.
type Board struct {
	Drill    Drill                   `json:"drill"`
	Scenario *Scenario               `json:"scenario"`
	Injects  []Happening             `json:"injects"`
	Pauses   []Pause                 `json:"pauses"`
	Outbox   []Message               `json:"outbox"`
	History  []History               `json:"history"`
	Cases    []incident.ExerciseCase `json:"cases"`
	// Measures are the newest round.
	Measures []Measure `json:"measures"`
	// Elapsed is the exercise clock.
	Elapsed time.Duration `json:"elapsed"`
	Reports []Report      `json:"reports"`
}

// Get returns the board of a drill.
func (s *Service) Get(ctx context.Context, id string) (*Board, error) {
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return nil, err
	}
	_, err = s.permit(ctx, d, "read")
	if err != nil {
		return nil, err
	}
	b := &Board{Drill: *d}
	b.Scenario, err = ParseScenario([]byte(d.Scenario))
	if err != nil {
		return nil, err
	}
	b.Injects, err = s.happened(ctx, id)
	if err != nil {
		return nil, err
	}
	b.Pauses, err = readPauses(ctx, s.d.DB, id)
	if err != nil {
		return nil, err
	}
	b.Elapsed = d.Elapsed(b.Pauses, s.now())
	err = s.d.DB.NewSelect().Model(&b.Outbox).Where("drill_id = ?", id).OrderExpr("created_at, id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read outbox of drill %s: %w", id, err)
	}
	err = s.d.DB.NewSelect().Model(&b.History).Where("drill_id = ?", id).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read history of drill %s: %w", id, err)
	}
	b.Measures, err = s.measures(ctx, id)
	if err != nil {
		return nil, err
	}
	err = s.d.DB.NewSelect().Model(&b.Reports).ExcludeColumn("pdf").Where("drill_id = ?", id).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read reports of drill %s: %w", id, err)
	}
	b.Cases, err = s.d.Cases.ExerciseCases(ctx, id)
	return b, err
}

// Asked is a question that waits for, or has, the answer of a player's team.
type Asked struct {
	DrillID    string
	DrillTitle string
	InjectID   string
	Question   Text
	Happening  Happening
}

// Questions returns the open questions to the account's teams in running drills.
func (s *Service) Questions(ctx context.Context) ([]Asked, error) {
	who := auth.SubjectFrom(ctx)
	var running []Drill
	err := s.d.DB.NewSelect().Model(&running).Where("state IN (?, ?)", StateRunning, StatePaused).OrderExpr("started_at").Limit(listLimit).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list running drills: %w", err)
	}
	var all []Asked
	for i := range running {
		d := &running[i]
		sc, err := ParseScenario([]byte(d.Scenario))
		if err != nil {
			return nil, err
		}
		rows, err := s.happened(ctx, d.ID)
		if err != nil {
			return nil, err
		}
		for _, h := range rows {
			in := sc.inject(h.InjectID)
			if h.Kind != KindQuestion || h.FiredAt == nil || in == nil || !sc.team(in.Team).has(who.AccountID) {
				continue
			}
			all = append(all, Asked{DrillID: d.ID, DrillTitle: d.Title, InjectID: h.InjectID, Question: *in.Question, Happening: h})
		}
	}
	return all, nil
}

func (t *Team) has(account string) bool {
	for _, m := range t.Members {
		if m.Account == account {
			return true
		}
	}
	return false
}

func (s *Service) happened(ctx context.Context, id string) ([]Happening, error) {
	var rows []Happening
	err := s.d.DB.NewSelect().Model(&rows).Where("drill_id = ?", id).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read injects of drill %s: %w", id, err)
	}
	return rows, nil
}

// measures returns the newest round.
func (s *Service) measures(ctx context.Context, id string) ([]Measure, error) {
	var rows []Measure
	err := s.d.DB.NewSelect().Model(&rows).Where("drill_id = ?", id).
		Where("round = (SELECT max(round) FROM drill_score WHERE drill_id = ?)", id).OrderExpr("seq").Scan(ctx)
	if err != nil && !store.IsNotFound(err) {
		return nil, fmt.Errorf("read the score of drill %s: %w", id, err)
	}
	return rows, nil
}
