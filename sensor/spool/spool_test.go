package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/sensor/spool"
)

func open(t *testing.T, o spool.Options) *spool.Spool {
	t.Helper()
	s, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *spool.Spool, c spool.Class, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		err := s.Put(c, fmt.Appendf(nil, "%s %d\n", c, i))
		if err != nil {
			t.Fatal(err)
		}
	}
}

// take reads and acknowledges until there is nothing more, and returns the
// records, with the first line's number checked against the batch's.
func take(t *testing.T, s *spool.Spool) (lines []string, batches []*spool.Batch) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		b, err := s.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, spool.ErrClosed) {
			return lines, batches
		}
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimRight(string(b.Body), "\n"), "\n")
		if len(got) != b.Records {
			t.Fatalf("batch of %d records has %d lines", b.Records, len(got))
		}
		lines, batches = append(lines, got...), append(batches, b)
		s.Ack(b)
	}
}

// balanced checks that nothing was lost in silence.
func balanced(t *testing.T, st spool.Stats) {
	t.Helper()
	for i, c := range st.Classes {
		if c.Accepted != c.Delivered+c.Lost()+c.Held {
			t.Errorf("class %s does not balance: %+v", spool.Class(i), c)
		}
	}
}

func wantInOrder(t *testing.T, lines []string, c spool.Class, from, to int) {
	t.Helper()
	at := from
	for _, l := range lines {
		if !strings.HasPrefix(l, c.String()+" ") {
			continue
		}
		if want := fmt.Sprintf("%s %d", c, at); l != want {
			t.Fatalf("record %q, want %q", l, want)
		}
		at++
	}
	if at != to+1 {
		t.Fatalf("records of class %s end before %d, want %d", c, at, to)
	}
}

func TestBatchesHoldUpTo400RecordsNumberedWithinTheirClass(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir(), Label: []byte("run-1")})
	put(t, s, spool.Flows, 1, 1000)
	put(t, s, spool.Alerts, 1, 10)
	s.Seal()
	lines, batches := take(t, s)
	wantInOrder(t, lines, spool.Flows, 1, 1000)
	wantInOrder(t, lines, spool.Alerts, 1, 10)
	if len(batches) != 4 || batches[0].Class != spool.Alerts || batches[1].Records != 400 || batches[2].First != 401 {
		t.Errorf("%d batches, the first of class %s", len(batches), batches[0].Class)
	}
	for _, b := range batches {
		if string(b.Label) != "run-1" {
			t.Errorf("label %q", b.Label)
		}
	}
	if st := s.Stats(); st.Classes[spool.Flows].Delivered != 1000 || st.Classes[spool.Flows].Held != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestAFewRecordsDoNotWaitForMore(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir()})
	put(t, s, spool.Metadata, 1, 3)
	lines, _ := take(t, s)
	wantInOrder(t, lines, spool.Metadata, 1, 3)
}

func TestWhatWasNotAcknowledgedComesAgainInTheSameBatches(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Label: []byte("run-1")})
	put(t, s, spool.Alerts, 1, 900)
	ctx := context.Background()
	first, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.Ack(first)
	second, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, spool.Options{Dir: dir, Label: []byte("run-2")})
	put(t, s, spool.Alerts, 1, 50)
	s.Seal()
	lines, batches := take(t, s)
	if b := batches[0]; b.First != second.First || !bytes.Equal(b.Body, second.Body) || string(b.Label) != "run-1" {
		t.Errorf("batch from %d of %d records, label %q", b.First, b.Records, b.Label)
	}
	if b := batches[len(batches)-1]; b.First != 1 || string(b.Label) != "run-2" || b.Records != 50 {
		t.Errorf("the new run's batch is from %d, label %q", b.First, b.Label)
	}
	if len(lines) != 550 {
		t.Errorf("%d records", len(lines))
	}
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(left) != 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestATornEndIsRecognisedAndTheRestIsWhole(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir})
	put(t, s, spool.Alerts, 1, 400)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	whole, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	step := max(1, len(whole)/11)
	for cut := 0; cut <= len(whole); cut += step {
		for name, rest := range map[string][]byte{"cut": nil, "zeros": make([]byte, 300), "noise": bytes.Repeat([]byte{0xa5}, 300)} {
			err = os.WriteFile(found[0], append(bytes.Clone(whole[:cut]), rest...), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			s, err := spool.Open(spool.Options{Dir: dir})
			if err != nil && cut < 80 && errors.Is(err, spool.ErrKey) {
				// The head is torn and followed by something.
				continue
			}
			if err != nil {
				t.Fatalf("%s at %d: %v", name, cut, err)
			}
			s.Seal()
			lines, _ := take(t, s)
			balanced(t, s.Stats())
			wantInOrder(t, lines, spool.Alerts, 1, len(lines))
			s.Close()
		}
	}
}

func TestDamageInTheMiddleCostsItsFrameAlone(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir})
	for i := range 10 {
		put(t, s, spool.Alerts, i*400+1, i*400+400)
		for s.Stats().Memory > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	b, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	err = os.WriteFile(found[0], b, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, spool.Options{Dir: dir})
	s.Seal()
	lines, _ := take(t, s)
	if len(lines) < 3600 || len(lines) >= 4000 {
		t.Errorf("%d of 4000 records", len(lines))
	}
}

func TestWhereThereIsNoRoomFlowsGoFirstAndAlertsLast(t *testing.T) {
	s := open(t, spool.Options{Dir: t.TempDir(), MaxBytes: spool.MinBytes})
	pad := strings.Repeat("x", 1000)
	fill := func(c spool.Class, from, to int) {
		for i := from; i <= to; i++ {
			err := s.Put(c, fmt.Appendf(nil, "%s %d %s\n", c, i, pad))
			if err != nil {
				t.Fatal(err)
			}
		}
		for s.Stats().Memory > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	fill(spool.Metadata, 1, 1000)
	fill(spool.Flows, 1, 2500)
	fill(spool.Alerts, 1, 1000)
	st := s.Stats()
	balanced(t, st)
	if f := st.Classes[spool.Flows]; f.Dropped[spool.Full] == 0 || st.Classes[spool.Metadata].Lost()+st.Classes[spool.Alerts].Lost() != 0 {
		t.Fatalf("first flows alone: %+v", st)
	}
	fill(spool.Alerts, 1001, 3500)
	st = s.Stats()
	balanced(t, st)
	if st.Classes[spool.Flows].Held != 0 || st.Classes[spool.Metadata].Lost() == 0 || st.Classes[spool.Alerts].Lost() != 0 {
		t.Fatalf("then metadata: %+v", st)
	}
	fill(spool.Alerts, 3501, 6000)
	fill(spool.Flows, 2501, 2600)
	st = s.Stats()
	balanced(t, st)
	if st.Classes[spool.Alerts].Lost() == 0 || st.Bytes > st.Limit || st.Classes[spool.Metadata].Held != 0 {
		t.Fatalf("at last the oldest alerts: %+v", st)
	}
	s.Seal()
	lines, _ := take(t, s)
	if last := lines[len(lines)-1]; len(lines) == 0 || !strings.HasPrefix(last, "alert 6000 ") && !strings.HasPrefix(last, "flow ") {
		t.Errorf("the last record is %.20s", last)
	}
}

// smallDisk mounts a file system of the size, or skips the test.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	if err != nil {
		t.Skipf("a small disk is not to be had here: %v", err)
	}
	t.Cleanup(func() {
		err := unix.Unmount(dir, unix.MNT_DETACH)
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskIsOutlived(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	s := open(t, spool.Options{Dir: filepath.Join(dir, "spool"), MaxBytes: 64 << 20})
	pad := strings.Repeat("x", 1000)
	n := 0
	fill := func(records int) {
		for range records {
			n++
			err := s.Put(spool.Alerts, fmt.Appendf(nil, "alert %d %s\n", n, pad))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	await := func(what string, ok func(spool.Stats) bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(s.Stats()); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %+v", what, s.Stats())
			}
		}
	}
	fill(100)
	await("before", func(st spool.Stats) bool { return st.Memory == 0 })
	// Others fill the disk: the segment's reserve is all that is left.
	err := os.WriteFile(filepath.Join(dir, "others"), make([]byte, 1<<20), 0o600)
	if err != nil {
		t.Log("the rest of the disk was less:", err)
	}
	fill(8000)
	await("full", func(st spool.Stats) bool { return st.Failing })
	st := s.Stats()
	balanced(t, st)
	if st.Memory == 0 || st.Classes[spool.Alerts].Lost() != 0 {
		t.Fatalf("what memory holds was dropped: %+v", st)
	}
	fill(20000)
	st = s.Stats()
	balanced(t, st)
	if lost := st.Classes[spool.Alerts].Dropped[spool.Disk]; lost == 0 {
		t.Fatalf("nothing counted: %+v", st)
	}
	// Room again.
	err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=67108864")
	if err != nil {
		t.Fatal(err)
	}
	await("recovered", func(st spool.Stats) bool { return !st.Failing && st.Memory == 0 })
	fill(100)
	s.Seal()
	lines, batches := take(t, s)
	st = s.Stats()
	balanced(t, st)
	if c := st.Classes[spool.Alerts]; uint64(len(lines)) != c.Delivered || c.Held != 0 || int(c.Lost()) != n-len(lines) {
		t.Errorf("%d of %d records taken: %+v", len(lines), n, c)
	}
	for _, b := range batches {
		if want := fmt.Sprintf("alert %d ", b.First); !bytes.HasPrefix(b.Body, []byte(want)) {
			t.Errorf("the batch from %d starts with %.12s", b.First, b.Body)
		}
	}
}

func TestTheDiskHoldsNoPlainText(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Options{Dir: dir, Key: spool.Key{1}, Label: []byte("the-label")})
	put(t, s, spool.Alerts, 1, 100)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	b, err := os.ReadFile(found[0])
	if err != nil || bytes.Contains(b, []byte("alert")) || bytes.Contains(b, []byte("the-label")) {
		t.Errorf("plain text in the segment, %v", err)
	}
	_, err = spool.Open(spool.Options{Dir: dir, Key: spool.Key{2}})
	if !errors.Is(err, spool.ErrKey) {
		t.Errorf("another key: %v", err)
	}
}

func TestOneSensorUsesTheFolder(t *testing.T) {
	dir := t.TempDir()
	open(t, spool.Options{Dir: dir})
	_, err := spool.Open(spool.Options{Dir: dir})
	if !errors.Is(err, spool.ErrInUse) {
		t.Errorf("a second sensor: %v", err)
	}
}

func TestTheKeyFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.key")
	made, err := spool.LoadKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := spool.LoadKey(path)
	if err != nil || again != made || made == (spool.Key{}) {
		t.Errorf("the key changed, or %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", made, made, made); strings.Contains(text, "[") {
		t.Errorf("the key prints as %s", text)
	}
	err = os.Chmod(path, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	_, err = spool.LoadKey(path)
	if !errors.Is(err, spool.ErrKey) {
		t.Errorf("a key that the group may read: %v", err)
	}
	err = os.WriteFile(path, []byte("short"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	err = os.Chmod(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = spool.LoadKey(path)
	if !errors.Is(err, spool.ErrKey) {
		t.Errorf("a short key: %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	s, err := spool.Open(spool.Options{Dir: b.TempDir(), MaxBytes: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	line := append(bytes.Repeat([]byte{'x'}, 599), '\n')
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		err = s.Put(spool.Flows, line)
		if err != nil {
			b.Fatal(err)
		}
	}
}
