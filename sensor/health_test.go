package sensor

import (
	"testing"
	"time"
)

func TestTheUseOfALinkIsThatOfItsBusierDirection(t *testing.T) {
	cases := map[string]struct {
		use  linkUse
		want uint64
	}{
		"half of 100 Mbit/s":       {linkUse{speed: 100, rx: 1_875_000_000, tx: 1, seconds: 300}, 50},
		"sending is busier":        {linkUse{speed: 1000, rx: 1, tx: 33_750_000_000, seconds: 300}, 90},
		"a speed that is unknown":  {linkUse{rx: 1 << 40, seconds: 300}, 0},
		"a sample of no length":    {linkUse{speed: 100, rx: 1 << 30}, 0},
		"a clock that stood still": {linkUse{speed: 100, rx: 1 << 30, seconds: -1}, 0},
	}
	for name, c := range cases {
		if got := c.use.percent(); got != c.want {
			t.Errorf("%s: %d %%, want %d", name, got, c.want)
		}
	}
}

func TestASampleCountsWhatPassedSinceTheLast(t *testing.T) {
	l := newLinks([]string{"lo", "no-such-interface"}, map[string]uint64{"lo": 1000})
	if _, err := readLink("lo"); err != nil {
		t.Skipf("no loopback interface to read: %v", err)
	}
	time.Sleep(time.Millisecond)
	uses := l.sample()
	if len(uses) != 1 || uses[0].name != "lo" || uses[0].speed != 1000 || uses[0].seconds <= 0 || uses[0].to.Before(uses[0].from) {
		t.Errorf("uses %+v", uses)
	}
}
