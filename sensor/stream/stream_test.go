package stream_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/hostos"
	"github.com/antin-gov/antin/sensor/stream"
)

// sink writes what it is told as text: bytes as they are, gaps as [n].
type sink struct {
	got  [2]bytes.Buffer
	gaps int
}

func (s *sink) Data(dir int, b []byte) { s.got[dir].Write(b) }
func (s *sink) Gap(dir int, n int) {
	s.gaps++
	fmt.Fprintf(&s.got[dir], "[%d]", n)
}

type seg struct {
	dir   int
	seq   uint32
	flags uint8
	ack   uint32
	data  string
}

func TestReassembly(t *testing.T) {
	isn := uint32(0xffffffff - 3)
	cases := []struct {
		name   string
		segs   []seg
		client string
		server string
	}{
		{"bytes in order", []seg{{0, 100, decode.SYN, 0, ""}, {0, 101, 0, 0, "ab"}, {0, 103, 0, 0, "cd"}}, "abcd", ""},
		{"bytes out of order", []seg{{0, 100, decode.SYN, 0, ""}, {0, 103, 0, 0, "cd"}, {0, 105, 0, 0, "ef"}, {0, 101, 0, 0, "ab"}}, "abcdef", ""},
		{"a retransmission counts once", []seg{{0, 100, decode.SYN, 0, ""}, {0, 101, 0, 0, "ab"}, {0, 101, 0, 0, "XX"}, {0, 103, 0, 0, "cd"}}, "abcd", ""},
		{"an overlap keeps the bytes that came first", []seg{{0, 100, decode.SYN, 0, ""}, {0, 101, 0, 0, "abc"}, {0, 102, 0, 0, "XXde"}}, "abcde", ""},
		{"sequence numbers wrap", []seg{{0, isn, decode.SYN, 0, ""}, {0, isn + 1, 0, 0, "abcdef"}, {0, isn + 7, 0, 0, "gh"}}, "abcdefgh", ""},
		{"sequence numbers wrap out of order", []seg{{0, isn, decode.SYN, 0, ""}, {0, isn + 7, 0, 0, "gh"}, {0, isn + 1, 0, 0, "abcdef"}}, "abcdefgh", ""},
		{"data in the SYN", []seg{{0, 100, decode.SYN, 0, "ab"}, {0, 103, 0, 0, "cd"}}, "abcd", ""},
		{"joined midstream", []seg{{0, 5000, 0, 0, "ab"}, {0, 5002, 0, 0, "cd"}}, "abcd", ""},
		{"a keep-alive adds nothing", []seg{{0, 100, decode.SYN, 0, ""}, {0, 101, 0, 0, "ab"}, {0, 102, 0, 0, "b"}, {0, 103, 0, 0, "c"}}, "abc", ""},
		{"missing bytes become a gap at the end", []seg{{0, 100, decode.SYN, 0, ""}, {0, 101, 0, 0, "ab"}, {0, 108, 0, 0, "ef"}}, "ab[5]ef", ""},
		{"directions are separate", []seg{{0, 100, decode.SYN, 0, ""}, {1, 900, decode.SYN, 0, ""}, {0, 101, 0, 0, "ab"}, {1, 901, 0, 0, "cd"}}, "ab", "cd"},
		{"a second SYN/ACK counts when the client acknowledges it", []seg{{0, 100, decode.SYN, 0, "ab"}, {1, 900, decode.SYN | decode.ACK, 101, ""}, {0, 100, decode.SYN, 0, ""}, {1, 500, decode.SYN | decode.ACK, 101, ""}, {0, 101, decode.ACK, 501, "ab"}, {1, 501, decode.ACK, 103, "cd"}}, "ab", "cd"},
		{"a second SYN/ACK that nobody acknowledges does not count", []seg{{0, 100, decode.SYN, 0, ""}, {1, 900, decode.SYN | decode.ACK, 101, ""}, {1, 500, decode.SYN | decode.ACK, 101, ""}, {0, 101, decode.ACK, 901, ""}, {1, 901, decode.ACK, 101, "cd"}, {0, 101, decode.ACK, 501, ""}, {1, 903, decode.ACK, 101, "ef"}}, "", "cdef"},
		{"a SYN/ACK after data does not count", []seg{{0, 100, decode.SYN, 0, ""}, {1, 900, decode.SYN | decode.ACK, 101, ""}, {1, 901, decode.ACK, 101, "cd"}, {1, 500, decode.SYN | decode.ACK, 101, ""}, {0, 101, decode.ACK, 501, ""}, {1, 903, decode.ACK, 101, "ef"}}, "", "cdef"},
		{"data that came before the second SYN/ACK was acknowledged", []seg{{0, 100, decode.SYN, 0, ""}, {1, 400, decode.SYN | decode.ACK, 101, ""}, {1, 500, decode.SYN | decode.ACK, 101, ""}, {1, 501, decode.ACK, 101, "cd"}, {0, 101, decode.ACK, 501, ""}, {1, 503, decode.ACK, 101, "ef"}}, "", "cdef"},
		{"two gaps", []seg{{0, 100, decode.SYN, 0, ""}, {0, 103, 0, 0, "a"}, {0, 107, 0, 0, "b"}}, "[2]a[3]b", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := stream.NewAssembler(stream.Options{})
			var conn stream.Conn
			s := &sink{}
			for _, g := range c.segs {
				p := &decode.Packet{Seq: g.seq, Ack: g.ack, Flags: g.flags, Payload: []byte(g.data)}
				a.Segment(&conn, g.dir, p, s)
			}
			a.Close(&conn, s)
			if s.got[0].String() != c.client || s.got[1].String() != c.server {
				t.Errorf("client %q server %q, want %q and %q", &s.got[0], &s.got[1], c.client, c.server)
			}
			if w := a.Stats().Waiting; w != 0 {
				t.Errorf("%d bytes still wait", w)
			}
		})
	}
}

func TestAHoleTheReceiverHasAcknowledgedIsGivenUp(t *testing.T) {
	a := stream.NewAssembler(stream.Options{})
	var conn stream.Conn
	s := &sink{}
	a.Segment(&conn, 0, &decode.Packet{Seq: 100, Flags: decode.SYN}, s)
	a.Segment(&conn, 1, &decode.Packet{Seq: 900, Ack: 5000, Flags: decode.ACK}, s)
	for i := range uint32(20) {
		a.Segment(&conn, 0, &decode.Packet{Seq: 111 + i, Payload: []byte{'a'}}, s)
	}
	if s.gaps != 1 || s.got[0].String() != "[10]aaaaaaaaaaaaaaaaaaaa" {
		t.Errorf("got %q", &s.got[0])
	}
}

func TestLimitsHold(t *testing.T) {
	t.Run("depth", func(t *testing.T) {
		a := stream.NewAssembler(stream.Options{Depth: 10})
		var conn stream.Conn
		s := &sink{}
		for i := range uint32(10) {
			a.Segment(&conn, 0, &decode.Packet{Seq: i * 3, Payload: []byte("abc")}, s)
		}
		if s.got[0].String() != "abcabcabca" || a.Stats().DepthReached != 1 {
			t.Errorf("got %q", &s.got[0])
		}
	})
	t.Run("bytes that wait in one direction", func(t *testing.T) {
		a := stream.NewAssembler(stream.Options{Depth: 64 << 20})
		var conn stream.Conn
		s := &sink{}
		a.Segment(&conn, 0, &decode.Packet{Seq: 0, Flags: decode.SYN}, s)
		for i := range uint32(2000) {
			a.Segment(&conn, 0, &decode.Packet{Seq: 1000 + i*2000, Payload: make([]byte, 1000)}, s)
			if w := a.Stats().Waiting; w > 257<<10 {
				t.Fatalf("%d bytes wait", w)
			}
		}
		if s.gaps == 0 {
			t.Error("no gap was declared")
		}
	})
	t.Run("bytes that wait in all", func(t *testing.T) {
		a := stream.NewAssembler(stream.Options{Memory: 10000})
		conns := make([]stream.Conn, 50)
		s := &sink{}
		for i := range conns {
			a.Segment(&conns[i], 0, &decode.Packet{Seq: 0, Flags: decode.SYN}, s)
			a.Segment(&conns[i], 0, &decode.Packet{Seq: 1000, Payload: make([]byte, 1000)}, s)
		}
		if st := a.Stats(); st.Highest > 10000 || st.MemoryRefused != 40 {
			t.Errorf("stats %+v", st)
		}
		for i := range conns {
			a.Close(&conns[i], s)
		}
		if a.Stats().Waiting != 0 {
			t.Errorf("%d bytes still wait", a.Stats().Waiting)
		}
	})
}

// FuzzReassembly cuts a text into segments that overlap, come out of order and
// come twice: the text must come out whole.
func FuzzReassembly(f *testing.F) {
	f.Add(uint64(1), uint32(0xfffffff0), []byte("the quick brown fox jumps over the lazy dog"))
	f.Add(uint64(7), uint32(0), []byte("x"))
	f.Fuzz(func(t *testing.T, seed uint64, isn uint32, text []byte) {
		if len(text) > 4096 {
			text = text[:4096]
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		type piece struct{ from, to int }
		var pieces []piece
		for at := 0; at < len(text); {
			n := 1 + rng.IntN(64)
			back := rng.IntN(min(at, 8) + 1)
			pieces = append(pieces, piece{at - back, min(at+n, len(text))})
			at += n
		}
		for range rng.IntN(4) {
			if len(pieces) > 0 {
				pieces = append(pieces, pieces[rng.IntN(len(pieces))])
			}
		}
		// Neighbours change places; a receiver would not wait for more.
		for i := 0; i+1 < len(pieces); i += 2 {
			pieces[i], pieces[i+1] = pieces[i+1], pieces[i]
		}
		a := stream.NewAssembler(stream.Options{Hosts: hosts(t, hostos.Names()[seed%uint64(len(hostos.Names()))])})
		var conn stream.Conn
		s := &sink{}
		a.Segment(&conn, 0, &decode.Packet{Seq: isn - 1, Flags: decode.SYN}, s)
		for _, p := range pieces {
			a.Segment(&conn, 0, &decode.Packet{Seq: isn + uint32(p.from), Payload: text[p.from:p.to], Dst: netip.MustParseAddr("10.0.0.1")}, s)
		}
		a.Close(&conn, s)
		if !bytes.Equal(s.got[0].Bytes(), text) {
			t.Errorf("got %q, want %q", &s.got[0], text)
		}
		if a.Stats().Waiting != 0 {
			t.Errorf("%d bytes still wait", a.Stats().Waiting)
		}
	})
}

// FuzzSegments throws any segments at the assembler: it must stay within its
// memory and give all of it back.
func FuzzSegments(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 5, 1, 9, 9, 9, 40, 0, 0, 0, 0, 200})
	f.Fuzz(func(t *testing.T, script []byte) {
		a := stream.NewAssembler(stream.Options{Memory: 5000, Depth: 20000})
		var conn stream.Conn
		s := &sink{}
		payload := make([]byte, 256)
		for len(script) >= 5 {
			p := &decode.Packet{
				Seq: uint32(script[1])<<24 | uint32(script[2])<<8 | uint32(script[3]), Flags: script[0] >> 1,
				Ack: uint32(script[3]) << 8, Payload: payload[:script[4]],
			}
			a.Segment(&conn, int(script[0]&1), p, s)
			script = script[5:]
			if a.Stats().Waiting > 5000 || a.Stats().Waiting < 0 {
				t.Fatalf("%d bytes wait", a.Stats().Waiting)
			}
		}
		a.Close(&conn, s)
		if a.Stats().Waiting != 0 {
			t.Errorf("%d bytes still wait", a.Stats().Waiting)
		}
	})
}

func TestWhatTheCaptureCutIsAGapAtOnce(t *testing.T) {
	a := stream.NewAssembler(stream.Options{})
	var conn stream.Conn
	s := &sink{}
	for _, p := range []decode.Packet{
		{Flags: decode.SYN, Seq: 100},
		{Seq: 101, Payload: []byte("ab"), Missing: 10},
		{Seq: 113, Missing: 5},
		{Seq: 120, Payload: []byte("gh"), Missing: 1},
		{Seq: 118, Payload: []byte("ef")},
		// Sent again, it is cut again.
		{Seq: 101, Payload: []byte("ab"), Missing: 10},
	} {
		a.Segment(&conn, 0, &p, s)
	}
	if got := s.got[0].String(); got != "ab[10][5]efgh" {
		t.Errorf("%q", got)
	}
	a.Close(&conn, s)
	if got := a.Stats(); got.Gaps != 2 || got.GapBytes != 15 || got.Waiting != 0 {
		t.Errorf("%+v", got)
	}
}
