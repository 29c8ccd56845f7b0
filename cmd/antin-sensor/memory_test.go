package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheCollectorLeavesTheSameRoomWhateverIsInUse(t *testing.T) {
	was := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(was) })
	var held [][]byte
	for _, mb := range []int{0, 256} {
		if mb > 0 {
			held = append(held, make([]byte, mb<<20))
		}
		runtime.GC()
		roomAfter(&marker{})
		percent := debug.SetGCPercent(100)
		switch {
		case mb == 0 && percent <= 100:
			t.Errorf("a small heap: %d %%, want more than Go's own 100", percent)
		case mb > 0 && percent != leastPercent:
			t.Errorf("with %d MB in use: %d %%, want the least, %d", mb, percent, leastPercent)
		}
	}
	runtime.KeepAlive(held)
}
