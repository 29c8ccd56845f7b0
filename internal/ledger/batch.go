package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/transparency-dev/tessera"
)

const (
	// maxBatch is how many entries are made durable together; it is also the
	// width of a bundle, so a batch touches two bundles at most.
	maxBatch = 256
	// maxWaiting bounds the entries that wait for a place in a batch.
	maxWaiting = 4096
)

// ErrClosed says that the log was closed.
var ErrClosed = errors.New("ledger closed")

// pending is an entry on its way.
type pending struct {
	data []byte
	// state says who decides: the writer who waits may give it up as long as
	// no batch has taken it.
	state atomic.Int32
	done  chan appended
}

const (
	stateWaiting = int32(iota)
	stateTaken
	stateGivenUp
)

// appended is the outcome of a pending entry.
type appended struct {
	index uint64
	err   error
}

// batcher makes batches: while one is written, the next one gathers. Each
// batch holds the append lock, against other processes.
type batcher struct {
	add1 tessera.AddFn
	lock *appendLock
	tidy *tidier

	queue chan *pending
	stop  chan struct{}
	once  sync.Once
	ended chan struct{}
}

// newBatcher starts the one goroutine that writes; close waits for it.
func newBatcher(add tessera.AddFn, lock *appendLock, tidy *tidier) *batcher {
	b := &batcher{add1: add, lock: lock, tidy: tidy,
		queue: make(chan *pending, maxWaiting), stop: make(chan struct{}), ended: make(chan struct{})}
	go b.run()
	return b
}

// add gives an entry to the next batch and waits until it is durable.
func (b *batcher) add(ctx context.Context, data []byte) (uint64, error) {
	p := &pending{data: data, done: make(chan appended, 1)}
	select {
	case <-b.stop:
		return 0, ErrClosed
	default:
	}
	select {
	case b.queue <- p:
	case <-b.stop:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case r := <-p.done:
		return r.index, r.err
	case <-b.ended:
		// The goroutine ended; it has answered everything that it took.
		select {
		case r := <-p.done:
			return r.index, r.err
		default:
			return 0, ErrClosed
		}
	case <-ctx.Done():
		if p.state.CompareAndSwap(stateWaiting, stateGivenUp) {
			return 0, ctx.Err()
		}
		return 0, fmt.Errorf("%w while the entry was being written", ctx.Err())
	}
}

// close ends the goroutine after the entries that wait already.
func (b *batcher) close() {
	b.once.Do(func() { close(b.stop) })
	<-b.ended
}

// run writes batches until close.
func (b *batcher) run() {
	defer close(b.ended)
	for {
		select {
		case first := <-b.queue:
			b.write(first)
		case <-b.stop:
			for {
				select {
				case first := <-b.queue:
					b.write(first)
				default:
					return
				}
			}
		}
	}
}

// write makes one batch of first and of what waits behind it.
func (b *batcher) write(first *pending) {
	dirty, err := b.lock.acquire()
	if err != nil {
		b.refuse(first, err)
		return
	}
	defer b.lock.release()
	if dirty {
		// Another process died in the middle of a batch.
		err := b.tidy.run()
		if err != nil {
			b.refuse(first, err)
			return
		}
	}
	batch := b.gather(first)
	err = b.lock.markDirty()
	if err != nil {
		for _, p := range batch {
			p.done <- appended{err: err}
		}
		return
	}
	futures := make([]tessera.IndexFuture, len(batch))
	for i, p := range batch {
		// The batch goes on although one of its writers may leave.
		futures[i] = b.add1(context.Background(), tessera.NewEntry(p.data))
	}
	failed := false
	for i, p := range batch {
		index, err := futures[i]()
		failed = failed || err != nil
		p.done <- appended{index: index.Index, err: err}
	}
	if failed {
		return // the mark stays: files beyond the tree may have been written
	}
	b.lock.markClean()
}

// gather takes what waits, as far as nobody has given it up.
func (b *batcher) gather(first *pending) []*pending {
	var batch []*pending
	for next := first; ; {
		if next.state.CompareAndSwap(stateWaiting, stateTaken) {
			batch = append(batch, next)
		}
		if len(batch) == maxBatch {
			return batch
		}
		select {
		case next = <-b.queue:
		default:
			return batch
		}
	}
}

// refuse answers one entry with an error.
func (b *batcher) refuse(p *pending, err error) {
	if p.state.CompareAndSwap(stateWaiting, stateTaken) {
		p.done <- appended{err: err}
	}
}
