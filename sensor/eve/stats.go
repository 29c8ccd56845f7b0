package eve

import (
	"strings"

	"github.com/antin-gov/antin/sensor/encode"
)

// Counter is one figure of a stats record; the name has dots between its
// parts, and counters with the same beginning stand together.
type Counter struct {
	Name  string
	Value uint64
}

// Stats writes a stats record: counters have the names of Suricata 8, own are
// those that it has not and stand in an object beside.
func (w *Writer) Stats(h *Header, uptime int64, counters, own []Counter) []byte {
	e := w.begin(h)
	e.Open("stats")
	e.Int("uptime", uptime)
	nest(&e.Encoder, counters)
	e.Close()
	if len(own) > 0 {
		e.Open("antin")
		nest(&e.Encoder, own)
		e.Close()
	}
	return w.finish()
}

// nest writes counters as objects in each other.
func nest(e *encode.Encoder, counters []Counter) {
	var open []string
	for _, c := range counters {
		parts := strings.Split(c.Name, ".")
		last := len(parts) - 1
		same := 0
		for same < len(open) && same < last && open[same] == parts[same] {
			same++
		}
		for range open[same:] {
			e.Close()
		}
		open = append(open[:same], parts[same:last]...)
		for _, group := range parts[same:last] {
			e.Open(group)
		}
		e.Uint(parts[last], c.Value)
	}
	for range open {
		e.Close()
	}
}
