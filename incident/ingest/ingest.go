// Package ingest reads the sensors' batches from JetStream and hands them to
// the incident service. A batch is acknowledged after its transaction has
// committed; what cannot be parsed is kept as a dead letter and counted; a
// batch that comes twice is stored once, because events have unique ids.
//
// JetStream is a buffer here, not the archive: an event counts as stored when
// the database has it.
package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/antin-gov/antin/incident"
	"github.com/antin-gov/antin/internal/clock"
	"github.com/antin-gov/antin/internal/event"
)

// errExercise is the reason for a dead letter.
var errExercise = errors.New("ingest: the exercise id is not an identifier")

// Durable is the consumer's name on the stream.
const Durable = "incident"

// Limits of the consumer.
const (
	// ackWait is far above the time of one batch (some 10 ms); a process that
	// died leaves its batches to the next after it.
	ackWait = 20 * time.Second
	// maxPending bounds what a stopped process leaves to be delivered again.
	maxPending = 64
	// prefetch is small: a slow batch must not let others pass their ackWait,
	// and what a crashed process held waits that long.
	prefetch = 8
	// fetchWait bounds a request, and so how long stopping takes.
	fetchWait = time.Second
	// retryAfter is the wait after a database error.
	retryAfter = 2 * time.Second
)

// Taker stores events and dead letters: the incident service.
type Taker interface {
	Take(ctx context.Context, events []*event.Event) (incident.Taken, error)
	Bury(ctx context.Context, letters []incident.DeadLetter) error
}

// Deps is what the consumer needs.
type Deps struct {
	JetStream jetstream.JetStream
	Taker     Taker
	Clock     clock.Clock
	Logger    *slog.Logger
}

// Consumer reads the stream of events.
type Consumer struct {
	d Deps

	batches, stored, duplicates, dead, retries atomic.Uint64
}

// Stats are counts since the start.
type Stats struct {
	Batches, Stored, Duplicates, Dead, Retries uint64
}

// New returns a consumer.
func New(d Deps) (*Consumer, error) {
	if d.JetStream == nil || d.Taker == nil || d.Clock == nil || d.Logger == nil {
		return nil, errors.New("ingest: a consumer needs JetStream, a taker, a clock and a logger")
	}
	return &Consumer{d: d}, nil
}

// Stats returns the counts.
func (c *Consumer) Stats() Stats {
	return Stats{
		Batches: c.batches.Load(), Stored: c.stored.Load(), Duplicates: c.duplicates.Load(),
		Dead: c.dead.Load(), Retries: c.retries.Load(),
	}
}

// Run consumes until the context ends. It returns an error when the stream or
// the consumer is not to be had.
func (c *Consumer) Run(ctx context.Context) error {
	consumer, err := c.d.JetStream.CreateOrUpdateConsumer(ctx, event.Stream, jetstream.ConsumerConfig{
		Durable: Durable, AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
		MaxAckPending: maxPending, DeliverPolicy: jetstream.DeliverAllPolicy,
	})
	if err != nil {
		return fmt.Errorf("open consumer %s of stream %s: %w", Durable, event.Stream, err)
	}
	for ctx.Err() == nil {
		err = c.fetch(ctx, consumer)
		if errors.Is(err, jetstream.ErrConsumerDeleted) || errors.Is(err, jetstream.ErrConsumerNotFound) {
			return fmt.Errorf("read stream %s: %w", event.Stream, err)
		}
		if err != nil && ctx.Err() == nil {
			c.d.Logger.WarnContext(ctx, "reading the stream of events failed", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retryAfter):
			}
		}
	}
	return nil
}

// fetch asks for a few messages and handles each as it comes. It is not cut
// short when the process is being stopped: a message that the server had sent
// but nobody read would wait for ackWait.
func (c *Consumer) fetch(ctx context.Context, consumer jetstream.Consumer) error {
	batch, err := consumer.Fetch(prefetch, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return err
	}
	for msg := range batch.Messages() {
		c.finish(ctx, msg)
	}
	return batch.Error()
}

// finish handles a message to its end also when the process is being stopped.
func (c *Consumer) finish(ctx context.Context, msg jetstream.Msg) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackWait)
	defer cancel()
	c.handle(ctx, msg)
}

// handle stores one message and acknowledges it; after an error it is
// delivered again.
func (c *Consumer) handle(ctx context.Context, msg jetstream.Msg) {
	c.batches.Add(1)
	events, letters := c.read(msg)
	err := c.store(ctx, events, letters)
	if err != nil {
		c.retries.Add(1)
		if ctx.Err() == nil {
			c.d.Logger.ErrorContext(ctx, "storing a batch failed; it will be delivered again", "error", err)
		}
		err = msg.NakWithDelay(retryAfter)
		if err != nil {
			c.d.Logger.WarnContext(ctx, "giving a batch back failed; it comes again after its wait", "error", err)
		}
		return
	}
	// DoubleAck waits for the server's word, so that a batch that is counted as
	// done is not delivered again after a crash of this process.
	err = msg.DoubleAck(ctx)
	if err != nil && ctx.Err() == nil {
		c.d.Logger.WarnContext(ctx, "acknowledging a batch failed; its events are stored and known", "error", err)
	}
}

func (c *Consumer) store(ctx context.Context, events []*event.Event, letters []incident.DeadLetter) error {
	taken, err := c.d.Taker.Take(ctx, events)
	if err != nil {
		return err
	}
	err = c.d.Taker.Bury(ctx, letters)
	if err != nil {
		return err
	}
	c.stored.Add(uint64(taken.Stored))
	c.duplicates.Add(uint64(taken.Duplicates))
	c.dead.Add(uint64(len(letters)))
	return nil
}

// read parses the message. A batch without readable headers, or over its
// limits, becomes one dead letter; a bad record becomes one of its own and the
// rest of the batch stands.
func (c *Consumer) read(msg jetstream.Msg) ([]*event.Event, []incident.DeadLetter) {
	batch, err := event.ParseBatch(msg.Headers().Get, msg.Data())
	if err != nil {
		return nil, []incident.DeadLetter{c.letter(msg, "", msg.Data(), err)}
	}
	lines, err := batch.Lines()
	if err != nil {
		return nil, []incident.DeadLetter{c.letter(msg, batch.ID(), msg.Data(), err)}
	}
	events := make([]*event.Event, 0, len(lines))
	var letters []incident.DeadLetter
	for _, line := range lines {
		ev, err := event.Parse(line.Raw)
		if err != nil {
			letters = append(letters, c.letter(msg, line.ID, line.Raw, err))
			continue
		}
		ev.ID, ev.Sensor, ev.Site = line.ID, batch.Sensor, batch.Site
		// The batch's mark comes from how the sensor was started and stands
		// above what a record says of itself.
		if batch.ExerciseID != "" {
			ev.ExerciseID = batch.ExerciseID
		}
		if ev.ExerciseID != "" && !incident.ValidID(ev.ExerciseID) {
			letters = append(letters, c.letter(msg, line.ID, line.Raw, errExercise))
			continue
		}
		events = append(events, ev)
	}
	return events, letters
}

func (c *Consumer) letter(msg jetstream.Msg, id string, raw []byte, cause error) incident.DeadLetter {
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	key := id
	if key == "" {
		key = "sha256:" + digest
	}
	// PostgreSQL takes no zero byte in text, and a parser may quote one.
	reason := fmt.Sprintf("%+q", cause.Error())
	return incident.DeadLetter{
		Key: key, At: c.d.Clock.Now().Truncate(time.Microsecond), Subject: msg.Subject(), Reason: reason,
		Raw: raw, SHA256: digest,
	}
}
