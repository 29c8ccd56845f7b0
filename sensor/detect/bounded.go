package detect

import (
	"slices"
	"time"
)

// bounded is a table of at most so many entries. When it is full, the oldest
// of a handful goes: close to the oldest of all, in constant time.
type bounded[K comparable, V any] struct {
	m       map[K]*held[V]
	limit   int
	evicted uint64
}

type held[V any] struct {
	v    V
	last time.Time
}

func newBounded[K comparable, V any](limit int) *bounded[K, V] {
	return &bounded[K, V]{m: map[K]*held[V]{}, limit: max(limit, 16)}
}

// handful is how many entries are compared when one has to go.
const handful = 8

// get returns the entry and whether it is new.
func (b *bounded[K, V]) get(k K, now time.Time) (*V, bool) {
	h, ok := b.m[k]
	if ok {
		h.last = now
		return &h.v, false
	}
	if len(b.m) >= b.limit {
		b.evict()
	}
	h = &held[V]{last: now}
	b.m[k] = h
	return &h.v, true
}

func (b *bounded[K, V]) evict() {
	var oldest K
	var at time.Time
	n := 0
	for k, h := range b.m {
		if n == 0 || h.last.Before(at) {
			oldest, at = k, h.last
		}
		n++
		if n == handful {
			break
		}
	}
	delete(b.m, oldest)
	b.evicted++
}

// maxDistinct bounds the values kept of one entry; thresholds stay under it.
const maxDistinct = 256

// distinct are the different values of a sliding window.
type distinct[T comparable] struct{ marks []mark[T] }

type mark[T comparable] struct {
	v  T
	at time.Time
}

// add takes a value and returns how many there are within the window.
func (d *distinct[T]) add(v T, at time.Time, window time.Duration) int {
	d.marks = slices.DeleteFunc(d.marks, func(m mark[T]) bool { return m.v == v || at.Sub(m.at) > window })
	if len(d.marks) >= maxDistinct {
		d.marks = append(d.marks[:0], d.marks[1:]...)
	}
	d.marks = append(d.marks, mark[T]{v, at})
	return len(d.marks)
}

func (d *distinct[T]) has(v T) bool {
	return slices.ContainsFunc(d.marks, func(m mark[T]) bool { return m.v == v })
}

// latest are the values that were seen last.
func (d *distinct[T]) latest() []T {
	var out []T
	for _, m := range d.marks[max(0, len(d.marks)-examples):] {
		out = append(out, m.v)
	}
	return out
}

// times counts events in a sliding window.
type times struct{ at []time.Time }

func (t *times) add(at time.Time, window time.Duration) int {
	t.at = slices.DeleteFunc(t.at, func(x time.Time) bool { return at.Sub(x) > window })
	if len(t.at) >= maxDistinct {
		t.at = append(t.at[:0], t.at[1:]...)
	}
	t.at = append(t.at, at)
	return len(t.at)
}

func (t *times) first() time.Time { return slices.MinFunc(t.at, time.Time.Compare) }

// examples are how many values a finding shows.
const examples = 8
