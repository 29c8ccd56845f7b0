// Package bus carries the sensors' records to the centre: NATS JetStream,
// embedded in the process by default or an outside cluster when configured.
// JetStream is a buffer: a record counts as stored when the consumer has
// committed it to the database (see incident).
package bus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/internal/event"
)

// startTimeout is how long the embedded server may take to come up.
const startTimeout = 20 * time.Second

// dedupWindow is how far back JetStream knows the ids of batches. A longer
// outage is caught by the unique event ids of the database.
const dedupWindow = 10 * time.Minute

// Limits of the stream: with the oldest batches dropped beyond them, the
// sensor's own files stay the source for a re-send.
const (
	maxStreamBytes = 8 << 30
	maxStreamAge   = 14 * 24 * time.Hour
	maxMessage     = 8 << 20
)

// ErrStart means that the embedded server did not come up.
var ErrStart = errors.New("bus: embedded server did not start")

// Options of the embedded server.
type Options struct {
	// StoreDir is where JetStream keeps its files; it must survive a reboot.
	StoreDir string
	// Listen is the address for sensors, "127.0.0.1:4222". Empty: in-process only.
	Listen string
	// TLS, with client authentication, guards Listen. Nil leaves it open,
	// which is refused for any address but loopback.
	TLS    *tls.Config
	Logger *slog.Logger
}

// Server is an embedded NATS server with one connection to it.
type Server struct {
	srv  *server.Server
	conn *nats.Conn
}

// Start starts the embedded server and creates the stream of events.
func Start(ctx context.Context, o Options) (*Server, error) {
	opts := &server.Options{
		ServerName: "antin", JetStream: true, StoreDir: o.StoreDir, SyncAlways: true,
		NoSigs: true, NoLog: true, DontListen: o.Listen == "", MaxPayload: maxMessage,
	}
	if o.Listen != "" {
		host, port, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return nil, fmt.Errorf("bus address %q: %w", o.Listen, err)
		}
		opts.Host = host
		opts.Port, err = strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("bus address %q: %w", o.Listen, err)
		}
		if opts.Port == 0 {
			opts.Port = server.RANDOM_PORT
		}
		ip := net.ParseIP(host)
		if o.TLS == nil && (ip == nil || !ip.IsLoopback()) {
			return nil, fmt.Errorf("%w: %s would be open to the network; give it TLS", ErrStart, o.Listen)
		}
		if o.TLS != nil {
			opts.TLSConfig, opts.TLS, opts.TLSVerify = o.TLS, true, true
			opts.TLSTimeout = 5
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	go srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		srv.Shutdown()
		return nil, fmt.Errorf("%w within %s (is %s in use?)", ErrStart, startTimeout, o.Listen)
	}
	conn, err := nats.Connect("", nats.InProcessServer(srv), nats.Name("antin"))
	if err != nil {
		srv.Shutdown()
		return nil, fmt.Errorf("connect to the embedded server: %w", err)
	}
	s := &Server{srv: srv, conn: conn}
	js, err := s.JetStream()
	if err != nil {
		s.Close()
		return nil, err
	}
	err = EnsureStream(ctx, js)
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Addr is where the server listens for sensors, or "" when it does not.
func (s *Server) Addr() string {
	if s.srv.Addr() == nil {
		return ""
	}
	return s.srv.Addr().String()
}

// JetStream returns the client side of the server's streams.
func (s *Server) JetStream() (jetstream.JetStream, error) {
	js, err := jetstream.New(s.conn)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return js, nil
}

// Close drains the connection and stops the server.
func (s *Server) Close() {
	s.conn.Close()
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

// EnsureStream creates the stream that takes the sensors' batches.
func EnsureStream(ctx context.Context, js jetstream.JetStream) error {
	_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: event.Stream, Subjects: []string{event.SubjectPrefix + ">"},
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardOld,
		Duplicates: dedupWindow, MaxBytes: maxStreamBytes, MaxAge: maxStreamAge, MaxMsgSize: maxMessage,
	})
	if err != nil {
		return fmt.Errorf("create stream %s: %w", event.Stream, err)
	}
	return nil
}

// Publish sends a batch and waits until JetStream has it on disk.
func Publish(ctx context.Context, js jetstream.JetStream, b *event.Batch) error {
	msg := nats.NewMsg(event.SubjectPrefix + b.Sensor)
	for k, v := range b.Header() {
		msg.Header.Set(k, v)
	}
	msg.Data = b.Body
	_, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(b.ID()))
	if err != nil {
		return fmt.Errorf("publish batch %s: %w", b.ID(), err)
	}
	return nil
}
