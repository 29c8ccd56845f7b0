package output_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/sensor/output"
	"github.com/antin-gov/antin/sensor/spool"
)

func TestFileAppendsWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	for range 2 {
		f, err := output.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3000 {
			err = f.Write("dns", fmt.Appendf(nil, "{\"n\":%d,\"x\":%q}\n", i, strings.Repeat("y", i)))
			if err != nil {
				t.Fatal(err)
			}
		}
		err = f.Close(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s := f.Stats(); s.Accepted != 3000 || s.Delivered != 3000 {
			t.Errorf("stats %+v", s)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || bytes.Count(b, []byte{'\n'}) != 6000 || !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("%d lines, error %v", bytes.Count(b, []byte{'\n'}), err)
	}
}

func TestFileLinesAreSeenWithinSeconds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	f, err := output.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(context.Background())
	err = f.Write("dns", []byte("{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for time.Now().Before(deadline) {
		b, _ := os.ReadFile(path)
		if string(b) == "{}\n" {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the line did not reach the file")
}

// hubServer runs a real NATS server with JetStream on the port, 0 for any.
func hubServer(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS server does not start")
	}
	return s
}

func makeStream(t *testing.T, url string) jetstream.Stream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	st, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: event.Stream, Subjects: []string{event.SubjectPrefix + ">"}})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// stored reads all batches of the stream.
func stored(t *testing.T, st jetstream.Stream) (ids []string, largest int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	info, err := st.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && info.State.Msgs > 0; seq++ {
		msg, err := st.GetMsg(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		b, err := event.ParseBatch(msg.Header.Get, msg.Data)
		if err != nil {
			t.Fatal(err)
		}
		if b.ID() != msg.Header.Get(nats.MsgIdHdr) || b.Site != "xã-1" || b.ExerciseID != "drill-1" {
			t.Errorf("batch %s: message id %q, site %q, exercise %q", b.ID(), msg.Header.Get(nats.MsgIdHdr), b.Site, b.ExerciseID)
		}
		lines, err := b.Lines()
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, len(lines))
		for _, l := range lines {
			ids = append(ids, l.ID[strings.LastIndexByte(l.ID, '.')+1:]+string(l.Raw))
		}
	}
	return ids, largest
}

func hub(t *testing.T, url string, wait time.Duration) *output.Hub {
	t.Helper()
	return hubOn(t, url, t.TempDir(), wait)
}

// hubOn opens a hub with its spool in the folder.
func hubOn(t *testing.T, url, dir string, wait time.Duration) *output.Hub {
	t.Helper()
	h, err := output.OpenHub(output.HubConfig{
		URL: url, Sensor: "s-1", Site: "xã-1", ExerciseID: "drill-1",
		Spool: spool.Options{Dir: dir, Wait: wait, MaxBytes: 8 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func closeHub(h *output.Hub, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return h.Close(ctx)
}

func TestHubStoresEveryRecordOnceAndInOrder(t *testing.T) {
	s := hubServer(t, t.TempDir(), 0)
	defer s.Shutdown()
	st := makeStream(t, s.ClientURL())
	h := hub(t, s.ClientURL(), time.Minute)
	const n = 5000
	for i := range n {
		err := h.Write("alert", fmt.Appendf(nil, "{\"n\":%d}\n", i+1))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := closeHub(h, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ids, largest := stored(t, st)
	if len(ids) != n || largest > event.MaxBatch || largest < 100 {
		t.Fatalf("%d records, largest batch %d", len(ids), largest)
	}
	for i, id := range ids {
		if want := fmt.Sprintf("%d{\"n\":%d}", i+1, i+1); id != want {
			t.Fatalf("record %d is %s", i, id)
		}
	}
	if s := h.Stats(); s.Delivered != n || s.Dropped != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestHubSendsAFewRecordsWithoutWaitingForMore(t *testing.T) {
	s := hubServer(t, t.TempDir(), 0)
	defer s.Shutdown()
	makeStream(t, s.ClientURL())
	h := hub(t, s.ClientURL(), 0)
	defer closeHub(h, 5*time.Second)
	err := h.Write("alert", []byte("{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for h.Stats().Delivered == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the record was not delivered")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestHubDeliversAfterAnOutage(t *testing.T) {
	dir := t.TempDir()
	s := hubServer(t, dir, 0)
	url := s.ClientURL()
	port := s.Addr().(*net.TCPAddr).Port
	makeStream(t, url)
	h := hub(t, url, 0)
	write := func(from, to int) {
		for i := from; i <= to; i++ {
			err := h.Write("alert", fmt.Appendf(nil, "{\"n\":%d}\n", i))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write(1, 1000)
	s.Shutdown()
	s.WaitForShutdown()
	write(1001, 2000)
	s = hubServer(t, dir, port)
	defer s.Shutdown()
	st := makeStream(t, s.ClientURL())
	err := closeHub(h, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := stored(t, st)
	if len(ids) != 2000 || ids[1999] != `2000{"n":2000}` {
		t.Errorf("%d records", len(ids))
	}
}

func TestHubTellsWhatItCouldNotDeliver(t *testing.T) {
	h := hub(t, "nats://127.0.0.1:1", 0)
	for range 10 {
		err := h.Write("alert", []byte("{}\n"))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := closeHub(h, 300*time.Millisecond)
	if !errors.Is(err, output.ErrUndelivered) || !strings.Contains(err.Error(), "10 wait in") {
		t.Errorf("error %v", err)
	}
}

func TestHubDropsWhenItsSpoolIsFull(t *testing.T) {
	h := hub(t, "nats://127.0.0.1:1", 50*time.Millisecond)
	line := append(bytes.Repeat([]byte{'x'}, 500<<10), '\n')
	for range 100 {
		err := h.Write("alert", line)
		if err != nil {
			t.Fatal(err)
		}
	}
	err := closeHub(h, 10*time.Millisecond)
	if !errors.Is(err, output.ErrUndelivered) {
		t.Errorf("error %v", err)
	}
	if s := h.Stats(); s.Accepted != 100 || s.Dropped < 80 || s.Dropped > 95 {
		t.Errorf("stats %+v", s)
	}
}

func TestHubRefusesANameThatIsNoSubject(t *testing.T) {
	for _, name := range []string{"", "a.b", "a b", "a>", "*"} {
		_, err := output.OpenHub(output.HubConfig{URL: "nats://127.0.0.1:1", Sensor: name})
		if !errors.Is(err, output.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
