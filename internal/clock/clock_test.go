package clock_test

import (
	"testing"
	"time"

	"github.com/antin-gov/antin/internal/clock"
)

func TestFakeClockStandsStillUntilItIsMoved(t *testing.T) {
	start := time.Date(2026, 11, 22, 11, 0, 0, 0, time.FixedZone("+07", 7*60*60))
	c := clock.NewFake(start)
	if !c.Now().Equal(start) || c.Now().Location() != time.UTC {
		t.Errorf("it stands at %s, want %s in UTC", c.Now(), start)
	}
	c.Advance(90 * time.Minute)
	if want := start.Add(90 * time.Minute); !c.Now().Equal(want) {
		t.Errorf("after 90 minutes: %s, want %s", c.Now(), want)
	}
	c.Set(start)
	if !c.Now().Equal(start) {
		t.Errorf("set back: %s", c.Now())
	}
}

func TestSystemClockIsUTC(t *testing.T) {
	before := time.Now()
	now := clock.System{}.Now()
	if now.Location() != time.UTC || now.Before(before.Add(-time.Second)) || now.After(before.Add(time.Minute)) {
		t.Errorf("the machine's clock gave %s beside %s", now, before)
	}
}
