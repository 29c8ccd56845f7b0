package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/antin-gov/antin/internal/store"
	"github.com/antin-gov/antin/internal/store/storetest"
)

func insert(text string) func(context.Context, bun.Tx) error {
	return func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&note{Text: text, At: time.Now()}).Exec(ctx)
		return err
	}
}

func TestWritesOfManyCallersShareTransactionsAndAreAllThere(t *testing.T) {
	storetest.Each(t, steps, func(t *testing.T, db *store.DB) {
		g := store.NewGroup(db)
		const n = 200
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := g.Do(t.Context(), insert(fmt.Sprint("note ", i)))
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		count, err := db.NewSelect().Model((*note)(nil)).Count(t.Context())
		if err != nil || count != n {
			t.Errorf("%d rows, want %d (%v)", count, n, err)
		}
	})
}

func TestOneWritersErrorIsNobodyElses(t *testing.T) {
	storetest.Each(t, steps, func(t *testing.T, db *store.DB) {
		g := store.NewGroup(db)
		fault := errors.New("fault")
		var failed atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				var err error
				switch i % 3 {
				case 0: // a statement that the database refuses
					err = g.Do(t.Context(), func(ctx context.Context, tx bun.Tx) error {
						_, err := tx.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)")
						return err
					})
				case 1:
					err = g.Do(t.Context(), func(ctx context.Context, tx bun.Tx) error {
						err := insert(fmt.Sprint("lost ", i))(ctx, tx)
						if err != nil {
							return err
						}
						return fault
					})
				default:
					err = g.Do(t.Context(), insert(fmt.Sprint("kept ", i)))
					if err != nil {
						t.Error(err)
					}
					return
				}
				if err == nil {
					t.Error("a write that fails succeeded")
				}
				failed.Add(1)
			})
		}
		wg.Wait()
		count, err := db.NewSelect().Model((*note)(nil)).Count(t.Context())
		if err != nil || count != 20 || failed.Load() != 40 {
			t.Errorf("%d rows, %d failed (%v)", count, failed.Load(), err)
		}
	})
}

func TestAWriteWhoseCallerLeftInTimeIsNotMade(t *testing.T) {
	db := storetest.SQLite(t, steps...)
	g := store.NewGroup(db)
	running, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- g.Do(context.Background(), func(context.Context, bun.Tx) error {
			close(running)
			<-goOn
			return nil
		})
	}()
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := g.Do(ctx, insert("left"))
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(goOn)
	err = errors.Join(<-first, g.Do(t.Context(), insert("stayed")))
	if err != nil {
		t.Fatal(err)
	}
	count, err := db.NewSelect().Model((*note)(nil)).Count(t.Context())
	if err != nil || count != 1 {
		t.Errorf("%d rows (%v)", count, err)
	}
}
