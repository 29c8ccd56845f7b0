package incident_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

var start = time.Date(2026, 11, 20, 2, 0, 30, 123456000, time.UTC)

// book is a real ledger that can be told to fail.
type book struct {
	ledger.Appender

	mu      sync.Mutex
	entries []ledger.Entry
	fault   error
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

func (b *book) Append(ctx context.Context, e ledger.Entry) (ledger.Receipt, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault != nil {
		return ledger.Receipt{}, b.fault
	}
	b.entries = append(b.entries, e)
	return b.Appender.Append(ctx, e)
}

func (b *book) kinds() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var kinds []string
	for _, e := range b.entries {
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, " ")
}

// roleRule lets analysts of any agency act and everybody read their own
// agency's cases.
type roleRule struct{}

func (roleRule) Authorize(_ context.Context, s auth.Subject, action string, r auth.Resource) error {
	if s.Has(auth.RoleAnalyst) || action == "incident.read" && r.AgencyID != "" && r.AgencyID == s.AgencyID {
		return nil
	}
	return &auth.DeniedError{Action: action, Code: "role"}
}

type bench struct {
	*incident.Service
	db    *store.DB
	book  *book
	clock *clock.Fake
}

func schema() []store.Migration {
	return append(append([]store.Migration{}, directory.Schema...), incident.Schema...)
}

func newBench(tb testing.TB, db *store.DB) *bench {
	tb.Helper()
	file, err := directory.Demo()
	if err != nil {
		tb.Fatal(err)
	}
	err = directory.Load(tb.Context(), db, file)
	if err != nil {
		tb.Fatal(err)
	}
	b := &bench{db: db, book: newBook(tb), clock: clock.NewFake(start)}
	b.Service, err = incident.New(incident.Deps{
		DB: db, Ledger: b.book, Clock: b.clock, Directory: directory.New(db), Authorizer: roleRule{},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func each(t *testing.T, body func(t *testing.T, b *bench)) {
	t.Helper()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) { body(t, newBench(t, db)) })
}

func analyst(ctx context.Context) context.Context {
	return auth.WithSubject(ctx, auth.Subject{AccountID: "dung.ht", AgencyID: "ttgsattt", Roles: []string{auth.RoleAnalyst}})
}

// attack returns the events of the hand-written attack, moved by shift, as a
// sensor's run would name them.
func attack(tb testing.TB, run, exercise string, shift time.Duration) []*event.Event {
	tb.Helper()
	b, err := os.ReadFile("testdata/attack.eve.json")
	if err != nil {
		tb.Fatal(err)
	}
	var events []*event.Event
	for i, line := range bytes.Split(bytes.TrimSpace(b), []byte{'\n'}) {
		ev, err := event.Parse(line)
		if err != nil {
			tb.Fatal(err)
		}
		ev.ID, ev.Sensor, ev.ExerciseID = fmt.Sprintf("s1.%s.%d", run, i), "s1", exercise
		ev.Time = ev.Time.Add(shift)
		events = append(events, ev)
	}
	return events
}

func take(tb testing.TB, b *bench, events []*event.Event) incident.Taken {
	tb.Helper()
	taken, err := b.Take(tb.Context(), events)
	if err != nil {
		tb.Fatal(err)
	}
	return taken
}

func TestOneAttackIsOneCaseWithEvidenceClocksAndAgency(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		taken := take(t, b, attack(t, "r1", "", 0))
		if taken.Stored != 8 || len(taken.Opened) != 1 || taken.Alerts != 5 {
			t.Fatalf("got %+v, want 8 stored, 5 alerts, 1 case", taken)
		}
		ctx := analyst(t.Context())
		d, err := b.Get(ctx, taken.Opened[0])
		if err != nil {
			t.Fatal(err)
		}
		k := d.Case
		if k.Number != "SC-2026-0001" || k.AgencyID != "xa-tan-lap" || k.Severity != incident.Critical ||
			k.Class != "ransomware" || k.State != incident.StateNew || k.ExerciseID != "" || k.Alerts != 5 || k.Events != 6 {
			t.Errorf("case %+v", k)
		}
		if !k.T0.Equal(start) || !k.T0Minute().Equal(start.Truncate(time.Minute)) {
			t.Errorf("T0 is %s, want %s", k.T0, start)
		}
		if len(d.Clocks) != 2 || !d.Clocks[0].DueAt.Equal(start.Add(24*time.Hour)) || !d.Clocks[1].DueAt.Equal(start.Add(72*time.Hour)) {
			t.Errorf("clocks %+v", d.Clocks)
		}
		if len(d.Evidence) != 6 || !d.HistoryIntact {
			t.Fatalf("%d records of evidence, history intact %v", len(d.Evidence), d.HistoryIntact)
		}
		packets := 0
		for _, e := range d.Evidence {
			if !e.Intact || len(e.Event.SHA256) != 64 {
				t.Errorf("evidence %s is not intact", e.Event.ID)
			}
			if len(e.Packet) > 0 {
				packets++
			}
		}
		if packets != 1 {
			t.Errorf("%d packets, want 1", packets)
		}
	})
}

func TestABatchGivenTwiceIsStoredOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		first := take(t, b, attack(t, "r1", "", 0))
		before, err := b.Get(analyst(t.Context()), first.Opened[0])
		if err != nil {
			t.Fatal(err)
		}
		again := take(t, b, attack(t, "r1", "", 0))
		if again.Stored != 0 || again.Duplicates != 8 || again.Alerts != 0 || len(again.Opened) != 0 {
			t.Errorf("the second time gave %+v", again)
		}
		after, err := b.Get(analyst(t.Context()), first.Opened[0])
		if err != nil {
			t.Fatal(err)
		}
		if after.Case.Events != before.Case.Events || len(after.History) != len(before.History) {
			t.Errorf("the case changed: %+v", after.Case)
		}
	})
}

func TestAttacksAreGroupedByAgencyHostTimeAndExercise(t *testing.T) {
	elsewhere := func(events []*event.Event) []*event.Event {
		for _, ev := range events {
			raw := bytes.ReplaceAll(ev.Raw, []byte("10.3.9."), []byte("10.3.10."))
			moved, err := event.Parse(raw)
			if err != nil {
				panic(err)
			}
			moved.ID, moved.Sensor, moved.ExerciseID, moved.Time = ev.ID, ev.Sensor, ev.ExerciseID, ev.Time
			*ev = *moved
		}
		return events
	}
	cases := []struct {
		name   string
		second func(t *testing.T) []*event.Event
		want   int
	}{
		{"the same attack a minute later joins the open case", func(t *testing.T) []*event.Event { return attack(t, "r2", "", time.Minute) }, 0},
		{"the same attack after a day is a new case", func(t *testing.T) []*event.Event { return attack(t, "r2", "", 24*time.Hour) }, 1},
		{"the same attack of a drill is a case of its own", func(t *testing.T) []*event.Event { return attack(t, "r2", "dt-1", 0) }, 1},
		{"the same attack on another agency is a case of its own", func(t *testing.T) []*event.Event {
			return elsewhere(attack(t, "r2", "", 0))
		}, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, storetest.SQLite(t, schema()...))
			take(t, b, attack(t, "r1", "", 0))
			got := take(t, b, c.second(t))
			if len(got.Opened) != c.want {
				t.Errorf("opened %d cases, want %d", len(got.Opened), c.want)
			}
		})
	}
}

func TestAnAttackSplitOverBatchesOfOneEventIsStillOneCase(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		opened := 0
		for _, ev := range attack(t, "r1", "", 0) {
			opened += len(take(t, b, []*event.Event{ev}).Opened)
		}
		if opened != 1 {
			t.Errorf("%d cases", opened)
		}
	})
}

func TestATroubleThatReturnsAfterClosingOpensANewCase(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := analyst(t.Context())
		first := take(t, b, attack(t, "r1", "", 0))
		_, err := b.Close(ctx, first.Opened[0], incident.ReasonResolved, "")
		if err != nil {
			t.Fatal(err)
		}
		again := take(t, b, attack(t, "r2", "", time.Minute))
		if len(again.Opened) != 1 {
			t.Fatalf("opened %d cases", len(again.Opened))
		}
		d, err := b.Get(ctx, again.Opened[0])
		if err != nil || d.Case.Number != "SC-2026-0002" {
			t.Errorf("got %+v, %v", d, err)
		}
	})
}

func TestRealAndExerciseCasesAreListedApart(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := analyst(t.Context())
		take(t, b, attack(t, "r1", "dt-1", 0))
		take(t, b, attack(t, "r2", "", 0))
		for filter, want := range map[string]string{
			incident.ExerciseNone: "SC-2026-0001", incident.ExerciseAny: "DT-2026-0001", "dt-1": "DT-2026-0001",
		} {
			page, err := b.List(ctx, incident.Filter{Exercise: filter})
			if err != nil || len(page.Cases) != 1 || page.Cases[0].Number != want || len(page.Clocks[page.Cases[0].ID]) != 2 {
				t.Errorf("filter %q: %+v, %v", filter, page, err)
			}
		}
	})
}

func TestListPagesWithoutLossOrRepeat(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := analyst(t.Context())
		for i := range 7 {
			take(t, b, attack(t, fmt.Sprint("r", i), "", time.Duration(i)*24*time.Hour))
			b.clock.Advance(time.Duration(i%2) * time.Second)
		}
		seen := map[string]bool{}
		f := incident.Filter{Limit: 3}
		for {
			page, err := b.List(ctx, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range page.Cases {
				if seen[k.ID] {
					t.Errorf("%s comes twice", k.Number)
				}
				seen[k.ID] = true
			}
			if page.Next == "" {
				break
			}
			f.After = page.Next
		}
		if len(seen) != 7 {
			t.Errorf("%d cases seen, want 7", len(seen))
		}
		_, err := b.List(ctx, incident.Filter{After: "###"})
		if !errors.Is(err, incident.ErrInvalid) {
			t.Errorf("a broken cursor gave %v", err)
		}
	})
}

func TestReadingIsKeptToTheOwnAgency(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		id := take(t, b, attack(t, "r1", "", 0)).Opened[0]
		own := auth.WithSubject(t.Context(), auth.Subject{AccountID: "long.cd", AgencyID: "xa-tan-lap"})
		other := auth.WithSubject(t.Context(), auth.Subject{AccountID: "x", AgencyID: "xa-kim-son"})
		page, err := b.List(own, incident.Filter{})
		if err != nil || len(page.Cases) != 1 {
			t.Errorf("own agency: %+v, %v", page, err)
		}
		page, err = b.List(other, incident.Filter{})
		if err != nil || len(page.Cases) != 0 {
			t.Errorf("other agency: %+v, %v", page, err)
		}
		_, err = b.List(other, incident.Filter{AgencyID: "xa-tan-lap"})
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("asking for another's cases gave %v", err)
		}
		_, err = b.Get(other, id)
		if !errors.Is(err, auth.ErrDenied) {
			t.Errorf("reading another's case gave %v", err)
		}
	})
}

func TestClocksFireAtTheDueTimeAndOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := analyst(t.Context())
		id := take(t, b, attack(t, "r1", "", 0)).Opened[0]
		steps := []struct {
			at   time.Duration
			want int
		}{
			{20*time.Hour - time.Microsecond, 0}, {20 * time.Hour, 1}, {20 * time.Hour, 0},
			{24*time.Hour - time.Microsecond, 0}, {24 * time.Hour, 1}, {60 * time.Hour, 1}, {72 * time.Hour, 1}, {1000 * time.Hour, 0},
		}
		for _, s := range steps {
			b.clock.Set(start.Add(s.at))
			n, err := b.Sweep(ctx)
			if err != nil || n != s.want {
				t.Errorf("at T0+%s %d clocks fired, want %d (%v)", s.at, n, s.want, err)
			}
		}
		d, err := b.Get(ctx, id)
		if err != nil || d.Clocks[0].FiredAt == nil || !d.Clocks[0].FiredAt.Equal(start.Add(24*time.Hour)) || !d.HistoryIntact {
			t.Errorf("got %+v, %v", d.Clocks, err)
		}
	})
}

func TestAClosedFalsePositiveOwesNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := analyst(t.Context())
		id := take(t, b, attack(t, "r1", "", 0)).Opened[0]
		_, err := b.Close(ctx, id, incident.ReasonFalsePositive, "")
		if err != nil {
			t.Fatal(err)
		}
		b.clock.Advance(100 * time.Hour)
		n, err := b.Sweep(ctx)
		if err != nil || n != 0 {
			t.Errorf("%d clocks fired (%v)", n, err)
		}
	})
}

func TestAnOpeningReachesTheLedgerAfterTheLedgerHeals(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.book.fault = errors.New("down")
		id := take(t, b, attack(t, "r1", "", 0)).Opened[0]
		_, err := b.Sweep(t.Context())
		if err == nil {
			t.Error("the sweep did not tell of the failing ledger")
		}
		b.book.fault = nil
		for range 2 {
			_, err = b.Sweep(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
		d, err := b.Get(analyst(t.Context()), id)
		if err != nil || b.book.kinds() != "incident.open" || d.Case.OpenedLedger == nil || *d.Case.OpenedLedger != 0 {
			t.Errorf("ledger %q, case %+v, %v", b.book.kinds(), d.Case, err)
		}
		if b.book.entries[0].Digest != d.History[0].Hash {
			t.Error("the entry does not bind the history's first row")
		}
	})
}

func TestLivePagesHearOfChangesMadeThroughAnotherProcess(t *testing.T) {
	b := newBench(t, storetest.SQLite(t, schema()...))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	updates, end := b.Live().Subscribe()
	defer end()
	other := newBench(t, b.db)
	id := take(t, other, attack(t, "r1", "", 0)).Opened[0]
	select {
	case u := <-updates:
		if u.CaseID != id || !u.New {
			t.Errorf("got %+v", u)
		}
	case <-time.After(5 * time.Second):
		t.Error("no update within 5 s")
	}
	cancel()
	err := <-done
	if err != nil {
		t.Error(err)
	}
}

func TestTextWithZeroCharactersIsStored(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ev, err := event.Parse([]byte(`{"timestamp":"2026-11-20T02:00:00Z","event_type":"alert\u0000","src_ip":"10.3.9.1","dest_ip":"10.3.9.2","community_id":"\u0000","alert":{"signature_id":1,"severity":1,"signature":"a\u0000b"}}`))
		if err != nil {
			t.Fatal(err)
		}
		ev.ID = "z"
		if got := take(t, b, []*event.Event{ev}); got.Stored != 1 || len(got.Opened) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func BenchmarkTake(b *testing.B) {
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		b.Run(kind, func(b *testing.B) {
			open := storetest.SQLite
			if kind == "PostgreSQL" {
				open = storetest.Postgres
			}
			s := newBench(b, open(b, schema()...))
			events := attack(b, "r", "", 0)
			line := events[0].Raw
			n := 0
			b.ResetTimer()
			for b.Loop() {
				batch := make([]*event.Event, event.MaxBatch)
				for i := range batch {
					ev, err := event.Parse(line)
					if err != nil {
						b.Fatal(err)
					}
					ev.ID = fmt.Sprint("b.", n)
					n++
					batch[i] = ev
				}
				take(b, s, batch)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
