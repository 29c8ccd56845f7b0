package hsm

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// serverConn is one connection of a worker.
type serverConn struct {
	srv    *workerServer
	conn   net.Conn
	out    outbox
	ready  chan struct{} // out has frames; one place
	cancel context.CancelFunc

	// work are the answers that are owed.
	work sync.WaitGroup
	// places bounds the requests, except signatures, that are worked on.
	places chan struct{}
}

// serve reads the requests of one connection and answers them as they finish.
func (s *workerServer) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	if !sameUser(conn) {
		s.log.Warn("a process of another user was refused at the key socket")
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	c := &serverConn{srv: s, conn: conn, out: outbox{conn: conn}, ready: make(chan struct{}, 1), cancel: cancel, places: make(chan struct{}, maxInFlight)}
	var writer sync.WaitGroup
	writer.Go(c.write)
	c.read(ctx)
	c.work.Wait()
	close(c.ready)
	writer.Wait()
}

// write writes answers as they come. It is a goroutine of its own, so that a
// peer that does not read holds up nobody else.
func (c *serverConn) write() {
	for range c.ready {
		err := c.out.flush()
		if err != nil {
			c.cancel()
		}
	}
}

// send puts a frame into the outbox.
func (c *serverConn) send(write func([]byte) ([]byte, error)) {
	mine, err := c.out.add(write)
	if err != nil {
		c.cancel()
		return
	}
	if mine {
		c.ready <- struct{}{} // there is room: only one is told so at a time
	}
}

// reply answers a signature.
func (c *serverConn) reply(job *signJob, sig []byte, err error) {
	defer c.work.Done()
	c.send(func(b []byte) ([]byte, error) { return appendSigned(b, job.id, sig, err), nil })
}

// read takes requests until the connection ends.
func (c *serverConn) read(ctx context.Context) {
	in := newFrameReader(c.conn, maxSign)
	for {
		body, err := c.next(ctx, in)
		if err == nil {
			err = c.take(ctx, body)
		}
		if err != nil {
			if errors.Is(err, ErrBadRequest) {
				c.srv.log.Warn("a malformed request closed its connection to the key worker", slog.Any("error", err))
			}
			return
		}
	}
}

// next reads one request: the first byte may take its time, the rest may not.
func (c *serverConn) next(ctx context.Context, in *frameReader) ([]byte, error) {
	if in.whole() {
		return in.next()
	}
	_, err := in.in.Peek(1)
	if err != nil {
		return nil, err
	}
	if in.whole() {
		return in.next()
	}
	c.conn.SetReadDeadline(time.Now().Add(frameTime))
	body, err := in.next()
	c.conn.SetReadDeadline(time.Time{})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return body, err
}

// take begins the work on one request.
func (c *serverConn) take(ctx context.Context, body []byte) error {
	if body[0] == kindSign {
		req, err := parseSign(body)
		if err != nil {
			return err
		}
		c.sign(ctx, req)
		return nil
	}
	if len(body) > maxRequest {
		return ErrBadRequest
	}
	var req request
	err := decodeJSON(body, &req)
	if err != nil {
		return err
	}
	c.places <- struct{}{}
	c.work.Go(func() {
		defer func() { <-c.places }()
		resp := c.srv.guarded(ctx, req)
		c.send(func(b []byte) ([]byte, error) { return appendFrame(b, resp, maxResponse) })
	})
	return nil
}

// sign queues a signature. A key that is not known yet is looked for in a
// goroutine, because that may wait for the token.
func (c *serverConn) sign(ctx context.Context, req signRequest) {
	c.work.Add(1)
	r := c.srv.tokens.lookupBytes(req.label)
	if r != nil {
		c.queue(r, req)
		return
	}
	label := string(req.label)
	req.digest = append([]byte(nil), req.digest...)
	c.places <- struct{}{}
	c.work.Go(func() {
		defer func() { <-c.places }()
		r, err := c.srv.tokens.find(ctx, label)
		if err != nil {
			c.reply(&signJob{id: req.id}, nil, err)
			return
		}
		c.queue(r, req)
	})
}

// queue checks a request and gives it to a token.
func (c *serverConn) queue(r *route, req signRequest) {
	job, err := newJob(c, r, req)
	if err != nil {
		c.reply(job, nil, err)
		return
	}
	c.srv.tokens.submit(job)
}
