package sensor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/flow"
)

// Engine runs captures through the parts. One run at a time.
type Engine struct {
	cfg     Config
	started time.Time

	mu    sync.Mutex
	total Counters
	// running are the figures of workers that have not ended, as they last
	// told them.
	running map[*worker]Counters
	// rules are those in force.
	rules    atomic.Pointer[ruleSet]
	clockSet clockSet
	looker   onlooker
	orders   orders
	// ranges put files together whose parts come by themselves.
	ranges *files.Ranges
}

// New returns an engine.
func New(cfg Config) (*Engine, error) {
	if len(cfg.Sinks) == 0 {
		return nil, fmt.Errorf("%w: no sink", ErrConfig)
	}
	if cfg.Clock == nil {
		return nil, fmt.Errorf("%w: no clock", ErrConfig)
	}
	switch cfg.Checksums {
	case "":
		cfg.Checksums = ChecksumAuto
	case ChecksumAuto, ChecksumAll, ChecksumNone:
	default:
		return nil, fmt.Errorf("%w: checksum policy %q", ErrConfig, cfg.Checksums)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Packets.defaults()
	if cfg.Types != nil && !slices.Contains(cfg.Types, kindAnomaly) {
		cfg.NoAnomalies, cfg.HeaderAnomalies = true, false
	}
	switch {
	case cfg.Types == nil:
	case cfg.Netflow:
		cfg.Types = append(slices.Clone(cfg.Types), kindNetflow)
	default:
		cfg.Netflow = slices.Contains(cfg.Types, kindNetflow)
	}
	e := &Engine{cfg: cfg, started: cfg.Clock.Now(), clockSet: clockSet{pulse: newPulse(cfg.Clock)}, ranges: files.NewRanges(cfg.RangeMemory, cfg.RangeTimeout)}
	e.rules.Store(&ruleSet{engine: cfg.Rules, version: cfg.Health.RulesVersion, loaded: cfg.Health.RulesLoaded})
	return e, nil
}

// Counters returns the figures of all workers; those of a live capture are at
// most a second old.
func (e *Engine) Counters() Counters {
	e.mu.Lock()
	defer e.mu.Unlock()
	var c Counters
	c.add(e.total)
	for _, running := range e.running {
		c.add(running)
	}
	return c
}

// publish makes a worker's figures known while it runs.
func (e *Engine) publish(w *worker) {
	c := w.counters()
	c.Events, c.Reasons, c.Apps = maps.Clone(c.Events), maps.Clone(c.Reasons), maps.Clone(c.Apps)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running == nil {
		e.running = make(map[*worker]Counters)
	}
	e.running[w] = c
}

func (e *Engine) collect(w *worker) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, w)
	e.total.add(w.counters())
}

// Stdin as the name of a file is Config.Stdin.
const Stdin = "-"

// openCapture opens a file, or what is handed in.
func (e *Engine) openCapture(name string) (*capture.File, error) {
	if name != Stdin {
		return capture.OpenFile(name)
	}
	if e.cfg.Stdin == nil {
		return nil, ErrInput
	}
	return capture.NewFile(e.cfg.Stdin)
}

// FindCaptures lists the capture files under the paths, told by content. A
// path that is a file is taken as it is.
func FindCaptures(paths []string) ([]string, error) {
	var found []string
	for _, root := range paths {
		if root == Stdin {
			found = append(found, root)
			continue
		}
		info, err := os.Stat(root)
		if err != nil {
			return nil, fmt.Errorf("find captures: %w", err)
		}
		if !info.IsDir() {
			found = append(found, root)
			continue
		}
		err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if !entry.Type().IsRegular() {
				return nil
			}
			is, err := capture.IsCapture(path)
			if err != nil {
				return err
			}
			if is {
				found = append(found, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("find captures: %w", err)
		}
	}
	if len(found) == 0 {
		return nil, ErrInput
	}
	return found, nil
}

// FileError is a file that could not be read to its end.
type FileError struct {
	File string
	Err  error
}

// Error implements error.
func (e *FileError) Error() string { return e.File + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// RunFiles reads capture files one after another; each is a capture of its
// own, whose flows end with it. Files that are broken are returned beside the
// records of what could be read of them.
func (e *Engine) RunFiles(ctx context.Context, names []string) ([]*FileError, error) {
	w := newWorker(e, "")
	defer e.collect(w)
	p := Progress{Files: len(names)}
	for _, f := range names {
		info, err := os.Stat(f)
		if err == nil {
			p.Bytes += info.Size()
		}
	}
	var broken []*FileError
	last := time.Time{}
	for _, name := range names {
		p.File = name
		w.file = ""
		if len(names) > 1 {
			w.file = name
		}
		err := e.readFile(ctx, w, name, &p, &last)
		w.finish(flow.ReasonShutdown)
		e.ranges.Clear()
		p.FilesDone++
		if err != nil && ctx.Err() != nil {
			return broken, err
		}
		var sinkErr *sinkError
		if errors.As(err, &sinkErr) {
			return broken, err
		}
		if err != nil {
			e.cfg.Logger.Warn("capture file not read to its end", "file", name, "error", err)
			broken = append(broken, &FileError{File: name, Err: err})
		}
	}
	if e.cfg.Progress != nil {
		p.Packets = w.packets.received
		e.cfg.Progress(p)
	}
	w.stats(e.cfg.Clock.Now().Sub(e.started))
	return broken, w.sinkErr()
}

// progressEvery is how many packets pass between looks at the clock.
const progressEvery = 1024

func (e *Engine) readFile(ctx context.Context, w *worker, name string, p *Progress, last *time.Time) error {
	verify, err := e.verifyChecksums(name)
	if err != nil {
		return err
	}
	w.dec.SetChecksums(verify)
	src, err := e.openCapture(name)
	if err != nil {
		return err
	}
	defer src.Close()
	src.Filter(e.cfg.Filter)
	done := p.BytesDone
	err = w.readAll(ctx, src, func() {
		p.BytesDone = done + src.Offset()
		if e.cfg.Progress != nil && time.Since(*last) > 200*time.Millisecond {
			*last = time.Now()
			p.Packets = w.packets.received
			e.cfg.Progress(*p)
		}
	})
	p.BytesDone = done + src.Offset()
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return err
}

// Automatic judgement of checksums: over the first frames of a file, more
// than one in ten wrong means that the network card was to fill them in.
const (
	checksumSample = 1000
	checksumShare  = 10
)

func (e *Engine) verifyChecksums(name string) (bool, error) {
	if e.cfg.Checksums != ChecksumAuto {
		return e.cfg.Checksums == ChecksumAll, nil
	}
	if name == Stdin {
		// It can be read once, so nothing is known of its checksums.
		return false, nil
	}
	src, err := capture.OpenFile(name)
	if err != nil {
		return false, err
	}
	defer src.Close()
	dec := decode.New(decode.Options{Checksums: true})
	var frame capture.Frame
	var packet decode.Packet
	seen, bad := 0, 0
	for seen < checksumSample {
		err = src.Next(&frame)
		if err != nil {
			// The break is reported when the file is read.
			break
		}
		seen++
		dec.Decode(&frame, &packet)
		if packet.BadChecksum {
			bad++
		}
	}
	return bad*checksumShare <= seen, nil
}
