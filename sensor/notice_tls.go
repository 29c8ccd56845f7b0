package sensor

import (
	"encoding/binary"

	"github.com/antin-gov/antin/sensor/flow"
)

// tlsRecords walks the records of one direction (RFC 8446 §5.1) for what does
// not belong there; the handshake itself is read elsewhere.
type tlsRecords struct {
	// head collects the beginning of a record, left is what is still to come
	// of its body.
	head  [recordHead + recordPeek]byte
	have  int
	left  int
	dead  bool
	count int
	// sealed is true when the records are encrypted.
	sealed bool
	// beat is the length of a sealed heartbeat that waits for its answer.
	beat int
}

const (
	recordHead = 5
	// recordPeek is how much of a body is judged.
	recordPeek = 4
	// maxRecord is RFC 5246 §6.2.3: 2^14 and 2048 more.
	maxRecord = 1<<14 + 2048
	// sslv2Length begins SSLv2's two bytes of length; a record of none has no
	// kind.
	sslv2Length = 0x80
	// manyRecords is Suricata's limit of records in one packet.
	manyRecords = 30

	recordCipher    = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	recordHeartbeat = 24
)

// watchRecords judges the records in a piece of the stream.
func (c *conversation) watchRecords(dir int, b []byte) {
	if c.records == nil {
		c.records = &[2]tlsRecords{}
	}
	r := &c.records[dir]
	r.count = 0
	for len(b) > 0 && !r.dead {
		if r.have < len(r.head) && (r.have < recordHead || r.left > 0) {
			n := r.collect(b)
			b = b[n:]
			if r.have >= recordHead && (r.have == len(r.head) || r.left == 0) {
				c.judgeRecord(dir, r)
			}
		} else {
			n := min(r.left, len(b))
			r.left -= n
			b = b[n:]
		}
		if r.have >= recordHead && r.left == 0 {
			r.have = 0
		}
	}
	if r.count > manyRecords {
		c.appEvent(flow.Direction(dir), "tls.too_many_records_in_packet")
	}
}

// collect takes bytes into the head.
func (r *tlsRecords) collect(b []byte) int {
	if r.have < recordHead {
		n := copy(r.head[r.have:recordHead], b)
		r.have += n
		if r.have == recordHead {
			r.left = int(binary.BigEndian.Uint16(r.head[3:]))
		}
		return n
	}
	n := copy(r.head[r.have:min(len(r.head), r.have+r.left)], b)
	r.have += n
	r.left -= n
	return n
}

// judgeRecord names what is wrong with a record whose beginning is known.
func (c *conversation) judgeRecord(dir int, r *tlsRecords) {
	r.count++
	way := flow.Direction(dir)
	kind, size, body := r.head[0], int(binary.BigEndian.Uint16(r.head[3:])), r.head[recordHead:r.have]
	switch {
	case (kind < recordCipher || kind > recordHeartbeat) && r.head[1] != 3:
		r.dead = true
		c.appEvent(way, "tls.invalid_record_type")
		if kind == sslv2Length && r.head[1] == 0 {
			c.appEvent(way, "tls.invalid_sslv2_header")
		} else {
			c.appEvent(way, "tls.invalid_tls_header")
		}
		return
	case kind < recordCipher || kind > recordHeartbeat:
		r.dead = true
		c.appEvent(way, "tls.invalid_record_type")
		return
	case r.head[1] != 3:
		r.dead = true
		c.appEvent(way, "tls.invalid_record_version")
		return
	case size > maxRecord:
		c.appEvent(way, "tls.invalid_ssl_record")
	}
	switch kind {
	case recordCipher, recordData:
		r.sealed = true
	case recordAlert:
		switch {
		case r.sealed:
		case size != 2 || len(body) == 2 && body[0] != 1 && body[0] != 2:
			c.appEvent(way, "tls.invalid_alert_message")
		case len(body) == 2 && body[0] == 2:
			c.appEvent(way, "tls.error_message_encountered")
		}
	case recordHandshake:
		if !r.sealed && len(body) == recordPeek && !knownHandshake(body[0]) && r.count == 1 {
			c.appEvent(way, "tls.invalid_handshake_message")
		}
	case recordHeartbeat:
		c.judgeHeartbeat(way, r.sealed, size, body)
	}
}

// judgeHeartbeat reads RFC 6520 §4.
func (c *conversation) judgeHeartbeat(way flow.Direction, sealed bool, size int, body []byte) {
	c.appEvent(way, "tls.heartbeat_message")
	if sealed {
		c.judgeSealedBeat(way, size)
		return
	}
	if len(body) < 3 {
		return
	}
	if body[0] != 1 && body[0] != 2 {
		c.appEvent(way, "tls.invalid_heartbeat_message")
	}
	const head, padding = 3, 16
	if int(binary.BigEndian.Uint16(body[1:]))+head+padding > size {
		c.appEvent(way, "tls.overflow_heartbeat_message")
	}
}

// judgeSealedBeat compares an encrypted answer with what asked for it: both are as
// long, so a longer one carries what was not sent.
func (c *conversation) judgeSealedBeat(way flow.Direction, size int) {
	asked := &c.records[1-way].beat
	switch {
	case *asked == 0:
		c.records[way].beat = size
		return
	case size > *asked:
		c.appEvent(way, "tls.dataleak_heartbeat_mismatch")
	}
	*asked = 0
}

func knownHandshake(kind byte) bool {
	return kind <= 6 || kind == 8 || kind >= 11 && kind <= 16 || kind >= 20 && kind <= 25 || kind == 67 || kind == 254
}
