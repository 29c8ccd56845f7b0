// Package proto is what the protocols' parsers and the sensor agree on.
//
// A parser takes the bytes of both directions of one conversation and tells
// its host what it found. It keeps no more than its limits allow, never
// blocks, and refuses with an error what is not its protocol any more; its
// host then gives it nothing further in that direction.
//
// Each protocol is a folder: the parser, the fields that records and rules have
// of it, what it notices, a fuzzer, and testdata/baseline.json with the records
// of a real capture.
package proto

import (
	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/files"
	"github.com/antin-gov/antin/sensor/proto/dns"
	"github.com/antin-gov/antin/sensor/rules"
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
	// OneSided is true when all of it was said in the direction From.
	OneSided bool
	From     int
}

// Sides are the directions in which rules see the record's fields.
func (e *Event) Sides() []int {
	if e.OneSided {
		return []int{e.From}
	}
	return []int{ToServer, ToClient}
}

// Fields is a body whose fields rules can test. Fields adds those that exist
// in a direction; the bytes are not kept beyond the call.
type Fields interface {
	Fields(dir int, b *rules.Buffers)
}

// Host takes what a parser finds.
type Host interface {
	// Record writes a record.
	Record(Event)
	// Inspect shows what is known of a transaction to the rules before its
	// record is written. A body that implements Fields is shown with its record
	// as well; a rule alerts once on a direction of a transaction.
	Inspect(dir int, tx uint64, bodies ...encode.Body)
	// Notice tells the rules that a transaction breaks its protocol's rules; the
	// name is an event of the rule language without the protocol before it.
	Notice(dir int, tx uint64, name string)
	// FileStore keeps the files whose content is to be kept; it may be nil.
	FileStore() *files.Store
	// Join begins a part of a file that comes in several messages: the range of
	// what a host has under a URI. The parts make a file of that name. It may
	// return nil.
	Join(host, uri, name []byte, at files.Range) *files.Part
	// File takes a file that ended; the bodies describe where it was found.
	File(dir int, tx uint64, f *files.File, bodies ...encode.Body)
	// Upgrade tells that the conversation goes on as another protocol, as
	// after STARTTLS.
	Upgrade()
	// Carry tells that what follows is another connection, of any protocol, as
	// after a proxy's yes.
	Carry()
	// LogIn tells that the server judged a log-in, and whether it refused it.
	// The account may be empty where the protocol does not show it.
	LogIn(account string, refused bool)
	// Lookup tells of a message of DNS that the conversation carries in a
	// transaction: it is known as doh2 from then on, as Suricata names it.
	Lookup(dir int, tx uint64, m *dns.Message)
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
