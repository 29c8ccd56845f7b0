// Package http2 reads HTTP/2 in clear text (RFC 9113) from the two byte streams
// of a connection: settings, the requests and answers of each stream with their
// fields (HPACK, RFC 7541), files, and the questions and answers of DNS over
// HTTPS (RFC 8484).
//
// Not here: flow control, server push beyond its frames, trailers as such, and
// HTTP/2 inside TLS.
package http2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"golang.org/x/net/http2/hpack"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

// preface begins the client's direction (RFC 9113 §3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frame types and flags (RFC 9113 §6).
const (
	frameData         = 0
	frameHeaders      = 1
	framePriority     = 2
	frameReset        = 3
	frameSettings     = 4
	framePush         = 5
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9

	flagEndStream  = 1
	flagAck        = 1
	flagEndHeaders = 4
	flagPadded     = 8
	flagPriority   = 0x20
)

const (
	headLength = 9
	// prioritySize is the length of a priority (RFC 9113 §6.3), weight last.
	prioritySize = 5
	// maxControl bounds a frame that is not DATA; what is longer is passed over.
	maxControl = 64 << 10
	// maxBlock bounds a header block over its CONTINUATION frames.
	maxBlock = 256 << 10
	// maxStreams bounds the streams that are open at a time.
	maxStreams = 256
	// maxFields and maxFieldBytes bound the fields of one message, against
	// small blocks that name large entries again and again.
	maxFields     = 256
	maxFieldBytes = 64 << 10
	// maxTable bounds the dynamic table that a peer may ask for.
	maxTable    = 64 << 10
	maxSettings = 64
	// maxReset bounds the streams that the client has reset and whose answer may
	// be on its way (RFC 9113 §5.1).
	maxReset = 32
)

// ErrMalformed means that a direction is not HTTP/2.
var ErrMalformed = errors.New("http2: malformed")

// side is one direction's reading.
type side struct {
	begun bool
	buf   []byte
	// skip and data are what is left of a frame that is passed over, and of
	// DATA of the stream in work; after is the padding behind that, whose
	// length comes first when padded is set.
	skip, data, after int
	padded, last      bool
	stream            uint32
	// block is a header block whose continuation is awaited.
	block     []byte
	blockEnds bool
	// weight is what the block's first frame says of the stream's priority.
	weight    uint8
	hasWeight bool
	decoder   *hpack.Decoder
	fields    []field
	size      int
	lost      bool
}

// Conn reads one connection. It implements proto.Parser.
type Conn struct {
	host    proto.Host
	side    [2]side
	streams []*transaction
	next    uint64
	// reset counts the streams that the client has reset.
	reset int
	// newest is the highest number of the client's streams.
	newest uint32
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn {
	c := &Conn{host: host}
	for i := range c.side {
		s := &c.side[i]
		s.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) { s.emit(f) })
		s.decoder.SetMaxStringLength(maxFieldBytes)
		s.decoder.SetAllowedMaxDynamicTableSize(maxTable)
	}
	return c
}

// Asked says which request of HTTP/1 the connection was upgraded by: it is that of
// stream 1 (RFC 7540 §3.2).
func (c *Conn) Asked(tx *http1.Tx) {
	t := c.open(1)
	h := &t.half[proto.ToServer]
	h.ended = true
	h.fields = []field{{":method", string(tx.Method)}, {":path", string(tx.URI)}, {":authority", string(tx.Request.Get("Host"))}}
	for _, f := range tx.Request.Headers[:min(len(tx.Request.Headers), maxFields)] {
		name := strings.ToLower(string(f.Name))
		switch name {
		case "host", "connection", "upgrade", "http2-settings":
		default:
			h.fields = append(h.fields, field{name, string(f.Value)})
		}
	}
}

func (s *side) emit(f hpack.HeaderField) {
	if len(s.fields) == maxFields || s.size > maxFieldBytes {
		return
	}
	s.size += len(f.Name) + len(f.Value)
	s.fields = append(s.fields, field{f.Name, f.Value})
}

// Probe tells HTTP/2 by the client's preface.
func Probe(dir int, b []byte, _ proto.Hint) (yes, more bool) {
	if dir != proto.ToServer {
		return false, len(b) < headLength || b[3] == frameSettings && b[0] == 0
	}
	if len(b) < len(preface) {
		return false, bytes.HasPrefix([]byte(preface), b)
	}
	return string(b[:len(preface)]) == preface, false
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	s := &c.side[dir]
	for len(b) > 0 && !s.lost {
		switch {
		case s.skip > 0:
			n := min(s.skip, len(b))
			s.skip -= n
			b = b[n:]
		case s.padded:
			pad := int(b[0])
			b = b[1:]
			s.padded = false
			s.data--
			if pad > s.data {
				s.lost = true
				c.notice(dir, "invalid_frame_data")
				return ErrMalformed
			}
			s.data, s.after = s.data-pad, pad
			if s.data == 0 {
				c.dataEnd(dir)
			}
		case s.data > 0:
			n := min(s.data, len(b))
			s.data -= n
			c.content(dir, s.stream, b[:n])
			b = b[n:]
			if s.data == 0 {
				c.dataEnd(dir)
			}
		default:
			n, err := c.head(dir, b)
			if err != nil {
				s.lost = true
				return err
			}
			b = b[n:]
		}
	}
	return nil
}

// head collects the head of a frame, and the whole of one that is not DATA. It
// returns how much of b it took.
func (c *Conn) head(dir int, b []byte) (int, error) {
	s := &c.side[dir]
	need := headLength
	if dir == proto.ToServer && !s.begun {
		need = len(preface)
	}
	if len(s.buf) >= headLength && need == headLength {
		need += length(s.buf)
	}
	n := min(need-len(s.buf), len(b))
	s.buf = append(s.buf, b[:n]...)
	if len(s.buf) < need {
		return n, nil
	}
	if need == len(preface) && !s.begun && dir == proto.ToServer {
		s.begun = true
		if string(s.buf) != preface {
			c.notice(dir, "invalid_client_magic")
			return n, ErrMalformed
		}
		s.buf = s.buf[:0]
		return n, nil
	}
	size, kind, flags := length(s.buf), s.buf[3], s.buf[4]
	stream := binary.BigEndian.Uint32(s.buf[5:])
	if need == headLength {
		c.judgeHead(dir, kind, flags, stream, size)
	}
	stream &= 0x7fffffff
	if need == headLength && kind == frameData {
		s.buf = s.buf[:0]
		c.dataBegin(dir, stream, flags, size)
		return n, nil
	}
	if size > maxControl {
		s.buf, s.skip = s.buf[:0], size
		if kind == frameHeaders || kind == framePush || kind == frameContinuation {
			// The state of the compression is lost with the block.
			return n, ErrMalformed
		}
		return n, nil
	}
	if len(s.buf) < headLength+size {
		return n, nil
	}
	err := c.frame(dir, kind, flags, stream, s.buf[headLength:])
	s.buf = s.buf[:0]
	return n, err
}

func length(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

func (c *Conn) frame(dir int, kind, flags byte, stream uint32, b []byte) error {
	switch kind {
	case frameHeaders, framePush:
		c.judgeStream(dir, kind, stream)
		b, ok := unpadded(flags, b)
		skip := 0
		if kind == framePush {
			skip = 4
		} else if flags&flagPriority != 0 {
			skip = prioritySize
		}
		if !ok || skip > len(b) {
			c.notice(dir, "invalid_frame_data")
			return ErrMalformed
		}
		s := &c.side[dir]
		s.block, s.stream = append(s.block[:0], b[skip:]...), stream
		s.blockEnds = kind == frameHeaders && flags&flagEndStream != 0
		s.hasWeight = skip == prioritySize
		if s.hasWeight {
			s.weight = b[prioritySize-1]
		}
		if flags&flagEndHeaders != 0 {
			return c.block(dir, kind == framePush)
		}
	case frameContinuation:
		s := &c.side[dir]
		if len(s.block)+len(b) > maxBlock {
			c.notice(dir, "reassembly_limit_reached")
			return ErrMalformed
		}
		if s.stream != stream {
			c.notice(dir, "invalid_frame_data")
			return ErrMalformed
		}
		s.block = append(s.block, b...)
		if flags&flagEndHeaders != 0 {
			return c.block(dir, false)
		}
	case frameSettings:
		if flags&flagAck == 0 {
			c.settings(dir, b)
		}
	case frameGoAway:
		if len(b) >= 8 {
			c.global(dir, half{code: binary.BigEndian.Uint32(b[4:]), hasCode: true})
		}
	case framePriority:
		tx := c.find(stream)
		if tx != nil && len(b) == prioritySize {
			tx.half[dir].prioritise(b[prioritySize-1])
		}
	case frameReset:
		if len(b) == 4 {
			tx := c.find(stream)
			if tx != nil {
				tx.half[dir].end(binary.BigEndian.Uint32(b))
				c.reseted(tx, dir)
			}
		}
	}
	return nil
}

// unpadded takes the padding off (RFC 9113 §6.1).
func unpadded(flags byte, b []byte) ([]byte, bool) {
	if flags&flagPadded == 0 {
		return b, true
	}
	if len(b) == 0 || int(b[0]) > len(b)-1 {
		return nil, false
	}
	return b[1 : len(b)-int(b[0])], true
}

// block reads a header block that is complete.
func (c *Conn) block(dir int, push bool) error {
	s := &c.side[dir]
	s.fields, s.size = nil, 0
	_, err := s.decoder.Write(s.block)
	if err != nil {
		c.judgeBlock(dir, s.block)
	} else {
		err = s.decoder.Close()
		if err != nil {
			c.notice(dir, "extra_header_data")
		}
	}
	s.block = s.block[:0]
	if err != nil {
		return ErrMalformed
	}
	if push {
		return nil
	}
	tx := c.find(s.stream)
	if tx == nil {
		tx = c.open(s.stream)
	}
	h := &tx.half[dir]
	if s.hasWeight {
		h.prioritise(s.weight)
	}
	if status := value(s.fields, ":status"); dir == proto.ToClient && len(status) == 3 && status[0] == '1' && status != "101" {
		// An interim answer; the real one follows.
		return nil
	}
	if h.fields == nil {
		h.fields = s.fields
		c.judgeFields(dir, tx)
		c.lookupBegin(tx, dir)
		c.host.Inspect(dir, tx.number, tx)
		c.fileBegin(tx, dir)
	}
	if s.blockEnds {
		c.ended(tx, dir)
	}
	return nil
}

func (c *Conn) find(stream uint32) *transaction {
	for _, tx := range c.streams {
		if tx.stream == stream {
			return tx
		}
	}
	return nil
}

func (c *Conn) open(stream uint32) *transaction {
	if len(c.streams) == maxStreams {
		c.host.Notice(proto.ToServer, c.streams[0].number, "too_many_streams")
		c.tell(c.streams[0])
	}
	tx := &transaction{number: c.next, stream: stream}
	c.next++
	c.streams = append(c.streams, tx)
	return tx
}

func (c *Conn) ended(tx *transaction, dir int) {
	tx.half[dir].ended = true
	c.fileEnd(tx, dir, true)
	c.lookupEnd(tx, dir)
	if tx.half[0].ended && tx.half[1].ended {
		c.tell(tx)
	}
}

// reseted ends a stream that a side gave up. What the server has sent before it
// knew is still to come.
func (c *Conn) reseted(tx *transaction, dir int) {
	if dir == proto.ToClient || tx.half[proto.ToClient].ended {
		c.tell(tx)
		return
	}
	tx.half[dir].ended = true
	if tx.reset {
		return
	}
	tx.reset = true
	c.reset++
	if c.reset > maxReset {
		oldest := slices.IndexFunc(c.streams, func(t *transaction) bool { return t.reset })
		c.tell(c.streams[oldest])
	}
}

// settings tells the values that a side announces (RFC 9113 §6.5).
func (c *Conn) settings(dir int, b []byte) {
	const size = 6
	var h half
	for len(b) >= size && len(h.settings) < maxSettings {
		h.settings = append(h.settings, setting{binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])})
		b = b[size:]
	}
	if len(h.settings) > 0 {
		c.global(dir, h)
	}
}

// global tells what concerns the whole connection.
func (c *Conn) global(dir int, h half) {
	tx := &transaction{number: c.next}
	c.next++
	tx.half[dir] = h
	c.record(tx)
}

func (c *Conn) tell(tx *transaction) {
	c.streams = slices.DeleteFunc(c.streams, func(t *transaction) bool { return t == tx })
	if tx.reset {
		c.reset--
	}
	c.fileEnd(tx, 0, false)
	c.fileEnd(tx, 1, false)
	c.record(tx)
}

func (c *Conn) record(tx *transaction) {
	kind := "http"
	if tx.lookedUp() != nil {
		kind = "dns"
	}
	c.host.Record(proto.Event{Kind: kind, Tx: tx.number, HasTx: true, Bodies: []encode.Body{tx}})
}

// Gap implements proto.Parser. A gap inside DATA is counted; after another the
// next frame cannot be found.
func (c *Conn) Gap(dir int, n int) {
	s := &c.side[dir]
	switch {
	case s.skip >= n && s.skip > 0:
		s.skip -= n
	case s.data >= n && s.data > 0:
		s.data -= n
		tx := c.find(s.stream)
		if tx != nil && tx.half[dir].file != nil {
			tx.half[dir].file.Gap(n)
			tx.half[dir].joining.Gap(n)
		}
		if s.data == 0 {
			c.dataEnd(dir)
		}
	default:
		s.lost, s.buf, s.block = true, nil, nil
	}
}

// Close implements proto.Parser.
func (c *Conn) Close() {
	for len(c.streams) > 0 {
		c.tell(c.streams[0])
	}
}
