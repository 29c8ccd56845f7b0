package sensor

import (
	"testing"

	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/sensor/eve"
	"github.com/antin-gov/antin/sensor/output"
)

func TestALiveSensorWritesItsFiguresOnlyWhenTheyAreAskedFor(t *testing.T) {
	for _, c := range []struct {
		types []string
		want  uint64
	}{{nil, 1}, {[]string{kindStats, kindFlow}, 1}, {[]string{kindFlow}, 0}, {[]string{}, 0}} {
		sink := &jsonOnly{t: t}
		e, err := New(Config{Clock: clock.System{}, Sinks: []output.Sink{sink}, Types: c.types})
		if err != nil {
			t.Fatal(err)
		}
		e.recordStats(eve.NewWriter(eve.Identity{}))
		if got := sink.lines.Load(); got != c.want {
			t.Errorf("types %v: %d records of figures, want %d", c.types, got, c.want)
		}
	}
}
