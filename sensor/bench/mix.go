package bench

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Mix is a kind of traffic. The same mix gives the same bytes on every machine.
type Mix struct {
	Name string `json:"name"`
	What string `json:"what"`
	// Count is how many frames there are before they repeat, zero for a mix that
	// is made.
	Count int `json:"-"`
	// Frames gives n Ethernet frames with the times at which they came.
	Frames func(n int) iter.Seq2[time.Time, []byte] `json:"-"`
}

// began is when the made mixes begin.
var began = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// Made are the mixes that are made here.
func Made() ([]Mix, error) {
	tls, err := newTLSMix()
	if err != nil {
		return nil, fmt.Errorf("make the TLS mix: %w", err)
	}
	return []Mix{
		{
			Name: "64-byte", What: "packets of 64 bytes: half TCP with 0 or 6 bytes, half UDP with 18, 5,000 flows at a time, 100 packets each, 500,000 packets/s",
			Frames: func(n int) iter.Seq2[time.Time, []byte] { return play(n, 5000, 2*time.Microsecond, small) },
		},
		{
			Name: "tls", What: "TLS connections, two of three 1.3, with certificates in 1.2, 20 to 60 kB of data each, 200 at a time, 100,000 packets/s",
			Frames: func(n int) iter.Seq2[time.Time, []byte] { return play(n, 200, 10*time.Microsecond, tls.conversation) },
		},
		{
			Name: "short flows", What: "many short flows: of ten 5 are a DNS question with its answer, 3 a web request of one kilobyte, 1 a refused connection, 1 an unanswered one, 20,000 packets/s",
			Frames: func(n int) iter.Seq2[time.Time, []byte] { return play(n, 500, 50*time.Microsecond, short) },
		},
	}, nil
}

// play gives n frames of conversations, so many of which go on at a time, in an
// order that only looks like chance.
func play(n, active int, gap time.Duration, conversation func(i int, r *rand.Rand) [][]byte) iter.Seq2[time.Time, []byte] {
	return func(yield func(time.Time, []byte) bool) {
		r := rand.New(rand.NewPCG(1, 2))
		running := make([][][]byte, active)
		made := 0
		for i := range n {
			at := r.IntN(active)
			for len(running[at]) == 0 {
				running[at] = conversation(made, r)
				made++
			}
			frame := running[at][0]
			running[at] = running[at][1:]
			if !yield(began.Add(time.Duration(i)*gap), frame) {
				return
			}
		}
	}
}

// ends are a machine of an agency and a server elsewhere, other ones for each i.
func ends(i int, port uint16) (c, s end) {
	u := uint32(i)
	c = end{addr: [4]byte{10, byte(20 + u>>16&0x3f), byte(u >> 8), byte(u)}, port: uint16(1024 + (u*7919)%60000)}
	s = end{addr: [4]byte{203, byte(u >> 4 & 0x7f), byte(u >> 11), byte(1 + u%250)}, port: port}
	return c, s
}

func fill(r *rand.Rand, n int) []byte {
	b := make([]byte, (n+7)/8*8)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b[:n]
}

const smallPackets = 100

func small(i int, r *rand.Rand) [][]byte {
	c, s := ends(i, 40000)
	if i%2 == 1 {
		var out [][]byte
		for k := range smallPackets {
			from, to := c, s
			if k%2 == 1 {
				from, to = s, c
			}
			out = append(out, datagram(from, to, fill(r, leastFrame-etherSize-ip4Size-udpSize)))
		}
		return out
	}
	t := newTalk(c, s, r.Uint32(), r.Uint32())
	t.open()
	for len(t.frames) < smallPackets-4 {
		t.say(from(len(t.frames)/2%2), fill(r, leastFrame-etherSize-ip4Size-tcpSize))
	}
	t.close()
	return t.frames
}

func short(i int, r *rand.Rand) [][]byte {
	switch i % 10 {
	case 0, 2, 4, 6, 8:
		return question(i, r)
	case 1:
		c, s := ends(i, 445)
		t := newTalk(c, s, r.Uint32(), 0)
		t.send(client, flagSYN, nil)
		t.send(server, flagRST|flagACK, nil)
		return t.frames
	case 3:
		c, s := ends(i, 23)
		t := newTalk(c, s, r.Uint32(), 0)
		t.send(client, flagSYN, nil)
		return t.frames
	}
	c, s := ends(i, 80)
	t := newTalk(c, s, r.Uint32(), r.Uint32())
	t.open()
	t.say(client, fmt.Appendf(nil, "GET /van-ban/%d?trang=%d HTTP/1.1\r\nHost: so%d.example.vn\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html\r\nConnection: close\r\n\r\n", i, i%7, i%900))
	body := fmt.Appendf(nil, "<html><body><p>%x</p></body></html>\n", fill(r, 400))
	t.say(server, fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body))
	t.close()
	return t.frames
}

// question is a DNS question and its answer.
func question(i int, r *rand.Rand) [][]byte {
	c, _ := ends(i, 0)
	s := end{addr: [4]byte{10, 1, 0, byte(1 + i%4)}, port: 53}
	name := dnsmessage.MustNewName(fmt.Sprintf("may%d.so%d.example.vn.", r.IntN(5000), i%900))
	q := dnsmessage.Question{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: uint16(r.Uint32()), RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	ask := packed(m)
	m.Response, m.RecursionAvailable = true, true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: name, Class: dnsmessage.ClassINET, TTL: 300},
		Body:   &dnsmessage.AResource{A: [4]byte{203, 0, byte(i >> 8), byte(i)}},
	}}
	return [][]byte{datagram(c, s, ask), datagram(s, c, packed(m))}
}

// packed is the message's bytes. Messages of names that fit cannot fail.
func packed(m dnsmessage.Message) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}
