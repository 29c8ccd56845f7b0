package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// heapRoom is how much garbage may lie about: the collector begins when the heap
// has grown by so much over what is in use. Go's own rule, as much again as is
// in use, has it work all the time on the small heap of a sensor without rules,
// for a fifth of the processor.
const heapRoom = 48 << 20

// Bounds of the collector's percentage: with much in use it may not fall behind
// for ever, and with next to nothing in use it need not be told more.
const (
	leastPercent = 33
	mostPercent  = 400
)

// giveRoom sets the collector's percentage after each collection, so that the
// next begins heapRoom later. GOGC in the environment goes before it.
func giveRoom() {
	_, set := os.LookupEnv("GOGC")
	if set {
		return
	}
	roomAfter(&marker{})
}

// marker is garbage that tells of a collection by its finalizer. It has a size,
// for the tiny things that share a block have none of their own.
type marker struct{ _ [64]byte }

func roomAfter(m *marker) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := mostPercent
	if live[0].Value.Kind() == metrics.KindUint64 && live[0].Value.Uint64() > 0 {
		percent = int(min(max(100*heapRoom/live[0].Value.Uint64(), leastPercent), mostPercent))
	}
	debug.SetGCPercent(percent)
	runtime.SetFinalizer(m, roomAfter)
}
