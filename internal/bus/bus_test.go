package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/internal/bus"
	"github.com/antin-gov/antin/internal/event"
)

func TestBatchSentTwiceIsStoredOnceAndSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	s, err := bus.Start(t.Context(), bus.Options{StoreDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect("nats://" + s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	b := &event.Batch{Sensor: "dc-1", Site: "dc", Run: "r1", First: 7, ExerciseID: "ex", Body: []byte("{}\n{}\n")}
	for range 2 {
		err = bus.Publish(t.Context(), js, b)
		if err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	s.Close()

	s, err = bus.Start(t.Context(), bus.Options{StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	js, err = s.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.CreateOrUpdateConsumer(t.Context(), event.Stream, jetstream.ConsumerConfig{Durable: "t", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	got, err := consumer.Fetch(10, jetstream.FetchMaxWait(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := range got.Messages() {
		n++
		back, err := event.ParseBatch(m.Headers().Get, m.Data())
		if err != nil {
			t.Fatal(err)
		}
		lines, err := back.Lines()
		if err != nil || len(lines) != 2 || lines[1].ID != "dc-1.r1.8" || back.ExerciseID != "ex" {
			t.Errorf("got %+v, %v, %v", back, lines, err)
		}
	}
	if n != 1 {
		t.Errorf("%d messages stored, want 1", n)
	}
}

func TestServerRefusesToBeOpenToTheNetwork(t *testing.T) {
	_, err := bus.Start(t.Context(), bus.Options{StoreDir: t.TempDir(), Listen: "0.0.0.0:0"})
	if !errors.Is(err, bus.ErrStart) {
		t.Errorf("got %v", err)
	}
}
