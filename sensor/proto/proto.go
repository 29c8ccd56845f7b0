// Package proto is what the protocols' parsers and the sensor agree on.
//
// A parser takes the bytes of both directions of one conversation and tells
// its host what it found. It keeps no more than its limits allow, never
// blocks, and refuses with an error what is not its protocol any more; its
// host then gives it nothing further in that direction.
package proto

import (
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
)

// Directions of a conversation.
const (
	ToServer = 0
	ToClient = 1
)

// Event is one record.
type Event struct {
	// Kind is EVE's event_type.
	Kind string
	// Dir is the direction that the record's addresses have.
	Dir int
	// Tx numbers the transaction when HasTx.
	Tx     uint64
	HasTx  bool
	Bodies []encode.Body
}

// Host takes what a parser finds.
type Host interface {
	// Record writes a record.
	Record(Event)
	// File takes a file that ended; the bodies describe where it was found.
	File(dir int, tx uint64, f *files.File, bodies ...encode.Body)
	// Upgrade tells that the conversation goes on as another protocol, as
	// after STARTTLS.
	Upgrade()
	// Expect announces a connection that belongs to this one.
	Expect(e *Expectation)
}

// Hint is what a probe may use besides the bytes it judges.
type Hint struct {
	// Ports are those of client and server.
	Ports [2]uint16
	// First is how the other direction began.
	First [4]byte
}

// Expectation is a connection to come. Name and Command may still be set when
// it has been opened.
type Expectation struct {
	// Server is true when the connection will be opened to the server.
	Server bool
	Port   uint16
	// Name and Command are what the file is and how it was asked for.
	Name    []byte
	Command string
}

// Parser reads one conversation.
type Parser interface {
	// Feed takes the next bytes of a direction: of a stream, or a datagram.
	Feed(dir int, b []byte) error
	// Gap tells that n bytes of a stream are missing.
	Gap(dir int, n int)
	// Close ends the conversation: what is open is told as it is.
	Close()
}
