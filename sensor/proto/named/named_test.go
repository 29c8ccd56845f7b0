package named

import (
	"testing"

	"github.com/antin-gov/antin/sensor/proto"
)

func TestMarksOfProtocols(t *testing.T) {
	cases := []struct {
		name  string
		probe func(int, []byte, proto.Hint) (bool, bool)
		dir   int
		data  string
		port  uint16
	}{
		{"RFB", RFB, 1, "RFB 003.008\n", 5900},
	}
	for _, c := range cases {
		hint := proto.Hint{Ports: [2]uint16{50000, c.port}}
		yes, _ := c.probe(c.dir, []byte(c.data), hint)
		if !yes {
			t.Errorf("%s is not told", c.name)
		}
		for n := range len(c.data) {
			yes, more := c.probe(c.dir, []byte(c.data[:n]), hint)
			if !yes && !more && n < 4 {
				t.Errorf("%s is given up after %d bytes", c.name, n)
			}
		}
		for _, other := range cases {
			yes, _ = other.probe(c.dir, []byte(c.data), hint)
			if yes && other.name != c.name {
				t.Errorf("%s is taken for %s", c.name, other.name)
			}
		}
	}
}

func FuzzMarks(f *testing.F) {
	f.Add(0, []byte("\x30\x84\x00\x00\x00\x10\x02\x01\x01\x60\x07\x02"))
	f.Fuzz(func(_ *testing.T, dir int, b []byte) {
		for _, probe := range []func(int, []byte, proto.Hint) (bool, bool){RFB} {
			probe(dir&1, b, proto.Hint{Ports: [2]uint16{1, 502}})
		}
	})
}
