package rules

import "testing"

func TestNewBytesOfAStreamPieceAlertAgainAndOldOnesDoNot(t *testing.T) {
	e := mustEngine(t, `alert tcp any any -> any any (msg:"m"; flow:established; content:"evil"; sid:1;)`)
	ctx := e.NewContext()
	in := toServer("")
	in.View = ViewStream
	for n, c := range []struct {
		payload string
		fresh   int
		want    int
	}{
		{"an evil thing", 13, 1},
		{"an evil thing", 0, 0},
		{"an evil thing and more", 9, 0},
		{"an evil thing and more, evil too", 10, 1},
		{"an evil thing and more, evil too: e", 3, 0},
		{"an evil thing and more, evil too: evil", 3, 0}, // began in what was shown
	} {
		in.Payload, in.Fresh = []byte(c.payload), c.fresh
		in.Time = in.Time.Add(1)
		if got := len(e.Inspect(ctx, in)); got != c.want {
			t.Errorf("%d: %q with %d new bytes: %d alerts, want %d", n, c.payload, c.fresh, got, c.want)
		}
	}
}

func TestAFreshEngineRemembersNothing(t *testing.T) {
	e := mustEngine(t, `alert tcp any any -> any any (msg:"m"; content:"evil"; depth:4; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)`)
	for n := range 2 {
		e = e.Fresh()
		ctx := e.NewContext()
		for want := range 2 {
			if got := len(e.Inspect(ctx, toServer("evil"))); got != 1-want {
				t.Errorf("engine %d, packet %d: %d alerts", n, want, got)
			}
		}
	}
}
