package output

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/antin-gov/antin/sensor/spool"
)

// Limits of a socket's reader.
const (
	// socketQueue bounds the records that wait for the reader, in bytes, and
	// socketLines their number.
	socketQueue  = 8 << 20
	socketLines  = 16 << 10
	socketWrite  = 5 * time.Second
	socketRetry  = time.Second
	socketStream = "stream"
)

// Socket hands records to a program that listens at a Unix socket, as
// Suricata's unix_stream and unix_dgram do: a line each, or a datagram each.
// A reader that is absent or slow costs records, which are counted; it never
// holds the sensor up. For records that must not be lost there is the hub.
type Socket struct {
	path, network string
	log           *slog.Logger

	mu      sync.Mutex
	bytes   int
	stats   Stats
	closed  bool
	records chan record
	done    chan struct{}
	// conn belongs to the sender.
	conn  net.Conn
	tried time.Time
	told  bool
}

type record struct {
	class spool.Class
	line  []byte
}

// OpenSocket returns a sink that connects when somebody listens. Kind is
// "stream" or "dgram".
func OpenSocket(path, kind string, log *slog.Logger) (*Socket, error) {
	network := map[string]string{socketStream: "unix", "": "unix", "dgram": "unixgram"}[kind]
	if network == "" {
		return nil, fmt.Errorf("output: socket of type %q: stream or dgram", kind)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Socket{path: path, network: network, log: log, records: make(chan record, socketLines), done: make(chan struct{})}
	go s.sender()
	return s, nil
}

// Write queues one record, where there is room for its class.
func (s *Socket) Write(kind string, line []byte) error {
	class := spool.ClassOf(kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Accepted++
	if s.closed || s.bytes+len(line) > room(socketQueue, class) || len(s.records) >= room(socketLines, class) {
		s.drop(class)
		return nil
	}
	s.bytes += len(line)
	s.records <- record{class, append([]byte(nil), line...)}
	return nil
}

func (s *Socket) drop(c spool.Class) {
	s.stats.Dropped++
	s.stats.Lost[c]++
}

func (s *Socket) sender() {
	defer close(s.done)
	for r := range s.records {
		sent := s.send(r.line)
		s.mu.Lock()
		s.bytes -= len(r.line)
		if sent {
			s.stats.Delivered++
		} else {
			s.drop(r.class)
		}
		s.mu.Unlock()
	}
	if s.conn != nil {
		s.conn.Close()
	}
}

// send hands one record over. It is false when nobody takes it.
func (s *Socket) send(line []byte) bool {
	if s.conn == nil {
		if time.Since(s.tried) < socketRetry {
			return false
		}
		s.tried = time.Now()
		conn, err := net.DialTimeout(s.network, s.path, socketWrite)
		if err != nil {
			s.say("nobody reads the record socket, records for it are dropped", err)
			return false
		}
		s.conn, s.told = conn, false
		s.log.Info("record socket connected", "socket", s.path)
	}
	err := s.conn.SetWriteDeadline(time.Now().Add(socketWrite))
	if err == nil {
		_, err = s.conn.Write(line)
	}
	if err != nil {
		s.conn.Close()
		s.conn = nil
		s.say("the reader of the record socket is gone or too slow", err)
		return false
	}
	return true
}

// say tells once of each outage.
func (s *Socket) say(what string, err error) {
	if !s.told {
		s.told = true
		s.log.Warn(what, "socket", s.path, "error", err)
	}
}

// Close hands over what is queued, or as much as the context allows.
func (s *Socket) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.records)
	s.mu.Unlock()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close record socket: %w", ErrUndelivered)
	}
}

// Stats returns the counts so far.
func (s *Socket) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}
