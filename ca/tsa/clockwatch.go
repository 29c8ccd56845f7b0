package tsa

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/beevik/ntp"
	"golang.org/x/sys/unix"
)

// Source is something that the clock is held against.
type Source string

// The sources.
const (
	// SourceSteps: the clock must go on as the machine's uptime does; setting it
	// by more than stepTolerance ends trust.
	SourceSteps Source = "steps"
	// SourceKernel: the kernel must say that the clock is synchronised (NTP, PTP;
	// ntp_adjtime), within maxKernelError.
	SourceKernel Source = "kernel"
	// SourceKernelOnce: as SourceKernel, from the first time on that it was so. A
	// machine without any time service stamps, one that has lost its own does not.
	SourceKernelOnce Source = "kernel-once"
	// SourceNTP: most of the servers named must agree with the clock.
	SourceNTP Source = "ntp"
)

const (
	// stepTolerance is how much the clock may be set: half of the widest accuracy.
	stepTolerance = 500 * time.Millisecond
	// settle is how long a clock that was set must go on undisturbed, while a
	// source from outside says that it is right, before it is trusted again.
	settle = time.Minute
	// maxKernelError is the kernel's own estimate above which it is not believed.
	maxKernelError = time.Second
	// ntpEvery, ntpWait and ntpAge: how often servers are asked, how long they may
	// take, and how long an answer counts.
	ntpEvery = time.Minute
	ntpWait  = 3 * time.Second
	ntpAge   = 5 * time.Minute
	// ntpTolerance is how far the clock may be from a server: the widest accuracy.
	ntpTolerance = time.Second
)

// WatchConfig says what a ClockWatch demands.
type WatchConfig struct {
	// Sources must all hold.
	Sources []Source
	// NTP are the servers of SourceNTP, HOST or HOST:PORT.
	NTP    []string
	Logger *slog.Logger

	// Uptime, Kernel and Ask stand for the machine in tests; nil means the real
	// ones. Kernel returns the estimated error, or errUnsynchronised.
	Uptime func() (time.Duration, error)
	Kernel func() (time.Duration, error)
	Ask    func(ctx context.Context, server string) (offset time.Duration, err error)
}

// ClockWatch says whether the machine's clock can be trusted. It is safe for
// concurrent use.
type ClockWatch struct {
	cfg WatchConfig

	mu sync.Mutex
	// begin is clock minus uptime, as it must stay; guarded by mu.
	begin time.Time
	// steppedAt is the uptime at which the clock was last found to have been set
	// to another time, and steppedTo clock minus uptime since then; guarded by mu.
	stepped   bool
	steppedAt time.Duration
	steppedTo time.Time
	// synchronised says that the kernel was so once; guarded by mu.
	synchronised bool
	// asked and agreed are the last round of NTP; guarded by mu.
	asked time.Duration
	ntp   error
}

var _ TimeSource = (*ClockWatch)(nil)

// ErrUnsynchronised is what WatchConfig.Kernel returns for a clock that no time
// service keeps.
var ErrUnsynchronised = errors.New("the kernel says that nobody keeps the clock")

// NewClockWatch takes the clock as right at now, as far as the sources say so.
func NewClockWatch(cfg WatchConfig, now time.Time) (*ClockWatch, error) {
	for _, s := range cfg.Sources {
		if !slices.Contains([]Source{SourceSteps, SourceKernel, SourceKernelOnce, SourceNTP}, s) {
			return nil, fmt.Errorf("%w: time source %q", ErrConfig, s)
		}
	}
	if slices.Contains(cfg.Sources, SourceNTP) && len(cfg.NTP) == 0 {
		return nil, fmt.Errorf("%w: time source ntp without servers", ErrConfig)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Uptime == nil {
		cfg.Uptime = uptime
	}
	if cfg.Kernel == nil {
		cfg.Kernel = kernelError
	}
	if cfg.Ask == nil {
		cfg.Ask = askNTP
	}
	up, err := cfg.Uptime()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return &ClockWatch{cfg: cfg, begin: now.Add(-up), ntp: errors.New("no server has been asked yet")}, nil
}

// Check says whether the clock, which says now, can be trusted.
func (w *ClockWatch) Check(now time.Time) error {
	up, err := w.cfg.Uptime()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrClock, err)
	}
	estimate, kernel := w.cfg.Kernel()
	if kernel == nil && estimate > maxKernelError {
		kernel = fmt.Errorf("the kernel takes the clock to be wrong by up to %s", estimate)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.synchronised = w.synchronised || kernel == nil
	ntp := w.ntp
	if ntp == nil && up-w.asked > ntpAge {
		ntp = fmt.Errorf("no server has answered for %s", up-w.asked)
	}
	for _, s := range w.cfg.Sources {
		switch s {
		case SourceSteps:
			err = w.steps(now, up, kernel == nil || ntp == nil)
		case SourceKernel:
			err = kernel
		case SourceKernelOnce:
			err = nil
			if w.synchronised {
				err = kernel
			}
		case SourceNTP:
			err = ntp
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrClock, err)
		}
	}
	return nil
}

// steps compares the clock with the uptime. One that was set is trusted again
// when it is set back, or when a source from outside has said that it is right
// for as long as settle; mu is held.
func (w *ClockWatch) steps(now time.Time, up time.Duration, confirmed bool) error {
	begin := now.Add(-up)
	off := begin.Sub(w.begin)
	if off.Abs() <= stepTolerance {
		w.stepped = false
		return nil
	}
	if !w.stepped || begin.Sub(w.steppedTo).Abs() > stepTolerance {
		w.stepped, w.steppedAt, w.steppedTo = true, up, begin
	}
	if confirmed && up-w.steppedAt >= settle {
		w.begin, w.stepped = begin, false
		return nil
	}
	return fmt.Errorf("it was set by %s", off.Round(time.Millisecond))
}

// Run asks the NTP servers until ctx ends; without any it returns at once.
func (w *ClockWatch) Run(ctx context.Context) {
	if len(w.cfg.NTP) == 0 {
		return
	}
	tick := time.NewTicker(ntpEvery)
	defer tick.Stop()
	for {
		w.AskServers(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// AskServers asks all NTP servers once, all at the same time.
func (w *ClockWatch) AskServers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, ntpWait)
	defer cancel()
	var wg sync.WaitGroup
	answers := make([]error, len(w.cfg.NTP))
	for i, server := range w.cfg.NTP {
		wg.Go(func() {
			offset, err := w.cfg.Ask(ctx, server)
			if err == nil && offset.Abs() > ntpTolerance {
				err = fmt.Errorf("the clock is off by %s", offset.Round(time.Millisecond))
			}
			if err != nil {
				answers[i] = fmt.Errorf("%s: %w", server, err)
			}
		})
	}
	wg.Wait()
	agree := 0
	for _, err := range answers {
		if err == nil {
			agree++
		}
	}
	var verdict error
	if agree*2 <= len(answers) {
		verdict = fmt.Errorf("%d of %d time servers agree: %w", agree, len(answers), errors.Join(answers...))
		w.cfg.Logger.WarnContext(ctx, "time servers do not confirm the clock", "error", verdict)
	}
	up, err := w.cfg.Uptime()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.ntp = up, errors.Join(verdict, err)
}

// uptime is CLOCK_BOOTTIME: it cannot be set, and goes on while the machine
// sleeps.
func uptime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	if err != nil {
		return 0, fmt.Errorf("read uptime: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// timeError is what adjtimex returns for an unsynchronised clock (TIME_ERROR).
const timeError = 5

// kernelError asks the kernel about its clock (adjtimex, read only).
func kernelError() (time.Duration, error) {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return 0, fmt.Errorf("ask the kernel about its clock: %w", err)
	}
	if state == timeError || t.Status&unix.STA_UNSYNC != 0 {
		return 0, ErrUnsynchronised
	}
	return time.Duration(t.Maxerror) * time.Microsecond, nil
}

// askNTP asks one server (RFC 5905).
func askNTP(ctx context.Context, server string) (time.Duration, error) {
	wait := ntpWait
	deadline, bounded := ctx.Deadline()
	if bounded {
		wait = max(time.Millisecond, min(wait, time.Until(deadline)))
	}
	response, err := ntp.QueryWithOptions(server, ntp.QueryOptions{Timeout: wait})
	if err != nil {
		return 0, err
	}
	return response.ClockOffset, response.Validate()
}
