package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/detect"
)

// keepEvery is how often what the detectors learnt is written.
const keepEvery = time.Hour

// addDetectors gives the engine the detectors. What they learnt is kept every
// hour, and by keep at the end.
func addDetectors(ctx context.Context, s *settings, cfg *sensor.Config, log *slog.Logger) (keep func() error, err error) {
	if !s.Detect.Enabled {
		return func() error { return nil }, nil
	}
	d, err := detect.New(s.Detect)
	if err != nil {
		return nil, err
	}
	cfg.Detectors = d
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(keepEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err := d.Save()
			if err != nil {
				log.Warn("what was learnt is not kept", "error", err)
			}
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		st := d.Stats()
		log.Info("detectors", "findings", st.Findings, "repeated", st.Repeated, "evicted", st.Evicted)
		err := d.Save()
		if err != nil {
			return could(err)
		}
		return nil
	}, nil
}
