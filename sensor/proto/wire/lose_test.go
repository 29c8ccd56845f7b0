package wire

import (
	"math"
	"testing"
)

func TestAGapInWhatIsPassedOverIsNone(t *testing.T) {
	for _, c := range []struct {
		name    string
		kept    []byte
		skip, n int
		want    int
	}{
		{"within it", nil, 10, 4, 6},
		{"to its end", nil, 10, 10, 0},
		{"beyond its end", nil, 10, 11, math.MaxInt},
		{"in a message that has begun", []byte("a"), 10, 4, math.MaxInt},
		{"between messages", nil, 0, 1, math.MaxInt},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept, skip := c.kept, c.skip
			Lose(&kept, &skip, c.n)
			if skip != c.want || len(kept) > 0 {
				t.Errorf("%d to pass over and %q kept, want %d and nothing", skip, kept, c.want)
			}
		})
	}
}
