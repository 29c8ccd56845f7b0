package sensor

import (
	"unsafe"

	"github.com/antin-gov/antin/sensor/flow"
)

// seat is the memory of a flow with its conversation.
type seat struct {
	flow flow.Flow
	conversation
	next *seat
}

const (
	// seatsAtOnce are made together: one piece of memory costs less than many. So
	// many fill the largest of the sizes that Go keeps, with its own eight bytes.
	seatsAtOnce = int((32<<10 - 8) / unsafe.Sizeof(seat{}))
	// mostSeats is how many empty ones wait for new flows; what is over goes back
	// to the collector.
	mostSeats = 16 << 10
)

// seats are the empty ones of a worker.
type seats struct {
	free *seat
	n    int
}

// seat gives the table a flow with a conversation that has not begun.
func (w *worker) seat() *flow.Flow {
	s := w.seats.free
	if s == nil {
		more := make([]seat, seatsAtOnce)
		for i := range more[1:] {
			more[i+1].next, w.seats.free = w.seats.free, &more[i+1]
		}
		w.seats.n += len(more) - 1
		s = &more[0]
	} else {
		w.seats.free, s.next = s.next, nil
		w.seats.n--
	}
	s.home = s
	s.flow.Ext = &s.conversation
	return &s.flow
}

// leave empties the seat of a flow that has ended.
func (w *worker) leave(c *conversation) {
	if c.windows != nil {
		c.windows[0].leave(&w.memory)
		c.windows[1].leave(&w.memory)
	}
	s := c.home
	s.flow, s.conversation = flow.Flow{}, conversation{}
	if w.seats.n < mostSeats {
		s.next, w.seats.free = w.seats.free, s
		w.seats.n++
	}
}
