package spool

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// flusher takes records from memory to the disk. It alone makes, fills and
// gives up segments.
func (s *Spool) flusher() {
	defer close(s.done)
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			s.settle()
			s.flush(true)
			return
		case <-s.wake:
		case <-tick.C:
		}
		s.flush(false)
	}
}

// settleFor is how long the end waits for room on a disk that refuses, as long
// as the hub goes on taking what is there.
const settleFor = 2 * time.Second

// settle writes what waits in memory while the hub makes room for it.
func (s *Spool) settle() {
	moved, before := time.Now(), int64(-1)
	for {
		s.flush(false)
		s.mu.Lock()
		left := s.memory
		s.mu.Unlock()
		if left != before {
			moved, before = time.Now(), left
		}
		if left <= 0 || time.Since(moved) > settleFor {
			return
		}
		time.Sleep(writeEvery)
	}
}

// flush writes what waits, ends batches and syncs what is due.
func (s *Spool) flush(last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed error
	for i := range s.lanes {
		err := s.flushLane(&s.lanes[i])
		if err != nil && failed == nil {
			failed = err
		}
	}
	s.tell(failed)
	for i := range s.lanes {
		l := &s.lanes[i]
		if seg := l.filling(); seg != nil && (last || s.dueBatch(l)) {
			seg.seal()
			l.start = true
		}
		if last {
			for _, f := range l.pending {
				s.giveUp(l.class, Disk, uint64(f.records))
				s.memory -= int64(len(f.body))
			}
			l.pending = nil
		}
	}
	if last || time.Since(s.syncedAt) >= syncEvery {
		s.sync()
	}
	s.changed.Broadcast()
}

// tell logs when the disk begins and ends to refuse. It needs the lock.
func (s *Spool) tell(failed error) {
	switch {
	case failed != nil && !s.failing:
		s.o.Logger.Error("spool takes no records, they wait in memory", "error", failed)
	case failed == nil && s.failing:
		s.o.Logger.Info("spool takes records again")
	}
	s.failing = failed != nil
}

// dueBatch says whether the batch being filled ends now: it is old enough and
// the hub has nothing else to take.
func (s *Spool) dueBatch(l *lane) bool {
	if l.start || l.records == 0 || len(l.pending) > 0 || time.Since(l.opened) < batchAge {
		return false
	}
	if len(l.segs) == 0 {
		return false
	}
	seg := l.segs[0]
	return len(seg.batches) == 0 || !seg.batches[0].sealed
}

// filling is the segment that is being written, nil when there is none.
func (l *lane) filling() *segment {
	if n := len(l.segs); n > 0 && l.segs[n-1].active {
		return l.segs[n-1]
	}
	return nil
}

// flushLane writes the frames of a class until the disk refuses. It needs the
// lock, and gives it away while it writes.
func (s *Spool) flushLane(l *lane) error {
	for len(l.pending) > 0 {
		f := l.pending[0]
		l.pending[0] = nil
		l.pending = l.pending[1:]
		err := s.place(l, f)
		if errors.Is(err, errNoRoom) {
			s.memory -= int64(len(f.body))
			s.giveUp(l.class, Full, uint64(f.records))
			continue
		}
		if err != nil {
			l.pending = append([]*frame{f}, l.pending...)
			return err
		}
		s.memory -= int64(len(f.body))
	}
	return nil
}

// errNoRoom means that the spool is full of what matters more.
var errNoRoom = errors.New("spool: full of more important records")

// place writes one frame into its class's segment, making room by the rule.
func (s *Spool) place(l *lane, f *frame) error {
	size := int64(frameHead + len(f.body) + tagSize)
	for s.disk+size > s.o.MaxBytes {
		if !s.giveUpOldest(l.class, Full) {
			return errNoRoom
		}
	}
	for {
		err := s.write(l, f)
		if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
			return err
		}
		// What matters less makes way; what matters as much is kept, and this
		// frame waits for room.
		if l.class == classes-1 || !s.giveUpOldest(l.class+1, Disk) {
			return err
		}
	}
}

// giveUpOldest drops the oldest segment of the least important class that has
// any, down to the class given.
func (s *Spool) giveUpOldest(least Class, why Cause) bool {
	for c := Class(classes - 1); ; c-- {
		l := &s.lanes[c]
		if len(l.segs) > 0 {
			seg := l.segs[0]
			s.o.Logger.Warn("spool gives up its oldest records", "class", c.String(), "records", seg.held(), "cause", why.String())
			s.giveUp(c, why, seg.held())
			seg.why = why
			if seg.active {
				l.start = true
			}
			s.forget(l, 0)
			return true
		}
		if c == least {
			return false
		}
	}
}

// forget removes a segment. It needs the lock, and gives it away meanwhile.
func (s *Spool) forget(l *lane, i int) {
	seg := l.segs[i]
	l.segs = append(l.segs[:i:i], l.segs[i+1:]...)
	s.disk -= seg.size
	seg.gone = true
	s.mu.Unlock()
	err := seg.remove()
	s.mu.Lock()
	if err != nil {
		s.o.Logger.Error("spool segment not removed", "file", seg.path, "error", err)
	}
}

// write appends a frame, in a new segment when there is none or it is full. It
// needs the lock, and gives it away while the disk works: those who put records
// never wait for it. Only the flusher makes, fills and ends segments.
func (s *Spool) write(l *lane, f *frame) error {
	seg := l.filling()
	if seg != nil && f.flags&flagStart != 0 && seg.size >= s.segment {
		err := s.finish(l, seg)
		if err != nil {
			return err
		}
		seg = nil
	}
	if seg == nil {
		s.number++
		s.mu.Unlock()
		made, err := s.begin(s.number, l.class)
		s.mu.Lock()
		if err != nil {
			return err
		}
		l.segs = append(l.segs, made)
		s.disk += made.size
		seg = made
	}
	from := seg.size
	s.mu.Unlock()
	err := seg.append(f)
	s.mu.Lock()
	if err != nil {
		return err
	}
	s.disk += seg.size - from
	if l.last != f.first {
		f.flags |= flagStart
	}
	seg.note(f, from, seg.size, l.last)
	l.last = f.first + uint64(f.records)
	return nil
}

// begin makes a segment whose name outlives a loss of power.
func (s *Spool) begin(number uint64, class Class) (*segment, error) {
	path := filepath.Join(s.o.Dir, fmt.Sprintf("%016x%s", number, suffix))
	seg, err := createSegment(path, number, class, s.o.Key, s.o.Label, s.segment)
	if err != nil {
		return nil, err
	}
	err = syncDir(s.o.Dir)
	if err != nil {
		return nil, errors.Join(err, seg.remove())
	}
	return seg, nil
}

// finish ends a full segment: what it did not use of its reserve is freed. It
// needs the lock, and gives it away meanwhile.
func (s *Spool) finish(l *lane, seg *segment) error {
	size := seg.size
	s.mu.Unlock()
	err := errors.Join(seg.f.Truncate(size), seg.f.Sync())
	s.mu.Lock()
	if err != nil {
		return fmt.Errorf("finish spool segment: %w", err)
	}
	seg.seal()
	seg.synced, seg.active = seg.size, false
	if len(seg.batches) == 0 {
		s.forget(l, len(l.segs)-1)
	}
	return nil
}

// sync makes what is written durable. It gives the lock away meanwhile.
func (s *Spool) sync() {
	s.syncedAt = time.Now()
	for i := range s.lanes {
		seg := s.lanes[i].filling()
		if seg == nil || seg.synced == seg.size {
			continue
		}
		size := seg.size
		s.mu.Unlock()
		err := seg.f.Sync()
		s.mu.Lock()
		if err != nil {
			s.o.Logger.Error("spool not synced", "file", seg.path, "error", err)
			continue
		}
		seg.synced = size
	}
}
