package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/antin-gov/antin/sensor"
	"github.com/antin-gov/antin/sensor/control"
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

// reloader puts new rules in force while the sensor runs.
type reloader struct {
	mu     sync.Mutex
	flags  *runFlags
	engine *sensor.Engine
	log    *slog.Logger

	// told is the word on reloads that figures give.
	toldMu sync.Mutex
	told   control.Rules
}

// reload reads the configuration and the rules anew and lets the engine take
// them over.
func (r *reloader) reload() (control.Reload, error) {
	if !r.mu.TryLock() {
		return control.Reload{}, errReloading
	}
	defer r.mu.Unlock()
	start := time.Now()
	var result control.Reload
	err := quietly(func() error {
		var err error
		result, err = r.load()
		return err
	})
	r.note(start, err)
	if err != nil {
		r.log.Error(errReload.Error(), "reason", err)
		return control.Reload{}, fmt.Errorf("%w: %w", errReload, err)
	}
	result.Seconds = time.Since(start).Seconds()
	return result, nil
}

// note remembers how a reload went.
func (r *reloader) note(at time.Time, err error) {
	r.toldMu.Lock()
	defer r.toldMu.Unlock()
	at = at.UTC()
	r.told.Last, r.told.LastError = &at, ""
	if err != nil {
		r.told.LastError = err.Error()
		r.told.Failed++
		return
	}
	r.told.Reloads++
}

// rules are those in force, with the word on reloads.
func (r *reloader) rules() control.Rules {
	r.toldMu.Lock()
	defer r.toldMu.Unlock()
	told := r.told
	told.Version, told.Loaded = r.engine.RulesInForce()
	return told
}

// giveWay is by how many steps of priority (setpriority(2)) a reload is below
// the capture: it has a tenth of what the capture has when both want all. Much
// less would hold the capture up: the collector stops each goroutine in turn, and
// spins until that one's thread has run. At the lowest priority beside a busy
// capture of high priority that is seconds.
const giveWay = 10

// quietly runs work on a thread that gives way to the capture.
func quietly(work func() error) error {
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine.
		runtime.LockOSThread()
		thread := unix.Gettid()
		// The kernel answers with 20 less the priority. Where it refuses, the work
		// is done at the usual one.
		is, err := unix.Getpriority(unix.PRIO_PROCESS, thread)
		if err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, thread, min(20-is+giveWay, 19))
		}
		done <- work()
	}()
	return <-done
}

func (r *reloader) load() (control.Reload, error) {
	s, err := r.flags.merge()
	if err != nil {
		return control.Reload{}, err
	}
	if len(s.Rules) == 0 {
		return control.Reload{}, errNoReload
	}
	files, err := expand(s.Rules)
	if err != nil {
		return control.Reload{}, err
	}
	vars := s.ruleVars()
	vars.Data = r.flags.data
	set, err := loadRules(files, s.Classification, vars)
	if err != nil {
		return control.Reload{}, err
	}
	err = r.judge(set)
	if err != nil {
		return control.Reload{}, err
	}
	set.after = r.engine.Rules()
	engine, err := set.engine()
	if err != nil {
		return control.Reload{}, err
	}
	err = r.engine.Reload(engine, set.version(), len(set.rules))
	if err != nil {
		return control.Reload{}, err
	}
	r.flags.data, r.flags.refused = set.data, set.refusals()
	set.tell(r.log, "rules reloaded")
	return control.Reload{Version: set.version(), Loaded: len(set.rules), Refused: len(set.refused)}, nil
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
