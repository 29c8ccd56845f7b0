package stream

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/antin-gov/antin/sensor/decode"
)

// step is one segment of a connection: who, flags, seq, ack and payload
// length.
type step struct {
	dir      int
	flags    uint8
	seq, ack uint32
	size     int
}

const (
	sy = decode.SYN
	ac = decode.ACK
	fi = decode.FIN
	rs = decode.RST
)

// handshake opens a connection with sequence numbers 100 and 500.
var handshake = []step{{0, sy, 100, 0, 0}, {1, sy | ac, 500, 101, 0}, {0, ac, 101, 501, 0}}

func TestWatchNamesWhatDoesNotBelong(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		want  []string
	}{
		{"an ordinary connection", append(slices.Clone(handshake), step{0, ac, 101, 501, 10}, step{1, ac, 501, 111, 20}, step{0, ac | fi, 111, 521, 0}, step{1, ac, 521, 112, 0}, step{1, ac | fi, 521, 112, 0}, step{0, ac, 112, 522, 0}), nil},
		{"a SYN with a FIN", []step{{0, sy | fi, 100, 0, 0}}, []string{"fin_syn"}},
		{"a SYN/ACK from the client", []step{{0, sy, 100, 0, 0}, {0, sy | ac, 100, 1, 0}}, []string{"3whs_synack_in_wrong_direction"}},
		{"a SYN/ACK of something else", []step{{0, sy, 100, 0, 0}, {1, sy | ac, 500, 999, 0}}, []string{"3whs_synack_with_wrong_ack"}},
		{"a SYN/ACK again with another number", append(slices.Clone(handshake[:2]), step{1, sy | ac, 700, 101, 0}), []string{"3whs_synack_resend_with_diff_seq"}},
		{"a wrong last step", append(slices.Clone(handshake[:2]), step{0, ac, 101, 900, 0}), []string{"3whs_right_seq_wrong_ack_evasion"}},
		{"a last step wrong in all", append(slices.Clone(handshake[:2]), step{0, ac, 300, 900, 0}), []string{"3whs_wrong_seq_wrong_ack"}},
		{"a last step by the server", append(slices.Clone(handshake[:2]), step{1, ac, 501, 101, 0}), []string{"3whs_ack_in_wrong_dir"}},
		{"a SYN in an open connection", append(slices.Clone(handshake), step{0, sy, 100, 0, 0}), []string{"est_syn_resend"}},
		{"another SYN in an open connection", append(slices.Clone(handshake), step{0, sy, 900, 0, 0}), []string{"est_syn_resend_diff_seq"}},
		{"a SYN/ACK to the server", append(slices.Clone(handshake), step{0, sy | ac, 100, 501, 0}), []string{"est_synack_toserver"}},
		{"data far outside the window", append(slices.Clone(handshake), step{0, ac, 900000, 501, 10}), []string{"est_packet_out_of_window"}},
		{"an acknowledgement of what was not sent", append(slices.Clone(handshake), step{0, ac, 101, 900000, 0}), []string{"pkt_invalid_ack", "est_invalid_ack"}},
		{"data that has been acknowledged", append(slices.Clone(handshake), step{0, ac, 101, 501, 10}, step{1, ac, 501, 111, 0}, step{0, ac, 101, 501, 10}), []string{"pkt_retransmission", "est_pkt_before_last_ack", "reassembly_segment_before_base_seq"}},
		{"data sent again before its acknowledgement", append(slices.Clone(handshake), step{0, ac, 101, 501, 10}, step{0, ac, 101, 501, 10}), []string{"pkt_retransmission"}},
		{"a keep-alive is no retransmission", append(slices.Clone(handshake), step{0, ac, 101, 501, 10}, step{1, ac, 501, 111, 0}, step{0, ac, 110, 501, 1}), nil},
		{"a reset that acknowledges nothing", append(slices.Clone(handshake), step{1, rs | ac, 501, 900000, 0}), []string{"pkt_invalid_ack", "rst_invalid_ack"}},
		{"a reset", append(slices.Clone(handshake), step{1, rs | ac, 501, 101, 0}), nil},
		{"crossed SYNs with a wrong answer", []step{{0, sy, 100, 0, 0}, {1, sy, 500, 0, 0}, {1, sy | ac, 500, 999, 0}}, []string{"4whs_synack_with_wrong_ack"}},
		{"a wrong FIN after a FIN", append(slices.Clone(handshake), step{1, ac | fi, 501, 101, 0}, step{0, ac | fi, 900000, 502, 0}), []string{"fin1_fin_wrong_seq"}},
		{"an answer that is not seen, and a wrong number", []step{{0, sy, 100, 0, 0}, {0, ac, 300, 501, 10}}, []string{"3whs_async_wrong_seq"}},
		{"an answer that is not seen", []step{{0, sy, 100, 0, 0}, {0, ac, 101, 501, 10}}, nil},
		{"data from who has reset", append(slices.Clone(handshake), step{1, rs | ac, 501, 101, 0}, step{1, ac, 501, 101, 10}), []string{"suspected_rst_inject"}},
		{"a new connection from who has reset", append(slices.Clone(handshake), step{0, rs | ac, 101, 501, 0}, step{0, sy, 900, 0, 0}), nil},
		{"a connection joined midstream is not judged", []step{{0, ac, 101, 501, 10}, {1, sy, 900, 0, 0}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w Watch
			var got []string
			for _, s := range c.steps {
				got = w.See(s.dir, &decode.Packet{Flags: s.flags, Seq: s.seq, Ack: s.ack, Window: 8192, Payload: make([]byte, s.size)}, got)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestTimestampsThatGoBack(t *testing.T) {
	segment := func(flags uint8, stamp byte) *decode.Packet {
		h := make([]byte, 32)
		h[12], h[20], h[21], h[22], h[23], h[27] = 0x80, 1, 1, 8, 10, stamp
		return &decode.Packet{Seq: 101, Ack: 501, Flags: flags, Transport: h, Window: 1000}
	}
	for _, c := range []struct {
		name   string
		stamps []*decode.Packet
		want   bool
	}{
		{"the same again", []*decode.Packet{segment(ac, 9), segment(ac, 9)}, false},
		{"an older one", []*decode.Packet{segment(ac, 9), segment(ac, 8)}, true},
		{"none in a reset", []*decode.Packet{segment(ac, 9), segment(ac|rs, 0)}, true},
		{"all zero", []*decode.Packet{segment(ac, 0), segment(ac, 0)}, false},
	} {
		w := &Watch{}
		for _, s := range handshake {
			w.See(s.dir, &decode.Packet{Flags: s.flags, Seq: s.seq, Ack: s.ack, Window: 1000, Transport: make([]byte, 20)}, nil)
		}
		var got []string
		for _, p := range c.stamps {
			got = w.See(0, p, got)
		}
		if slices.Contains(got, "pkt_invalid_timestamp") != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestOverlapsThatContradictAreAnEvent(t *testing.T) {
	send := func(seq uint32, text string) *decode.Packet {
		return &decode.Packet{Flags: ac, Seq: seq, Ack: 501, Window: 8192, Payload: []byte(text)}
	}
	for _, c := range []struct {
		name  string
		parts []*decode.Packet
		want  bool
	}{
		{"the same again", []*decode.Packet{send(101, "hello"), send(101, "hello")}, false},
		{"other bytes", []*decode.Packet{send(101, "hello"), send(101, "world")}, true},
		{"a part of it, other", []*decode.Packet{send(101, "hello"), send(103, "LLo and more")}, true},
		{"a part of it, the same", []*decode.Packet{send(101, "hello"), send(103, "llo and more")}, false},
		{"before it, other", []*decode.Packet{send(105, "hello"), send(101, "evilH")}, true},
		{"apart", []*decode.Packet{send(101, "hello"), send(106, "world")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := Watch{History: NewHistory(1 << 10)}
			for _, s := range handshake {
				w.See(s.dir, &decode.Packet{Flags: s.flags, Seq: s.seq, Ack: s.ack, Window: 8192}, nil)
			}
			var got []string
			for _, p := range c.parts {
				got = w.See(0, p, got)
			}
			if slices.Contains(got, "reassembly_overlap_different_data") != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			w.Close()
			if w.History.left != 1<<10 {
				t.Errorf("%d bytes are not given back", 1<<10-w.History.left)
			}
		})
	}
}

func TestAWindowThatIsTakenBackIsAnEvent(t *testing.T) {
	w := Watch{}
	for _, s := range handshake {
		w.See(s.dir, &decode.Packet{Flags: s.flags, Seq: s.seq, Ack: s.ack, Window: 8192}, nil)
	}
	got := w.See(0, &decode.Packet{Flags: ac, Seq: 201, Ack: 601, Window: 100}, nil)
	if !slices.Equal(got, []string{"pkt_bad_window_update"}) {
		t.Errorf("%v", got)
	}
}

func TestUrgentBytesAreCounted(t *testing.T) {
	w := Watch{}
	for _, s := range handshake {
		w.See(s.dir, &decode.Packet{Flags: s.flags, Seq: s.seq, Ack: s.ack, Window: 8192}, nil)
	}
	p := &decode.Packet{Flags: ac | decode.URG, Seq: 101, Ack: 501, Window: 8192, Payload: []byte("a"), Transport: make([]byte, 20)}
	p.Transport[19] = 1
	told := 0
	for range maxUrgent + 10 {
		if slices.Contains(w.See(0, p, nil), "reassembly_urgent_oob_limit_reached") {
			told++
		}
		p.Seq++
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestWatchTakesAnySegments(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var w Watch
		for range 100 {
			p := &decode.Packet{Flags: uint8(r.IntN(64)), Seq: uint32(r.IntN(300)), Ack: uint32(r.IntN(300)), Window: uint16(r.IntN(65536)), Payload: make([]byte, r.IntN(5))}
			p.Transport = make([]byte, r.IntN(60))
			for i := range p.Transport {
				p.Transport[i] = byte(r.IntN(256))
			}
			w.See(r.IntN(2), p, nil)
		}
	}
}
