package output

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/internal/event"
)

// Limits of the way to the hub.
const (
	// batchRecords and batchBytes end a batch; the message must stay under
	// the server's default payload limit of 1 MiB with its headers.
	batchRecords = 400
	batchBytes   = 512 << 10
	// batchAge ends a batch that does not fill up.
	batchAge = 200 * time.Millisecond
	// queueBytes is what waits while the hub is away: a minute at 1 MiB/s.
	queueBytes = 64 << 20
	// ackTimeout is how long one acknowledgement may take.
	ackTimeout = 5 * time.Second
	// retryFirst and retryMost bound the waiting between attempts.
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// ErrName means that a sensor's name cannot stand in a subject.
var ErrName = errors.New("output: sensor name must be letters, digits, '-' or '_'")

// HubConfig says where and as whom to publish.
type HubConfig struct {
	URL                       string
	CertFile, KeyFile, CAFile string
	Sensor, Site, ExerciseID  string
	// Wait is how long Write waits for room in a full queue before it drops:
	// right for a file, which can wait; zero for a live interface.
	Wait   time.Duration
	Logger *slog.Logger
}

// Hub publishes records in batches (event.Batch) and waits for the stream's
// acknowledgement of each.
type Hub struct {
	cfg  HubConfig
	run  string
	conn *nats.Conn
	js   jetstream.JetStream

	mu      sync.Mutex
	room    *sync.Cond
	batch   []byte
	records int
	opened  time.Time
	first   uint64
	queue   []*pending
	queued  int
	stats   Stats
	closing bool
	stalled bool

	wake   chan struct{}
	cancel context.CancelFunc
	done   chan struct{}
}

type pending struct {
	batch   event.Batch
	records int
}

// OpenHub connects. A hub that cannot be reached yet is no error: records
// wait for it within the queue's limit.
func OpenHub(cfg HubConfig) (*Hub, error) {
	if !validName(cfg.Sensor) {
		return nil, fmt.Errorf("%w: %q", ErrName, cfg.Sensor)
	}
	run := make([]byte, 8)
	_, err := rand.Read(run)
	if err != nil {
		return nil, fmt.Errorf("name the run: %w", err)
	}
	options := []nats.Option{
		nats.Name("antin-sensor " + cfg.Sensor), nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1), nats.ReconnectWait(time.Second),
	}
	if cfg.CAFile != "" {
		config, err := hubTLS(cfg)
		if err != nil {
			return nil, fmt.Errorf("connect to hub: %w", err)
		}
		options = append(options, nats.Secure(config))
	}
	if cfg.CertFile != "" || cfg.KeyFile != "" {
		options = append(options, nats.ClientCert(cfg.CertFile, cfg.KeyFile))
	}
	conn, err := nats.Connect(cfg.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to hub: %w", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to hub: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &Hub{
		cfg: cfg, run: hex.EncodeToString(run), conn: conn, js: js, first: 1,
		wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{}),
	}
	h.room = sync.NewCond(&h.mu)
	go h.sender(ctx)
	return h, nil
}

func validName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// Write adds a record to the current batch.
func (h *Hub) Write(line []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stats.Accepted++
	if len(line) > event.MaxRawBytes-4096 {
		h.stats.Dropped++
		return fmt.Errorf("%w: record of %d bytes", event.ErrBatchSize, len(line))
	}
	if h.records > 0 && len(h.batch)+len(line) > batchBytes {
		h.seal()
	}
	if !h.hasRoom(len(line)) {
		h.stats.Dropped++
		return nil
	}
	if h.records == 0 {
		h.opened = time.Now()
	}
	h.batch = append(h.batch, line...)
	h.records++
	if h.records >= batchRecords {
		h.seal()
	}
	return nil
}

// hasRoom waits for room in the queue. Once it has waited in vain it waits no
// more until something is delivered. It needs the lock.
func (h *Hub) hasRoom(n int) bool {
	start := time.Now()
	for h.queued+len(h.batch)+n > queueBytes {
		if h.stalled || h.closing || h.cfg.Wait == 0 {
			return false
		}
		if time.Since(start) > h.cfg.Wait {
			h.stalled = true
			return false
		}
		h.room.Wait()
	}
	return true
}

// seal moves the current batch to the queue. It needs the lock.
func (h *Hub) seal() {
	if h.records == 0 {
		return
	}
	body := append([]byte(nil), h.batch...)
	h.queue = append(h.queue, &pending{
		batch: event.Batch{
			Sensor: h.cfg.Sensor, Site: h.cfg.Site, Run: h.run, First: h.first,
			ExerciseID: h.cfg.ExerciseID, Body: body,
		},
		records: h.records,
	})
	h.first += uint64(h.records)
	h.queued += len(body)
	h.batch, h.records = h.batch[:0], 0
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// sender publishes the queue in its order until the hub is closed and empty,
// or given up.
func (h *Hub) sender(ctx context.Context) {
	defer close(h.done)
	tick := time.NewTicker(batchAge / 2)
	defer tick.Stop()
	for {
		p, closing := h.head()
		switch {
		case p != nil:
			if !h.deliver(ctx, p) {
				return
			}
			continue
		case closing:
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-tick.C:
		}
	}
}

// head is the oldest batch, sealing the current one when it is old enough.
func (h *Hub) head() (*pending, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.records > 0 && (h.closing || time.Since(h.opened) >= batchAge) {
		h.seal()
	}
	// Those who wait for room look at the time.
	h.room.Broadcast()
	if len(h.queue) == 0 {
		return nil, h.closing
	}
	return h.queue[0], h.closing
}

// deliver publishes one batch until it is acknowledged. It is false when the
// hub was given up.
func (h *Hub) deliver(ctx context.Context, p *pending) bool {
	wait := retryFirst
	for {
		err := h.publish(ctx, &p.batch)
		if err == nil {
			h.mu.Lock()
			h.queue[0] = nil
			h.queue = h.queue[1:]
			h.queued -= len(p.batch.Body)
			h.stats.Delivered += uint64(p.records)
			h.stalled = false
			h.room.Broadcast()
			h.mu.Unlock()
			return true
		}
		h.room.Broadcast()
		if ctx.Err() != nil {
			return false
		}
		if h.cfg.Logger != nil {
			h.cfg.Logger.Warn("batch not acknowledged, will be sent again", "id", p.batch.ID(), "error", err)
		}
		select {
		case <-ctx.Done():
			return false
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

// Close delivers all that waits, or as much as the context allows.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	h.room.Broadcast()
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
	select {
	case <-h.done:
	case <-ctx.Done():
		h.cancel()
		<-h.done
	}
	h.cancel()
	h.conn.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	left := h.stats.Accepted - h.stats.Delivered
	if left > 0 {
		return fmt.Errorf("%w: %d of %d", ErrUndelivered, left, h.stats.Accepted)
	}
	return nil
}

// Stats returns the counts so far.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats
}
