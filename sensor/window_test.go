package sensor

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/antin-gov/antin/sensor/scratch"
)

func TestWindowKeepsItsNumberWhileAlertedBytesAreInIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var w window
	var mem scratch.Memory
	var stream []byte
	lastHit, hitUnit := -1, uint64(0)
	for range 2000 {
		b := make([]byte, 1+rng.IntN(1500))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		stream = append(stream, b...)
		w.add(b, &mem)
		if rng.IntN(3) > 0 {
			continue
		}
		w.pending = 0
		if !bytes.HasSuffix(stream, w.buf) {
			t.Fatal("the window is not the stream's end")
		}
		start := len(stream) - len(w.buf)
		if w.offset != uint64(start) {
			t.Fatalf("offset %d, want %d", w.offset, start)
		}
		if lastHit >= 0 && start < lastHit && w.unit != hitUnit {
			t.Fatalf("window from %d has bytes that alerted before %d under another number", start, lastHit)
		}
		if rng.IntN(5) == 0 {
			w.hit, lastHit, hitUnit = len(w.buf), len(stream), w.unit
		}
	}
	if w.unit < 100 {
		t.Errorf("only %d pieces", w.unit)
	}
}

func TestWindowForgetsAtAGap(t *testing.T) {
	w := window{}
	var mem scratch.Memory
	w.add([]byte("before"), &mem)
	w.hit = 6
	w.gap(10)
	w.add([]byte("after"), &mem)
	if string(w.buf) != "after" || w.unit != 1 || w.hit != 0 || w.pending != 5 || w.offset != 16 {
		t.Errorf("window %q, unit %d, hit %d", w.buf, w.unit, w.hit)
	}
}

func TestWindowGivesItsMemoryBackWhenAllWasSeen(t *testing.T) {
	w := window{}
	var mem scratch.Memory
	long := bytes.Repeat([]byte("x"), 3000)
	w.add(long, &mem)
	had := &w.buf[0]
	w.leave(&mem)
	if w.buf == nil {
		t.Fatal("given back before the rules saw it")
	}
	w.pending = 0
	w.leave(&mem)
	w.leave(&mem)
	if w.buf != nil || w.offset != 3000 || w.unit != 1 {
		t.Errorf("%d bytes kept, offset %d, unit %d", len(w.buf), w.offset, w.unit)
	}
	other := window{}
	other.add(long, &mem)
	if &other.buf[0] != had {
		t.Error("the memory is not used again")
	}
	w.add([]byte("late"), &mem)
	if string(w.buf) != "late" || w.offset != 3000 {
		t.Errorf("%q at %d", w.buf, w.offset)
	}
}
