package sensor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/decode"
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
	return &Engine{cfg: cfg, started: cfg.Clock.Now()}, nil
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
	c.Events, c.Reasons = maps.Clone(c.Events), maps.Clone(c.Reasons)
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

// FindCaptures lists the capture files under the paths, told by content. A
// path that is a file is taken as it is.
func FindCaptures(paths []string) ([]string, error) {
	var files []string
	for _, root := range paths {
		info, err := os.Stat(root)
		if err != nil {
			return nil, fmt.Errorf("find captures: %w", err)
		}
		if !info.IsDir() {
			files = append(files, root)
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
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("find captures: %w", err)
		}
	}
	if len(files) == 0 {
		return nil, ErrInput
	}
	return files, nil
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
func (e *Engine) RunFiles(ctx context.Context, files []string) ([]*FileError, error) {
	w := newWorker(e, "")
	defer e.collect(w)
	p := Progress{Files: len(files)}
	for _, f := range files {
		info, err := os.Stat(f)
		if err == nil {
			p.Bytes += info.Size()
		}
	}
	var broken []*FileError
	last := time.Time{}
	for _, name := range files {
		p.File = name
		w.file = ""
		if len(files) > 1 {
			w.file = name
		}
		err := e.readFile(ctx, w, name, &p, &last)
		w.finish(flow.ReasonShutdown)
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
	src, err := capture.OpenFile(name)
	if err != nil {
		return err
	}
	defer src.Close()
	done := p.BytesDone
	var frame capture.Frame
	for {
		err := src.Next(&frame)
		p.BytesDone = done + src.Offset()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w.frame(&frame)
		if w.packets.received%progressEvery != 0 {
			continue
		}
		if ctx.Err() != nil {
			return fmt.Errorf("read %s: %w", name, ctx.Err())
		}
		err = w.sinkErr()
		if err != nil {
			return err
		}
		if e.cfg.Progress != nil && time.Since(*last) > 200*time.Millisecond {
			*last = time.Now()
			p.Packets = w.packets.received
			e.cfg.Progress(*p)
		}
	}
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

// RunLive captures from interfaces until the context ends.
func (e *Engine) RunLive(ctx context.Context, interfaces []string, ready func()) error {
	interfaces = slices.Compact(slices.Sorted(slices.Values(interfaces)))
	var sources []*capture.Live
	for _, name := range interfaces {
		src, err := capture.OpenLive(capture.LiveOptions{Interface: name})
		if err != nil {
			for _, s := range sources {
				s.Close()
			}
			return err
		}
		sources = append(sources, src)
	}
	if ready != nil {
		ready()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(sources))
	var wg sync.WaitGroup
	for i, src := range sources {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer cancel()
			errs[i] = e.live(ctx, interfaces[i], src)
		}()
	}
	// The last word on health is said when all workers have ended.
	over, end := context.WithCancel(context.WithoutCancel(ctx))
	told := make(chan struct{})
	go func() {
		defer close(told)
		e.tellHealth(over, interfaces)
	}()
	wg.Wait()
	end()
	<-told
	return errors.Join(errs...)
}

// statsEvery is how often a live sensor records its figures.
const statsEvery = time.Minute

// live reads one interface in its own goroutine, which alone touches the
// source.
func (e *Engine) live(ctx context.Context, name string, src *capture.Live) error {
	w := newWorker(e, name)
	defer e.collect(w)
	w.dec.SetChecksums(e.cfg.Checksums != ChecksumNone)
	var frame capture.Frame
	next := e.cfg.Clock.Now().Add(statsEvery)
	published := time.Now()
	var err error
	for ctx.Err() == nil {
		err = src.Next(&frame)
		switch {
		case err == nil:
			w.frame(&frame)
			if w.packets.received%progressEvery != 0 {
				continue
			}
		case errors.Is(err, capture.ErrIdle):
			w.tick(e.cfg.Clock.Now())
			err = nil
		}
		if err == nil {
			err = w.sinkErr()
		}
		if err != nil {
			break
		}
		if time.Since(published) >= publishEvery {
			published = time.Now()
			w.dropped(src)
			e.publish(w)
		}
		if now := e.cfg.Clock.Now(); now.After(next) {
			next = now.Add(statsEvery)
			w.dropped(src)
			w.stats(now.Sub(e.started))
		}
	}
	w.dropped(src)
	w.finish(flow.ReasonShutdown)
	w.stats(e.cfg.Clock.Now().Sub(e.started))
	return errors.Join(err, w.sinkErr(), src.Close())
}
