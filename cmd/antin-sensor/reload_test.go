package main

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestAReloadGivesWayToTheCaptureButNotForEver(t *testing.T) {
	of := func() int {
		is, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Error(err)
		}
		return 20 - is
	}
	var during int
	before := of()
	err := quietly(func() error { during = of(); return nil })
	if want := min(before+giveWay, 19); err != nil || during != want {
		t.Errorf("nice %d during a reload of a capture at %d, want %d; %v", during, before, want, err)
	}
}
