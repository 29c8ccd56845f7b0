package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/spool"
)

const (
	fileBuffer = 256 << 10
	// passBuffer bounds what gathers while a writer is at the disk.
	passBuffer = 4 * fileBuffer
	// flushEvery bounds how old a record gets before a reader of the file
	// sees it, and is how often a disk that failed is tried again.
	flushEvery = time.Second
	// waitBuffer bounds what waits in memory for such a disk: flows take half
	// of it at most and metadata three quarters, so alerts go last.
	waitBuffer = 8 << 20
)

// FileOptions say how records are kept in a file.
type FileOptions struct {
	Path string
	// MaxBytes and Every begin a new file when the old one is so large or so
	// old; the old one is named by the time, eve-20261128-183701.json. Zero
	// never does.
	MaxBytes int64
	Every    time.Duration
	// Keep is how many old files stay; zero keeps all. Compress packs them.
	Keep     int
	Compress bool
	// Patient goes on when the disk takes no more, and counts what is lost;
	// otherwise the first error is the last.
	Patient bool
	// Clock is the machine's when nil; Logger is silent when nil.
	Clock  clock.Clock
	Logger *slog.Logger
}

// disk is the part of a file that is used.
type disk interface {
	Write(b []byte) (int, error)
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
	Sync() error
	Close() error
}

// File appends records to a file.
type File struct {
	o FileOptions

	mu   sync.Mutex
	f    disk
	size int64
	// begun is when the file was begun.
	begun time.Time
	// buf holds whole lines, held of them.
	buf  []byte
	held uint64
	// writing says that a writer has taken the lines and writes them without
	// the lock, so that others go on; idle tells when it has ended. spare is
	// the buffer of the one before.
	writing bool
	idle    sync.Cond
	spare   []byte
	failing bool
	tried   time.Time
	err     error
	stats   Stats

	stop chan struct{}
	done chan struct{}
	// old are the files that the keeper has to look after.
	old chan string
}

// OpenFile opens the file for appending and makes it when absent.
func OpenFile(path string) (*File, error) { return OpenFileWith(FileOptions{Path: path}) }

// OpenFileWith is OpenFile with more to say.
func OpenFileWith(o FileOptions) (*File, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &File{o: o, stop: make(chan struct{}), done: make(chan struct{}), old: make(chan string, 64)}
	s.idle.L = &s.mu
	err := s.open()
	if err != nil {
		return nil, err
	}
	go s.flusher()
	return s, nil
}

// open opens the file by its name; one that was open is closed then. Records
// hold what people did on the network: only the owner and the group read it.
func (s *File) open() error {
	f, err := os.OpenFile(s.o.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open record file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open record file: %w", err)
	}
	before := s.f
	s.f, s.size, s.begun = f, info.Size(), s.o.Clock.Now()
	if before == nil {
		return nil
	}
	err = before.Close()
	if err != nil {
		return fmt.Errorf("close record file: %w", err)
	}
	return nil
}

func (s *File) flusher() {
	defer close(s.done)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.keeper()
	}()
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			close(s.old)
			<-kept
			return
		case <-tick.C:
			s.lock()
			s.flush()
			if s.o.Every > 0 && s.size > 0 && s.o.Clock.Now().Sub(s.begun) >= s.o.Every {
				// What went wrong is in the log.
				_ = s.rotate()
			}
			s.mu.Unlock()
		}
	}
}

// lock takes the lock when no writer is at the file.
func (s *File) lock() {
	s.mu.Lock()
	for s.writing {
		s.idle.Wait()
	}
}

// flush needs the lock, and no writer at the file.
func (s *File) flush() {
	if len(s.buf) == 0 || s.err != nil {
		return
	}
	n, err := s.f.Write(s.buf)
	s.wrote(n, err)
}

// pass is flush that lets go of the lock while the disk takes the lines.
func (s *File) pass() {
	out, held := s.buf, s.held
	s.buf, s.held, s.writing = s.spare[:0], 0, true
	s.mu.Unlock()
	n, err := s.f.Write(out)
	s.mu.Lock()
	// What came meanwhile stands behind what was taken.
	since, more := s.buf, s.held
	s.buf, s.held = out, held
	s.wrote(n, err)
	s.buf = append(s.buf, since...)
	s.held += more
	s.spare, s.writing = since[:0], false
	s.idle.Broadcast()
}

// wrote takes what came of writing the lines held. A line that was written in
// part is taken off again, so that the file is whole lines whatever happens.
func (s *File) wrote(n int, err error) {
	if err != nil {
		s.failed(n, err)
		return
	}
	if s.failing {
		s.failing = false
		s.o.Logger.Info("the record file takes records again", "file", s.o.Path, "dropped", s.stats.Dropped)
	}
	s.size += int64(n)
	s.stats.Delivered += s.held
	s.held, s.buf = 0, s.buf[:0]
	if s.o.MaxBytes > 0 && s.size >= s.o.MaxBytes {
		// What went wrong is in the log.
		_ = s.rotate()
	}
}

// failed keeps what is not on the disk yet.
func (s *File) failed(n int, err error) {
	whole := bytes.LastIndexByte(s.buf[:n], '\n') + 1
	if n > whole {
		info, torn := s.f.Stat()
		if torn == nil {
			torn = s.f.Truncate(info.Size() - int64(n-whole))
		}
		if torn != nil {
			s.err = errors.Join(err, torn)
		}
	}
	lines := uint64(bytes.Count(s.buf[:whole], []byte{'\n'}))
	s.size += int64(whole)
	s.stats.Delivered += lines
	s.held -= lines
	s.buf = append(s.buf[:0], s.buf[whole:]...)
	s.tried = time.Now()
	if !s.o.Patient {
		s.err = err
	}
	if !s.failing {
		s.failing = true
		s.o.Logger.Error("the record file takes no records, they wait in memory", "file", s.o.Path, "error", err)
	}
}

// Write appends one record.
func (s *File) Write(kind string, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Accepted++
	for s.writing && len(s.buf)+len(line) > passBuffer {
		s.idle.Wait()
	}
	if len(s.buf)+len(line) > fileBuffer && !s.writing {
		switch {
		case !s.failing:
			s.pass()
		case time.Since(s.tried) >= flushEvery:
			s.flush()
		}
	}
	class := spool.ClassOf(kind)
	if s.err != nil {
		s.drop(class)
		return fmt.Errorf("write record: %w", s.err)
	}
	if len(s.buf) > 0 && len(s.buf)+len(line) > room(class) {
		s.drop(class)
		return nil
	}
	s.buf = append(s.buf, line...)
	s.held++
	return nil
}

// room is how much may wait in memory when a record of the class comes.
func room(c spool.Class) int {
	switch c {
	case spool.Alerts:
		return waitBuffer
	case spool.Metadata:
		return waitBuffer / 4 * 3
	}
	return waitBuffer / 2
}

func (s *File) drop(c spool.Class) {
	s.stats.Dropped++
	s.stats.Lost[c]++
}

// Close writes what is buffered and closes the file.
func (s *File) Close(context.Context) error {
	close(s.stop)
	<-s.done
	s.lock()
	defer s.mu.Unlock()
	s.flush()
	err := s.err
	if s.held > 0 && err == nil {
		err = fmt.Errorf("%w: %d records", ErrUndelivered, s.held)
	}
	for line := range bytes.Lines(s.buf) {
		if len(line) > 0 {
			s.drop(spool.ClassOf(kindOf(line)))
		}
	}
	s.held, s.buf = 0, nil
	err = errors.Join(err, s.f.Sync(), s.f.Close())
	if err != nil {
		return fmt.Errorf("close record file: %w", err)
	}
	return nil
}

// kindOf is the event_type of a line, for the count of what is lost.
func kindOf(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`"event_type":"`))
	kind, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(kind)
}

// Stats returns the counts so far.
func (s *File) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Failing says whether the disk takes nothing now.
func (s *File) Failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing
}

// Path is the file's name.
func (s *File) Path() string { return s.o.Path }
