package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Subject is the JetStream subject under which a sensor publishes its
// batches: SubjectPrefix + sensor name.
const SubjectPrefix = "eve."

// Stream is the JetStream stream that takes the sensors' batches.
const Stream = "EVE"

// Headers of a batch message. The standard header Nats-Msg-Id carries ID() so
// that a batch sent twice is stored once.
const (
	HeaderSensor   = "Antin-Sensor"
	HeaderSite     = "Antin-Site"
	HeaderRun      = "Antin-Run"
	HeaderFirst    = "Antin-First"
	HeaderExercise = "Antin-Exercise"
)

// MaxBatch is the largest number of records in one message.
const MaxBatch = 500

// Batch is what one bus message carries: up to MaxBatch EVE records of one
// sensor run, newline-delimited, numbered from First.
type Batch struct {
	Sensor     string
	Site       string
	Run        string
	First      uint64
	ExerciseID string
	Body       []byte
}

// Errors of ParseBatch.
var (
	ErrBatchHeader = errors.New("event: batch header missing or malformed")
	ErrBatchSize   = errors.New("event: batch over its limit")
)

// ID names the batch for deduplication: sensor, run and first number.
func (b *Batch) ID() string {
	return b.Sensor + "." + b.Run + "." + strconv.FormatUint(b.First, 10)
}

// Header returns the message headers of the batch.
func (b *Batch) Header() map[string]string {
	h := map[string]string{
		HeaderSensor: b.Sensor,
		HeaderSite:   b.Site,
		HeaderRun:    b.Run,
		HeaderFirst:  strconv.FormatUint(b.First, 10),
	}
	if b.ExerciseID != "" {
		h[HeaderExercise] = b.ExerciseID
	}
	return h
}

// Line is one record of a batch with its own id.
type Line struct {
	ID  string
	Raw []byte
}

// Lines splits the body into records. The id of a record is the batch's
// sensor, run and the record's own number.
func (b *Batch) Lines() ([]Line, error) {
	var lines []Line
	for i, raw := range bytes.Split(bytes.TrimRight(b.Body, "\n"), []byte{'\n'}) {
		if len(raw) == 0 {
			continue
		}
		if len(raw) > MaxRawBytes {
			return nil, fmt.Errorf("%w: record %d has %d bytes", ErrBatchSize, i, len(raw))
		}
		if len(lines) == MaxBatch {
			return nil, fmt.Errorf("%w: more than %d records", ErrBatchSize, MaxBatch)
		}
		id := b.Sensor + "." + b.Run + "." + strconv.FormatUint(b.First+uint64(i), 10)
		lines = append(lines, Line{ID: id, Raw: raw})
	}
	return lines, nil
}

// ParseBatch reads a batch from the headers and the body of a message.
func ParseBatch(get func(name string) string, body []byte) (*Batch, error) {
	first, err := strconv.ParseUint(get(HeaderFirst), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrBatchHeader, HeaderFirst, err)
	}
	b := &Batch{
		Sensor: get(HeaderSensor), Site: get(HeaderSite), Run: get(HeaderRun),
		First: first, ExerciseID: get(HeaderExercise), Body: body,
	}
	if b.Sensor == "" || b.Run == "" {
		return nil, fmt.Errorf("%w: sensor %q, run %q", ErrBatchHeader, b.Sensor, b.Run)
	}
	return b, nil
}
