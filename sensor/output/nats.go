package output

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/internal/event"
	"github.com/antin-gov/antin/sensor/spool"
)

// Limits of the way to the hub.
const (
	// ackTimeout is how long one acknowledgement may take.
	ackTimeout = 5 * time.Second
	// retryFirst and retryMost bound the waiting between attempts.
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
	// pingEvery finds a line that was cut without a word.
	pingEvery = 10 * time.Second
)

// ErrName means that a sensor's name cannot stand in a subject.
var ErrName = errors.New("output: sensor name must be letters, digits, '-' or '_'")

// HubConfig says where and as whom to publish.
type HubConfig struct {
	URL                       string
	CertFile, KeyFile, CAFile string
	Sensor, Site, ExerciseID  string
	// Spool is where records wait for the hub; its Label is set here.
	Spool  spool.Options
	Logger *slog.Logger
}

// Hub publishes what the spool holds in batches (event.Batch), and tells the
// spool which ones the stream has acknowledged.
type Hub struct {
	cfg   HubConfig
	conn  *nats.Conn
	js    jetstream.JetStream
	spool *spool.Spool
	// back is signalled when the hub can be reached again.
	back   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

// label is what the spool keeps with the batches of a run: who made them.
type label struct {
	Sensor   string `json:"sensor"`
	Site     string `json:"site"`
	Exercise string `json:"exercise,omitempty"`
	Run      string `json:"run"`
}

// OpenHub opens the spool and connects. A hub that cannot be reached yet is no
// error: records wait for it in the spool.
func OpenHub(cfg HubConfig) (*Hub, error) {
	if !ValidName(cfg.Sensor) {
		return nil, fmt.Errorf("%w: %q", ErrName, cfg.Sensor)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	run := make([]byte, 8)
	_, err := rand.Read(run)
	if err != nil {
		return nil, fmt.Errorf("name the run: %w", err)
	}
	cfg.Spool.Label, err = json.Marshal(label{Sensor: cfg.Sensor, Site: cfg.Site, Exercise: cfg.ExerciseID, Run: hex.EncodeToString(run)})
	if err != nil {
		return nil, fmt.Errorf("name the run: %w", err)
	}
	h := &Hub{cfg: cfg, back: make(chan struct{}, 1), done: make(chan struct{})}
	err = h.connect()
	if err != nil {
		return nil, fmt.Errorf("connect to hub: %w", err)
	}
	h.spool, err = spool.Open(cfg.Spool)
	if err != nil {
		h.conn.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	go h.sender(ctx)
	return h, nil
}

func (h *Hub) connect() error {
	cfg := &h.cfg
	options := []nats.Option{
		nats.Name("antin-sensor " + cfg.Sensor), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
		// The spool is what waits, not the client's memory.
		nats.ReconnectBufSize(-1),
		nats.ConnectHandler(func(*nats.Conn) { h.reached() }),
		nats.ReconnectHandler(func(*nats.Conn) { h.reached() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { cfg.Logger.Warn("hub lost, records wait in the spool", "error", err) }),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
	}
	if cfg.CAFile != "" {
		config, err := hubTLS(*cfg)
		if err != nil {
			return err
		}
		options = append(options, nats.Secure(config))
	}
	if cfg.CertFile != "" || cfg.KeyFile != "" {
		options = append(options, nats.ClientCert(cfg.CertFile, cfg.KeyFile))
	}
	conn, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		return err
	}
	h.conn = conn
	h.js, err = jetstream.New(conn)
	if err != nil {
		conn.Close()
		return err
	}
	return nil
}

func (h *Hub) reached() {
	h.cfg.Logger.Info("hub reached")
	select {
	case h.back <- struct{}{}:
	default:
	}
}

// ValidName says whether a sensor may be called so: the name is a part of the
// subject that it publishes to.
func ValidName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// Write puts a record into the spool.
func (h *Hub) Write(kind string, line []byte) error {
	err := h.spool.Put(spool.ClassOf(kind), line)
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return nil
}

// sender publishes the spool's batches until it is sealed and empty, or given
// up.
func (h *Hub) sender(ctx context.Context) {
	defer close(h.done)
	for {
		b, err := h.spool.Next(ctx)
		if err != nil {
			return
		}
		if !h.deliver(ctx, b) {
			return
		}
		h.spool.Ack(b)
	}
}

// batch is the message of what was spooled, named by the run that made it.
func batch(b *spool.Batch) (*event.Batch, error) {
	var l label
	err := json.Unmarshal(b.Label, &l)
	if err != nil {
		return nil, fmt.Errorf("read the spool's label: %w", err)
	}
	return &event.Batch{
		Sensor: l.Sensor, Site: l.Site, ExerciseID: l.Exercise, Body: b.Body, First: b.First,
		// Each class counts for itself.
		Run: l.Run + "-" + b.Class.String(),
	}, nil
}

// deliver publishes one batch until it is acknowledged. It is false when the
// hub was given up.
func (h *Hub) deliver(ctx context.Context, b *spool.Batch) bool {
	msg, err := batch(b)
	if err != nil {
		h.cfg.Logger.Error("batch cannot be sent", "error", err)
		return false
	}
	wait := retryFirst
	for {
		err = h.publish(ctx, msg)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		if h.conn.IsConnected() {
			h.cfg.Logger.Warn("batch not acknowledged, will be sent again", "id", msg.ID(), "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-h.back:
			wait = retryFirst
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMost)
	}
}

func (h *Hub) publish(ctx context.Context, b *event.Batch) error {
	msg := nats.NewMsg(event.SubjectPrefix + b.Sensor)
	msg.Data = b.Body
	for name, value := range b.Header() {
		msg.Header.Set(name, value)
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	_, err := h.js.PublishMsg(ctx, msg, jetstream.WithMsgID(b.ID()), jetstream.WithExpectStream(event.Stream))
	if err != nil {
		return fmt.Errorf("publish batch: %w", err)
	}
	return nil
}

// Close delivers all that waits, or as much as the context allows; the rest
// stays in the spool for the next run.
func (h *Hub) Close(ctx context.Context) error {
	h.spool.Seal()
	select {
	case <-h.done:
	case <-ctx.Done():
		h.cancel()
		<-h.done
	}
	h.cancel()
	h.conn.Close()
	err := h.spool.Close()
	held := uint64(0)
	for _, c := range h.spool.Stats().Classes {
		held += c.Held
	}
	if held > 0 {
		err = errors.Join(err, fmt.Errorf("%w: %d wait in %s for the next run", ErrUndelivered, held, h.cfg.Spool.Dir))
	}
	return err
}

// Stats returns the counts so far, with those of records that an earlier run
// left in the spool.
func (h *Hub) Stats() Stats {
	var st Stats
	for class, c := range h.spool.Stats().Classes {
		st.Accepted += c.Accepted
		st.Delivered += c.Delivered
		st.Dropped += c.Lost()
		st.Lost[class] = c.Lost()
	}
	return st
}

// Spool returns the spool's figures by class.
func (h *Hub) Spool() spool.Stats { return h.spool.Stats() }

// Connected says whether the hub is reached now.
func (h *Hub) Connected() bool { return h.conn.IsConnected() }
