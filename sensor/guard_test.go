package sensor

import (
	"context"
	"net/netip"
	"testing"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/flow"
	"github.com/antin-gov/antin/sensor/output"
)

type nowhere struct{}

func (nowhere) Write(string, []byte) error  { return nil }
func (nowhere) Close(context.Context) error { return nil }
func (nowhere) Stats() output.Stats         { return output.Stats{} }

func TestAPanicEndsTheParsingOfItsFlowAlone(t *testing.T) {
	e, err := New(Config{Clock: clock.System{}, Sinks: []output.Sink{nowhere{}}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorker(e, "")
	hit := &conversation{w: w, f: &flow.Flow{Client: netip.MustParseAddrPort("10.0.0.1:1")}}
	other := &conversation{w: w, f: &flow.Flow{}}
	runs := 0
	hit.guard(func() { runs++; panic("index out of range") })
	hit.guard(func() { runs++ })
	other.guard(func() { runs++ })
	if runs != 2 || !hit.dead || other.dead || w.counters().ParserPanics != 1 {
		t.Errorf("%d runs, dead %v and %v, %d panics", runs, hit.dead, other.dead, w.counters().ParserPanics)
	}
}
