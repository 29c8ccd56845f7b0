// Package output takes finished EVE records away from the sensor: into a file
// of lines and to a hub over NATS JetStream in acknowledged batches.
//
// A sink never loses a record in silence: what it could not keep or deliver
// is counted by cause. What the hub has not taken waits in a spool on the disk
// (sensor/spool), over the end of the process as well.
package output

import (
	"context"
	"errors"

	"github.com/antin-gov/antin/sensor/spool"
)

// Sink takes records. Implementations are safe for concurrent use.
type Sink interface {
	// Write takes one record with its line end; kind is its event_type. The
	// bytes are the caller's again when it returns.
	Write(kind string, line []byte) error
	// Close delivers what is still held and frees the sink. It returns
	// ErrUndelivered when the context ended before all was delivered.
	Close(ctx context.Context) error
	// Stats returns the counts so far.
	Stats() Stats
}

// Stats counts the records of a sink. Accepted = Delivered + Dropped + those
// still held.
type Stats struct {
	Accepted, Delivered, Dropped uint64
	// Lost is Dropped by class (spool.Class).
	Lost [3]uint64
}

// ErrUndelivered means that records were left when time was up.
var ErrUndelivered = errors.New("output: records not delivered")

// room is how much of a limit there is for a record of the class: flows take half
// of it at most and metadata three quarters, so alerts go last.
func room(limit int, c spool.Class) int { return limit - int(c)*limit/4 }
