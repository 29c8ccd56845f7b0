package hsm

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// maxOutbox bounds what waits to be written to one connection: a peer that
// does not read is cut off, and holds up nobody.
const maxOutbox = 16 << 20

// outbox gathers the frames of many goroutines, so that one write carries what
// came together during the write before.
type outbox struct {
	conn net.Conn

	mu      sync.Mutex
	pending []byte // guarded by mu
	spare   []byte // guarded by mu; the buffer of the write before
	writing bool   // guarded by mu
	err     error  // guarded by mu; the outbox is of no more use
}

// add appends what write appends. When it tells mine, the caller must call
// flush, at once or in another goroutine.
func (o *outbox) add(write func([]byte) ([]byte, error)) (mine bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return false, o.err
	}
	before := len(o.pending)
	grown, err := write(o.pending)
	if err != nil {
		o.pending = o.pending[:before]
		return false, err
	}
	if len(grown) > maxOutbox {
		o.err = fmt.Errorf("%w: the peer does not read", ErrUnavailable)
		return false, o.err
	}
	o.pending = grown
	mine = !o.writing
	o.writing = true
	return mine, nil
}

// flush writes until nothing is pending.
func (o *outbox) flush() error {
	for {
		o.mu.Lock()
		out := o.pending
		if len(out) == 0 || o.err != nil {
			o.writing = false
			err := o.err
			o.mu.Unlock()
			return err
		}
		o.pending, o.spare = o.spare[:0], nil
		o.mu.Unlock()
		err := o.write(out)
		o.mu.Lock()
		o.spare = out[:0]
		if cap(out) > 1<<20 {
			o.spare = nil
		}
		if err != nil && o.err == nil {
			o.err = err
		}
		o.mu.Unlock()
	}
}

// write writes with a deadline; setting one costs little beside the write.
func (o *outbox) write(out []byte) error {
	err := o.conn.SetWriteDeadline(time.Now().Add(frameTime))
	if err != nil {
		return err
	}
	_, err = o.conn.Write(out)
	return err
}
