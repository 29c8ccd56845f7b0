package output

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/internal/clock"
)

// full is a disk with little room: it takes what fits and then refuses.
type full struct {
	*os.File
	room int
}

func (d *full) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	d.room -= n
	wrote, err := d.File.Write(b[:n])
	if err == nil && n < len(b) {
		err = unix.ENOSPC
	}
	return wrote, err
}

func TestAFullDiskCostsFlowsFirstAndTearsNoLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s, err := OpenFileWith(FileOptions{Path: path, Patient: true})
	if err != nil {
		t.Fatal(err)
	}
	disk := &full{File: s.f.(*os.File), room: 100_001}
	s.atDisk.Lock()
	s.f = disk
	s.atDisk.Unlock()
	line := func(kind string, n int) []byte {
		return fmt.Appendf(nil, `{"event_type":"%s","n":%d,"fill":"%s"}`+"\n", kind, n, strings.Repeat("x", 10_000))
	}
	// More than fits on the disk and in memory.
	const rounds = 4000
	for n := range rounds {
		for _, kind := range []string{"flow", "dns", "alert"} {
			err = s.Write(kind, line(kind, n))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if !s.Failing() {
		t.Error("does not say that the disk fails")
	}
	before := s.Stats()
	if before.Lost[2] == 0 || before.Lost[1] == 0 || before.Lost[2] < before.Lost[1] || before.Lost[1] < before.Lost[0] {
		t.Errorf("lost by class: %v", before.Lost)
	}
	s.atDisk.Lock()
	disk.room = 1 << 30
	s.atDisk.Unlock()
	for s.Failing() {
		time.Sleep(10 * time.Millisecond)
	}
	err = s.Write("alert", line("alert", rounds))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Close(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := uint64(0)
	for l := range bytes.Lines(text) {
		if !bytes.HasPrefix(l, []byte(`{"event_type":"`)) || !bytes.HasSuffix(l, []byte("\"}\n")) {
			t.Fatalf("torn: %.80s", l)
		}
		got++
	}
	if st.Accepted != 3*rounds+1 || st.Accepted != st.Delivered+st.Dropped || got != st.Delivered || st.Dropped != st.Lost[0]+st.Lost[1]+st.Lost[2] {
		t.Errorf("%+v, %d in the file", st, got)
	}
}

func TestFilesAreRotatedBySizeAndAgeAndKept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "eve.json")
	c := clock.NewFake(time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC))
	s, err := OpenFileWith(FileOptions{Path: path, MaxBytes: 1000, Every: time.Hour, Keep: 3, Compress: true, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 6 {
		err = s.Write("flow", fmt.Appendf(nil, "%d %s\n", n, strings.Repeat("x", 1000)))
		if err != nil {
			t.Fatal(err)
		}
		s.atDisk.Lock()
		s.flush()
		s.atDisk.Unlock()
		c.Advance(time.Second)
	}
	err = s.Write("flow", []byte("young\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Advance(2 * time.Hour)
	for {
		text, _ := os.ReadFile(path)
		_, err = os.Stat(filepath.Join(dir, "eve-20261128-100006.json.gz"))
		if len(text) == 0 && err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	err = s.Close(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"eve-20261128-080004.json.gz", "eve-20261128-080005.json.gz", "eve-20261128-100006.json.gz", "eve.json"}
	if !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
	f, err := os.Open(filepath.Join(dir, want[2]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zr)
	if err != nil || string(text) != "young\n" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAFileThatWasMovedAwayIsOpenedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return s.Write("flow", []byte("one\n")) },
		func() error { return os.Rename(path, path+".1") },
		func() error { return s.Write("flow", []byte("two\n")) },
		s.Reopen,
		func() error { return s.Write("flow", []byte("three\n")) },
		func() error { return s.Close(context.Background()) },
	} {
		err = step()
		if err != nil {
			t.Fatal(err)
		}
	}
	old, _ := os.ReadFile(path + ".1")
	now, _ := os.ReadFile(path)
	if string(old) != "one\ntwo\n" || string(now) != "three\n" {
		t.Errorf("%q, %q", old, now)
	}
}

func TestARecordSocketIsReadAndNeverWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.sock")
	s, err := OpenSocket(path, "dgram", nil)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody reads yet.
	err = s.Write("flow", []byte("lost\n"))
	if err != nil {
		t.Fatal(err)
	}
	for s.Stats().Dropped == 0 {
		time.Sleep(time.Millisecond)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got := make(chan string)
	go func() {
		buf := make([]byte, 100)
		n, _ := conn.Read(buf)
		got <- string(buf[:n])
	}()
	var text string
	for text == "" {
		err = s.Write("alert", []byte("seen\n"))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case text = <-got:
		case <-time.After(20 * time.Millisecond):
		}
	}
	err = s.Close(context.Background())
	if err != nil || text != "seen\n" {
		t.Errorf("%q, %v", text, err)
	}
	st := s.Stats()
	if st.Accepted != st.Delivered+st.Dropped || st.Lost[2] != 1 || st.Delivered == 0 {
		t.Errorf("%+v", st)
	}
	_, err = OpenSocket(path, "pipe", nil)
	if err == nil {
		t.Error("a socket of no type was opened")
	}
}

// slow is a disk that takes its time, and refuses the rest of every tenth write.
type slow struct {
	*os.File
	writes int
}

func (d *slow) Write(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	d.writes++
	if d.writes%10 != 0 {
		return d.File.Write(b)
	}
	n, err := d.File.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	return n, unix.ENOSPC
}

func TestWritersGoOnWhileTheDiskTakesLines(t *testing.T) {
	const writers, lines = 4, 4000
	path := filepath.Join(t.TempDir(), "eve.json")
	s, err := OpenFileWith(FileOptions{Path: path, Patient: true})
	if err != nil {
		t.Fatal(err)
	}
	s.atDisk.Lock()
	s.f = &slow{File: s.f.(*os.File)}
	s.atDisk.Unlock()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range lines {
				err := s.Write("alert", fmt.Appendf(nil, `{"w":%d,"n":%d,"fill":"%s"}`+"\n", w, n, strings.Repeat("x", 400)))
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	err = s.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var next [writers]int
	for line := range bytes.Lines(got) {
		var w, n int
		_, err = fmt.Sscanf(string(line), `{"w":%d,"n":%d,`, &w, &n)
		if err != nil || !bytes.HasSuffix(line, []byte("x\"}\n")) || len(line) < 400 {
			t.Fatalf("torn line %q: %v", line, err)
		}
		if n != next[w] {
			t.Fatalf("writer %d: line %d where %d follows", w, n, next[w])
		}
		next[w]++
	}
	if next != [writers]int{lines, lines, lines, lines} {
		t.Errorf("lines of each writer %v, want %d", next, lines)
	}
	if st := s.Stats(); st.Accepted != writers*lines || st.Delivered != writers*lines || st.Dropped != 0 {
		t.Errorf("counts %+v", st)
	}
}

// stuck is a disk that takes nothing until it is let go.
type stuck struct {
	*os.File
	free chan struct{}
}

func (d *stuck) Write(b []byte) (int, error) {
	<-d.free
	return d.File.Write(b)
}

func TestALiveSensorNeverWaitsForTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "eve.json")
	s, err := OpenFileWith(FileOptions{Path: path, Patient: true})
	if err != nil {
		t.Fatal(err)
	}
	free := make(chan struct{})
	s.atDisk.Lock()
	s.f = &stuck{s.f.(*os.File), free}
	s.atDisk.Unlock()
	fill := strings.Repeat("x", 10_000)
	wrote := func(kind string) (held uint64) {
		before := s.Stats()
		// Twice what memory holds.
		for n := range 2 * waitBuffer / len(fill) {
			err = s.Write(kind, fmt.Appendf(nil, `{"event_type":"%s","n":%d,"fill":"%s"}`+"\n", kind, n, fill))
			if err != nil {
				t.Fatal(err)
			}
		}
		now := s.Stats()
		return now.Accepted - before.Accepted - (now.Dropped - before.Dropped)
	}
	flows, metadata, alerts := wrote("flow"), wrote("dns"), wrote("alert")
	line := uint64(len(fill) + 40)
	for _, c := range []struct {
		name         string
		held, quarts uint64
	}{{"flows", flows, 2}, {"metadata", metadata, 1}, {"alerts", alerts, 1}} {
		want := c.quarts * waitBuffer / 4 / line
		if c.held < want-20 || c.held > want+20 {
			t.Errorf("%d %s wait in memory, want about %d", c.held, c.name, want)
		}
	}
	if st := s.Stats(); st.Delivered != 0 || s.Failing() {
		t.Errorf("delivered %d while the disk took nothing; failing %v", st.Delivered, s.Failing())
	}
	close(free)
	err = s.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if got := uint64(bytes.Count(text, newline)); got != st.Delivered || got != flows+metadata+alerts || st.Accepted != st.Delivered+st.Dropped {
		t.Errorf("%+v, %d in the file", st, got)
	}
}
