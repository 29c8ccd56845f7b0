package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uptrace/bun"
)

const (
	// maxGroup bounds the writes of one transaction, so that the last of them
	// does not hold up the first for long.
	maxGroup = 512
	// groupWait bounds one transaction: the callers' own patience does not count
	// for it, because it carries the writes of others.
	groupWait = 30 * time.Second
)

// Group lets many callers share transactions (group commit): while one
// transaction is being made durable, the writes of others gather for the next.
// A disk that makes n transactions a second durable so carries many times n
// writes. It is safe for concurrent use and has no goroutine of its own.
type Group struct {
	db *DB
	// turn is held by whoever runs a transaction.
	turn chan struct{}

	mu      sync.Mutex
	waiting []*groupWrite // guarded by mu
}

// groupWrite is a write on its way.
type groupWrite struct {
	do    func(ctx context.Context, tx bun.Tx) error
	state atomic.Int32
	done  chan struct{}
	err   error // set before done is closed
}

const (
	groupWaiting = int32(iota)
	groupTaken
	groupGivenUp
)

// NewGroup returns a group over the database.
func NewGroup(db *DB) *Group { return &Group{db: db, turn: make(chan struct{}, 1)} }

// Do runs write in a transaction that it may share with the writes of others,
// and returns when that is durable. When one of them fails, each is run again
// in a transaction of its own, so nobody suffers from another's error; write
// may therefore be called twice, and must keep nothing of the first call. When
// ctx ends before the write was taken up, it is not made.
func (g *Group) Do(ctx context.Context, write func(ctx context.Context, tx bun.Tx) error) error {
	w := &groupWrite{do: write, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	g.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	case g.turn <- struct{}{}:
		g.run()
	case <-ctx.Done():
		if w.state.CompareAndSwap(groupWaiting, groupGivenUp) {
			return ctx.Err()
		}
	}
	for {
		select {
		case <-w.done:
			return w.err
		case g.turn <- struct{}{}:
			// More than a transaction holds waited before this one.
			g.run()
		}
	}
}

// run makes one transaction of what waits, and gives the turn back. The caller
// has it.
func (g *Group) run() {
	defer func() { <-g.turn }()
	batch := g.take()
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), groupWait)
	defer cancel()
	err := g.db.InTx(ctx, func(ctx context.Context, tx bun.Tx) error {
		for _, w := range batch {
			err := w.do(ctx, tx)
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, w := range batch {
		if err != nil && len(batch) > 1 {
			w.err = g.db.InTx(ctx, w.do)
		} else {
			w.err = err
		}
		close(w.done)
	}
}

func (g *Group) take() []*groupWrite {
	g.mu.Lock()
	defer g.mu.Unlock()
	var batch []*groupWrite
	n := 0
	for _, w := range g.waiting {
		if len(batch) == maxGroup {
			break
		}
		n++
		if w.state.CompareAndSwap(groupWaiting, groupTaken) {
			batch = append(batch, w)
		}
	}
	g.waiting = append([]*groupWrite(nil), g.waiting[n:]...)
	return batch
}

// Exec runs a write of one statement and returns how many rows it touched.
func (g *Group) Exec(ctx context.Context, what string, statement func(tx bun.Tx) Executor) (int64, error) {
	var n int64
	err := g.Do(ctx, func(ctx context.Context, tx bun.Tx) error {
		result, err := statement(tx).Exec(ctx)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// Executor is a statement of bun that changes rows.
type Executor interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}
