package ocsp

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"
)

// pollWait bounds one question for changes.
const pollWait = 2 * time.Second

// failure is a poll that failed.
type failure struct {
	at  time.Duration // since the start
	err error
}

// sync sees to it that changes made at least age ago, by any process, are in
// memory. While the register does not answer, memory serves for MaxStale.
func (r *Responder) sync(ctx context.Context, age time.Duration) error {
	known := time.Duration(r.polled.Load())
	now := time.Since(r.started)
	if now-known < age {
		return nil
	}
	failed := r.failed.Load()
	if failed != nil && failed.at > known && now-failed.at < r.cfg.Poll {
		// It was asked in vain just now: everybody asking again would not help.
		return r.judge(now-known, failed.err)
	}
	if age > 0 && now-known < r.cfg.MaxStale {
		if !r.polling.TryLock() {
			return nil // somebody is asking; what is known is recent enough meanwhile
		}
	} else {
		r.polling.Lock()
	}
	defer r.polling.Unlock()
	// A poll that began after this request came is as good as an own one.
	if time.Duration(r.polled.Load()) >= now {
		return nil
	}
	failed = r.failed.Load()
	if failed != nil && failed.at >= now {
		return r.judge(now-known, failed.err)
	}
	began := time.Since(r.started)
	err := r.poll(ctx)
	if err == nil {
		r.polled.Store(int64(began))
		return nil
	}
	r.counts.pollErrors.Add(1)
	r.failed.Store(&failure{at: time.Since(r.started), err: err})
	r.cfg.Logger.WarnContext(ctx, "the register of certificates does not answer", "known", now-known, "error", err)
	return r.judge(now-known, err)
}

// judge says whether memory may answer although the register did not.
func (r *Responder) judge(since time.Duration, err error) error {
	if since < r.cfg.MaxStale {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrStale, err)
}

// poll takes over what has changed since the last poll; polling is held.
func (r *Responder) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	revisions, err := r.cfg.Source.Revisions(ctx)
	if err != nil {
		return fmt.Errorf("ask for changes: %w", err)
	}
	if r.revisions == nil {
		// Nothing is in memory that could be out of date.
		r.revisions = maps.Clone(revisions)
	}
	for _, k := range r.keys() {
		last, seen := r.revisions[k.Name]
		if !seen {
			r.revisions[k.Name] = revisions[k.Name]
			continue
		}
		if revisions[k.Name] == last {
			continue
		}
		changes, err := r.cfg.Source.Changes(ctx, k.Name, last)
		if err != nil {
			return fmt.Errorf("ask for changes of %s: %w", k.Name, err)
		}
		r.take(k, changes)
		r.revisions[k.Name] = revisions[k.Name]
	}
	return nil
}

// take brings changes into memory, and has Run make their answers at once.
func (r *Responder) take(k *issuerKey, changes []Certificate) {
	if len(k.memory.change(changes)) == 0 {
		return
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Changed tells a change that this process made, so that answers know it
// before the next question to the register.
func (r *Responder) Changed(issuer string, c Certificate) {
	for _, k := range r.keys() {
		if k.Name == issuer {
			r.take(k, []Certificate{c})
		}
	}
}

// counts are the responder's figures.
type counts struct {
	memory, made, live, malformed, later, failed, ahead, pollErrors atomic.Uint64
}

// Stats are the figures of a responder since its start.
type Stats struct {
	// Memory counts answers that had been made in advance, Made those made for a
	// request and kept, Live those signed for one request.
	Memory, Made, Live uint64
	// Malformed, Later and Failed count refusals.
	Malformed, Later, Failed uint64
	// Ahead counts answers made in advance, PollErrors questions to the register
	// that failed.
	Ahead, PollErrors uint64
	// Certificates and Answers are what memory holds.
	Certificates, Answers int
	// Stale is how old the knowledge of changes is.
	Stale time.Duration
}

// Stats returns the figures.
func (r *Responder) Stats() Stats {
	c := &r.counts
	s := Stats{Memory: c.memory.Load(), Made: c.made.Load(), Live: c.live.Load(), Malformed: c.malformed.Load(), Later: c.later.Load(),
		Failed: c.failed.Load(), Ahead: c.ahead.Load(), PollErrors: c.pollErrors.Load(), Stale: (time.Since(r.started) - time.Duration(r.polled.Load())).Round(time.Millisecond)}
	for _, k := range r.keys() {
		certificates, answers := k.memory.size()
		s.Certificates += certificates
		s.Answers += answers
	}
	return s
}
