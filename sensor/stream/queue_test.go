package stream_test

import (
	"net/netip"
	"testing"

	"github.com/antin-gov/antin/sensor/decode"
	"github.com/antin-gov/antin/sensor/hostos"
	"github.com/antin-gov/antin/sensor/stream"
)

// hosts is a table in which 10.0.0.1 has the system.
func hosts(t testing.TB, system string) *hostos.Table {
	table, err := hostos.New(map[string][]string{system: {"10.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestAnOverlapThatWaitsIsReadAsTheReceiverReadsIt(t *testing.T) {
	type piece struct {
		at   uint32
		data string
	}
	cases := []struct {
		name   string
		pieces []piece
		want   map[string]string
	}{
		{"the same place", []piece{{1, "AAAA"}, {1, "BBBB"}},
			map[string]string{"bsd": ".AAAA", "first": ".AAAA", "linux": ".AAAA", "old-linux": ".BBBB", "solaris": ".BBBB", "last": ".BBBB"}},
		{"the same start, longer", []piece{{1, "AAAA"}, {1, "BBBBBB"}},
			map[string]string{"bsd": ".AAAABB", "linux": ".BBBBBB", "windows": ".AAAABB", "last": ".BBBBBB"}},
		{"begins before", []piece{{3, "AAAA"}, {1, "BBBB"}},
			map[string]string{"bsd": ".BBBBAA", "first": ".BBAAAA", "vista": ".BBAAAA", "solaris": ".BBAAAA", "last": ".BBBBAA"}},
		{"begins before and ends after", []piece{{3, "AA"}, {1, "BBBBBB"}},
			map[string]string{"bsd": ".BBBBBB", "first": ".BBAABB", "solaris": ".BBBBBB"}},
		{"lies within", []piece{{1, "AAAAAA"}, {3, "BB"}},
			map[string]string{"bsd": ".AAAAAA", "solaris": ".AAAAAA", "last": ".AABBAA"}},
		{"ends after", []piece{{1, "AAAA"}, {3, "BBBB"}},
			map[string]string{"bsd": ".AAAABB", "linux": ".AAAABB", "solaris": ".AABBBB", "last": ".AABBBB"}},
		{"over three", []piece{{1, "AA"}, {4, "CC"}, {7, "DD"}, {2, "BBBBBB"}},
			map[string]string{"bsd": ".AABBBBBD", "first": ".AABCCBDD", "last": ".ABBBBBBD"}},
		// What is left of a segment is judged as the segment that it was.
		{"a rest", []piece{{1, "AAAAAA"}, {3, "BB"}, {5, "CCCC"}},
			map[string]string{"last": ".AABBCCCC", "bsd": ".AAAAAACC"}},
	}
	for _, c := range cases {
		for system, want := range c.want {
			a := stream.NewAssembler(stream.Options{Hosts: hosts(t, system)})
			var conn stream.Conn
			s := &sink{}
			send := func(flags uint8, seq uint32, data string) {
				a.Segment(&conn, 0, &decode.Packet{Seq: seq, Flags: flags, Payload: []byte(data), Dst: netip.MustParseAddr("10.0.0.1")}, s)
			}
			send(decode.SYN, 99, "")
			for _, p := range c.pieces {
				send(0, 100+p.at, p.data)
			}
			send(0, 100, ".")
			a.Close(&conn, s)
			if got := s.got[0].String(); got != want {
				t.Errorf("%s, %s: %q, want %q", c.name, system, got, want)
			}
			if n := a.Stats().Waiting; n != 0 {
				t.Errorf("%s, %s: %d bytes still wait", c.name, system, n)
			}
		}
	}
}
