package bench

import "encoding/binary"

// Sizes of headers without options.
const (
	etherSize = 14
	ip4Size   = 20
	tcpSize   = 20
	udpSize   = 8
	// leastFrame is Ethernet's least frame without its check sequence
	// (IEEE 802.3 §3.2.7): 64 bytes on the wire.
	leastFrame = 60
	// mss is what fits into a segment on Ethernet.
	mss = 1460
)

// TCP flags (RFC 9293 §3.1).
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10
)

const (
	protoTCP = 6
	protoUDP = 17
)

// end is one end of a conversation.
type end struct {
	addr [4]byte
	port uint16
}

// datagram makes a frame with a UDP datagram.
func datagram(from, to end, payload []byte) []byte {
	f, body := ip4Frame(from, to, protoUDP, udpSize+len(payload))
	binary.BigEndian.PutUint16(body, from.port)
	binary.BigEndian.PutUint16(body[2:], to.port)
	binary.BigEndian.PutUint16(body[4:], uint16(len(body)))
	copy(body[udpSize:], payload)
	sum := checksum(body, pseudo(from, to, protoUDP, len(body)))
	if sum == 0 {
		// Zero says that there is none (RFC 768).
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(body[6:], sum)
	return f
}

// segment makes a frame with a TCP segment.
func segment(from, to end, seq, ack uint32, flags byte, payload []byte) []byte {
	f, body := ip4Frame(from, to, protoTCP, tcpSize+len(payload))
	binary.BigEndian.PutUint16(body, from.port)
	binary.BigEndian.PutUint16(body[2:], to.port)
	binary.BigEndian.PutUint32(body[4:], seq)
	binary.BigEndian.PutUint32(body[8:], ack)
	body[12], body[13] = tcpSize/4<<4, flags
	binary.BigEndian.PutUint16(body[14:], 64240)
	copy(body[tcpSize:], payload)
	binary.BigEndian.PutUint16(body[16:], checksum(body, pseudo(from, to, protoTCP, len(body))))
	return f
}

// ip4Frame makes a frame with room for the body of an IPv4 packet.
func ip4Frame(from, to end, proto byte, size int) (frame, body []byte) {
	f := make([]byte, max(leastFrame, etherSize+ip4Size+size))
	copy(f, []byte{2, 0, to.addr[0], to.addr[1], to.addr[2], to.addr[3], 2, 0, from.addr[0], from.addr[1], from.addr[2], from.addr[3], 0x08, 0x00})
	ip := f[etherSize:]
	ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(ip4Size+size))
	copy(ip[12:], from.addr[:])
	copy(ip[16:], to.addr[:])
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:ip4Size], 0))
	return f, ip[ip4Size : ip4Size+size]
}

// pseudo is the sum of the pseudo header (RFC 9293 §3.1).
func pseudo(from, to end, proto byte, size int) uint32 {
	return uint32(binary.BigEndian.Uint16(from.addr[:])) + uint32(binary.BigEndian.Uint16(from.addr[2:])) +
		uint32(binary.BigEndian.Uint16(to.addr[:])) + uint32(binary.BigEndian.Uint16(to.addr[2:])) + uint32(proto) + uint32(size)
}

// checksum is the Internet checksum (RFC 1071) of b and what was summed before.
func checksum(b []byte, sum uint32) uint16 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// talk makes the frames of a TCP connection.
type talk struct {
	client, server end
	seq            [2]uint32
	frames         [][]byte
}

// from is who speaks in a talk.
type from int

const (
	client from = iota
	server
)

func newTalk(c, s end, seqC, seqS uint32) *talk {
	return &talk{client: c, server: s, seq: [2]uint32{seqC, seqS}}
}

// send adds one segment and moves the sequence number on.
func (t *talk) send(who from, flags byte, payload []byte) {
	a, b := t.client, t.server
	if who == server {
		a, b = b, a
	}
	ack := t.seq[1-who]
	if flags&flagACK == 0 {
		ack = 0
	}
	t.frames = append(t.frames, segment(a, b, t.seq[who], ack, flags, payload))
	t.seq[who] += uint32(len(payload))
	if flags&(flagSYN|flagFIN) != 0 {
		t.seq[who]++
	}
}

func (t *talk) open() {
	t.send(client, flagSYN, nil)
	t.send(server, flagSYN|flagACK, nil)
	t.send(client, flagACK, nil)
}

// say sends bytes in segments, every second one acknowledged.
func (t *talk) say(who from, b []byte) {
	for i := 0; len(b) > 0; i++ {
		n := min(len(b), mss)
		t.send(who, flagACK|flagPSH, b[:n])
		b = b[n:]
		if i%2 == 1 || len(b) == 0 {
			t.send(1-who, flagACK, nil)
		}
	}
}

func (t *talk) close() {
	t.send(client, flagFIN|flagACK, nil)
	t.send(server, flagFIN|flagACK, nil)
	t.send(client, flagACK, nil)
}
