package ca

import (
	"slices"
	"sync/atomic"
	"time"
)

// Steps of an issue, in order; the indices of stepClock.
const (
	stepLint = iota
	stepIntent
	stepIntentLedger
	stepSign
	stepSigned
	stepIssueLedger
	stepIssued
	stepCount
)

// stepNames are how the steps are shown.
func stepNames() [stepCount]string {
	return [stepCount]string{"lint", "record intent", "ledger intent", "sign in the token", "record signed", "ledger issue", "record issued"}
}

// stepClock adds up how long the steps of issues take. It is safe for
// concurrent use.
type stepClock struct {
	count [stepCount]atomic.Int64
	nanos [stepCount]atomic.Int64
}

// took adds one step that began at the time. It measures the machine's time,
// not the clock of certificates.
func (c *stepClock) took(step int, began time.Time) {
	c.count[step].Add(1)
	c.nanos[step].Add(int64(time.Since(began)))
}

// stepTotal is the state of a stepClock.
type stepTotal struct{ count, nanos [stepCount]int64 }

func (c *stepClock) total() stepTotal {
	var t stepTotal
	for i := range stepCount {
		t.count[i], t.nanos[i] = c.count[i].Load(), c.nanos[i].Load()
	}
	return t
}

// since gives the mean of each step since an earlier state.
func (c *stepClock) since(before stepTotal) []BenchStep {
	now, names := c.total(), stepNames()
	var list []BenchStep
	for i := range stepCount {
		n := now.count[i] - before.count[i]
		if n > 0 {
			list = append(list, BenchStep{Name: names[i], Mean: time.Duration((now.nanos[i] - before.nanos[i]) / n)})
		}
	}
	return list
}

// middle is the median and the greatest of durations.
func middle(list []time.Duration) (median, greatest time.Duration) {
	if len(list) == 0 {
		return 0, 0
	}
	slices.Sort(list)
	return list[len(list)/2], list[len(list)-1]
}
