package http2

import (
	"strings"

	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/http1"
)

// Frame types that carry nothing told, but whose form is judged (RFC 9113 §6).
const (
	framePing = 6
	reserved  = 1 << 31
	// maxDNS bounds a DNS message (RFC 8484 §6).
	maxDNS = 65535
)

// notice tells what is wrong with the connection.
func (c *Conn) notice(dir int, name string) { c.host.Notice(dir, c.next, name) }

// judgeHead judges the head of a frame.
func (c *Conn) judgeHead(dir int, kind, flags byte, stream uint32, size int) {
	id := stream &^ reserved
	switch {
	case kind == frameData && id == 0:
		c.notice(dir, "data_stream_zero")
	case stream&reserved != 0, id == 0 && streamOnly(kind), id != 0 && (kind == frameSettings || kind == framePing || kind == frameGoAway):
		c.notice(dir, "invalid_frame_header")
	}
	if size >= maxControl {
		c.notice(dir, "long_frame_data")
	}
	if !rightLength(kind, flags, size) {
		c.notice(dir, "invalid_frame_length")
	}
}

// streamOnly reports whether a frame must belong to a stream.
func streamOnly(kind byte) bool {
	switch kind {
	case frameHeaders, framePriority, frameReset, framePush, frameContinuation:
		return true
	}
	return false
}

// rightLength tests the frames whose length is fixed or has a least value.
func rightLength(kind, flags byte, size int) bool {
	switch kind {
	case framePriority:
		return size == 5
	case frameReset, frameWindow:
		return size == 4
	case frameSettings:
		return size%6 == 0 && (flags&flagAck == 0 || size == 0)
	case framePing:
		return size == 8
	case frameGoAway:
		return size >= 8
	}
	return true
}

// judgeStream finds streams that are opened again: their numbers only grow (RFC
// 9113 §5.1.1).
func (c *Conn) judgeStream(dir int, kind byte, stream uint32) {
	if dir != proto.ToServer || kind != frameHeaders {
		return
	}
	if stream <= c.newest && c.find(stream) == nil {
		c.notice(dir, "stream_id_reuse")
	}
	c.newest = max(c.newest, stream)
}

// judgeBlock tells why a header block could not be read.
func (c *Conn) judgeBlock(dir int, block []byte) {
	if overflows(block) {
		c.notice(dir, "header_integer_overflow")
	}
	c.notice(dir, "invalid_header")
}

// overflows walks a header block (RFC 7541 §6) for an integer that has no end.
func overflows(b []byte) bool {
	for len(b) > 0 {
		first := b[0]
		bits, texts := 7, 0
		switch {
		case first&0x80 != 0:
		case first&0x40 != 0:
			bits, texts = 6, 1
		case first&0x20 != 0:
			bits = 5
		default:
			bits, texts = 4, 1
		}
		n, rest, ok := integer(b, bits)
		if !ok {
			return len(rest) > 0
		}
		b = rest
		if texts == 1 && n == 0 {
			texts = 2
		}
		for ; texts > 0; texts-- {
			n, rest, ok = integer(b, 7)
			if !ok {
				return len(rest) > 0
			}
			if n > uint64(len(rest)) {
				return false
			}
			b = rest[n:]
		}
	}
	return false
}

// integer reads an integer (RFC 7541 §5.1). When it is not ok, rest is empty
// if the bytes ended and not if the integer is larger than any may be.
func integer(b []byte, bits int) (v uint64, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	most := uint64(1)<<bits - 1
	v = uint64(b[0]) & most
	b = b[1:]
	if v < most {
		return v, b, true
	}
	for shift := 0; len(b) > 0; shift += 7 {
		if shift > 28 {
			return 0, b, false
		}
		c := b[0]
		b = b[1:]
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			return v, b, true
		}
	}
	return 0, nil, false
}

// judgeFields judges what a message says of itself: whom it is for (RFC 9113
// §8.3.1), and which part of a file it has (RFC 9110 §14.4).
func (c *Conn) judgeFields(dir int, tx *transaction) {
	list := tx.half[dir].fields
	if dir == proto.ToServer {
		authority, host := value(list, ":authority"), value(list, "host")
		if authority != "" && host != "" && !strings.EqualFold(authority, host) {
			c.host.Notice(dir, tx.number, "authority_host_mismatch")
		}
		if strings.Contains(authority, "@") {
			c.host.Notice(dir, tx.number, "userinfo_in_uri")
		}
		return
	}
	if span := value(list, "content-range"); span != "" {
		_, _, valid := http1.ContentRange([]byte(span))
		if !valid {
			c.host.Notice(dir, tx.number, "invalid_range")
		}
	}
}

// judgeLength finds DNS messages (RFC 8484) that are longer than one can be;
// before is the length up to the piece of n bytes.
func (c *Conn) judgeLength(dir int, tx *transaction, before uint64, n int) {
	if before > maxDNS || before+uint64(n) <= maxDNS || value(tx.half[dir].fields, "content-type") != "application/dns-message" {
		return
	}
	name := "dns_request_too_long"
	if dir == proto.ToClient {
		name = "dns_response_too_long"
	}
	c.host.Notice(dir, tx.number, name)
}
