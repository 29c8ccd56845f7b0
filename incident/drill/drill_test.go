package drill_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/drill"
	"github.com/antin-gov/antin/incident/sigma"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

var start = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

func schema() []store.Migration {
	return append(append(append([]store.Migration{}, directory.Schema...), incident.Schema...), drill.Schema...)
}

// book is a real ledger that can be told to fail.
type book struct {
	ledger.Appender

	mu    sync.Mutex
	kinds []string
	fault error
}

func (b *book) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		return ledger.Receipt{}, b.fault
	}
	b.kinds = append(b.kinds, e.Kind)
	return b.Appender.Append(ctx, e)
}

func (b *book) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.kinds, " ")
}

func newBook(tb testing.TB) *book {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := ledger.Open(tb.Context(), ledger.Options{Dir: tb.TempDir(), Origin: "test.example/ledger", Signer: key, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return &book{Appender: l}
}

// rules are the grants that the policy bundle gives for drills and cases.
type rules map[string][]string

var grants = rules{
	"drill.plan": {auth.RoleDrillPlanner}, "drill.start": {auth.RoleDrillPlanner}, "drill.pause": {auth.RoleDrillPlanner},
	"drill.resume": {auth.RoleDrillPlanner}, "drill.stop": {auth.RoleDrillPlanner}, "drill.score": {auth.RoleDrillPlanner},
	"drill.report": {auth.RoleDrillPlanner}, "drill.read": {auth.RoleDrillPlanner, auth.RoleDrillLead},
	"drill.approve": {auth.RoleDrillLead, auth.RoleDrillPlanner}, "drill.answer": {auth.RoleOfficial},
	"incident.read": {auth.RoleAnalyst}, "incident.acknowledge": {auth.RoleAnalyst}, "incident.close": {auth.RoleAnalyst},
}

func (r rules) Authorize(_ context.Context, s auth.Subject, action string, _ auth.Resource) error {
	for _, role := range r[action] {
		if s.Has(role) {
			return nil
		}
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

// documents signs by adding a line; what it adds is the signer's business.
type documents struct{ fault error }

func (d *documents) SignReport(_ context.Context, pdf []byte, purpose string) ([]byte, error) {
	if d.fault != nil {
		return nil, d.fault
	}
	return append(bytes.Clone(pdf), "% signed for "+purpose+"\n"...), nil
}

type rig struct {
	*drill.Service
	deps      drill.Deps
	db        *store.DB
	book      *book
	clock     *clock.Fake
	documents *documents
	incidents *incident.Service
}

// matcher shows the Sigma engine with our own rules to the pipeline, as the
// program does.
type matcher struct{ *sigma.Engine }

func (m matcher) Match(ev *event.Event) []incident.RuleMatch {
	var found []incident.RuleMatch
	for _, hit := range m.Eval(ev) {
		found = append(found, incident.RuleMatch{RuleID: hit.Rule.ID, Title: hit.Rule.Title, Level: hit.Rule.Level, Tags: hit.Rule.Tags})
	}
	return found
}

func sigmaRules(tb testing.TB) matcher {
	tb.Helper()
	own, err := sigma.BuiltinRules()
	if err != nil {
		tb.Fatal(err)
	}
	mapping, err := sigma.DefaultMapping()
	if err != nil {
		tb.Fatal(err)
	}
	engine, err := sigma.NewEngine(own, mapping)
	if err != nil {
		tb.Fatal(err)
	}
	return matcher{engine}
}

// noPackets is the sensor of tests whose scenario has no packets.
type noPackets struct{}

func (noPackets) Replay(context.Context, string, string) error { return errors.New("no sensor here") }

func newRig(tb testing.TB, db *store.DB, c clock.Clock, sensor drill.Replayer) *rig {
	tb.Helper()
	file, err := directory.Demo()
	if err != nil {
		tb.Fatal(err)
	}
	err = directory.Load(tb.Context(), db, file)
	if err != nil {
		tb.Fatal(err)
	}
	r := &rig{db: db, book: newBook(tb), documents: &documents{}}
	r.clock, _ = c.(*clock.Fake)
	log := slog.New(slog.DiscardHandler)
	dir := directory.New(db)
	r.incidents, err = incident.New(incident.Deps{DB: db, Ledger: r.book, Clock: c, Directory: dir, Authorizer: grants, Rules: sigmaRules(tb), Logger: log})
	if err != nil {
		tb.Fatal(err)
	}
	r.deps = drill.Deps{
		DB: db, Ledger: r.book, Clock: c, Authorizer: grants, Cases: r.incidents, Sensor: sensor, Documents: r.documents,
		People: dir, Place: "Tân Lập", WorkDir: tb.TempDir(), Logger: log,
	}
	r.Service, err = drill.New(r.deps)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func each(t *testing.T, body func(t *testing.T, r *rig)) {
	t.Helper()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) {
		body(t, newRig(t, db, clock.NewFake(start), noPackets{}))
	})
}

func as(ctx context.Context, account, person, agency, role string) context.Context {
	return auth.WithSubject(ctx, auth.Subject{AccountID: account, PersonID: person, AgencyID: agency, Roles: []string{role}})
}

func planner(ctx context.Context) context.Context {
	return as(ctx, "son.bh", "p-son", "ttgsattt", auth.RoleDrillPlanner)
}
func approver(ctx context.Context) context.Context {
	return as(ctx, "hang.nt", "p-hang", "ttgsattt", auth.RoleDrillLead)
}
func analyst(ctx context.Context) context.Context {
	return as(ctx, "dung.ht", "p-dung", "ttgsattt", auth.RoleAnalyst)
}
func player(ctx context.Context) context.Context {
	return as(ctx, "long.cd", "p-long", "xa-tan-lap", auth.RoleOfficial)
}

// paperDrill has no packets: a mail at once, a question after 10 minutes.
const paperDrill = `
id: paper
title: {vi: "Diễn tập trên giấy"}
aim: {vi: "Mục đích"}
scope: {vi: "Phạm vi"}
stop_rule: {vi: "Dừng khi có sự cố thật"}
duration: 60m
teams:
  - {id: xa, name: {vi: "Xã"}, agency: xa-tan-lap, members: [{account: long.cd, email: long.cd@demo.antin.example}, {account: phu, email: phu@demo.antin.example}]}
injects:
  - {id: mail, at: 0s, kind: mail, team: xa, title: {vi: "Thư"}, mail: {subject: "Máy chậm", body: "Nội dung thư"}}
  - {id: ask, at: 10m, kind: question, team: xa, title: {vi: "Câu hỏi"}, question: {vi: "Đã làm gì?"}, expect: {answer: 15m}}
`

func running(t *testing.T, r *rig, scenario string) *drill.Drill {
	t.Helper()
	d, err := r.Plan(planner(t.Context()), []byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Approve(approver(t.Context()), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	d, err = r.Start(planner(t.Context()), d.ID)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func board(t *testing.T, r *rig, id string) *drill.Board {
	t.Helper()
	b, err := r.Get(planner(t.Context()), id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tick(t *testing.T, r *rig) time.Time {
	t.Helper()
	next, err := r.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestASecondPersonApproves(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		d, err := r.Plan(planner(t.Context()), []byte(paperDrill))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Start(planner(t.Context()), d.ID)
		if !errors.Is(err, drill.ErrState) {
			t.Errorf("starting an unapproved drill gave %v", err)
		}
		_, err = r.Approve(planner(t.Context()), d.ID)
		if !errors.Is(err, drill.ErrSamePerson) {
			t.Errorf("the planner's own approval gave %v", err)
		}
		got, err := r.Approve(approver(t.Context()), d.ID)
		if err != nil || got.State != drill.StateApproved || got.ApprovedBy != "hang.nt" {
			t.Errorf("got %+v, %v", got, err)
		}
		if r.book.said() != "drill.plan drill.approve" {
			t.Errorf("ledger: %s", r.book.said())
		}
	})
}

func TestInjectsFireAtTheirOffsetsLessThePauses(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		d := running(t, r, paperDrill)
		next := tick(t, r)
		if !next.Equal(start.Add(10 * time.Minute)) {
			t.Errorf("the next row is due at %s", next)
		}
		b := board(t, r, d.ID)
		if b.Injects[0].FiredAt == nil || !b.Injects[0].FiredAt.Equal(start) || b.Injects[1].FiredAt != nil || len(b.Outbox) != 2 {
			t.Fatalf("injects %+v, %d mails", b.Injects, len(b.Outbox))
		}
		r.clock.Advance(4 * time.Minute)
		_, err := r.Pause(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		r.clock.Advance(30 * time.Minute)
		tick(t, r)
		b = board(t, r, d.ID)
		if b.Injects[1].FiredAt != nil || b.Elapsed != 4*time.Minute {
			t.Errorf("while paused: %+v, exercise clock %s", b.Injects[1], b.Elapsed)
		}
		_, err = r.Resume(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		due := start.Add(40 * time.Minute)
		r.clock.Set(due.Add(-time.Microsecond))
		if next = tick(t, r); !next.Equal(due) {
			t.Errorf("after the pause the question is due at %s, want %s", next, due)
		}
		r.clock.Set(due)
		tick(t, r)
		b = board(t, r, d.ID)
		if b.Injects[1].FiredAt == nil || !b.Injects[1].FiredAt.Equal(due) || b.Elapsed != 10*time.Minute {
			t.Errorf("%+v, exercise clock %s", b.Injects[1], b.Elapsed)
		}
		// The drill finishes by itself when its hour on the exercise clock is over.
		r.clock.Set(start.Add(90*time.Minute - time.Microsecond))
		tick(t, r)
		if got := board(t, r, d.ID).Drill.State; got != drill.StateRunning {
			t.Errorf("before its end it is %s", got)
		}
		r.clock.Set(start.Add(90 * time.Minute))
		tick(t, r)
		b = board(t, r, d.ID)
		if b.Drill.State != drill.StateFinished || b.Elapsed != time.Hour {
			t.Errorf("at its end it is %s at %s", b.Drill.State, b.Elapsed)
		}
	})
}

func TestARestartFiresWhatFellDueMeanwhileAndNothingTwice(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		d := running(t, r, paperDrill)
		tick(t, r)
		r.clock.Advance(11 * time.Minute)
		again, err := drill.New(r.deps)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err = again.Tick(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
		b := board(t, r, d.ID)
		if len(b.Outbox) != 2 || b.Injects[0].Attempts != 1 || b.Injects[1].Attempts != 1 {
			t.Errorf("%d mails, injects %+v", len(b.Outbox), b.Injects)
		}
	})
}

func TestMailsCarryTheBannerAndGoToTheRosterAlone(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		d := running(t, r, paperDrill)
		tick(t, r)
		for _, m := range board(t, r, d.ID).Outbox {
			if !strings.HasPrefix(m.Body, drill.Banner) || !strings.HasSuffix(m.Body, drill.Banner+"\n") ||
				!strings.HasPrefix(m.Subject, "[DIỄN TẬP") || m.SentAt != nil {
				t.Errorf("mail %+v", m)
			}
		}
		outside := strings.Replace(paperDrill, `mail: {subject`, `mail: {to: [chu.tich@tinh.example], subject`, 1)
		_, err := r.Plan(planner(t.Context()), []byte(outside))
		if !errors.Is(err, drill.ErrRoster) {
			t.Errorf("a recipient outside the roster gave %v", err)
		}
	})
}

func TestAnAnswerComesFromTheAskedTeamOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		d := running(t, r, paperDrill)
		tick(t, r)
		err := r.Answer(player(t.Context()), d.ID, "ask", "Đã cô lập")
		if !errors.Is(err, drill.ErrState) {
			t.Errorf("an answer before the question gave %v", err)
		}
		r.clock.Advance(10 * time.Minute)
		tick(t, r)
		asked, err := r.Questions(player(t.Context()))
		if err != nil || len(asked) != 1 || asked[0].Question.VI != "Đã làm gì?" {
			t.Errorf("asked %+v, %v", asked, err)
		}
		err = r.Answer(as(t.Context(), "khac", "p", "xa-tan-lap", auth.RoleOfficial), d.ID, "ask", "x")
		if !errors.Is(err, drill.ErrRoster) {
			t.Errorf("an answer from outside the roster gave %v", err)
		}
		r.clock.Advance(20 * time.Minute)
		err = r.Answer(player(t.Context()), d.ID, "ask", "Đã cô lập hai máy")
		if err != nil {
			t.Fatal(err)
		}
		err = r.Answer(player(t.Context()), d.ID, "ask", "nữa")
		if !errors.Is(err, drill.ErrState) {
			t.Errorf("a second answer gave %v", err)
		}
		_, err = r.Stop(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		measures, err := r.Score(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		// 20 minutes for an answer expected in 15: half the points.
		if len(measures) != 1 || measures[0].Taken() != 20*time.Minute || measures[0].Points != 5 {
			t.Errorf("measures %+v", measures)
		}
	})
}

func TestRefusedOrUnrecordedActsChangeNothing(t *testing.T) {
	fault := errors.New("disk full")
	each(t, func(t *testing.T, r *rig) {
		d := running(t, r, paperDrill)
		tick(t, r)
		acts := map[string]func(ctx context.Context) error{
			"plan":  func(ctx context.Context) error { _, err := r.Plan(ctx, []byte(paperDrill)); return err },
			"pause": func(ctx context.Context) error { _, err := r.Pause(ctx, d.ID); return err },
			"stop":  func(ctx context.Context) error { _, err := r.Stop(ctx, d.ID); return err },
		}
		before := board(t, r, d.ID)
		for name, act := range acts {
			err := act(analyst(t.Context()))
			if !errors.Is(err, auth.ErrDenied) {
				t.Errorf("%s by an analyst gave %v", name, err)
			}
			r.book.fault = fault
			err = act(planner(t.Context()))
			if !errors.Is(err, fault) {
				t.Errorf("%s without the ledger gave %v", name, err)
			}
			r.book.fault = nil
		}
		after := board(t, r, d.ID)
		all, err := r.List(planner(t.Context()))
		if err != nil || len(all) != 1 || after.Drill.State != before.Drill.State || len(after.History) != len(before.History) {
			t.Errorf("%d drills, state %s (%v)", len(all), after.Drill.State, err)
		}
		_, err = r.Stop(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Report(planner(t.Context()), d.ID)
		if !errors.Is(err, drill.ErrState) {
			t.Errorf("a report before the score gave %v", err)
		}
		r.book.fault = fault
		_, err = r.Score(planner(t.Context()), d.ID)
		if !errors.Is(err, fault) {
			t.Errorf("a score without the ledger gave %v", err)
		}
		r.book.fault = nil
		if b := board(t, r, d.ID); len(b.Measures) != 0 || b.Drill.State != drill.StateStopped {
			t.Errorf("%d measures, state %s", len(b.Measures), b.Drill.State)
		}
	})
}

func TestTheReportIsSignedOrNotGiven(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		d := running(t, r, paperDrill)
		r.clock.Advance(10 * time.Minute)
		tick(t, r)
		_, err := r.Stop(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err = r.Score(planner(t.Context()), d.ID)
			if err != nil {
				t.Fatal(err)
			}
		}
		r.documents.fault = errors.New("no key")
		_, err = r.Report(planner(t.Context()), d.ID)
		if !errors.Is(err, r.documents.fault) {
			t.Errorf("without a signature the report gave %v", err)
		}
		r.documents.fault = nil
		made, err := r.Report(planner(t.Context()), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := r.ReportPDF(planner(t.Context()), d.ID, 0)
		if err != nil || !bytes.Equal(kept.PDF, made.PDF) || !bytes.Contains(kept.PDF, []byte("% signed for drill.report")) || kept.Seq != 1 {
			t.Errorf("kept report %d, %v", len(kept.PDF), err)
		}
		b := board(t, r, d.ID)
		if len(b.Reports) != 1 || b.Measures[0].Round != 2 {
			t.Errorf("%d reports, round %d", len(b.Reports), b.Measures[0].Round)
		}
	})
}
