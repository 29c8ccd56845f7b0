package hsm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// clientConn is one connection with its requests under way.
type clientConn struct {
	conn   net.Conn
	out    outbox
	number uint64

	mu      sync.Mutex
	next    uint64                   // guarded by mu
	waiting map[uint64]chan response // guarded by mu
	// idle are channels to use again, each empty; guarded by mu.
	idle []chan response

	once  sync.Once
	gone  chan struct{} // closed when the connection is of no more use
	cause error         // set before gone is closed
}

// maxIdle bounds the channels that are kept.
const maxIdle = 256

func (c *clientConn) dead() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// fail ends the connection; all requests under way see the cause.
func (c *clientConn) fail(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.gone)
		c.conn.Close()
	})
}

// read hands each response to its request.
func (c *clientConn) read() {
	in := newFrameReader(c.conn, maxResponse)
	for {
		resp, err := readResponse(in)
		if err != nil {
			c.fail(fmt.Errorf("connection to the key worker lost: %w", hideBadRequest(err)))
			return
		}
		c.mu.Lock()
		ch := c.waiting[resp.ID]
		delete(c.waiting, resp.ID)
		c.mu.Unlock()
		if ch != nil {
			ch <- resp
		}
	}
}

// readResponse reads one response of either kind.
func readResponse(in *frameReader) (response, error) {
	body, err := in.next()
	if err != nil {
		return response{}, err
	}
	if body[0] == kindSigned {
		return parseSigned(body)
	}
	var resp response
	err = decodeJSON(body, &resp)
	return resp, err
}

// hideBadRequest keeps a broken frame of the worker from looking like a
// mistake of the caller.
func hideBadRequest(err error) error {
	if errors.Is(err, ErrBadRequest) {
		return ErrWorkerFailed
	}
	return err
}

// send writes a request and gives the channel of its response.
func (c *clientConn) send(write func(b []byte, id uint64) ([]byte, error)) (uint64, chan response, error) {
	c.mu.Lock()
	c.next++
	id := c.next
	var ch chan response
	if n := len(c.idle); n > 0 {
		ch, c.idle = c.idle[n-1], c.idle[:n-1]
	} else {
		ch = make(chan response, 1)
	}
	c.waiting[id] = ch
	c.mu.Unlock()
	mine, err := c.out.add(func(b []byte) ([]byte, error) { return write(b, id) })
	if err == nil && mine {
		err = c.out.flush()
	}
	if err != nil && !errors.Is(err, ErrBadRequest) && !errors.Is(err, ErrUnsupported) {
		c.fail(fmt.Errorf("connection to the key worker lost: %w", err))
		err = c.cause
	}
	return id, ch, err
}

// forget ends the wait for a response. A channel that may still get one is not
// used again.
func (c *clientConn) forget(id uint64, ch chan response, empty bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, id)
	if empty && len(c.idle) < maxIdle {
		c.idle = append(c.idle, ch)
	}
}

// call sends a request and waits for its response.
func (c *clientConn) call(ctx context.Context, write func(b []byte, id uint64) ([]byte, error)) (response, error) {
	id, ch, err := c.send(write)
	if err != nil {
		c.forget(id, ch, false)
		return response{}, err
	}
	select {
	case resp := <-ch:
		c.forget(id, ch, true)
		return resp, nil
	case <-c.gone:
		err = c.cause
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.forget(id, ch, false)
	return response{}, err
}

// callUntil is call with a time instead of a context.
func (c *clientConn) callUntil(write func(b []byte, id uint64) ([]byte, error), wait time.Duration) (response, error) {
	id, ch, err := c.send(write)
	if err != nil {
		c.forget(id, ch, false)
		return response{}, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case resp := <-ch:
		c.forget(id, ch, true)
		return resp, nil
	case <-c.gone:
		err = c.cause
	case <-timer.C:
		err = context.DeadlineExceeded
	}
	c.forget(id, ch, false)
	return response{}, err
}
