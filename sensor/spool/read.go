package spool

import (
	"context"
	"time"
)

// Batch is what a hub takes as one message.
type Batch struct {
	Class Class
	// Label is that of the run that made it.
	Label []byte
	// First is the number of the first of Records records.
	First   uint64
	Records int
	Body    []byte
	segment *segment
}

// Next waits for the oldest batch of the most important class. It returns
// ErrClosed when the spool is sealed and empty, or closed.
func (s *Spool) Next(ctx context.Context) (*Batch, error) {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		s.changed.Broadcast()
		s.mu.Unlock()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if s.closed {
			return nil, ErrClosed
		}
		l, seg := s.head()
		if seg == nil {
			if s.closing && s.flushed() {
				return nil, ErrClosed
			}
			s.changed.Wait()
			continue
		}
		e := seg.batches[0]
		s.mu.Unlock()
		body, err := seg.read(e)
		s.mu.Lock()
		if seg.gone {
			continue
		}
		if err == nil {
			return &Batch{Class: l.class, Label: seg.label, First: e.first, Records: e.records, Body: body, segment: seg}, nil
		}
		s.o.Logger.Error("spooled batch given up", "class", l.class.String(), "file", seg.path, "records", e.records, "error", err)
		s.giveUp(l.class, Damaged, uint64(e.records))
		s.pass(l, seg)
	}
}

// flushed says whether the flusher has ended.
func (s *Spool) flushed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// head is the segment whose first batch is to be sent next.
func (s *Spool) head() (*lane, *segment) {
	for i := range s.lanes {
		l := &s.lanes[i]
		if len(l.segs) == 0 || len(l.segs[0].batches) == 0 {
			continue
		}
		seg := l.segs[0]
		if e := seg.batches[0]; e.sealed && e.to <= seg.synced {
			return l, seg
		}
	}
	return nil, nil
}

// pass goes on to the next batch. It needs the lock, and gives it away where
// that was the last of a file, which is removed.
func (s *Spool) pass(l *lane, seg *segment) {
	seg.batches = seg.batches[1:]
	if len(seg.batches) == 0 && !seg.active {
		s.forget(l, 0)
	}
}

// Ack says that the hub has the batch that Next returned last.
func (s *Spool) Ack(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = false
	var err error
	if !b.segment.gone {
		s.mu.Unlock()
		err = b.segment.acknowledge(b.First + uint64(b.Records))
		s.mu.Lock()
	}
	s.delivered[b.Class] += uint64(b.Records)
	if b.segment.gone {
		// It was given up while it was on its way, and arrived.
		s.dropped[b.Class][b.segment.why] -= uint64(b.Records)
		return
	}
	if err != nil {
		s.o.Logger.Warn("acknowledgement not noted, the batch may be sent twice", "file", b.segment.path, "error", err)
	}
	s.pass(&s.lanes[b.Class], b.segment)
	s.changed.Broadcast()
}

// Counts are the figures of one class. Accepted = Delivered + Dropped + Held.
type Counts struct {
	Accepted, Delivered, Held uint64
	// Dropped is by cause, indexed by Cause.
	Dropped [causes]uint64
}

// Lost is the sum over the causes.
func (c *Counts) Lost() (n uint64) {
	for _, v := range c.Dropped {
		n += v
	}
	return n
}

// Stats are the figures of a spool.
type Stats struct {
	// Classes are indexed by Class. Accepted includes what an earlier run
	// left.
	Classes [classes]Counts
	// Bytes are on the disk, Limit is what may be; Memory waits for it.
	Bytes, Limit, Memory int64
	// Failing is true while the disk takes nothing.
	Failing bool
}

// Stats returns the figures now.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Bytes: s.disk, Limit: s.o.MaxBytes, Memory: s.memory, Failing: s.failing}
	for i := range st.Classes {
		c := &st.Classes[i]
		*c = Counts{Accepted: s.accepted[i], Delivered: s.delivered[i], Dropped: s.dropped[i]}
		c.Held = c.Accepted - c.Delivered - c.Lost()
	}
	return st
}

// drained is how often Drain looks.
const drained = 10 * time.Millisecond

// Drain waits until the hub has all, after Seal. It returns the context's
// error when that ends first.
func (s *Spool) Drain(ctx context.Context) error {
	tick := time.NewTicker(drained)
	defer tick.Stop()
	for {
		left := uint64(0)
		for _, c := range s.Stats().Classes {
			left += c.Held
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
