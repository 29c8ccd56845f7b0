package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/sensor"
)

// maxNewlyRefused is the share of rules that a reload may refuse beyond those
// that were refused before: above one in so many, the files are taken for
// broken and the rules in force stay.
const maxNewlyRefused = 100

// Errors of a reload, after which the rules in force are those of before.
var (
	errReload    = errors.New("rules not reloaded, those in force stay")
	errNoRule    = errors.New("none of the rules loads")
	errRefused   = errors.New("too many rules are refused that were not before")
	errNoReload  = errors.New("the sensor was started without rules or a configuration that names some")
	errReloading = errors.New("another reload is under way")
)

// reloadResult is what a reload did.
type reloadResult struct {
	Version string  `json:"version"`
	Loaded  int     `json:"loaded"`
	Refused int     `json:"refused"`
	Seconds float64 `json:"seconds"`
}

// reloader puts new rules in force while the sensor runs.
type reloader struct {
	mu     sync.Mutex
	flags  *runFlags
	engine *sensor.Engine
	log    *slog.Logger
}

// reload reads the configuration and the rules anew and lets the engine take
// them over.
func (r *reloader) reload() (reloadResult, error) {
	if !r.mu.TryLock() {
		return reloadResult{}, errReloading
	}
	defer r.mu.Unlock()
	start := time.Now()
	var result reloadResult
	err := quietly(func() error {
		var err error
		result, err = r.load()
		return err
	})
	if err != nil {
		r.log.Error(errReload.Error(), "reason", err)
		return reloadResult{}, fmt.Errorf("%w: %w", errReload, err)
	}
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

// quietly runs work on a thread that gives way to the capture.
func quietly(work func() error) error {
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine.
		runtime.LockOSThread()
		// Where the kernel refuses, the work is done at the usual priority.
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19)
		done <- work()
	}()
	return <-done
}

func (r *reloader) load() (reloadResult, error) {
	s, err := r.flags.merge()
	if err != nil {
		return reloadResult{}, err
	}
	if len(s.Rules) == 0 {
		return reloadResult{}, errNoReload
	}
	files, err := expand(s.Rules)
	if err != nil {
		return reloadResult{}, err
	}
	vars := s.ruleVars()
	vars.Data = r.flags.data
	set, err := loadRules(files, s.Classification, vars)
	if err != nil {
		return reloadResult{}, err
	}
	err = r.judge(set)
	if err != nil {
		return reloadResult{}, err
	}
	set.after = r.engine.Rules()
	engine, err := set.engine()
	if err != nil {
		return reloadResult{}, err
	}
	err = r.engine.Reload(engine, set.version(), len(set.rules))
	if err != nil {
		return reloadResult{}, err
	}
	r.flags.data, r.flags.refused = set.data, set.refusals()
	set.tell(r.log, "rules reloaded")
	return reloadResult{Version: set.version(), Loaded: len(set.rules), Refused: len(set.refused)}, nil
}

// judge says whether the rules may take the place of those in force.
func (r *reloader) judge(set *ruleSet) error {
	if len(set.rules) == 0 {
		if len(set.refused) > 0 {
			return fmt.Errorf("%w: %s", errNoRule, refusal(set.refused[0]))
		}
		return errNoRule
	}
	fresh, first := 0, ""
	for _, x := range set.refused {
		name := refusal(x)
		if r.flags.refused[name] {
			continue
		}
		if fresh == 0 {
			first = name
		}
		fresh++
	}
	if fresh*maxNewlyRefused > len(set.rules)+len(set.refused) {
		return fmt.Errorf("%w: %d of %d, the first: %s", errRefused, fresh, len(set.rules)+len(set.refused), first)
	}
	return nil
}

// serve answers what comes from outside while a live sensor runs: hang-ups,
// after which rules are read anew. The function that it returns ends it.
func (f *runFlags) serve(ctx context.Context, e *sensor.Engine, log *slog.Logger) (stop func()) {
	if len(f.interfaces) == 0 {
		return func() {}
	}
	r := &reloader{flags: f, engine: e, log: log}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-f.hangups:
				// What went wrong is in the log.
				_, _ = r.reload()
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}
