// Package packetlog keeps packets that matter in capture files: those of flows
// that raised an alert, with what came before it, and those that an operator
// asks for. The files are pcapng, rotated by size and bounded in number.
//
// Nobody waits for it: packets are queued, and what the disk does not take in
// time is counted as dropped.
package packetlog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/capture"
)

// Defaults and limits.
const (
	// DefaultFile and DefaultKeep bound the folder to about a GiB.
	DefaultFile = 64 << 20
	DefaultKeep = 16
	// queueBytes and queueFrames bound what waits for the disk.
	queueBytes  = 32 << 20
	queueFrames = 32 << 10
	flushEvery  = time.Second
	// retryEvery is how often a disk that failed is tried again.
	retryEvery = time.Second
	prefix     = "packets-"
	suffix     = ".pcapng"
	stamp      = "20060102-150405"
)

// Options say where packets are kept, and how many.
type Options struct {
	// Dir is the folder; it is made when absent.
	Dir string
	// FileBytes is the size at which a file ends, Keep how many stay: zero is
	// the default of each.
	FileBytes int64
	Keep      int
	// Clock is the machine's when nil; Logger is silent when nil.
	Clock  clock.Clock
	Logger *slog.Logger
}

// Stats counts the packets: Accepted = Written + Dropped + those in the queue.
type Stats struct{ Accepted, Written, Dropped uint64 }

// Log writes packets. It is safe for concurrent use.
type Log struct {
	o     Options
	queue chan item
	done  chan struct{}

	mu     sync.Mutex
	closed bool
	bytes  int
	stats  Stats
	// current is the name of the file that is written.
	current atomic.Pointer[string]

	// The writer's own.
	file   *os.File
	w      *capture.Writer
	failed time.Time
}

type item struct {
	frame capture.Frame
	name  string
}

// Open makes the folder and starts the log. The first file begins with the
// first packet.
func Open(o Options) (*Log, error) {
	if o.FileBytes <= 0 {
		o.FileBytes = DefaultFile
	}
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	err := os.MkdirAll(o.Dir, 0o750)
	if err != nil {
		return nil, fmt.Errorf("open packet log: %w", err)
	}
	l := &Log{o: o, queue: make(chan item, queueFrames), done: make(chan struct{})}
	go l.run()
	return l, nil
}

// Put queues a frame that came by an interface (empty for a file). The bytes
// are the caller's again when it returns.
func (l *Log) Put(f *capture.Frame, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Accepted++
	if l.closed || l.bytes+len(f.Data) > queueBytes || len(l.queue) == cap(l.queue) || !capture.CanWrite(f.Link) {
		l.stats.Dropped++
		return
	}
	l.bytes += len(f.Data)
	kept := *f
	kept.Data = slices.Clone(f.Data)
	l.queue <- item{kept, name}
}

// File is the name of the file that is written now, without its folder; empty
// before the first packet.
func (l *Log) File() string {
	name := l.current.Load()
	if name == nil {
		return ""
	}
	return *name
}

// Stats returns the counts so far.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

// Close writes what is queued and ends the file.
func (l *Log) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	<-l.done
	return l.end()
}

func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case it, more := <-l.queue:
			if !more {
				return
			}
			err := l.write(&it)
			l.mu.Lock()
			l.bytes -= len(it.frame.Data)
			if err == nil {
				l.stats.Written++
			} else {
				l.stats.Dropped++
			}
			l.mu.Unlock()
		case <-tick.C:
			if l.w == nil {
				continue
			}
			err := l.w.Flush()
			if err != nil {
				l.fail(err)
			}
		}
	}
}

// errWaiting means that the disk failed a moment ago.
var errWaiting = errors.New("packetlog: the disk takes nothing")

func (l *Log) write(it *item) error {
	if l.w == nil && time.Since(l.failed) < retryEvery {
		return errWaiting
	}
	if l.w == nil {
		err := l.begin(it)
		if err != nil {
			l.fail(err)
			return err
		}
	}
	err := l.w.Write(&it.frame, it.name)
	if err == nil && l.w.Size() >= l.o.FileBytes {
		err = l.end()
	}
	if err != nil {
		l.fail(err)
	}
	return err
}

// fail gives the file up: what is in it up to the failure can be read.
func (l *Log) fail(err error) {
	l.o.Logger.Error("packet log not written, packets for it are dropped", "folder", l.o.Dir, "error", err)
	l.failed = time.Now()
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.w = nil, nil
}

// begin starts a file and removes the oldest.
func (l *Log) begin(it *item) error {
	base := prefix + l.o.Clock.Now().UTC().Format(stamp)
	for n := range 1000 {
		name := base + suffix
		if n > 0 {
			name = fmt.Sprintf("%s.%03d%s", base, n, suffix)
		}
		f, err := os.OpenFile(filepath.Join(l.o.Dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		l.file = f
		l.current.Store(&name)
		l.w, err = capture.NewWriter(f, &it.frame, it.name)
		if err != nil {
			return err
		}
		return l.prune()
	}
	return fmt.Errorf("packetlog: no free name like %s%s", base, suffix)
}

// end finishes the file.
func (l *Log) end() error {
	if l.w == nil {
		return nil
	}
	err := errors.Join(l.w.Flush(), l.file.Close())
	l.file, l.w = nil, nil
	if err != nil {
		return fmt.Errorf("end packet file: %w", err)
	}
	return nil
}

// prune removes the oldest files beyond the number to keep.
func (l *Log) prune() error {
	entries, err := os.ReadDir(l.o.Dir)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	// The first of a second has no number and comes before those that have.
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(strings.TrimSuffix(a, suffix), strings.TrimSuffix(b, suffix))
	})
	for len(names) > l.o.Keep {
		err = errors.Join(err, os.Remove(filepath.Join(l.o.Dir, names[0])))
		names = names[1:]
	}
	return err
}
