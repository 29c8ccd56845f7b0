package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/control"
)

// noControl as a path makes no control socket.
const noControl = "none"

// server is what a live sensor answers from.
type server struct {
	flags  *runFlags
	s      *settings
	engine *sensor.Engine
	cfg    *sensor.Config
	reload *reloader
	begun  time.Time
}

// serve answers what comes from outside while a live sensor runs: requests at
// the control socket, and hang-ups, after which files are opened and rules
// read anew. The function that it returns ends it.
func (f *runFlags) serve(ctx context.Context, s *settings, e *sensor.Engine, cfg *sensor.Config, log *slog.Logger) (stop func(), err error) {
	if len(f.interfaces) == 0 {
		return func() {}, nil
	}
	v := &server{flags: f, s: s, engine: e, cfg: cfg, reload: &reloader{flags: f, engine: e, log: log}, begun: cfg.Clock.Now()}
	var answers *control.Server
	if s.Control != noControl {
		answers, err = control.Listen(s.Control, control.Handlers{
			Figures: v.figures, Top: v.top, Reload: v.reload.reload, Rotate: v.rotate, Record: v.record, Profile: v.profile,
		}, log)
		if errors.Is(err, control.ErrPath) && s.Control == filepath.Join(s.Output.Dir, controlFile) {
			// Nobody chose that path.
			log.Warn("no control socket: name a shorter path with --control", "error", err)
			err = nil
		}
		if err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { v.hangups(ctx, log) })
	return func() {
		cancel()
		wg.Wait()
		signal.Stop(f.hangups)
		if answers == nil {
			return
		}
		err := answers.Close()
		if err != nil {
			log.Warn("control socket not closed in time", "error", err)
		}
	}, nil
}

// hangups answers SIGHUP with all of it and SIGUSR1 with the files alone.
func (v *server) hangups(ctx context.Context, log *slog.Logger) {
	for {
		var s os.Signal
		select {
		case <-ctx.Done():
			return
		case s = <-v.flags.hangups:
		}
		err := v.flags.file.Reopen()
		if err != nil {
			log.Error("record file not opened anew, the old one goes on", "error", err)
		}
		if s == syscall.SIGUSR1 || len(v.s.Rules) == 0 {
			continue
		}
		// What went wrong is in the log.
		_, _ = v.reload.reload()
	}
}

func (v *server) rotate() (control.Rotate, error) {
	err := v.flags.file.Rotate()
	if err != nil {
		return control.Rotate{}, err
	}
	return control.Rotate{Files: []string{v.flags.file.Path()}}, nil
}

func (v *server) figures() control.Figures {
	c, now := v.engine.Counters(), v.cfg.Clock.Now()
	f := control.Figures{
		Name: v.s.Name, Started: v.begun, Now: now, Uptime: now.Sub(v.begun).Seconds(), Interfaces: v.flags.interfaces,
		Packets: control.Packets{
			Received: c.Received, Processed: c.Processed, Dropped: c.Dropped, Invalid: c.Invalid, Bytes: c.Bytes, Truncated: c.Truncated, Kernel: c.Kernel,
		},
		Drops:  make(map[string]uint64),
		Flows:  control.Flows{Active: uint64(c.Flow.Active), Total: c.Flow.Created, Forced: c.Flow.Forced},
		Events: c.Events, Alerts: c.Alerts, Suppressed: c.Suppressed, Rules: v.reload.rules(), Panics: c.ParserPanics,
	}
	for _, d := range v.cfg.Health.Drops(c) {
		f.Drops[d.Name] = d.Value
	}
	for _, s := range v.cfg.Health.Sinks {
		st := s.Stats()
		f.Sinks = append(f.Sinks, control.Sink{Name: s.Name, Accepted: st.Accepted, Delivered: st.Delivered, Dropped: st.Dropped})
	}
	if v.cfg.Health.Spool != nil {
		st := v.cfg.Health.Spool()
		f.Hub = &control.Hub{Connected: v.cfg.Health.Connected(), Failing: st.Failing, Bytes: st.Bytes, Limit: st.Limit}
	}
	return f
}

func (v *server) top(rows int) control.Top {
	t := v.engine.Top(rows)
	out := control.Top{Figures: v.figures(), Seconds: t.Over.Seconds(), Talkers: tableRows(t.Talkers), Protocols: tableRows(t.Protocols)}
	for _, a := range t.Alerts {
		out.TopAlerts = append(out.TopAlerts, control.Alert{GID: a.GID, SID: a.SID, Message: a.Message, Count: a.Count, Last: a.Last})
	}
	return out
}

func tableRows(list []sensor.Named) []control.Row {
	rows := make([]control.Row, len(list))
	for i, n := range list {
		rows[i] = control.Row{Name: n.Name, Packets: n.Packets, Bytes: n.Bytes}
	}
	return rows
}
