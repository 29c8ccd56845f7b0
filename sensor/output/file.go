package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/spool"
)

const (
	fileBuffer = 256 << 10
	// passBuffer is what gathers while one writer is at the disk, before the
	// others wait for it too; live, nobody waits.
	passBuffer = 4 * fileBuffer
	// flushEvery bounds how old a record gets before a reader of the file
	// sees it, and is how often a disk that failed is tried again.
	flushEvery = time.Second
	// waitBuffer bounds what waits in memory for a disk that is behind, or
	// takes nothing, by class (room).
	waitBuffer = 64 << 20
	// pushEvery is how many bytes gather in the system's cache before the disk
	// is told to take them: left alone, the system gathers for half a minute
	// and then keeps the disk busy for seconds.
	pushEvery = 2 << 20
	page      = 4 << 10
	// spareBuffers are kept for the next lines.
	spareBuffers = passBuffer / fileBuffer
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
	// Patient is right for a live interface, whose packets wait for nobody:
	// Write never waits for the disk, and goes on when the disk takes no more;
	// what finds no room in memory meanwhile is counted as lost. Otherwise
	// Write waits for the disk, and its first error is the last.
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
	Fd() uintptr
	Close() error
}

// File appends records to a file.
type File struct {
	o FileOptions

	// atDisk is held by whoever works on the file; size and begun are the
	// file's, and what is before pushed is on its way to the disk.
	atDisk       sync.Mutex
	f            disk
	size, pushed int64
	begun        time.Time

	// mu is never held while the disk works.
	mu sync.Mutex
	// queue holds whole lines that go to the disk, oldest first; buf is filled
	// behind them, and waiting is the bytes of all.
	queue   [][]byte
	buf     []byte
	waiting int
	spare   [][]byte
	err     error
	stats   Stats

	failing atomic.Bool

	// wake tells the writer of lines that wait.
	wake chan struct{}
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
	s := &File{
		o: o, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), old: make(chan string, 64),
	}
	err := s.open()
	if err != nil {
		return nil, err
	}
	go s.writer()
	return s, nil
}

// open opens the file by its name; one that was open is closed then. It needs
// atDisk. Records hold what people did on the network: only the owner and the
// group read it.
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
	s.f, s.size, s.pushed, s.begun = f, info.Size(), info.Size(), s.o.Clock.Now()
	if before == nil {
		return nil
	}
	err = before.Close()
	if err != nil {
		return fmt.Errorf("close record file: %w", err)
	}
	return nil
}

// writer takes lines to the disk when they are many or old.
func (s *File) writer() {
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
		case <-s.wake:
			// One that fails is tried at the tick.
			if !s.Failing() {
				s.atDisk.Lock()
				s.drain()
				s.atDisk.Unlock()
			}
		case <-tick.C:
			s.atDisk.Lock()
			s.flush()
			if s.o.Every > 0 && s.size > 0 && s.o.Clock.Now().Sub(s.begun) >= s.o.Every {
				// What went wrong is in the log.
				_ = s.rotate()
			}
			s.atDisk.Unlock()
		}
	}
}

// flush writes all lines. It needs atDisk.
func (s *File) flush() {
	s.mu.Lock()
	if len(s.buf) > 0 {
		s.turn()
	}
	s.mu.Unlock()
	s.drain()
}

// turn puts what is filled behind the queue. It needs mu.
func (s *File) turn() {
	s.queue = append(s.queue, s.buf)
	n := len(s.spare)
	if n == 0 {
		s.buf = make([]byte, 0, fileBuffer)
		return
	}
	s.buf, s.spare = s.spare[n-1], s.spare[:n-1]
}

// drain writes what is in the queue now, until the disk refuses. It needs
// atDisk.
func (s *File) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for left := len(s.queue); left > 0 && s.err == nil; left-- {
		lines := s.queue[0]
		s.mu.Unlock()
		n, err := s.f.Write(lines)
		if err == nil {
			s.size += int64(n)
			s.push()
			if s.o.MaxBytes > 0 && s.size >= s.o.MaxBytes {
				// What went wrong is in the log.
				_ = s.rotate()
			}
		} else {
			n, err = s.mend(lines, n, err)
		}
		s.tell(err)
		s.mu.Lock()
		s.wrote(n, err)
		if err != nil {
			return
		}
	}
}

// push lets the disk begin with what has gathered, and does not wait for it
// (sync_file_range(2)). The last page, which is still filled, is left.
func (s *File) push() {
	if s.size-s.pushed < pushEvery {
		return
	}
	n := (s.size - s.pushed) / page * page
	// A file system that cannot do it writes when it likes.
	_ = unix.SyncFileRange(int(s.f.Fd()), s.pushed, n, unix.SYNC_FILE_RANGE_WRITE)
	s.pushed += n
}

// mend takes a line that was written in part off the file again, so that the
// file is whole lines whatever happens. It returns the bytes of the whole ones.
func (s *File) mend(lines []byte, n int, err error) (int, error) {
	whole := bytes.LastIndexByte(lines[:n], '\n') + 1
	s.size += int64(whole)
	if n == whole {
		return whole, err
	}
	info, torn := s.f.Stat()
	if torn == nil {
		torn = s.f.Truncate(info.Size() - int64(n-whole))
	}
	if torn != nil {
		return whole, fmt.Errorf("%w: %w", errTorn, errors.Join(err, torn))
	}
	return whole, err
}

// errTorn means that a part of a line stands in the file and cannot be taken
// off: what followed would be joined to it.
var errTorn = errors.New("a torn line stays in the file")

// wrote takes what came of writing the first lines of the queue, of which n
// bytes are on the disk. It needs mu.
func (s *File) wrote(n int, err error) {
	lines := s.queue[0]
	s.stats.Delivered += uint64(bytes.Count(lines[:n], newline))
	s.waiting -= n
	if err != nil {
		s.queue[0] = append(lines[:0], lines[n:]...)
		if !s.o.Patient || errors.Is(err, errTorn) {
			s.err = err
		}
		return
	}
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if len(s.spare) < spareBuffers {
		s.spare = append(s.spare, lines[:0])
	}
}

// tell logs when the disk begins and ends to refuse.
func (s *File) tell(err error) {
	switch {
	case err != nil && !s.failing.Swap(true):
		s.o.Logger.Error("the record file takes no records, they wait in memory", "file", s.o.Path, "error", err)
	case err == nil && s.failing.Swap(false):
		s.o.Logger.Info("the record file takes records again", "file", s.o.Path, "dropped", s.Stats().Dropped)
	}
}

// newline ends a record.
var newline = []byte{'\n'}

// Write appends one record.
func (s *File) Write(kind string, line []byte) error {
	class := spool.ClassOf(kind)
	s.mu.Lock()
	s.stats.Accepted++
	err := s.err
	if err != nil || s.o.Patient && s.waiting > 0 && s.waiting+len(line) > room(waitBuffer, class) {
		s.drop(class)
		s.mu.Unlock()
		return wrapped(err)
	}
	full := len(s.buf) > 0 && len(s.buf)+len(line) > fileBuffer
	if full {
		s.turn()
	}
	s.buf = append(s.buf, line...)
	s.waiting += len(line)
	behind := s.waiting > passBuffer
	s.mu.Unlock()
	if !full {
		return nil
	}
	if s.o.Patient {
		select {
		case s.wake <- struct{}{}:
		default:
		}
		return nil
	}
	return s.carry(behind)
}

// carry takes the queue to the disk, unless another does and is not behind.
func (s *File) carry(behind bool) error {
	if behind {
		s.atDisk.Lock()
	} else if !s.atDisk.TryLock() {
		return nil
	}
	s.drain()
	s.atDisk.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return wrapped(s.err)
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write record: %w", err)
}

func (s *File) drop(c spool.Class) {
	s.stats.Dropped++
	s.stats.Lost[c]++
}

// Close writes what is buffered and closes the file.
func (s *File) Close(context.Context) error {
	close(s.stop)
	<-s.done
	s.atDisk.Lock()
	defer s.atDisk.Unlock()
	s.flush()
	// A disk that refused is tried as long as it takes something.
	for was := 0; s.left() != was; s.drain() {
		was = s.left()
	}
	s.mu.Lock()
	err := s.err
	left := 0
	for _, lines := range append(s.queue, s.buf) {
		for line := range bytes.Lines(lines) {
			left++
			s.drop(spool.ClassOf(kindOf(line)))
		}
	}
	s.queue, s.buf, s.waiting = nil, nil, 0
	s.mu.Unlock()
	if left > 0 && err == nil {
		err = fmt.Errorf("%w: %d records", ErrUndelivered, left)
	}
	err = errors.Join(err, s.f.Sync(), s.f.Close())
	if err != nil {
		return fmt.Errorf("close record file: %w", err)
	}
	return nil
}

// left is how many bytes wait.
func (s *File) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
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
func (s *File) Failing() bool { return s.failing.Load() }

// Path is the file's name.
func (s *File) Path() string { return s.o.Path }
