package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/incident/ingest"
	"github.com/antin-gov/antin/internal/auth"
	"github.com/antin-gov/antin/internal/bus"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/directory"
	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/internal/ledger"
	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

type openBook struct{}

func (openBook) Append(context.Context, ledger.Entry) (ledger.Receipt, error) {
	return ledger.Receipt{}, nil
}

type allowAll struct{}

func (allowAll) Authorize(context.Context, auth.Subject, string, auth.Resource) error { return nil }

func schema() []store.Migration {
	return append(append([]store.Migration{}, directory.Schema...), incident.Schema...)
}

type rig struct {
	db  *store.DB
	js  jetstream.JetStream
	svc *incident.Service
}

func newRig(tb testing.TB, db *store.DB) *rig {
	tb.Helper()
	server, err := bus.Start(tb.Context(), bus.Options{StoreDir: tb.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	js, err := server.JetStream()
	if err != nil {
		tb.Fatal(err)
	}
	file, err := directory.Demo()
	if err != nil {
		tb.Fatal(err)
	}
	err = directory.Load(tb.Context(), db, file)
	if err != nil {
		tb.Fatal(err)
	}
	svc, err := incident.New(incident.Deps{
		DB: db, Ledger: openBook{}, Clock: clock.System{}, Directory: directory.New(db), Authorizer: allowAll{},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &rig{db: db, js: js, svc: svc}
}

// consume runs a consumer until stop is called.
func (r *rig) consume(tb testing.TB, taker ingest.Taker) (*ingest.Consumer, func()) {
	tb.Helper()
	c, err := ingest.New(ingest.Deps{JetStream: r.js, Taker: taker, Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return c, func() {
		cancel()
		err := <-done
		if err != nil {
			tb.Error(err)
		}
	}
}

func (r *rig) publish(tb testing.TB, b *event.Batch) {
	tb.Helper()
	err := bus.Publish(tb.Context(), r.js, b)
	if err != nil {
		tb.Fatal(err)
	}
}

// again publishes past JetStream's own memory of ids, as after a long outage.
func (r *rig) again(tb testing.TB, b *event.Batch) {
	tb.Helper()
	msg := nats.NewMsg(event.SubjectPrefix + b.Sensor)
	for k, v := range b.Header() {
		msg.Header.Set(k, v)
	}
	msg.Data = b.Body
	_, err := r.js.PublishMsg(tb.Context(), msg)
	if err != nil {
		tb.Fatal(err)
	}
}

func (r *rig) count(tb testing.TB, table string) int {
	tb.Helper()
	n, err := r.db.NewSelect().TableExpr(table).Count(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return int(n)
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func attackBatch(tb testing.TB, run, exercise string) *event.Batch {
	tb.Helper()
	b, err := os.ReadFile("../testdata/attack.eve.json")
	if err != nil {
		tb.Fatal(err)
	}
	return &event.Batch{Sensor: "s1", Site: "xa", Run: run, ExerciseID: exercise, Body: b}
}

func each(t *testing.T, body func(t *testing.T, r *rig)) {
	t.Helper()
	storetest.Each(t, schema(), func(t *testing.T, db *store.DB) { body(t, newRig(t, db)) })
}

func TestAttackOnTheBusIsOneCaseWithinFiveSeconds(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		_, stop := r.consume(t, r.svc)
		defer stop()
		r.publish(t, attackBatch(t, "r1", ""))
		sent := time.Now()
		eventually(t, "a case", func() bool { return r.count(t, "incident_case") > 0 })
		if took := time.Since(sent); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		if r.count(t, "incident_case") != 1 || r.count(t, "incident_evidence") != 6 || r.count(t, "incident_event") != 8 {
			t.Errorf("%d cases, %d evidence, %d events", r.count(t, "incident_case"), r.count(t, "incident_evidence"), r.count(t, "incident_event"))
		}
	})
}

func TestABatchDeliveredTwiceIsStoredOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c, stop := r.consume(t, r.svc)
		defer stop()
		b := attackBatch(t, "r1", "")
		r.publish(t, b)
		r.again(t, b)
		eventually(t, "both deliveries handled", func() bool { return c.Stats().Stored+c.Stats().Duplicates == 16 })
		if s := c.Stats(); s.Stored != 8 || s.Duplicates != 8 || r.count(t, "incident_event") != 8 || r.count(t, "incident_case") != 1 {
			t.Errorf("stats %+v, %d events, %d cases", s, r.count(t, "incident_event"), r.count(t, "incident_case"))
		}
	})
}

// breaking fails after the commit of every third batch, as a process does that
// dies between its commit and its acknowledgement.
type breaking struct {
	ingest.Taker
	n atomic.Int64
}

var errDied = errors.New("died before the acknowledgement")

func (b *breaking) Take(ctx context.Context, events []*event.Event) (incident.Taken, error) {
	taken, err := b.Taker.Take(ctx, events)
	if err == nil && b.n.Add(1)%3 == 0 {
		return taken, errDied
	}
	return taken, err
}

func TestRestartInTheMiddleLosesAndDoublesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		const batches, perBatch = 30, 20
		line := `{"timestamp":"2026-11-20T02:00:00Z","event_type":"flow","src_ip":"10.3.9.1","dest_ip":"10.1.0.1"}` + "\n"
		for i := range batches {
			r.publish(t, &event.Batch{Sensor: "s1", Run: "r", First: uint64(i * perBatch), Body: bytes.Repeat([]byte(line), perBatch)})
			if i == 0 {
				r.publish(t, attackBatch(t, "r1", ""))
			}
		}
		total := batches*perBatch + 8
		_, stop := r.consume(t, &breaking{Taker: r.svc})
		eventually(t, "some batches stored", func() bool { return r.count(t, "incident_event") > total/3 })
		stop()
		_, stop = r.consume(t, r.svc)
		defer stop()
		eventually(t, "all events stored", func() bool { return r.count(t, "incident_event") >= total })
		consumer, err := r.js.Consumer(t.Context(), event.Stream, ingest.Durable)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "all batches acknowledged", func() bool {
			info, err := consumer.Info(t.Context())
			return err == nil && info.NumPending == 0 && info.NumAckPending == 0
		})
		if r.count(t, "incident_event") != total || r.count(t, "incident_case") != 1 || r.count(t, "incident_evidence") != 6 {
			t.Errorf("%d events, want %d; %d cases", r.count(t, "incident_event"), total, r.count(t, "incident_case"))
		}
	})
}

func TestWhatCannotBeParsedIsKeptAndCounted(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		c, stop := r.consume(t, r.svc)
		defer stop()
		good := `{"timestamp":"2026-11-20T02:00:00Z","event_type":"flow"}`
		b := &event.Batch{Sensor: "s1", Run: "r", Body: []byte(good + "\n{not json\x00}\n" + good + "\n")}
		r.publish(t, b)
		r.again(t, b)
		msg := nats.NewMsg(event.SubjectPrefix + "stranger")
		msg.Data = []byte("no headers")
		_, err := r.js.PublishMsg(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "three messages handled", func() bool { s := c.Stats(); return s.Dead == 3 && s.Stored+s.Duplicates == 4 })
		if r.count(t, "incident_event") != 2 || r.count(t, "incident_deadletter") != 2 {
			t.Errorf("%d events, %d dead letters", r.count(t, "incident_event"), r.count(t, "incident_deadletter"))
		}
		var letter incident.DeadLetter
		err = r.db.NewSelect().Model(&letter).Where("key = ?", "s1.r.1").Scan(t.Context())
		if err != nil || string(letter.Raw) != "{not json\x00}" || letter.Reason == "" || len(letter.SHA256) != 64 {
			t.Errorf("letter %+v, %v", letter, err)
		}
	})
}

func TestTheBatchMarksItsEventsAsExercise(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		_, stop := r.consume(t, r.svc)
		defer stop()
		r.publish(t, attackBatch(t, "r1", "dt-1"))
		r.publish(t, attackBatch(t, "r2", ""))
		eventually(t, "two cases", func() bool { return r.count(t, "incident_case") == 2 })
		for _, table := range []string{"incident_event", "incident_alert", "incident_case"} {
			all := r.count(t, table)
			n, err := r.db.NewSelect().TableExpr(table).Where("exercise_id = ?", "dt-1").Count(t.Context())
			if err != nil || int(n)*2 != all {
				t.Errorf("%s: %d of %d marked (%v)", table, n, all, err)
			}
		}
	})
}

func BenchmarkIngest(b *testing.B) {
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		b.Run(kind, func(b *testing.B) {
			open := storetest.SQLite
			if kind == "PostgreSQL" {
				open = storetest.Postgres
			}
			r := newRig(b, open(b, schema()...))
			attack := attackBatch(b, "x", "")
			line := append(bytes.SplitN(attack.Body, []byte{'\n'}, 2)[0], '\n')
			body := bytes.Repeat(line, event.MaxBatch)
			const batches = 40
			for b.Loop() {
				b.StopTimer()
				run := fmt.Sprint("r", time.Now().UnixNano())
				for i := range batches {
					r.publish(b, &event.Batch{Sensor: "s1", Run: run, First: uint64(i * event.MaxBatch), Body: body})
				}
				b.StartTimer()
				c, stop := r.consume(b, r.svc)
				eventually(b, "all stored", func() bool { return c.Stats().Stored == batches*event.MaxBatch })
				stop()
			}
			b.ReportMetric(float64(b.N*batches*event.MaxBatch)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
