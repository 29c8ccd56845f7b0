package output

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	fileBuffer = 256 << 10
	// flushEvery bounds how old a record gets before a reader of the file
	// sees it.
	flushEvery = time.Second
)

// File appends records to a file.
type File struct {
	mu    sync.Mutex
	f     *os.File
	w     *bufio.Writer
	err   error
	stats Stats

	stop chan struct{}
	done chan struct{}
}

// OpenFile opens the file for appending and makes it when absent. Records
// hold what people did on the network: only the owner and the group read it.
func OpenFile(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open record file: %w", err)
	}
	s := &File{f: f, w: bufio.NewWriterSize(f, fileBuffer), stop: make(chan struct{}), done: make(chan struct{})}
	go s.flusher()
	return s, nil
}

func (s *File) flusher() {
	defer close(s.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mu.Lock()
			s.flush()
			s.mu.Unlock()
		}
	}
}

// flush needs the lock. The first error stays: after a failed write the
// file's end is not known, so nothing more is written.
func (s *File) flush() {
	if s.err == nil {
		s.err = s.w.Flush()
	}
}

// Write appends one record. Lines are never torn: the buffer is emptied
// before a line that does not fit.
func (s *File) Write(_ string, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Accepted++
	if s.w.Available() < len(line) {
		s.flush()
	}
	if s.err == nil {
		_, s.err = s.w.Write(line)
	}
	if s.err != nil {
		s.stats.Dropped++
		return fmt.Errorf("write record: %w", s.err)
	}
	s.stats.Delivered++
	return nil
}

// Close writes what is buffered and closes the file.
func (s *File) Close(context.Context) error {
	close(s.stop)
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	err := errors.Join(s.err, s.f.Sync(), s.f.Close())
	if err != nil {
		return fmt.Errorf("close record file: %w", err)
	}
	return nil
}

// Stats returns the counts so far.
func (s *File) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}
