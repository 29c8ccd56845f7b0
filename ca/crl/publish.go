package crl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// maxAttempts is how often a list is made again when another process stored a
	// newer one meanwhile.
	maxAttempts = 5
	// leaseTime is how long a process may take for a list before others may make
	// it: far above what a million entries and a healing token need.
	leaseTime = time.Minute
	// leaseWait is how long one waits for another process's list.
	leaseWait = 20 * time.Second
	// leasePoll is the pause between two looks at it.
	leasePoll = 20 * time.Millisecond
	// costShare is how many times its own making a list rests before it is made
	// anew for a request: a flood of changes and requests then costs at most a
	// tenth of the machine.
	costShare = 10
)

// Current returns the list of that name in force. A list that misses a change
// or is past half its life is made anew first; when that fails, the stored one
// serves until its nextUpdate.
func (p *Publisher) Current(ctx context.Context, name string) (*List, error) {
	s, delta, err := p.find(ctx, name)
	if err != nil {
		return nil, err
	}
	latest, due, err := p.look(ctx, s, delta)
	now := p.cfg.Clock.Now()
	if err != nil {
		if latest != nil && now.Before(latest.NextUpdate) {
			p.cfg.Logger.ErrorContext(ctx, "CRL store does not answer, the last list serves", "list", name, "error", err)
			return latest, nil
		}
		return nil, err
	}
	if !due || latest != nil && p.resting(s, latest, now) {
		return latest, nil
	}
	err = p.make(ctx, s, false)
	if err == nil && delta && p.missing(s) {
		// The first complete list was made just now: this one is relative to it.
		err = p.make(ctx, s, true)
	}
	if err == nil {
		return p.newest(s, delta)
	}
	if latest != nil && now.Before(latest.NextUpdate) {
		if !errors.Is(err, ErrAway) {
			p.cfg.Logger.ErrorContext(ctx, "CRL not renewed, the stored one serves", "list", name, "error", err)
		}
		return latest, nil
	}
	return nil, err
}

// find reads the name and refuses what there is not.
func (p *Publisher) find(ctx context.Context, name string) (*scope, bool, error) {
	s, delta := ParseName(name)
	i, known := p.issuer(s.Issuer)
	if !known || delta && p.cfg.DeltaValidity == 0 {
		return nil, false, fmt.Errorf("%w: %q", ErrNone, name)
	}
	if s.Partition > i.Partitions {
		most, err := p.cfg.Store.Partitions(ctx, s.Issuer)
		if err != nil {
			return nil, false, fmt.Errorf("read partitions: %w", err)
		}
		if s.Partition > most {
			return nil, false, fmt.Errorf("%w: %q", ErrNone, name)
		}
	}
	return p.scope(s), delta, nil
}

// look finds the newest list of the kind and says whether lists of the scope
// must be made.
func (p *Publisher) look(ctx context.Context, s *scope, delta bool) (*List, bool, error) {
	s.mu.Lock()
	held := s.lists
	seen := s.seen
	s.mu.Unlock()
	head, err := p.cfg.Store.Head(ctx, s.Scope)
	if err != nil {
		return held[kind(delta)], false, fmt.Errorf("read head: %w", err)
	}
	for k, newest := range [2]int64{head.Complete, head.Delta} {
		if held[k] != nil && held[k].Number == newest || newest == 0 {
			continue
		}
		held[k], err = p.cfg.Store.Latest(ctx, s.Scope, k == 1)
		if err != nil {
			return nil, false, fmt.Errorf("read list: %w", err)
		}
	}
	s.mu.Lock()
	s.lists = held
	s.mu.Unlock()
	due, err := p.due(ctx, s, held[kind(delta)], head.Revision, seen)
	return held[kind(delta)], due, err
}

// due says whether the list must be made anew.
func (p *Publisher) due(ctx context.Context, s *scope, l *List, revision, seen int64) (bool, error) {
	now := p.cfg.Clock.Now()
	if l == nil || !now.Before(l.ThisUpdate.Add(l.NextUpdate.Sub(l.ThisUpdate)/2)) || l.early(now) {
		return true, nil
	}
	if max(l.Revision, seen) >= revision {
		return false, nil
	}
	if s.Partition == 0 {
		return true, nil
	}
	// The change may be in another partition.
	changes, err := p.cfg.Store.Changes(ctx, s.Scope, max(l.Revision, seen))
	if err != nil {
		return false, fmt.Errorf("read changes: %w", err)
	}
	if len(changes) > 0 {
		return true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, revision)
	return false, nil
}

// earlyTolerance is how far the clocks of two processes may be apart.
const earlyTolerance = time.Minute

// early says that the list begins in the future: it was made while the clock
// was ahead, and verifiers refuse it until then.
func (l *List) early(now time.Time) bool { return l.ThisUpdate.After(now.Add(earlyTolerance)) }

// resting says that the list was made so short a time ago that a request does
// not have it made again.
func (p *Publisher) resting(s *scope, l *List, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !now.Before(l.NextUpdate) || l.early(now) {
		return false
	}
	if !l.Delta && p.cfg.DeltaValidity > 0 && l.Entries >= p.cfg.Large && now.Before(l.ThisUpdate.Add(p.cfg.LargeEvery)) {
		return true
	}
	return l.Entries >= p.cfg.Large && now.Sub(s.made) < costShare*s.cost
}

// missing says that there is no delta list yet.
func (p *Publisher) missing(s *scope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists[1] == nil
}

// newest is the newest list in memory.
func (p *Publisher) newest(s *scope, delta bool) (*List, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lists[kind(delta)]
	if l == nil {
		return nil, fmt.Errorf("%w: %q", ErrNone, s.Name(delta))
	}
	return l, nil
}

// Publish makes the lists of a scope anew, whether or not they are due.
func (p *Publisher) Publish(ctx context.Context, s Scope) error {
	sc, _, err := p.find(ctx, s.Name(false))
	if err != nil {
		return err
	}
	return p.make(ctx, sc, true)
}

// Changed makes the lists of a scope after a change, unless a complete list
// of that size is left to the next request or round.
func (p *Publisher) Changed(ctx context.Context, s Scope) error {
	sc, _, err := p.find(ctx, s.Name(false))
	if err != nil {
		return err
	}
	latest, due, err := p.look(ctx, sc, false)
	if err != nil || !due || latest != nil && latest.Entries >= p.cfg.Large && p.cfg.DeltaValidity == 0 {
		return err
	}
	return p.make(ctx, sc, false)
}

// make makes the lists of the scope that are due; all of them when forced. In
// one process one caller does it for all that wait, and a lease keeps other
// processes off.
func (p *Publisher) make(ctx context.Context, s *scope, forced bool) error {
	asked := p.made(s)
	s.making.Lock()
	defer s.making.Unlock()
	if !p.made(s).Equal(asked) && !forced {
		// Somebody made lists while this one waited; are they new enough?
		_, due, err := p.look(ctx, s, false)
		if err != nil || !due {
			return err
		}
	}
	i, known := p.issuer(s.Issuer)
	if !known {
		return fmt.Errorf("%w: issuer %q", ErrNone, s.Issuer)
	}
	if i.Signer == nil {
		return fmt.Errorf("%w: %s", ErrAway, s.Issuer)
	}
	for attempt := 1; ; attempt++ {
		mine, err := p.lease(ctx, s, forced)
		if err != nil || !mine {
			return err
		}
		began := time.Now()
		lists, err := p.lists(ctx, s, i, forced)
		if err != nil {
			return fmt.Errorf("make lists of %s: %w", s.Name(false), err)
		}
		err = p.cfg.Store.Put(ctx, p.cfg.Owner, lists, s.Scope)
		if err == nil {
			s.keep(lists, p.cfg.Clock.Now(), time.Since(began))
			return nil
		}
		if !errors.Is(err, ErrNotNewer) && !errors.Is(err, ErrLease) || attempt == maxAttempts {
			return fmt.Errorf("store lists of %s: %w", s.Name(false), err)
		}
	}
}

func (p *Publisher) made(s *scope) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

func (s *scope) keep(lists []*List, now time.Time, cost time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range lists {
		s.lists[kind(l.Delta)] = l
	}
	s.made, s.cost = now, cost
}

// lease takes the right to make lists. False means that another process made
// what was due.
func (p *Publisher) lease(ctx context.Context, s *scope, forced bool) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseWait)
	defer cancel()
	for {
		now := p.cfg.Clock.Now()
		mine, err := p.cfg.Store.Lease(ctx, s.Scope, p.cfg.Owner, now, now.Add(leaseTime))
		if err != nil {
			return false, fmt.Errorf("lease of %s: %w", s.Name(false), err)
		}
		if mine {
			return p.stillDue(ctx, s, forced)
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %s", ErrLease, s.Name(false))
		case <-time.After(leasePoll):
		}
		_, due, err := p.look(ctx, s, false)
		if err != nil {
			return false, err
		}
		if !due && !forced {
			return false, nil
		}
	}
}

// stillDue looks again under the lease: the list may have been made since it
// was found due. Then the lease goes back.
func (p *Publisher) stillDue(ctx context.Context, s *scope, forced bool) (bool, error) {
	_, due, err := p.look(ctx, s, false)
	if err != nil {
		return false, err
	}
	_, dueDelta, err := p.look(ctx, s, true)
	if err != nil {
		return false, err
	}
	if due || forced || dueDelta && p.cfg.DeltaValidity > 0 {
		return true, nil
	}
	return false, p.cfg.Store.Put(ctx, p.cfg.Owner, nil, s.Scope)
}

// lists makes the complete list and, when there are delta lists, one of those
// with the same number. A large complete list waits for its time.
func (p *Publisher) lists(ctx context.Context, s *scope, i issuer, forced bool) ([]*List, error) {
	// Number and revision come before the entries: a list with a higher number
	// then never misses a change that a lower one has.
	head, err := p.cfg.Store.Head(ctx, s.Scope)
	if err != nil {
		return nil, fmt.Errorf("read head: %w", err)
	}
	now := p.cfg.Clock.Now().UTC()
	c := content{issuer: i, number: max(now.UnixNano(), head.Number+1), this: now.Truncate(time.Second)}
	if s.Partition > 0 {
		c.point = p.cfg.Address(s.Name(false))
	}
	var lists []*List
	s.mu.Lock()
	latest := s.lists[0]
	s.mu.Unlock()
	if forced || latest == nil || !p.resting(s, latest, now) {
		complete, err := p.complete(ctx, s, c, head.Revision)
		if err != nil {
			return nil, err
		}
		lists = append(lists, complete)
	}
	if p.cfg.DeltaValidity == 0 {
		return lists, nil
	}
	delta, err := p.delta(ctx, s, c, head.Revision)
	if errors.Is(err, ErrNone) {
		// No complete list that this one could be relative to: the one that is
		// being made is, from the next time on.
		return lists, nil
	}
	if err != nil {
		return nil, err
	}
	return append(lists, delta), nil
}

func (p *Publisher) complete(ctx context.Context, s *scope, c content, revision int64) (*List, error) {
	err := p.refresh(ctx, s, revision)
	if err != nil {
		return nil, err
	}
	c.next = c.this.Add(p.cfg.Validity)
	c.entries = s.known.written()
	if p.cfg.DeltaValidity > 0 {
		c.freshest = p.cfg.Address(s.Name(true))
	}
	der, err := c.sign()
	if err != nil {
		return nil, err
	}
	return &List{Scope: s.Scope, Number: c.number, Revision: revision, ThisUpdate: c.this, NextUpdate: c.next, Entries: s.known.len(), DER: der}, nil
}

// refresh brings the entries in memory up to the revision.
func (p *Publisher) refresh(ctx context.Context, s *scope, revision int64) error {
	var changes []Entry
	var err error
	known := s.known
	s.known = nil // what fails half-way is read anew
	if known == nil {
		changes, err = p.cfg.Store.Revoked(ctx, s.Scope)
		known = newEntries(len(changes))
	} else {
		changes, err = p.cfg.Store.Changes(ctx, s.Scope, known.revision)
	}
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	for _, e := range changes {
		err = known.set(e)
		if err != nil {
			return err
		}
	}
	known.revision = revision
	s.known = known
	return nil
}

// delta makes the delta list relative to the oldest complete list in force, so
// that it serves whoever holds any that still counts (RFC 5280 §5.2.4).
func (p *Publisher) delta(ctx context.Context, s *scope, c content, revision int64) (*List, error) {
	base, err := p.cfg.Store.Oldest(ctx, s.Scope, c.this)
	if err != nil {
		return nil, fmt.Errorf("read base: %w", err)
	}
	changes, err := p.cfg.Store.Changes(ctx, s.Scope, base.Revision)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	c.base, c.next = base.Number, c.this.Add(p.cfg.DeltaValidity)
	for _, e := range changes {
		reason := e.Reason
		if e.Removed {
			reason = ReasonRemove
		}
		der, err := entryDER(e.Serial, e.At, reason)
		if err != nil {
			return nil, err
		}
		c.entries = append(c.entries, der)
	}
	der, err := c.sign()
	if err != nil {
		return nil, err
	}
	return &List{Scope: s.Scope, Delta: true, Number: c.number, Base: base.Number, Revision: revision,
		ThisUpdate: c.this, NextUpdate: c.next, Entries: len(changes), DER: der}, nil
}
