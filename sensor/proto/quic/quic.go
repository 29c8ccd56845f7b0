// Package quic reads the beginning of QUIC connections (RFC 9000, RFC 9001, RFC
// 9369): Initial packets, whose keys anybody can derive, and in them the TLS
// hello of client and server.
//
// Not here: anything after the handshake's first flight, Google's versions
// before the standard, and 0-RTT.
package quic

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/antin-gov/antin/sensor/encode"
	"github.com/antin-gov/antin/sensor/proto"
	"github.com/antin-gov/antin/sensor/proto/tls"
	"github.com/antin-gov/antin/sensor/proto/wire"
)

const (
	// maxID is the longest connection id (RFC 9000 §17.2).
	maxID = 20
	// maxPackets bounds the Initial packets that are opened in one flow.
	maxPackets = 64
	// maxCrypto bounds the handshake bytes kept of a direction.
	maxCrypto = 64 << 10
)

// ErrMalformed means that a datagram is not QUIC.
var ErrMalformed = errors.New("quic: malformed")

// Conn reads the datagrams of one flow. It implements proto.Parser.
type Conn struct {
	host    proto.Host
	version uint32
	id      []byte
	keys    [2]*keys
	crypto  [2]stream
	opened  int
	told    [2]bool
	// noticed are the directions in which a packet could not be opened.
	noticed [2]bool
	next    uint64
}

// New returns a reader that tells host.
func New(host proto.Host) *Conn { return &Conn{host: host} }

// initial is the head of an Initial packet (RFC 9000 §17.2.2).
type initial struct {
	version uint32
	id      []byte
	// packet ends with the packet; number is where its number begins.
	packet []byte
	number int
	rest   []byte
}

// Probe tells QUIC by a long header of a known version with an Initial packet
// to the server.
func Probe(dir int, b []byte, _ proto.Hint) bool {
	h, ok := head(b)
	if !ok || dir != proto.ToServer || !h.isInitial(b[0]) {
		return false
	}
	keys, err := initialKeys(h.version, h.id)
	if err != nil {
		return false
	}
	_, ok = keys[0].open(h.packet, h.number)
	return ok
}

// head reads a long header with its length; ok is false for another form, an
// unknown version, or a Retry.
func head(b []byte) (h initial, ok bool) {
	r := wire.Reader{B: b}
	first := r.U8()
	h.version = r.U32()
	if first&0xc0 != 0xc0 || salt(h.version) == nil {
		return h, false
	}
	n := int(r.U8())
	h.id = r.Take(n)
	other := int(r.U8())
	r.Take(other)
	if n > maxID || other > maxID || retry(first, h.version) {
		return h, false
	}
	if h.isInitial(first) {
		token := r.Varint()
		if token > uint64(len(r.B)) {
			return h, false
		}
		r.Take(int(token))
	}
	length := r.Varint()
	if r.Short || length > uint64(len(r.B)) || length == 0 {
		return h, false
	}
	h.number = len(b) - len(r.B)
	h.packet = b[:h.number+int(length)]
	h.rest = b[h.number+int(length):]
	return h, true
}

func (h *initial) isInitial(first byte) bool {
	if h.version == version2 {
		return first>>4&3 == 1
	}
	return first>>4&3 == 0
}

func retry(first byte, version uint32) bool {
	if version == version2 {
		return first>>4&3 == 0
	}
	return first>>4&3 == 3
}

// Feed implements proto.Parser.
func (c *Conn) Feed(dir int, b []byte) error {
	for len(b) > 0 && c.opened < maxPackets && !(c.told[0] && c.told[1]) {
		h, ok := head(b)
		if !ok {
			return nil
		}
		if h.isInitial(b[0]) {
			c.opened++
			c.initial(dir, &h)
		}
		b = h.rest
	}
	return nil
}

// initial opens a packet. After a Retry the client starts again with another
// connection id, and so with other keys.
func (c *Conn) initial(dir int, h *initial) {
	plain, ok := []byte(nil), false
	if c.keys[dir] != nil {
		plain, ok = c.keys[dir].open(h.packet, h.number)
	}
	if !ok && dir == proto.ToServer && (c.keys[0] == nil || !bytes.Equal(c.id, h.id) || c.version != h.version) {
		keys, err := initialKeys(h.version, h.id)
		if err != nil {
			return
		}
		plain, ok = keys[0].open(h.packet, h.number)
		if ok {
			c.keys, c.id, c.version = keys, bytes.Clone(h.id), h.version
			c.crypto = [2]stream{}
		}
	}
	if !ok {
		if !c.noticed[dir] {
			c.noticed[dir] = true
			c.host.Notice(dir, c.next, "failed_decrypt")
		}
		return
	}
	c.frames(dir, plain)
}

// frames reads those that Initial packets may have (RFC 9000 §12.4).
func (c *Conn) frames(dir int, b []byte) {
	r := wire.Reader{B: b}
	for len(r.B) > 0 && !r.Short {
		switch kind := r.Varint(); kind {
		case 0, 1: // PADDING, PING
		case 2, 3: // ACK
			r.Varint()
			r.Varint()
			n := r.Varint()
			r.Varint()
			for ; n > 0 && !r.Short; n-- {
				r.Varint()
				r.Varint()
			}
			if kind == 3 {
				r.Varint()
				r.Varint()
				r.Varint()
			}
		case 6: // CRYPTO
			offset, length := r.Varint(), r.Varint()
			if length > uint64(len(r.B)) {
				c.host.Notice(dir, c.next, "error_on_data")
				return
			}
			if offset+length > maxCrypto {
				c.host.Notice(dir, c.next, "crypto_frag_too_long")
				return
			}
			c.crypto[dir].add(int(offset), r.Take(int(length)))
		case 0x1c: // CONNECTION_CLOSE
			c.handshake(dir)
			return
		default:
			// RFC 9000 §12.4: no other frame may be here.
			c.host.Notice(dir, c.next, "error_on_data")
			c.handshake(dir)
			return
		}
	}
	if r.Short {
		c.host.Notice(dir, c.next, "error_on_data")
	}
	c.handshake(dir)
}

// handshake reads the hello when all of it has come.
func (c *Conn) handshake(dir int) {
	const headLength = 4
	b := c.crypto[dir].front()
	if c.told[dir] || len(b) < headLength {
		return
	}
	size := int(binary.BigEndian.Uint32(b) & 0xffffff)
	if len(b) < headLength+size {
		return
	}
	c.told[dir] = true
	body := b[headLength : headLength+size]
	rec := &record{version: versionName(c.version), number: c.version}
	var err error
	switch {
	case dir == proto.ToServer && b[0] == 1:
		rec.client, err = tls.ParseClientHello(body)
	case dir == proto.ToClient && b[0] == 2:
		rec.server, err = tls.ParseServerHello(body)
	default:
		return
	}
	if err != nil || rec.client == nil && rec.server == nil {
		return
	}
	c.host.Record(proto.Event{Kind: "quic", Dir: dir, From: dir, OneSided: true, Tx: c.next, HasTx: true, Bodies: []encode.Body{rec}})
	c.next++
	c.crypto[dir] = stream{}
}

// Gap implements proto.Parser.
func (c *Conn) Gap(int, int) {}

// Close implements proto.Parser.
func (c *Conn) Close() {}

// stream puts CRYPTO frames in order.
type stream struct {
	data []byte
	// have are the parts that are there, in order and apart.
	have []span
}

type span struct{ from, to int }

// maxSpans bounds the parts that lie apart.
const maxSpans = 64

func (s *stream) add(offset int, b []byte) {
	end := offset + len(b)
	if end > maxCrypto || len(b) == 0 {
		return
	}
	if end > len(s.data) {
		s.data = append(s.data, make([]byte, end-len(s.data))...)
	}
	copy(s.data[offset:], b)
	add := span{offset, end}
	kept := s.have[:0:0]
	for _, h := range s.have {
		if h.to < add.from || h.from > add.to {
			kept = append(kept, h)
			continue
		}
		add.from, add.to = min(add.from, h.from), max(add.to, h.to)
	}
	if len(kept) < maxSpans {
		s.have = append(kept, add)
	}
}

// front is what has come without a gap from the beginning.
func (s *stream) front() []byte {
	for _, h := range s.have {
		if h.from == 0 {
			return s.data[:h.to]
		}
	}
	return nil
}
