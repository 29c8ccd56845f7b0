package gateway

import (
	"testing"
	"time"
)

func TestRefusedConnectionsAreRecordedAtOnceThenGathered(t *testing.T) {
	var r refusals
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		after time.Duration
		want  uint64
	}{
		{"the first is recorded", 0, 1},
		{"the next waits", time.Second, 0},
		{"and another", time.Second, 0},
		{"after the pause all are told", refusedEvery, 3},
		{"then it waits again", time.Second, 0},
	} {
		now = now.Add(c.after)
		got := r.add(now)
		if got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}
