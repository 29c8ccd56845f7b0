package traffic

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"
)

// mss is the payload of one TCP segment over Ethernet.
const mss = 1460

// latency is the time between two frames of a conversation.
const latency = 2 * time.Millisecond

// composer writes conversations into a capture. What varies (ports, sequence
// numbers, ids) comes from a seeded source, so that a capture can be made again
// byte for byte.
type composer struct {
	capture
	random *rand.Rand
	at     time.Time
}

func newComposer(start time.Time, seed uint64) *composer {
	return &composer{at: start.UTC(), random: rand.New(rand.NewPCG(seed, 0x616e74696e))}
}

func (c *composer) id() uint16 { return uint16(c.random.Uint32()) }

// port is an ephemeral port (RFC 6335 §6).
func (c *composer) port() uint16 { return 49152 + uint16(c.random.UintN(16000)) }

func (c *composer) send(data []byte) {
	c.add(c.at, data)
	c.at = c.at.Add(latency)
}

func (c *composer) wait(d time.Duration) { c.at = c.at.Add(d) }

// tcp writes a whole connection: handshake, the exchange of requests and
// answers, and its end.
func (c *composer) tcp(client, server netip.AddrPort, exchange ...[]byte) {
	seq, ack := c.random.Uint32(), c.random.Uint32()
	c.send(tcpFrame(client, server, c.id(), segment{seq: seq, flags: flagSYN}))
	c.send(tcpFrame(server, client, c.id(), segment{seq: ack, ack: seq + 1, flags: flagSYN | flagACK}))
	seq, ack = seq+1, ack+1
	c.send(tcpFrame(client, server, c.id(), segment{seq: seq, ack: ack, flags: flagACK}))
	from, to, a, b := client, server, &seq, &ack
	for _, data := range exchange {
		for len(data) > 0 {
			n := min(len(data), mss)
			c.send(tcpFrame(from, to, c.id(), segment{seq: *a, ack: *b, flags: flagPSH | flagACK, payload: data[:n]}))
			*a += uint32(n)
			data = data[n:]
			c.send(tcpFrame(to, from, c.id(), segment{seq: *b, ack: *a, flags: flagACK}))
		}
		from, to, a, b = to, from, b, a
	}
	c.send(tcpFrame(client, server, c.id(), segment{seq: seq, ack: ack, flags: flagFIN | flagACK}))
	c.send(tcpFrame(server, client, c.id(), segment{seq: ack, ack: seq + 1, flags: flagFIN | flagACK}))
	c.send(tcpFrame(client, server, c.id(), segment{seq: seq + 1, ack: ack + 1, flags: flagACK}))
}

// dns writes a question for an address and its answer (RFC 1035 §4).
func (c *composer) dns(client netip.Addr, server netip.AddrPort, name string, answer netip.Addr) {
	from := netip.AddrPortFrom(client, c.port())
	id := c.id()
	var question []byte
	for _, label := range strings.Split(name, ".") {
		question = append(append(question, byte(len(label))), label...)
	}
	question = append(question, 0, 0, 1, 0, 1) // root, type A, class IN
	header := func(flags, answers uint16) []byte {
		h := make([]byte, 12)
		for i, v := range []uint16{id, flags, 1, answers} {
			binary.BigEndian.PutUint16(h[2*i:], v)
		}
		return h
	}
	c.send(udpFrame(from, server, c.id(), append(header(0x0100, 0), question...)))
	reply := append(header(0x8180, 1), question...)
	reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0x01, 0x2c, 0, 4) // name at 12, A, IN, 300 s
	addr := answer.As4()
	c.send(udpFrame(server, from, c.id(), append(reply, addr[:]...)))
}
