// Package tftp reads TFTP (RFC 1350): who asks to read or write which file.
//
// Not here: the transfer itself, which goes on between other ports.
package tftp

import (
	"bytes"
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	port    = 69
	opRead  = 1
	opWrite = 2
	// maxName bounds the file's name and the mode.
	maxName = 512
)

// ErrMalformed means that a datagram is not a request.
var ErrMalformed = errors.New("tftp: malformed")

// request implements encode.Body.
type request struct {
	write      bool
	file, mode []byte
}

// Conn reads the requests of one flow. It implements proto.Parser.
type Conn struct {
	host proto.Host
	next uint64
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// Probe tells TFTP by a request to its port.
func Probe(dir int, b []byte, h proto.Hint) bool {
	_, ok := parse(b)
	return ok && dir == proto.ToServer && h.Ports[1] == port
}

func parse(b []byte) (request, bool) {
	if len(b) < 4 || b[0] != 0 || b[1] != opRead && b[1] != opWrite {
		return request{}, false
	}
	file, rest, ok := bytes.Cut(b[2:], []byte{0})
	if !ok || len(file) == 0 || len(file) > maxName {
		return request{}, false
	}
	mode, _, ok := bytes.Cut(rest, []byte{0})
	mode = bytes.ToLower(mode)
	switch string(mode) {
	case "netascii", "octet", "mail":
		return request{write: b[1] == opWrite, file: bytes.Clone(file), mode: mode}, ok
	}
	return request{}, false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(_ int, b []byte) error {
	r, ok := parse(b)
	if !ok {
		return ErrMalformed
	}
	c.host.Record(proto.Event{Kind: "tftp", Tx: c.next, HasTx: true, Bodies: []encode.Body{r}})
	c.next++
	return nil
}

// Gap implements proto.Parser.
func (c *Conn) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Conn) Close() {}

// Encode writes the tftp object.
func (r request) Encode(e *encode.Encoder) {
	e.Open("tftp")
	if r.write {
		e.String("packet", "write")
	} else {
		e.String("packet", "read")
	}
	e.Bytes("file", r.file)
	e.Bytes("mode", r.mode)
	e.Close()
}
