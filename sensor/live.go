package sensor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/flow"
)

// LiveSource delivers the frames of an interface, or some of its flows.
type LiveSource interface {
	capture.Source
	// Name is the interface's name.
	Name() string
	// Stop lets no more frames in; Next then returns those already there, and
	// ErrIdle when there are no more.
	Stop() error
}

// statsEvery is how often a live sensor records its figures.
const statsEvery = time.Minute

// RunLive takes frames from sources that are started, each with a worker of
// its own, until the context ends. What the kernel holds by then is taken too.
// The sources are closed.
func (e *Engine) RunLive(ctx context.Context, sources []LiveSource, ready func()) error {
	if ready != nil {
		ready()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(sources))
	var wg sync.WaitGroup
	var interfaces []string
	for i, src := range sources {
		interfaces = append(interfaces, src.Name())
		wg.Go(func() {
			defer cancel()
			errs[i] = e.live(ctx, src)
		})
	}
	interfaces = slices.Compact(slices.Sorted(slices.Values(interfaces)))
	// The last word on health and the last figures are said when all workers
	// have ended.
	over, end := context.WithCancel(context.WithoutCancel(ctx))
	told := make(chan struct{})
	go func() {
		defer close(told)
		e.tell(over, interfaces)
	}()
	wg.Wait()
	e.ranges.Clear()
	end()
	<-told
	return errors.Join(errs...)
}

// live reads one source in its own goroutine, which alone touches it.
func (e *Engine) live(ctx context.Context, src LiveSource) error {
	w := newWorker(e, src.Name())
	w.pulse = newPulse(e.cfg.Clock)
	defer e.collect(w)
	w.dec.SetChecksums(e.cfg.Checksums != ChecksumNone)
	err := w.take(ctx, src)
	stopped := src.Stop()
	if err == nil && stopped == nil {
		err = w.drain(src)
	}
	w.dropped(src)
	w.finish(flow.ReasonShutdown)
	return errors.Join(err, stopped, w.sinkErr(), src.Close())
}

// take takes frames until the context ends.
func (w *worker) take(ctx context.Context, src LiveSource) error {
	e := w.e
	var frame capture.Frame
	published := time.Now()
	for ctx.Err() == nil {
		err := src.Next(&frame)
		switch {
		case err == nil:
			if frame.Time.Sub(w.seen).Abs() > leastStep/2 {
				w.keepTime()
			}
			w.seen = frame.Time
			w.frame(&frame)
			if w.packets.received%progressEvery != 0 {
				continue
			}
		case errors.Is(err, capture.ErrIdle):
			w.keepTime()
			w.tick(e.cfg.Clock.Now())
		default:
			return err
		}
		err = w.sinkErr()
		if err != nil {
			return err
		}
		if time.Since(published) >= publishEvery {
			published = time.Now()
			w.dropped(src)
			w.watch()
			w.takeOrders(e.cfg.Clock.Now())
			e.ranges.Expire(e.cfg.Clock.Now())
			e.publish(w)
		}
	}
	return nil
}

// drain takes the frames that were there when the source was stopped.
func (w *worker) drain(src LiveSource) error {
	var frame capture.Frame
	for {
		err := src.Next(&frame)
		if errors.Is(err, capture.ErrIdle) {
			return nil
		}
		if err != nil {
			return err
		}
		w.frame(&frame)
	}
}

// recordStats records the figures of all workers.
func (e *Engine) recordStats(w *eve.Writer) {
	if a := (wanted{types: e.cfg.Types}); !a.writes(kindStats) {
		return
	}
	now, c := e.cfg.Clock.Now(), e.Counters()
	figures, own := c.list()
	h := eve.Header{Time: now, Type: kindStats}
	e.own(h.Type, w.Stats(&h, int64(now.Sub(e.started)/time.Second), figures, own))
}

// own writes a record of the engine itself.
func (e *Engine) own(kind string, line []byte) {
	e.mu.Lock()
	e.total.Events = sum(e.total.Events, map[string]uint64{kind: 1})
	e.mu.Unlock()
	for _, s := range e.cfg.Sinks {
		err := s.Write(kind, line)
		if err != nil {
			e.cfg.Logger.Error("record of the sensor itself not written", "event_type", kind, "error", err)
		}
	}
}
