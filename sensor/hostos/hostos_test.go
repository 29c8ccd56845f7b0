package hostos_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/antin-gov/antin/sensor/hostos"
)

func TestTheSmallestNetworkDecides(t *testing.T) {
	table, err := hostos.New(map[string][]string{
		"windows": {"0.0.0.0/0"}, "linux": {"10.1.0.0/16", "2001:db8::/32"}, "solaris": {"10.1.2.3"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]hostos.Policy{
		"10.1.2.3": hostos.Solaris, "10.1.2.4": hostos.Linux, "10.2.0.1": hostos.Windows,
		"2001:db8::1": hostos.Linux, "2001:db9::1": hostos.BSD,
	} {
		if got := table.Of(netip.MustParseAddr(host)); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
	var none *hostos.Table
	if none.Of(netip.MustParseAddr("10.1.2.3")) != hostos.BSD {
		t.Error("without a table hosts are BSD")
	}
}

func TestWhatIsNoNetworkOrSystemIsRefused(t *testing.T) {
	for want, networks := range map[error]map[string][]string{
		hostos.ErrPolicy: {"beos": {"10.0.0.0/8"}},
		hostos.ErrPrefix: {"linux": {"10.0.0.0/40"}},
	} {
		_, err := hostos.New(networks)
		if !errors.Is(err, want) {
			t.Errorf("%v: %v, want %v", networks, err, want)
		}
	}
}

// The overlaps of Novak and Sturges' papers: who wins by where the later piece
// begins and ends beside the one that came first.
func TestWhoWinsAnOverlap(t *testing.T) {
	first := hostos.Piece{From: 10, To: 20}
	pieces := []struct {
		name  string
		later hostos.Piece
	}{
		{"before, ends within", hostos.Piece{From: 5, To: 15}},
		{"before, ends with it", hostos.Piece{From: 5, To: 20}},
		{"before, ends after", hostos.Piece{From: 5, To: 25}},
		{"begins with it, ends within", hostos.Piece{From: 10, To: 15}},
		{"the same place", hostos.Piece{From: 10, To: 20}},
		{"begins with it, ends after", hostos.Piece{From: 10, To: 25}},
		{"within", hostos.Piece{From: 12, To: 15}},
		{"after, ends with it", hostos.Piece{From: 15, To: 20}},
		{"after, ends after", hostos.Piece{From: 15, To: 25}},
	}
	cases := []struct {
		policy             hostos.Policy
		segments, fragment string
	}{
		{hostos.First, ".........", "........."},
		{hostos.Vista, ".........", "........."},
		{hostos.Last, "xxxxxxxxx", "xxxxxxxxx"},
		{hostos.BSD, "xxx......", "xxx......"},
		{hostos.MacOS, "xxx......", "xxx......"},
		{hostos.Windows, "xxx......", "..x......"},
		{hostos.Linux, "xxx..x...", "xxxxxx..."},
		{hostos.OldLinux, "xxx.xx...", "xxxxxx..."},
		{hostos.Solaris, ".xx.xx.xx", ".xx......"},
		{hostos.BSDRight, "xxx......", "...xxxxxx"},
	}
	for _, c := range cases {
		for i, p := range pieces {
			if got := c.policy.Segment(p.later, first); got != (c.segments[i] == 'x') {
				t.Errorf("%v, segment, %s: the later one wins: %v", c.policy, p.name, got)
			}
			if got := c.policy.Fragment(p.later, first); got != (c.fragment[i] == 'x') {
				t.Errorf("%v, fragment, %s: the later one wins: %v", c.policy, p.name, got)
			}
		}
	}
}
