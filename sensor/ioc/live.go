package ioc

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// Live is the table in use. Whoever looks something up takes the table anew,
// so a change comes between two look-ups and nobody waits.
type Live struct{ table atomic.Pointer[Table] }

// NewLive returns a holder of the table.
func NewLive(t *Table) *Live {
	l := &Live{}
	l.table.Store(t)
	return l
}

// Table is the table in use; never nil.
func (l *Live) Table() *Table { return l.table.Load() }

// Watch takes over the file whenever another was put in its place, looking
// every so often, until the context ends. A file that is not sound leaves the
// table in use.
func (l *Live) Watch(ctx context.Context, path string, every time.Duration, log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := identity(path)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := identity(path)
		if now == last {
			continue
		}
		last = now
		t, err := Open(path)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				log.Warn("indicators not taken over", "error", err)
			}
			continue
		}
		l.table.Store(t)
		log.Info("indicators taken over", "entries", t.Len())
	}
}

// stamp tells a file from the one that replaced it.
type stamp struct {
	size     int64
	modified time.Time
}

func identity(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.Size(), info.ModTime()}
}
