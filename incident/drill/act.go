package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/auth"
)

// act is a step of the state machine.
type act struct {
	action string
	from   []string
	check  func(who auth.Subject, d *Drill) error
	apply  func(ctx context.Context, tx bun.Tx, d *Drill, by string, at time.Time) error
}

// Approve lets the drill run; somebody other than its planner does it.
func (s *Service) Approve(ctx context.Context, id string) (*Drill, error) {
	return s.do(ctx, id, act{
		action: "approve", from: []string{StatePlanned},
		check: func(who auth.Subject, d *Drill) error {
			if who.AccountID == d.PlannedBy {
				return fmt.Errorf("%w: %s planned %s", ErrSamePerson, who.AccountID, d.ID)
			}
			return nil
		},
		apply: func(_ context.Context, _ bun.Tx, d *Drill, by string, at time.Time) error {
			d.State, d.ApprovedBy, d.ApprovedAt = StateApproved, by, &at
			return nil
		},
	})
}

// Start starts the exercise clock.
func (s *Service) Start(ctx context.Context, id string) (*Drill, error) {
	return s.do(ctx, id, act{
		action: "start", from: []string{StateApproved},
		apply: func(ctx context.Context, tx bun.Tx, d *Drill, _ string, at time.Time) error {
			sc, err := ParseScenario([]byte(d.Scenario))
			if err != nil {
				return err
			}
			d.State, d.StartedAt = StateRunning, &at
			end := at.Add(sc.Duration)
			d.DueEnd = &end
			return s.setDue(ctx, tx, d, nil, at)
		},
	})
}

// Pause stops the exercise clock; what is not out yet waits.
func (s *Service) Pause(ctx context.Context, id string) (*Drill, error) {
	return s.do(ctx, id, act{
		action: "pause", from: []string{StateRunning},
		apply: func(ctx context.Context, tx bun.Tx, d *Drill, _ string, at time.Time) error {
			pauses, err := readPauses(ctx, tx, d.ID)
			if err != nil {
				return err
			}
			d.State, d.DueEnd = StatePaused, nil
			_, err = tx.NewInsert().Model(&Pause{DrillID: d.ID, Seq: len(pauses) + 1, FromAt: at}).Exec(ctx)
			if err != nil {
				return err
			}
			_, err = tx.NewUpdate().Model((*Happening)(nil)).Set("due_at = NULL").
				Where("drill_id = ? AND fired_at IS NULL", d.ID).Exec(ctx)
			return err
		},
	})
}

// Resume lets the exercise clock go on from where it stood.
func (s *Service) Resume(ctx context.Context, id string) (*Drill, error) {
	return s.do(ctx, id, act{
		action: "resume", from: []string{StatePaused},
		apply: func(ctx context.Context, tx bun.Tx, d *Drill, _ string, at time.Time) error {
			err := endPause(ctx, tx, d.ID, at)
			if err != nil {
				return err
			}
			pauses, err := readPauses(ctx, tx, d.ID)
			if err != nil {
				return err
			}
			sc, err := ParseScenario([]byte(d.Scenario))
			if err != nil {
				return err
			}
			d.State = StateRunning
			end := at.Add(sc.Duration - d.Elapsed(pauses, at))
			d.DueEnd = &end
			return s.setDue(ctx, tx, d, pauses, at)
		},
	})
}

// Stop ends the drill; packets still being played are cut off.
func (s *Service) Stop(ctx context.Context, id string) (*Drill, error) {
	d, err := s.do(ctx, id, act{
		action: "stop", from: []string{StateRunning, StatePaused},
		apply: func(ctx context.Context, tx bun.Tx, d *Drill, _ string, at time.Time) error {
			return end(ctx, tx, d, StateStopped, at)
		},
	})
	if err == nil {
		s.cut(id)
	}
	return d, err
}

// end closes an open pause and takes what was not fired off the schedule.
func end(ctx context.Context, tx bun.Tx, d *Drill, state string, at time.Time) error {
	err := endPause(ctx, tx, d.ID, at)
	if err != nil {
		return err
	}
	d.State, d.EndedAt, d.DueEnd = state, &at, nil
	_, err = tx.NewUpdate().Model((*Happening)(nil)).Set("due_at = NULL").Where("drill_id = ? AND fired_at IS NULL", d.ID).Exec(ctx)
	return err
}

func endPause(ctx context.Context, tx bun.Tx, id string, at time.Time) error {
	_, err := tx.NewUpdate().Model((*Pause)(nil)).Set("to_at = ?", at).Where("drill_id = ? AND to_at IS NULL", id).Exec(ctx)
	return err
}

// setDue gives every inject that is not out yet its wall time: now plus what
// its offset has left on the exercise clock.
func (s *Service) setDue(ctx context.Context, tx bun.Tx, d *Drill, pauses []Pause, at time.Time) error {
	var rows []Happening
	err := tx.NewSelect().Model(&rows).Where("drill_id = ? AND fired_at IS NULL", d.ID).Scan(ctx)
	if err != nil {
		return err
	}
	elapsed := d.Elapsed(pauses, at)
	for i := range rows {
		due := at.Add(max(0, time.Duration(rows[i].OffsetMS)*time.Millisecond-elapsed))
		_, err = tx.NewUpdate().Model(&rows[i]).Set("due_at = ?", due).WherePK().Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

func readPauses(ctx context.Context, db bun.IDB, id string) ([]Pause, error) {
	var pauses []Pause
	err := db.NewSelect().Model(&pauses).Where("drill_id = ?", id).OrderExpr("seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read pauses of drill %s: %w", id, err)
	}
	return pauses, nil
}

// do carries an act out: ask the policy, check, write the ledger, then the
// rows.
func (s *Service) do(ctx context.Context, id string, a act) (*Drill, error) {
	who := auth.SubjectFrom(ctx)
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return nil, err
	}
	err = s.d.Authorizer.Authorize(ctx, who, "drill."+a.action, d.resource())
	if err != nil {
		return nil, fmt.Errorf("%s drill %s: %w", a.action, id, err)
	}
	allowed := func(d *Drill) error {
		if !slices.Contains(a.from, d.State) {
			return fmt.Errorf("%w: cannot %s %s, it is %s", ErrState, a.action, d.ID, d.State)
		}
		if a.check != nil {
			return a.check(who, d)
		}
		return nil
	}
	err = allowed(d)
	if err != nil {
		return nil, err
	}
	receipt, err := s.d.Ledger.Append(ctx, d.entry(who.AccountID, a.action, s.now()))
	if err != nil {
		return nil, fmt.Errorf("%s drill %s: record in the ledger: %w", a.action, id, err)
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		d, err = s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		err = allowed(d)
		if err != nil {
			return err
		}
		now := s.now()
		err = a.apply(ctx, tx, d, who.AccountID, now)
		if err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(d).WherePK().Exec(ctx)
		if err != nil {
			return err
		}
		return note(ctx, tx, d.ID, who.AccountID, a.action, "", now, &receipt)
	})
	if err != nil {
		return nil, fmt.Errorf("%s drill %s: %w", a.action, id, err)
	}
	s.kick()
	return d, nil
}

func (d *Drill) resource() auth.Resource {
	return auth.Resource{Kind: resourceDrill, ID: d.ID, AgencyID: d.AgencyID, CreatedBy: d.PlannedBy}
}

// Answer records a player's answer to a question. Only members of the asked
// team answer, once.
func (s *Service) Answer(ctx context.Context, id, injectID, answer string) error {
	answer = strings.TrimSpace(answer)
	if answer == "" || len(answer) > maxText || !utf8.ValidString(answer) || strings.ContainsRune(answer, 0) {
		return fmt.Errorf("%w: an answer has 1 to %d bytes of text", ErrInvalid, maxText)
	}
	who := auth.SubjectFrom(ctx)
	d, err := s.read(ctx, s.d.DB, id)
	if err != nil {
		return err
	}
	sc, err := ParseScenario([]byte(d.Scenario))
	if err != nil {
		return err
	}
	in := sc.inject(injectID)
	if in == nil || in.Kind != KindQuestion {
		return fmt.Errorf("%w: question %.64q", ErrNotFound, injectID)
	}
	team := sc.team(in.Team)
	err = s.d.Authorizer.Authorize(ctx, who, "drill.answer", auth.Resource{Kind: resourceDrill, ID: d.ID, AgencyID: team.Agency, CreatedBy: d.PlannedBy})
	if err != nil {
		return fmt.Errorf("answer in drill %s: %w", id, err)
	}
	if !slices.ContainsFunc(team.Members, func(m Member) bool { return m.Account == who.AccountID }) {
		return fmt.Errorf("%w: %s is not in team %s", ErrRoster, who.AccountID, team.ID)
	}
	open := func(ctx context.Context, db bun.IDB) error {
		d, err := s.read(ctx, db, id)
		if err != nil {
			return err
		}
		ready, err := db.NewSelect().Model((*Happening)(nil)).
			Where("drill_id = ? AND inject_id = ? AND fired_at IS NOT NULL AND answered_at IS NULL", id, injectID).Exists(ctx)
		if err != nil {
			return err
		}
		if d.State != StateRunning || !ready {
			return fmt.Errorf("%w: the question is not open", ErrState)
		}
		return nil
	}
	err = open(ctx, s.d.DB)
	if err != nil {
		return err
	}
	entry := d.entry(who.AccountID, "answer", s.now())
	entry.Digest, entry.Detail["inject"] = digest([]byte(answer)), injectID
	receipt, err := s.d.Ledger.Append(ctx, entry)
	if err != nil {
		return fmt.Errorf("answer in drill %s: record in the ledger: %w", id, err)
	}
	err = s.d.DB.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := s.lock(ctx, tx, id)
		if err != nil {
			return err
		}
		err = open(ctx, tx)
		if err != nil {
			return err
		}
		now := s.now()
		_, err = tx.NewUpdate().Model((*Happening)(nil)).
			Set("answer = ?", answer).Set("answered_at = ?", now).Set("answered_by = ?", who.AccountID).
			Where("drill_id = ? AND inject_id = ?", id, injectID).Exec(ctx)
		if err != nil {
			return err
		}
		return note(ctx, tx, id, who.AccountID, "answer", injectID, now, &receipt)
	})
	if err != nil {
		return fmt.Errorf("answer in drill %s: %w", id, err)
	}
	return nil
}
