// Package sip reads SIP (RFC 3261) over UDP and TCP: the start line of each
// message.
//
// Not here: header fields and SDP, and SIP in TLS.
package sip

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
)

const (
	maxHead = 16 << 10
	version = "SIP/2.0"
)

// ErrMalformed means that a direction is not SIP.
var ErrMalformed = errors.New("sip: malformed")

var methods = [...]string{
	"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO",
	"REFER", "MESSAGE", "UPDATE",
}

// Conn reads one conversation. It implements proto.Parser.
type Conn struct {
	host proto.Host
	buf  [2][]byte
	skip [2]int
	next uint64
	// stream says that messages may come in pieces.
	stream bool
}

// New returns a reader of datagrams that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// NewStream returns a reader of a TCP connection.
func NewStream(host proto.Host) *Conn { return &Conn{host: host, stream: true} }

// Probe tells SIP by a method and its version, or by a response's version.
func Probe(_ int, b []byte, _ proto.Hint) (yes, more bool) {
	if bytes.HasPrefix(b, []byte(version+" ")) {
		return true, false
	}
	more = len(b) < len(version) && bytes.HasPrefix([]byte(version), b)
	for _, m := range methods {
		n := min(len(b), len(m)+1)
		if string(b[:n]) != (m + " ")[:n] {
			continue
		}
		line, _, ended := bytes.Cut(b, []byte{'\n'})
		if ended {
			return bytes.HasSuffix(bytes.TrimRight(line, "\r"), []byte(" "+version)), false
		}
		return false, len(b) < maxHead
	}
	return false, more
}

// ProbePacket is Probe for a datagram.
func ProbePacket(dir int, b []byte, h proto.Hint) bool {
	yes, _ := Probe(dir, b, h)
	return yes
}

type message struct {
	line, head            []byte
	method, uri           []byte
	code, reason, version []byte
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	for len(b) > 0 || len(c.buf[dir]) > 0 {
		n := min(c.skip[dir], len(b))
		c.skip[dir] -= n
		c.buf[dir] = append(c.buf[dir], b[n:]...)
		b = nil
		// Line ends between messages keep a connection alive (RFC 5626 §3.5.1).
		buf := bytes.TrimLeft(c.buf[dir], "\r\n")
		i := bytes.Index(buf, []byte("\r\n\r\n"))
		if i < 0 {
			c.buf[dir] = buf
			if !c.stream && len(buf) > 0 {
				i = len(buf) - 4
			} else if len(buf) <= maxHead {
				return nil
			}
		}
		if i < 0 || i > maxHead {
			c.buf[dir] = nil
			return c.invalid(dir)
		}
		head := buf[:i]
		rest := buf[i+4:]
		err := c.message(dir, head)
		if err != nil {
			c.buf[dir] = nil
			return c.invalid(dir)
		}
		length := 0
		if c.stream {
			length = contentLength(head)
		} else {
			rest = nil
		}
		c.skip[dir] = max(0, length-len(rest))
		c.buf[dir] = bytes.Clone(rest[min(length, len(rest)):])
	}
	return nil
}

// invalid tells what is not a message.
func (c *Conn) invalid(dir int) error {
	c.host.Notice(dir, c.next, "invalid_data")
	c.next++
	return ErrMalformed
}

func contentLength(head []byte) int {
	for line := range bytes.Lines(head) {
		name, value, ok := bytes.Cut(line, []byte{':'})
		name = bytes.TrimSpace(name)
		if !ok || !bytes.EqualFold(name, []byte("Content-Length")) && !bytes.EqualFold(name, []byte("l")) {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 24)
		if err == nil {
			return int(n)
		}
	}
	return 0
}

func (c *Conn) message(dir int, head []byte) error {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	line = bytes.Clone(bytes.TrimRight(line, "\r"))
	parts := bytes.SplitN(line, []byte{' '}, 3)
	if len(parts) < 3 {
		return ErrMalformed
	}
	m := &message{line: line, head: head}
	switch {
	case string(parts[0]) == version:
		m.version, m.code, m.reason = parts[0], parts[1], parts[2]
	case bytes.HasPrefix(parts[2], []byte("SIP/")):
		m.method, m.uri, m.version = parts[0], parts[1], parts[2]
	default:
		return ErrMalformed
	}
	c.host.Record(proto.Event{
		Kind: "sip", Tx: c.next, HasTx: true, From: dir, OneSided: true, Bodies: []encode.Body{m},
	})
	c.next++
	return nil
}

// Gap implements proto.Parser.
func (c *Conn) Gap(dir int, n int) {
	if len(c.buf[dir]) == 0 && n <= c.skip[dir] {
		c.skip[dir] -= n
		return
	}
	c.buf[dir], c.skip[dir] = nil, 0
}

// Close implements proto.Parser.
func (c *Conn) Close() {}

// Encode writes the sip object.
func (m *message) Encode(e *encode.Encoder) {
	e.Open("sip")
	e.Text("method", m.method)
	e.Text("uri", m.uri)
	e.Bytes("version", m.version)
	if m.method != nil {
		e.Bytes("request_line", m.line)
	} else {
		e.Bytes("code", m.code)
		e.Bytes("reason", m.reason)
		e.Bytes("response_line", m.line)
	}
	e.Close()
}
