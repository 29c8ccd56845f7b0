package incident

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
)

// minCase is the least severity that opens a case.
const minCase = Medium

// correlator turns one batch's detections into alerts and cases within the
// batch's transaction.
type correlator struct {
	*Service
	tx     bun.Tx
	now    time.Time
	raised int
	opened []string
}

// group is what one alert gains from the batch.
type group struct {
	detection
	first, last time.Time
	events      []string
}

// run goes through the detections in the order of the traffic.
func (c *correlator) run(ctx context.Context, found []detection) error {
	slices.SortStableFunc(found, func(a, b detection) int { return a.at().Compare(b.at()) })
	var groups []*group
	open := map[string]*group{}
	for _, d := range found {
		g := open[d.key()]
		if g == nil || d.at().Sub(g.last) > AlertWindow {
			g = &group{detection: d, first: d.at()}
			open[d.key()] = g
			groups = append(groups, g)
		}
		g.last = d.at()
		g.events = append(g.events, d.event.ID)
	}
	// Of what begins at the same instant the worst comes first, so that it
	// gives the case its name.
	slices.SortStableFunc(groups, func(a, b *group) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(b.severity, a.severity))
	})
	var waiting []*group
	for _, g := range groups {
		placed, err := c.place(ctx, g, g.severity >= minCase)
		if err != nil {
			return err
		}
		if !placed {
			waiting = append(waiting, g)
		}
	}
	// What is too slight to open a case may belong to one that came after it.
	for _, g := range waiting {
		_, err := c.place(ctx, g, true)
		if err != nil {
			return err
		}
	}
	return nil
}

// place puts the group into its alert, and the alert into its case. Slight
// groups are put off once (now false) until the batch's cases stand.
func (c *correlator) place(ctx context.Context, g *group, now bool) (bool, error) {
	alert, err := c.findAlert(ctx, g)
	if err != nil {
		return false, err
	}
	if alert == nil && !now {
		return false, nil
	}
	isNew := alert == nil
	if isNew {
		alert, err = c.newAlert(ctx, g)
	} else {
		err = c.growAlert(ctx, alert, g)
	}
	if err != nil {
		return false, err
	}
	err = c.link(ctx, alert, g)
	if err != nil {
		return false, err
	}
	return true, c.settle(ctx, alert, g, isNew)
}

// findAlert returns the alert that the group continues: not one of a closed
// case, so that a trouble that returns is seen again.
func (c *correlator) findAlert(ctx context.Context, g *group) (*Alert, error) {
	var a Alert
	err := c.tx.NewSelect().Model(&a).
		Where("dedup_key = ?", g.key()).
		Where("last_at >= ?", g.first.Add(-AlertWindow)).Where("first_at <= ?", g.last.Add(AlertWindow)).
		Where("NOT EXISTS (SELECT 1 FROM incident_case k WHERE k.id = alert.case_id AND k.state = ?)", StateClosed).
		OrderExpr("last_at DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find alert: %w", err)
	}
	return &a, nil
}

func (c *correlator) newAlert(ctx context.Context, g *group) (*Alert, error) {
	id, err := newID(c.now)
	if err != nil {
		return nil, err
	}
	a := &Alert{
		ID: id, ExerciseID: g.event.ExerciseID, AgencyID: g.agency, Site: g.event.Site, DedupKey: g.key(),
		Source: g.source, RuleID: g.ruleID, Title: g.title, Class: g.class, Severity: g.severity,
		Client: g.client, Server: g.server, Count: len(g.events), FirstAt: g.first, LastAt: g.last, RaisedAt: c.now,
	}
	_, err = c.tx.NewInsert().Model(a).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("raise alert %s: %w", g.ruleID, err)
	}
	c.raised++
	return a, nil
}

func (c *correlator) growAlert(ctx context.Context, a *Alert, g *group) error {
	a.Count += len(g.events)
	a.FirstAt, a.LastAt = earlier(a.FirstAt, g.first), later(a.LastAt, g.last)
	_, err := c.tx.NewUpdate().Model(a).Column("count", "first_at", "last_at").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("count alert %s: %w", a.ID, err)
	}
	return nil
}

type evidence struct {
	bun.BaseModel `bun:"table:incident_evidence"`

	AlertID string `bun:"alert_id,pk"`
	EventID string `bun:"event_id,pk"`
}

// link keeps the events as the alert's evidence, up to maxEvidence.
func (c *correlator) link(ctx context.Context, a *Alert, g *group) error {
	room := maxEvidence - (a.Count - len(g.events))
	if room <= 0 {
		return nil
	}
	links := make([]evidence, 0, min(room, len(g.events)))
	for _, id := range g.events[:min(room, len(g.events))] {
		links = append(links, evidence{AlertID: a.ID, EventID: id})
	}
	_, err := c.tx.NewInsert().Model(&links).On("CONFLICT DO NOTHING").Exec(ctx)
	if err != nil {
		return fmt.Errorf("link evidence of alert %s: %w", a.ID, err)
	}
	return nil
}

// settle brings the alert's case up to date: its own, one that it joins, or a
// new one.
func (c *correlator) settle(ctx context.Context, a *Alert, g *group, isNew bool) error {
	var k *Case
	var err error
	if a.CaseID != "" {
		k, err = c.readCase(ctx, c.tx, a.CaseID)
	} else {
		k, err = c.findCase(ctx, a)
	}
	if err != nil {
		return err
	}
	if k == nil && a.Severity < minCase {
		return nil
	}
	joins := a.CaseID == ""
	if k == nil {
		k, err = c.openCase(ctx, a)
		if err != nil {
			return err
		}
	} else {
		err = c.growCase(ctx, k, a, g, joins)
		if err != nil {
			return err
		}
	}
	if !joins {
		return nil
	}
	a.CaseID = k.ID
	_, err = c.tx.NewUpdate().Model(a).Column("case_id").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("put alert %s into case %s: %w", a.ID, k.Number, err)
	}
	return c.addHosts(ctx, k.ID, a.Client, a.Server)
}

// findCase returns the open case that the alert belongs to, or nil.
func (c *correlator) findCase(ctx context.Context, a *Alert) (*Case, error) {
	var k Case
	err := c.tx.NewSelect().Model(&k).
		Where("exercise_id = ?", a.ExerciseID).Where("agency_id = ?", a.AgencyID).Where("state <> ?", StateClosed).
		Where("last_at >= ?", a.FirstAt.Add(-CaseWindow)).Where("first_at <= ?", a.LastAt.Add(CaseWindow)).
		Where("EXISTS (SELECT 1 FROM incident_case_host h WHERE h.case_id = ?TableAlias.id AND h.addr IN (?))",
			bun.List([]string{a.Client, a.Server})).
		OrderExpr("last_at DESC, id DESC").Limit(1).Scan(ctx)
	if store.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the case of alert %s: %w", a.ID, err)
	}
	return &k, nil
}

func (c *correlator) openCase(ctx context.Context, a *Alert) (*Case, error) {
	id, err := newID(c.now)
	if err != nil {
		return nil, err
	}
	number, err := nextNumber(ctx, c.tx, a.ExerciseID != "", c.now)
	if err != nil {
		return nil, err
	}
	k := &Case{
		ID: id, Number: number, ExerciseID: a.ExerciseID, AgencyID: a.AgencyID, Title: a.Title, Class: a.Class,
		Severity: a.Severity, State: StateNew, T0: c.now, FirstAt: a.FirstAt, LastAt: a.LastAt,
		Alerts: 1, Events: a.Count, Profile: c.profile.ID, UpdatedAt: c.now,
	}
	_, err = c.tx.NewInsert().Model(k).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("open case %s: %w", number, err)
	}
	err = c.startClocks(ctx, k)
	if err != nil {
		return nil, err
	}
	c.opened = append(c.opened, k.ID)
	return k, c.note(ctx, c.tx, k.ID, c.now, ActionOpen, map[string]string{
		"number": number, "alert": a.ID, "rule": a.RuleID, "severity": k.Severity.String(), "class": k.Class,
	})
}

func (c *correlator) growCase(ctx context.Context, k *Case, a *Alert, g *group, joins bool) error {
	k.FirstAt, k.LastAt = earlier(k.FirstAt, g.first), later(k.LastAt, g.last)
	k.UpdatedAt = c.now
	if joins {
		k.Alerts++
		k.Events += a.Count
	} else {
		k.Events += len(g.events)
	}
	worse := a.Severity > k.Severity
	if worse {
		k.Severity, k.Title = a.Severity, a.Title
	}
	if k.Class == ClassOther || worse && a.Class != ClassOther {
		k.Class = a.Class
	}
	_, err := c.tx.NewUpdate().Model(k).
		Column("first_at", "last_at", "updated_at", "alerts", "events", "severity", "title", "class").WherePK().Exec(ctx)
	if err != nil {
		return fmt.Errorf("update case %s: %w", k.Number, err)
	}
	if joins {
		err = c.note(ctx, c.tx, k.ID, c.now, ActionAlert, map[string]string{
			"alert": a.ID, "rule": a.RuleID, "severity": a.Severity.String(),
		})
		if err != nil {
			return err
		}
	}
	if worse {
		err = c.note(ctx, c.tx, k.ID, c.now, ActionSeverity, map[string]string{"severity": k.Severity.String(), "class": k.Class})
		if err != nil {
			return err
		}
		return c.startClocks(ctx, k)
	}
	return nil
}

type caseHost struct {
	bun.BaseModel `bun:"table:incident_case_host"`

	CaseID string `bun:"case_id,pk"`
	Addr   string `bun:"addr,pk"`
}

func (c *correlator) addHosts(ctx context.Context, caseID string, addrs ...string) error {
	for _, addr := range addrs {
		if addr == "" {
			continue
		}
		_, err := c.tx.NewInsert().Model(&caseHost{CaseID: caseID, Addr: addr}).On("CONFLICT DO NOTHING").Exec(ctx)
		if err != nil {
			return fmt.Errorf("add a host to case %s: %w", caseID, err)
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
