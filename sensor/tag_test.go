package sensor_test

import (
	"bytes"
	"testing"

	"github.com/antin-gov/antin/sensor"
)

func TestAllTagsOfAnAlertAreFollowed(t *testing.T) {
	for _, tt := range []struct {
		tags string
		want int
	}{
		{"tag:session,2,packets;", 2},
		{"tag:session,2,packets; tag:session,5,packets;", 5},
		{"tag:session,5,packets; tag:session,2,packets;", 5},
		{"tag:session,1,packets; tag:session,3,bytes;", 1},
		{"tag:session,1,packets; tag:host,4,packets,src;", 4},
	} {
		t.Run(tt.tags, func(t *testing.T) {
			w := newWire(t)
			c := w.dial("10.3.9.15:41000", "10.1.0.22:7777")
			c.say(0, "attack", 100)
			for range 4 {
				c.say(0, "what follows", 100)
				c.say(1, "and its answer", 100)
			}
			c.close()
			e := ruleEngine(t, `alert tcp any any -> any any (msg:"x"; flow:to_server; content:"attack"; `+tt.tags+` sid:1;)`)
			out, _, _ := runFiles(t, sensor.Config{Rules: e}, w.file())
			got := bytes.Count(out.lines.Bytes(), []byte(`"event_type":"packet"`))
			if got != tt.want {
				t.Errorf("%d packets after the alert, want %d", got, tt.want)
			}
		})
	}
}
