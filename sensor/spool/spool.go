// Package spool keeps records on the disk until the hub has them.
//
// Records of a class (Alerts, Metadata, Flows) go into segment files of their
// own, in batches that a hub takes as one message. A batch stays byte for byte
// the same, with the same name, until it is acknowledged, whatever happens to
// the sensor meanwhile; only then does its file go. Records are numbered from 1
// within their class and run of the sensor, never by time. What is on the disk is encrypted
// (AES-256-GCM) with a key from a file.
//
// The spool is bounded. Where it is full, the oldest of the least important
// class goes first, and never a class for a less important one; what goes is
// counted by class and cause. A disk that takes no more is tried again while
// memory holds what waits. Accepted = Delivered + Dropped + Held, always.
//
// Durability: records are written at latest 20 ms after Put and synced in
// groups every 200 ms; a killed process loses at most the former, a machine
// without power the latter. Nothing is handed to the hub before it is synced, so
// a number is never used for two records. Not here: the hub (sensor/output).
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Limits.
const (
	// batchRecords and batchBytes end a batch; a message must stay under the
	// hub's default payload limit of 1 MiB with its headers.
	batchRecords = 400
	batchBytes   = 512 << 10
	// MaxRecord bounds one record.
	MaxRecord = 1<<20 - 4096
	// batchAge ends a batch that does not fill up, when the hub waits for it.
	batchAge = 200 * time.Millisecond
	// writeEvery and syncEvery are how long records stay in memory and in the
	// system's cache.
	writeEvery = 20 * time.Millisecond
	syncEvery  = 200 * time.Millisecond
	// memoryBytes is what waits for a disk that takes nothing.
	memoryBytes = 16 << 20
	// DefaultBytes bounds the files: an hour at about 2,000 records a second.
	DefaultBytes = 4 << 30
	// MinBytes is the smallest spool that makes sense.
	MinBytes      = 4 << 20
	segmentMost   = 16 << 20
	segmentsLeast = 16
	suffix        = ".seg"
)

// Errors that callers act on.
var (
	// ErrKey means that the key cannot be used or is not the spool's.
	ErrKey = errors.New("spool: wrong key")
	// ErrDamaged means that a part of a segment cannot be read.
	ErrDamaged = errors.New("spool: damaged")
	// ErrInUse means that another sensor uses the folder.
	ErrInUse = errors.New("spool: in use by another sensor")
	// ErrSize means that the limit is below MinBytes.
	ErrSize = errors.New("spool: limit too small")
	// ErrClosed means that the spool was closed.
	ErrClosed = errors.New("spool: closed")
)

// Options of a spool.
type Options struct {
	// Dir is made when absent; its owner alone may read it.
	Dir string
	Key Key
	// MaxBytes bounds the files; zero is DefaultBytes.
	MaxBytes int64
	// Label is handed back with each batch, after a restart as well.
	Label []byte
	// Wait is how long Put waits for room before it drops: right for a file,
	// which can wait; zero for a live interface.
	Wait   time.Duration
	Logger *slog.Logger
}

// frame is what is written at once: records of one batch.
type frame struct {
	first   uint64
	records int
	flags   byte
	body    []byte
}

// lane is one class: what waits for the disk, and its files, oldest first.
type lane struct {
	class   Class
	next    uint64
	pending []*frame
	// start makes the next record begin a batch; records, bytes and opened are
	// those of the batch being filled.
	start   bool
	records int
	bytes   int
	opened  time.Time
	// last is the number after the last record on the disk.
	last uint64
	segs []*segment
}

// Spool is an open spool. Put is safe for concurrent use; Next and Ack belong
// to one goroutine.
type Spool struct {
	o       Options
	segment int64
	lock    *os.File
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	lanes   [classes]lane
	number  uint64
	// memory and disk are the bytes that wait and the bytes of the files.
	memory, disk int64
	accepted     [classes]uint64
	delivered    [classes]uint64
	dropped      [classes][causes]uint64
	syncedAt     time.Time
	failing      bool
	stalled      bool
	closing      bool
	closed       bool
}

// Open takes the folder over and finds what an earlier run left.
func Open(o Options) (*Spool, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultBytes
	}
	if o.MaxBytes < MinBytes {
		return nil, fmt.Errorf("%w: %d bytes, at least %d", ErrSize, o.MaxBytes, MinBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	err := os.MkdirAll(o.Dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{
		o: o, segment: min(segmentMost, o.MaxBytes/segmentsLeast),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), syncedAt: time.Now(),
	}
	s.changed = sync.NewCond(&s.mu)
	for i := range s.lanes {
		s.lanes[i] = lane{class: Class(i), next: 1, start: true, last: 1}
	}
	s.lock, err = lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	err = s.load()
	if err != nil {
		return nil, errors.Join(err, s.release())
	}
	go s.flusher()
	return s, nil
}

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	return f, nil
}

// load opens the segments of earlier runs in their order.
func (s *Spool) load() error {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		number, err := strconv.ParseUint(name, 16, 64)
		if !ok || err != nil {
			continue
		}
		path := filepath.Join(s.o.Dir, e.Name())
		seg, torn, err := openSegment(path, number, s.o.Key)
		if err != nil {
			return err
		}
		s.number = max(s.number, number)
		if torn > 0 {
			s.o.Logger.Warn("spool segment has a torn end", "file", path, "bytes", torn)
		}
		if seg == nil {
			err = os.Remove(path)
			if err != nil {
				return fmt.Errorf("open spool: %w", err)
			}
			continue
		}
		if len(seg.batches) == 0 {
			err = seg.remove()
			if err != nil {
				return fmt.Errorf("open spool: %w", err)
			}
			continue
		}
		l := &s.lanes[seg.class]
		l.segs = append(l.segs, seg)
		s.disk += seg.size
		s.accepted[seg.class] += seg.held()
	}
	for i := range s.lanes {
		slices.SortFunc(s.lanes[i].segs, func(a, b *segment) int { return int(a.number) - int(b.number) })
	}
	return nil
}

// Put takes a record with its line end. The bytes are the caller's again when
// it returns. A record that is dropped is counted, not an error.
func (s *Spool) Put(c Class, line []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return ErrClosed
	}
	s.accepted[c]++
	if len(line) > MaxRecord {
		s.dropped[c][Oversize]++
		return nil
	}
	s.waitForRoom(int64(len(line)))
	l := &s.lanes[c]
	if l.records == batchRecords || l.bytes+len(line) > batchBytes && l.records > 0 {
		l.start = true
	}
	n := len(l.pending)
	if n == 0 || l.start {
		f := &frame{first: l.next}
		if l.start {
			f.flags = flagStart
			l.start, l.records, l.bytes, l.opened = false, 0, 0, time.Now()
		}
		l.pending = append(l.pending, f)
		n++
	}
	f := l.pending[n-1]
	f.body = append(f.body, line...)
	f.records++
	l.next++
	l.records++
	l.bytes += len(line)
	s.memory += int64(len(line))
	s.shrinkMemory()
	if s.memory > batchBytes {
		s.nudge()
	}
	return nil
}

func (s *Spool) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// waitForRoom waits as long as the options allow. Once it has waited in vain
// it waits no more until something is delivered. It needs the lock.
func (s *Spool) waitForRoom(n int64) {
	if s.o.Wait == 0 {
		return
	}
	start := time.Now()
	for s.memory+n > memoryBytes/2 || s.disk+s.memory+n > s.o.MaxBytes {
		if s.stalled || s.closing {
			return
		}
		if time.Since(start) > s.o.Wait {
			s.stalled = true
			return
		}
		s.changed.Wait()
	}
}

// shrinkMemory gives up the oldest of the least important records that wait
// for the disk. It needs the lock.
func (s *Spool) shrinkMemory() {
	for s.memory > memoryBytes {
		i := classes - 1
		for i >= 0 && len(s.lanes[i].pending) == 0 {
			i--
		}
		if i < 0 {
			return
		}
		l := &s.lanes[i]
		s.giveUp(l.class, Disk, uint64(l.pending[0].records))
		s.memory -= int64(len(l.pending[0].body))
		l.pending[0] = nil
		l.pending = l.pending[1:]
	}
}

func (s *Spool) giveUp(c Class, why Cause, records uint64) { s.dropped[c][why] += records }

// Seal ends the filling: no record is taken any more, and all that waits is
// written and ready for Next, or given up as undeliverable to the disk.
func (s *Spool) Seal() {
	s.mu.Lock()
	first := !s.closing
	s.closing = true
	s.changed.Broadcast()
	s.mu.Unlock()
	if first {
		close(s.stop)
	}
	<-s.done
}

// Close frees the folder. What the hub has not acknowledged stays in it.
func (s *Spool) Close() error {
	s.Seal()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.changed.Broadcast()
	return s.release()
}

func (s *Spool) release() error {
	var err error
	for i := range s.lanes {
		for _, seg := range s.lanes[i].segs {
			if len(seg.batches) == 0 {
				err = errors.Join(err, seg.remove())
				continue
			}
			err = errors.Join(err, seg.f.Close())
		}
		s.lanes[i].segs = nil
	}
	return errors.Join(err, s.lock.Close())
}
