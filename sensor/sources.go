package sensor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/antin-gov/antin/sensor/capture"
	"github.com/antin-gov/antin/sensor/flow"
)

// RunSources takes the frames of sources to their ends, each with a worker of
// its own. All frames of a flow must come from one source. The sources stay the
// caller's; checksums are judged unless the policy is ChecksumNone.
func (e *Engine) RunSources(ctx context.Context, sources []capture.Source) error {
	errs := make([]error, len(sources))
	var wg sync.WaitGroup
	for i, src := range sources {
		wg.Go(func() {
			w := newWorker(e, "")
			defer e.collect(w)
			w.dec.SetChecksums(e.cfg.Checksums != ChecksumNone)
			errs[i] = w.readAll(ctx, src, nil)
			w.finish(flow.ReasonShutdown)
			w.stats(e.cfg.Clock.Now().Sub(e.started))
			errs[i] = errors.Join(errs[i], w.sinkErr())
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// readAll takes the frames of a source to its end. Now and then it looks whether
// it is to go on, and calls also.
func (w *worker) readAll(ctx context.Context, src capture.Source, also func()) error {
	var frame capture.Frame
	for {
		err := src.Next(&frame)
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
			return fmt.Errorf("after %d packets: %w", w.packets.received, ctx.Err())
		}
		err = w.sinkErr()
		if err != nil {
			return err
		}
		if also != nil {
			also()
		}
	}
}
